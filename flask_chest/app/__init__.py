"""What Flask-Chest has for one Flask app, and the code that wires its parts together."""
