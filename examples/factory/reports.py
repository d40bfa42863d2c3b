"""Reports. The code next to the views configures their records."""

from __future__ import annotations

from flask import Blueprint, g

from .extensions import chest

bp = Blueprint("reports", __name__)
chest.track(bp, ["rows"])


@bp.get("/<name>")
def show(name: str) -> dict[str, int]:
    g.rows = len(name)
    g.draft = True
    return {"rows": g.rows}
