"""Tests of ``flask_chest/_speedups/``: it says what Python says, and harms nothing."""
