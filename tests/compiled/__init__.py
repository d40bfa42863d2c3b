"""Tests of ``flask_chest/compiled/``: it says what Python says, and harms nothing."""
