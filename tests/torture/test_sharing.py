"""Several apps, and several versions of one app's config, in one journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.chests.base import Chest
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.record.record import Record
from tests.waiting import wait_until

from ..cli.shop import run
from .app import rescan


class Store(Chest):
    """Takes records, or does not."""

    def __init__(self, name: str, up: bool = True, refuses: bool = False) -> None:
        super().__init__(name=name)
        self.up = up
        self.refuses = refuses
        self.idents: list[str] = []

    def write(self, records: Sequence[Record]) -> None:
        if not self.up:
            raise DeliveryError("down")
        if self.refuses:
            raise RejectedError("no", record_ids=[record.id for record in records])
        self.idents += [record.request_id for record in records]


def make(folder: Path, name: str, *stores: Any, **config: Any) -> Flask:
    app = Flask(name, instance_path=str(folder), static_folder=None)
    app.config.update(
        CHEST_CHESTS=list(stores), CHEST_EXPORT_INTERVAL=0.05, CHEST_SHUTDOWN_TIMEOUT=60, **config
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
    rescan(app)
    app.extensions["chest"].flush(60)
    rescan(app)


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


def test_two_apps_leave_each_others_dead_letters_alone(tmp_path: Path) -> None:
    """What one store has refused is sent again to it, and erased by its own app, and no other."""
    apps, stores = {}, {}
    for name in ("first", "second"):
        store = stores[name] = Store("store", refuses=True)
        app = apps[name] = make(tmp_path, name, store)
        visit(app, f"of-the-{name}")
        deliver(app)
        assert account(app, "store")["rejected"] == 1
    for store in stores.values():
        store.refuses = False

    told = run(apps["first"], "replay")
    assert (told.exit_code, told.stdout) == (0, "store: 1 delivered, 0 left\n")
    assert stores["first"].idents == ["of-the-first"]
    assert (account(apps["first"], "store")["delivered"], stores["second"].idents) == (1, [])

    person = ("--where", "ident=of-the-second", "--yes", "--json")
    for name, number in (("first", None), ("second", 1)):
        assert json.loads(run(apps[name], "forget", *person).stdout)["erased"] == {"store": number}
    found = [account(app, "store") for app in apps.values()]
    assert [(each["captured"], each["rejected"]) for each in found] == [(1, 0), (1, 0)]
    for app in apps.values():
        end(app)


def test_two_apps_have_room_of_their_own(tmp_path: Path) -> None:
    """An app that may have little in its journal does not make room there at another's cost."""
    store = Store("store", up=False)
    large = make(tmp_path, "large", store)
    for _ in range(20):
        visit(large, "x" * 4096)
    end(large)
    small = make(tmp_path, "small", Store("store"), CHEST_BUFFER_MAX_BYTES=65_536)
    visit(small, "one")
    deliver(small)
    end(small)
    store.up = True
    again = make(tmp_path, "large", store)
    visit(again, "last")
    deliver(again)
    assert len(store.idents) == 21
    assert account(again, "store")["lost"] == {}
    end(again)


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
    assert caplog.text.count("has records for 'added' and") == 0
    assert "has records for 'old'" in caplog.text

    old.up = True
    other = make(tmp_path, "app", old)  # beside it, while it lives
    visit(other, "other")
    deliver(other)
    assert sorted(old.idents) == ["before", "other"]
    assert account(other, "old")["pending"] == 0
    end(between)
    end(other)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))


@pytest.mark.parametrize("buffer", ["memory", "none"])
def test_a_buffer_that_is_on_disk_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, buffer: str
) -> None:
    """What waits in the journal waits on, and the app says so; another app's is its own matter."""
    store = Store("store", up=False)
    before = make(tmp_path, "app", store)
    visit(before, "before")
    end(before)
    make(tmp_path, "other", Store("store"), CHEST_BUFFER=buffer)
    assert "nothing delivers them" not in caplog.text
    store.up = True
    between = make(tmp_path, "app", store, CHEST_BUFFER=buffer)
    assert f"with CHEST_BUFFER '{buffer}' nothing delivers them" in caplog.text
    visit(between, "between")
    end(between)
    after = make(tmp_path, "app", store)
    visit(after, "after")
    deliver(after)
    assert sorted(store.idents) == ["after", "before", "between"]
    end(after)
    caplog.clear()
    make(tmp_path, "app", store, CHEST_BUFFER=buffer)
    assert caplog.text == ""


def test_what_is_refused_without_a_journal(tmp_path: Path) -> None:
    """It is sent again from dead/, and a ledger that is kept later on tells of it once."""
    store = Store("store", refuses=True)
    app = make(tmp_path, "app", store, CHEST_BUFFER="memory")
    visit(app, "first")
    assert app.extensions["chest"].flush(60)
    assert account(app, "store")["rejected"] == 1
    end(app)
    store.refuses = False
    assert run(app, "replay").stdout == "store: 1 delivered, 0 left\n"
    found = account(make(tmp_path, "app", store), "store")
    assert (found["captured"], found["delivered"], found["rejected"]) == (1, 1, 0)


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
    rescan(app)
    wait_until(lambda: len(store.idents) >= 301, lambda: str(account(app, "store")))
    assert sorted(store.idents) == sorted([*sent, "last"])
    end(app)
    assert account(app, "store")["delivered"] == 301
