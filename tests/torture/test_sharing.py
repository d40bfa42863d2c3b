"""Several apps, and several versions of one app's config, in one journal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.chests.base import Chest
from flask_chest.errors import DeliveryError
from flask_chest.record import Record
from tests.waiting import wait_until

from .test_disk import look_around


class Store(Chest):
    """Takes records, or does not."""

    def __init__(self, name: str, up: bool = True) -> None:
        super().__init__(name=name)
        self.up = up
        self.idents: list[str] = []

    def write(self, records: Sequence[Record]) -> None:
        if not self.up:
            raise DeliveryError("down")
        self.idents += [record.request_id for record in records]


def make(folder: Path, name: str, *stores: Store) -> Flask:
    app = Flask(name, instance_path=str(folder), static_folder=None)
    app.config.update(
        CHEST_CHESTS=list(stores), CHEST_EXPORT_INTERVAL=0.05, CHEST_SHUTDOWN_TIMEOUT=60
    )
    FlaskChest(app)

    @app.get("/<ident>")
    def view(ident: str) -> str:
        g.ident = ident
        return ident

    return app


def visit(app: Flask, ident: str) -> None:
    app.test_client().get(f"/{ident}", headers={"X-Request-ID": ident})


def end(app: Flask) -> None:
    app.extensions["chest"].close()


def deliver(app: Flask) -> None:
    """Take over what is there to be taken over, and deliver it."""
    look_around(app)
    app.extensions["chest"].flush(60)
    look_around(app)


def account(app: Flask, chest: str) -> dict[str, object]:
    found: dict[str, object] = app.extensions["chest"].stats()["chests"][chest]
    return found


def test_two_apps_leave_each_others_records_alone(tmp_path: Path) -> None:
    """Chests of one name are not one chest: each app delivers and counts its own records."""
    down = Store("store", up=False)
    first, store = make(tmp_path, "first", down), Store("store")
    second = make(tmp_path, "second", store)
    visit(first, "of-the-first")
    end(first)
    visit(second, "of-the-second")
    deliver(second)
    assert store.idents == ["of-the-second"]
    assert account(second, "store")["captured"] == 1
    end(second)

    down.up = True
    again = make(tmp_path, "first", down)
    visit(again, "later")
    deliver(again)
    assert sorted(down.idents) == ["later", "of-the-first"]
    assert account(again, "store")["captured"] == 2
    end(again)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))


def test_chests_that_come_and_go_between_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Records wait for a chest that was taken out, which keeps no other chest from its own."""
    old, kept = Store("old", up=False), Store("kept", up=False)
    before = make(tmp_path, "app", old, kept)
    visit(before, "before")
    end(before)

    kept.up = True
    added = Store("added")
    between = make(tmp_path, "app", added, kept)
    visit(between, "between")
    deliver(between)
    assert sorted(kept.idents) == ["before", "between"]
    assert added.idents == ["between"]
    assert account(between, "old")["pending"] == 1
    assert caplog.text.count("holds records for 'added' and") == 0
    assert "holds records for 'old'" in caplog.text

    old.up = True
    other = make(tmp_path, "app", old)  # beside it, while it lives
    visit(other, "other")
    deliver(other)
    assert sorted(old.idents) == ["before", "other"]
    assert account(other, "old")["pending"] == 0
    end(between)
    end(other)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))


def test_a_record_handed_over_while_delivery_is_closed(tmp_path: Path) -> None:
    """Requests go on while close() is called again and again: none is lost, none comes twice."""
    store = Store("store")
    app = make(tmp_path, "app", store)
    over = threading.Event()

    def close_again_and_again() -> None:
        while not over.is_set():
            end(app)

    closer = threading.Thread(target=close_again_and_again)
    closer.start()
    sent = [f"visit-{number}" for number in range(300)]
    for ident in sent:
        visit(app, ident)
    over.set()
    closer.join()
    visit(app, "last")
    look_around(app)
    wait_until(lambda: len(store.idents) >= 301, lambda: str(account(app, "store")))
    assert sorted(store.idents) == sorted([*sent, "last"])
    end(app)
    assert account(app, "store")["delivered"] == 301
