"""The backends. Each driver is imported in its own file only, and only when it is used."""
