"""Pages for the staff: a slow report, and the orders of a year as one long download."""

from __future__ import annotations

import random
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, abort, g, render_template, request
from flask import stream_with_context as with_context

from .account import STAFF
from .orders import current_orders

bp = Blueprint("admin", __name__, url_prefix="/admin")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.before_request
def staff_only() -> None:
    if g.get("user_id") not in STAFF.values():
        abort(403)


@bp.get("/sales")
def sales() -> str:
    g.days = request.args.get("days", 30, type=int)
    g.sales = current_orders().sum_up(min(g.days, 365))
    current_orders().count_by_first_digit()
    return render_template("sales.html", days=g.days)


@bp.get("/orders.csv")
def orders() -> Response:
    return Response(with_context(write_orders(days=365)), mimetype="text/csv")


def write_orders(days: int) -> Iterator[str]:
    """Yield the orders day by day; ``g.rows`` shows how far a client got that disconnects."""
    dice = random.Random("orders")
    g.rows = 0
    yield "day,order,total\r\n"
    for day in range(1, days + 1):
        lines = [f"{day},{g.rows + n},{dice.randrange(400, 90_000) / 100}\r\n" for n in range(40)]
        g.rows += len(lines)
        yield "".join(lines)
