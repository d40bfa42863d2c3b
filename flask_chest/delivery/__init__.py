"""Delivers records from the request thread to the chests. Knows no store and no Flask."""
