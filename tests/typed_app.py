"""A user's program, checked with ``mypy --strict``: all public names have precise types.

The program never runs. A line with ``type: ignore`` must be an error for mypy: mypy reports an
unused comment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, g

from flask_chest import (
    Chest,
    FlaskChest,
    FlaskChestClickHouse,
    FlaskChestCustomWriter,
    FlaskChestInfluxDB,
    FlaskChestKafka,
    FlaskChestMongoDB,
    FlaskChestMySQL,
    FlaskChestOTLP,
    FlaskChestPostgreSQL,
    FlaskChestRedis,
    FlaskChestSQLite,
    Record,
    flask_chest,
)
from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.errors import ChestError, ConfigError, DeliveryError, RejectedError
from flask_chest.signals import record_captured, records_lost
from flask_chest.testing import capture_records, check_chest
from flask_chest.typing import ContextTuple, TrackedVars

if TYPE_CHECKING:
    from typing_extensions import assert_type


class PrintingChest(Chest):
    scheme = "printing"

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.status is None:
                raise RejectedError(self.error_message("no status"), record_ids=[record.id])
            if record.duration_ms is not None and record.duration_ms > 1000:
                raise DeliveryError(self.error_message("slow"), retry_after=2.5)
            print(record.route, dict(record.vars))


class OldWriter:
    def write(self, context_tuple_list: list[ContextTuple]) -> None:
        for name, value, request_id in context_tuple_list:
            print(request_id, name, value)


def payload(context_tuple_list: list[ContextTuple]) -> dict[str, Any]:
    return {name: value for name, value, _ in context_tuple_list}


def chests() -> list[Chest]:
    return [
        FlaskChestSQLite(path="chest.db", table="records"),
        FlaskChestPostgreSQL("postgresql://db/shop", name="main"),
        FlaskChestMySQL(url="mysql://db/shop"),
        FlaskChestMongoDB("mongodb://db/shop", collection="records"),
        FlaskChestClickHouse("clickhouse://db/shop", settings={"async_insert": 1}),
        FlaskChestInfluxDB(host="influx", custom_tags={"site": "one"}),
        FlaskChestKafka("kafka://broker/records", options={"compression.type": "zstd"}),
        FlaskChestOTLP("https://collector", headers={"key": "k"}, resource={"rack": 7}),
        FlaskChestRedis("redis://queue/0", stream="shop", maxlen=10_000),
        FlaskChestCustomWriter("https://host/path", payload_generator=payload, verify=True),
        PrintingChest(name="printing"),
        Chest.from_tuple_writer(OldWriter()),
    ]


def create_app() -> Flask:
    app = Flask(__name__)
    tracked: TrackedVars = {"GET": ["user_id"], "*": ["total"]}
    chest = FlaskChest(
        app,
        chests=chests(),
        tracked_vars=tracked,
        rules=[{"rule": "/orders/*", "track": ["total"]}],
        request_id_generator=lambda: 7,
    )
    billing = Blueprint("billing", __name__)
    chest.track(billing, ["invoice_id"], methods=["POST"])
    chest.track("billing", sample=0.5)
    assert_type(chest.flush(timeout=1), bool)
    assert_type(chest.stats(), dict[str, Any])
    return app


@flask_chest(tracked_vars=["total"])
def pay(order_id: int) -> tuple[str, int]:
    g.total = 99.5
    return "paid", 201


@flask_chest(chests=["sqlite:///orders.db"], raise_exceptions=False)
async def pay_later(order_id: int) -> str:
    return "noted"


@record_captured.connect
def look(sender: Flask, record: Record, **extra: object) -> None:
    assert_type(record.status, int | None)


@records_lost.connect
def alarm(sender: Flask, chest: str, reason: str, count: int, **extra: object) -> None:
    print(chest, reason, count)


def see_what_is_recorded(app: Flask) -> list[Record]:
    with capture_records(app) as records:
        app.test_client().get("/")
    return records


def run_health(app: Flask) -> None:
    dockerflow = Dockerflow(app, silenced_checks=["dockerflow.health.W001"])

    @dockerflow.check
    def storage() -> list[checks.CheckMessage]:
        return [checks.Warning("slow", id="acme.W001")]

    @dockerflow.check(name="queue")
    async def queue() -> list[checks.CheckMessage]:
        return []

    assert_type(storage(), list[checks.CheckMessage])


def check() -> tuple[str, ...]:
    try:
        return check_chest(lambda: PrintingChest(), timeout=1)
    except ConfigError as error:
        assert_type(error.args, tuple[Any, ...])
        raise
    except ChestError:
        return ()


def type_of_a_decorated_view() -> None:
    """The decorator keeps the type of the view."""
    assert_type(pay(7), tuple[str, int])
    pay("seven")  # type: ignore[arg-type]


def mistakes(app: Flask, record: Record) -> None:
    FlaskChest(app, tracked=["total"])  # type: ignore[call-arg]
    FlaskChest(app, tracked_vars=7)  # type: ignore[arg-type]
    FlaskChestInfluxDB(bucket=7)  # type: ignore[arg-type]
    record.status = 200  # type: ignore[misc]
    PrintingChest().write([{"id": "7"}])  # type: ignore[list-item]
    Chest.from_tuple_writer(print)  # type: ignore[arg-type]
