"""The shop's commands."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

import click
from flask import Flask, current_app, g
from flask.cli import with_appcontext

from .products import Product, Products


def init_app(app: Flask) -> None:
    app.cli.add_command(import_products)


@click.command("import-products")
@click.argument("file", type=click.File(encoding="utf-8"))
@with_appcontext
def import_products(file: TextIO) -> None:
    """Replace the catalogue by a CSV FILE of sku, name, price, kilos and stock."""
    g.source = file.name
    g.imported = g.skipped = 0
    products = Products(read_products(csv.DictReader(file)))
    products.save(current_app.instance_path)
    click.echo(f"{g.imported} products imported, {g.skipped} skipped")


def read_products(rows: Iterable[Mapping[str, str]]) -> Iterator[Product]:
    for row in rows:
        try:
            product = Product.from_row(row)
        except (KeyError, TypeError, ValueError):
            g.skipped += 1
            continue
        g.imported += 1
        yield product
