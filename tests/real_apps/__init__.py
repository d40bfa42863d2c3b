"""Runs apps that others wrote with and without a chest, and compares what they answer."""
