"""Extensions, made once; each app of the process gets them from the factory."""

from __future__ import annotations

from flask_chest import FlaskChest

chest = FlaskChest()
