"""A plugin of pytest that adds ``FlaskChest(app)``, with default settings, to every app.

It is loaded by name in the environment of the suite, and imports nothing of the tests.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from flask import Flask

from flask_chest import FlaskChest

_original_init = Flask.__init__


@wraps(_original_init)
def _init_with_chest(self: Flask, *arguments: Any, **named: Any) -> None:
    _original_init(self, *arguments, **named)
    FlaskChest(self)


Flask.__init__ = _init_with_chest  # type: ignore[method-assign]
