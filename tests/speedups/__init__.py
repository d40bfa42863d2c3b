"""Tests of ``flask_chest/_speedups/``: C and Python return the same, and the C code is safe."""
