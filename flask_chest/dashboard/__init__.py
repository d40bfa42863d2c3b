"""The dashboard: pages over the recorded requests, with all scripts and styles in the package."""
