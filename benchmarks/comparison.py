"""Compares ways to store batches in short interleaved rounds, since machines are noisy."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import Any, Generic, TypeVar

from flask_chest._speedups import IdMaker
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.record.record import Record

T = TypeVar("T")

BATCH = 1000
#: Default size of a comparison.
SIZE: dict[str, int] = {"batches": 20, "rounds": 5}


@dataclass
class Contender(Generic[T]):
    """One way to store batches.

    :param store: stores one batch durably.
    :param finish: called at the end of each round; its time is included.
    """

    name: str
    store: Callable[[T], object]
    finish: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, batches: Sequence[T]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            self.store(batch)
        self.finish()
        self.seconds.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


#: Hand-written code, which gets records as Python objects.
Rival = Contender[Sequence[Record]]

#: A chest, which gets the lines that capture encoded.
Chest = Contender[Sequence[Record]]


def compare(
    title: str,
    ours: Chest,
    rivals: Sequence[Rival],
    *,
    batches: int,
    rounds: int,
) -> float:
    """Run all in turn and print medians; return the ratio to the best rival."""
    for number in range(rounds + 1):
        if number == 1:
            _forget_warm_up(ours, rivals)
        made = [make_records() for _ in range(batches)]
        lines = [Batch([encode(record) for record in records]) for records in made]
        # The garbage collector must not scan the batches, which exist only for the measurement.
        gc.collect()
        gc.freeze()
        for rival in rivals:
            rival.run(made)
        ours.run(lines)
        gc.unfreeze()
        if sys.stderr.isatty():
            print(f"\r{title}: round {number} of {rounds} ", end="", file=sys.stderr, flush=True)
    count = batches * BATCH
    print(f"\n{title} ({rounds} rounds of {count} records, batches of {BATCH})")
    for contender in (*rivals, ours):
        rate, cpu = count / median(contender.seconds), median(contender.cpu) / count * 1e6
        print(f"  {contender.name:<56}{rate:>10,.0f} records/s{cpu:>8.1f} us CPU")
    ratio = min(median(rival.seconds) for rival in rivals) / median(ours.seconds)
    print(f"  relative to the best rival{ratio:>44.2f} times")
    return ratio


def make_records() -> list[Record]:
    """Make one batch of records with five variables, as an app captures them."""
    start = datetime.now(timezone.utc)
    records = []
    for number in range(BATCH):
        moment = start + timedelta(microseconds=number * 37)
        identity = _ids.make(int(moment.timestamp() * 1e6))
        records.append(
            Record(
                id=identity,
                time=moment,
                request_id=identity,
                method="GET" if number % 3 else "POST",
                route="/orders/<int:order_id>",
                endpoint="orders.pay",
                blueprint="orders",
                status=200 if number % 20 else 404,
                duration_ms=number % 50 + 0.5,
                vars={
                    "user_id": number,
                    "total": number * 1.25,
                    "tenant": "acme",
                    "cached": number % 2 == 0,
                    "note": "first order",
                },
                tags={"service": "shop", "version": "1.0"},
            )
        )
    return records


def _forget_warm_up(ours: Chest, rivals: Sequence[Rival]) -> None:
    for contender in (ours, *rivals):
        contender.seconds.clear()
        contender.cpu.clear()


_ids = IdMaker()


def document(record: Record) -> dict[str, Any]:
    """A record as a dict, as hand-written code would build it."""
    return {
        "_id": record.id,
        "time": record.time,
        "kind": record.kind,
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "method": record.method,
        "route": record.route,
        "endpoint": record.endpoint,
        "blueprint": record.blueprint,
        "status": record.status,
        "duration_ms": record.duration_ms,
        "error": record.error,
        "sample_rate": record.sample_rate,
        "vars": record.vars,
        "tags": record.tags,
        "bytes_sent": record.bytes_sent,
        "disconnected": record.disconnected,
    }
