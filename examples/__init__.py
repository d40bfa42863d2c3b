"""Example apps for Flask-Chest."""
