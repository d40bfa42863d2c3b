"""Orders. chest.toml configures their records."""

from __future__ import annotations

from flask import Blueprint, g, request

bp = Blueprint("orders", __name__)


@bp.post("/<int:order_id>")
def pay(order_id: int) -> str:
    g.order_id = order_id
    g.total = float(request.form["total"])
    g.note = request.form.get("note")
    return "paid"
