"""The shop's products, kept in memory."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

KINDS = ("chest", "trunk", "crate", "box", "drawer", "lock", "hinge", "key ring")
WOODS = ("oak", "pine", "walnut", "cedar", "beech", "ash")
FIELDS = ("sku", "name", "price", "kilos", "stock")


@dataclass(frozen=True, slots=True)
class Product:
    """One article of the catalogue."""

    sku: str
    name: str
    price: float
    kilos: float
    stock: int

    @property
    def price_per_kilo(self) -> float:
        return round(self.price / self.kilos, 2)

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Product:
        """Read a row of CSV; raises ``ValueError`` or ``KeyError`` if it is not a product."""
        return cls(
            sku=row["sku"],
            name=row["name"],
            price=float(row["price"]),
            kilos=float(row["kilos"]),
            stock=int(row["stock"]),
        )


class Products:
    """The catalogue of one app."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._by_sku = {product.sku: product for product in products}

    def __iter__(self) -> Iterator[Product]:
        return iter(self._by_sku.values())

    def __len__(self) -> int:
        return len(self._by_sku)

    def get(self, sku: str) -> Product | None:
        return self._by_sku.get(sku)

    def search(self, term: str) -> list[Product]:
        return [product for product in self if term.lower() in product.name]

    @classmethod
    def load(cls, folder: str) -> Products:
        """Load the products that ``import-products`` stored in this folder, or invented ones."""
        path = Path(folder, "products.csv")
        if not path.exists():
            return cls(made_up())
        with path.open(newline="", encoding="utf-8") as file:
            return cls(Product.from_row(row) for row in csv.DictReader(file))

    def save(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with Path(folder, "products.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(FIELDS)
            writer.writerows([getattr(product, name) for name in FIELDS] for product in self)


def made_up(count: int = 48) -> Iterator[Product]:
    """Return invented products, the same on every start."""
    dice = random.Random("products")
    for number in range(count):
        yield Product(
            sku=f"C{number:03}",
            name=f"{dice.choice(WOODS)} {KINDS[number % len(KINDS)]}",
            price=dice.randrange(400, 24_000, 5) / 100,
            # The ninth product has no weight, so its page divides by zero.
            kilos=0.0 if number == 8 else dice.randrange(1, 80) / 4,
            stock=dice.choice((0, 3, 8, 20, 50)),
        )


def current_products() -> Products:
    products = current_app.extensions["products"]
    assert isinstance(products, Products)
    return products
