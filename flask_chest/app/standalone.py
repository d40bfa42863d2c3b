"""What is held for an app that has decorated views and no ``FlaskChest``."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask

from ..config import settings as config
from .state import AppChest

#: Where an app carries it, among its extensions.
_STAND_IN = "chest.stand-in"


def stand_in(app: Flask) -> AppChest | None:
    """What is held for such an app; ``None`` where recording is off."""
    if _STAND_IN not in app.extensions:
        settings = replace(config.read(app.config), chests=[])
        made = AppChest(app, settings) if settings.enabled else None
        app.extensions.setdefault(_STAND_IN, made)
    held: AppChest | None = app.extensions[_STAND_IN]
    return held
