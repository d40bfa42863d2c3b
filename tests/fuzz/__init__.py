"""Fuzzers: ``python -m tests.fuzz`` runs them, and all property tests, under the sanitizers."""
