"""The chests, one folder for each store. A driver is imported when its chest first needs it."""
