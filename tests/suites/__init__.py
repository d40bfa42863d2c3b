"""Runs the test suites of other packages with a chest in every app, and compares the results."""
