"""The journal: an append-only log on disk, one folder per writing process."""
