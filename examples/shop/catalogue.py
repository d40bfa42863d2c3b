"""Pages for visitors: the front page, the list, one product, the search."""

from __future__ import annotations

import random
import time

from flask import Blueprint, Flask, abort, g, render_template, request

from .products import current_products

bp = Blueprint("catalogue", __name__)
others_cache: dict[str, list[str]] = {}  # Each worker has its own cache.


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)


@bp.get("/")
def home() -> str:
    g.offers = [product.sku for product in current_products() if product.price < 20][:3]
    return render_template("home.html", offers=g.offers)


@bp.get("/products")
def products() -> str:
    g.page = request.args.get("page", 1, type=int)
    start = (g.page - 1) * 12
    found = list(current_products())[start : start + 12]
    if not found:
        abort(404)
    return render_template("products.html", title="Products", products=found)


@bp.get("/products/<sku>")
def product(sku: str) -> str:
    g.sku = sku
    found = current_products().get(sku)
    if found is None:
        abort(404)
    g.stock = found.stock
    g.cache_hit = sku in others_cache
    others = others_cache.get(sku) or find_others(sku)
    per_kilo = found.price_per_kilo
    return render_template("product.html", product=found, per_kilo=per_kilo, others=others)


@bp.get("/search")
def search() -> str:
    g.search_term = request.args.get("q", "").strip().lower()
    if not g.search_term:
        abort(400, "Search for what?")
    found = current_products().search(g.search_term)
    g.results = len(found)
    return render_template("products.html", title=f"“{g.search_term}”", products=found[:12])


def find_others(sku: str) -> list[str]:
    """Return other products that the buyers of a product bought."""
    time.sleep(0.02)  # Simulates a slow service.
    skus = [product.sku for product in current_products()]
    found = others_cache[sku] = random.Random(sku).sample(skus, k=min(3, len(skus)))
    return found
