"""Cart and checkout. The session cookie holds the cart, so any worker can serve it."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Blueprint, Flask, abort, g, render_template, request, session
from werkzeug.exceptions import HTTPException

from .jobs import queue_after_checkout
from .orders import current_orders
from .products import current_products

_logger = logging.getLogger(__name__)

COUPONS = {"WELCOME10": 0.10, "MOVINGHOUSE": 0.25}
# Payment providers' test numbers for a declined card, and for a card that makes their service fail.
DECLINED, BROKEN = "4000000000000002", "4000000000000119"


class PaymentDeclined(HTTPException):
    """The status 402; Werkzeug has no class for it."""

    code = 402
    description = "The bank declined this card."


class GatewayError(Exception):
    """The service of the payment provider does not work."""


bp = Blueprint("billing", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.get("/cart")
def cart() -> str:
    g.items = count_items()
    lines = [(current_products().get(sku), count) for sku, count in get_cart().items()]
    return render_template("cart.html", lines=lines)


@bp.post("/cart/items")
def add_item() -> tuple[dict[str, Any], int]:
    g.sku = request.form["sku"]
    found = current_products().get(g.sku)
    if found is None:
        abort(404)
    wanted = request.form.get("count", 1, type=int)
    if wanted > found.stock:
        g.missing_stock = wanted - found.stock
        abort(409, f"Only {found.stock} left.")
    cart = get_cart()
    session["cart"] = {**cart, g.sku: cart.get(g.sku, 0) + wanted}
    g.items = count_items()
    return {"items": g.items}, 201


@bp.post("/checkout")
def checkout() -> tuple[dict[str, Any], int]:
    g.items = count_items()
    if not g.items:
        abort(400, "The cart is empty.")
    g.coupon = request.form.get("coupon") or None
    g.total = price_cart(COUPONS.get(g.coupon or "", 0.0))
    card = request.form["card"]
    # The card's number never reaches a store: Flask-Chest redacts "card_number" by its name.
    g.payment = {"method": "card", "card_number": card, "accepted": card != DECLINED}
    charge(card, g.total)
    g.order_id = secrets.token_hex(4)
    current_orders().add(g.order_id, g.get("user_id"), g.total)
    queue_after_checkout(g.order_id)
    session.pop("cart")
    return {"order_id": g.order_id, "items": g.items, "total": g.total}, 201


def charge(card: str, total: float) -> None:
    """Simulate the service of the payment provider."""
    if card == DECLINED:
        raise PaymentDeclined
    if card == BROKEN:
        _logger.warning("the gateway answers 503 to a payment of %.2f", total)
        raise GatewayError(f"processing_error for card={card}")


def get_cart() -> dict[str, int]:
    cart: dict[str, int] = session.get("cart", {})
    return cart


def count_items() -> int:
    return sum(get_cart().values())


def price_cart(discount: float) -> float:
    products = current_products()
    bought = ((products.get(sku), count) for sku, count in get_cart().items())
    full = sum(product.price * count for product, count in bought if product is not None)
    return round(full * (1 - discount), 2)
