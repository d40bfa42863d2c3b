"""Where Dockerflow meets :class:`~flask_chest.FlaskChest`, in an app that has both."""

from __future__ import annotations

from typing import Any

from flask import Flask

from .checks.registry import CheckFn


def request_id() -> str | None:
    """The id that the chest gave the request being served; ``None`` where there is no chest."""
    return None


def add_variables(fields: dict[str, Any]) -> None:
    """Add the tracked variables of the request being served to its summary's fields."""


def checks(app: Flask) -> dict[str, CheckFn]:
    """The check of the app's chest, by name; none where the app has no chest."""
    return {}
