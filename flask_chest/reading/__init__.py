"""Reads records back: from a question to figures, without getting in the way of those who write."""
