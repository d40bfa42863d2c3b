"""The dashboard: what was recorded, as pages. All of it comes from here, nothing from afar."""
