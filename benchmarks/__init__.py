"""Benchmarks: Flask-Chest beside its alternatives, and the promises of the documentation."""
