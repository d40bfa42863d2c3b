"""Apps that show Flask-Chest at work."""
