"""The shop's orders, in a SQLite file that all workers share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import Flask, current_app
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

CREATE = "create table if not exists orders (id text primary key, user_id integer, total real)"
INSERT = "insert into orders (id, user_id, total) values (:id, :user_id, :total)"
# Stands for a query that nobody has given an index: it makes up 2,000 sales of each day.
SUM = """
    with recursive sale(number) as (
        select 1 union all select number + 1 from sale where number < :days * 2000
    )
    select sum(number % 900) from sale
"""
SOLD = "select count(*) from orders where id like :prefix"


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of one app."""

    engine: Engine

    def add(self, order_id: str, user_id: int | None, total: float) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(INSERT), {"id": order_id, "user_id": user_id, "total": total})

    def sum_up(self, days: int) -> int:
        with self.engine.connect() as connection:
            found: int = connection.execute(text(SUM), {"days": days}).scalar_one()
        return found

    def count_by_first_digit(self) -> dict[str, int]:
        """Count orders with a query for each digit: the dashboard shows this loop."""
        with self.engine.connect() as connection:
            return {
                digit: connection.execute(text(SOLD), {"prefix": f"{digit}%"}).scalar_one()
                for digit in "0123456789abcdef"
            }


def init_app(app: Flask) -> None:
    Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    # A connection to a file opens fast, and none stays open when the app is gone.
    engine = create_engine(f"sqlite:///{app.instance_path}/orders.sqlite", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(CREATE))
    app.extensions["orders"] = Orders(engine)


def current_orders() -> Orders:
    orders = current_app.extensions["orders"]
    assert isinstance(orders, Orders)
    return orders
