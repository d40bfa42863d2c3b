"""Extension objects, created once; the factory initialises them for each app."""

from __future__ import annotations

from flask_chest import FlaskChest

chest = FlaskChest()
