"""Several apps, and changing configs of one app, share a journal."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.waiting import wait_until

from ..cli.shop import run
from .app import rescan
from .visits import SwitchableChest, account, close, deliver, make_visited_app, visit


def test_two_apps_leave_each_others_records_alone(tmp_path: Path) -> None:
    """Two apps have a chest of the same name; each delivers and counts its own records."""
    down = SwitchableChest("store", up=False)
    first, store = make_visited_app(tmp_path, "first", down), SwitchableChest("store")
    second = make_visited_app(tmp_path, "second", store)
    visit(first, "of-the-first")
    close(first)
    visit(second, "of-the-second")
    deliver(second)
    assert store.request_ids == ["of-the-second"]
    assert account(second, "store")["captured"] == 1
    close(second)

    down.up = True
    again = make_visited_app(tmp_path, "first", down)
    visit(again, "later")
    deliver(again)
    assert sorted(down.request_ids) == ["later", "of-the-first"]
    assert account(again, "store")["captured"] == 2
    close(again)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))


def test_two_apps_leave_each_others_dead_letters_alone(tmp_path: Path) -> None:
    """An app replays and erases its own dead letters only."""
    apps, stores = {}, {}
    for name in ("first", "second"):
        store = stores[name] = SwitchableChest("store", rejects=True)
        app = apps[name] = make_visited_app(tmp_path, name, store)
        visit(app, f"of-the-{name}")
        deliver(app)
        assert account(app, "store")["rejected"] == 1
    for store in stores.values():
        store.rejects = False

    told = run(apps["first"], "replay")
    assert (told.exit_code, told.stdout) == (0, "store: 1 delivered, 0 left\n")
    assert stores["first"].request_ids == ["of-the-first"]
    assert (account(apps["first"], "store")["delivered"], stores["second"].request_ids) == (1, [])

    person = ("--where", "ident=of-the-second", "--yes", "--json")
    for name, number in (("first", None), ("second", 1)):
        assert json.loads(run(apps[name], "forget", *person).stdout)["erased"] == {"store": number}
    found = [account(app, "store") for app in apps.values()]
    assert [(each["captured"], each["rejected"]) for each in found] == [(1, 0), (1, 0)]
    for app in apps.values():
        close(app)


def test_two_apps_have_separate_size_limits(tmp_path: Path) -> None:
    """An app with a small limit does not drop the records of another app."""
    store = SwitchableChest("store", up=False)
    large = make_visited_app(tmp_path, "large", store)
    for _ in range(20):
        visit(large, "x" * 4096)
    close(large)
    small = make_visited_app(
        tmp_path, "small", SwitchableChest("store"), CHEST_BUFFER_MAX_BYTES=65_536
    )
    visit(small, "one")
    deliver(small)
    close(small)
    store.up = True
    again = make_visited_app(tmp_path, "large", store)
    visit(again, "last")
    deliver(again)
    assert len(store.request_ids) == 21
    assert account(again, "store")["lost"] == {}
    close(again)


def test_chests_that_are_added_and_removed_between_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Records wait for a removed chest, and other chests receive theirs."""
    old, kept = SwitchableChest("old", up=False), SwitchableChest("kept", up=False)
    before = make_visited_app(tmp_path, "app", old, kept)
    visit(before, "before")
    close(before)

    kept.up = True
    added = SwitchableChest("added")
    between = make_visited_app(tmp_path, "app", added, kept)
    visit(between, "between")
    deliver(between)
    assert sorted(kept.request_ids) == ["before", "between"]
    assert added.request_ids == ["between"]
    assert account(between, "old")["pending"] == 1
    assert caplog.text.count("has records for 'added' and") == 0
    assert "has records for 'old'" in caplog.text

    old.up = True
    other = make_visited_app(tmp_path, "app", old)  # a second process of the app
    visit(other, "other")
    deliver(other)
    assert sorted(old.request_ids) == ["before", "other"]
    assert account(other, "old")["pending"] == 0
    close(between)
    close(other)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))


@pytest.mark.parametrize("buffer", ["memory", "none"])
def test_an_app_that_no_longer_uses_the_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, buffer: str
) -> None:
    """Its records stay in the journal and a warning is logged, not for other apps' records."""
    store = SwitchableChest("store", up=False)
    before = make_visited_app(tmp_path, "app", store)
    visit(before, "before")
    close(before)
    make_visited_app(tmp_path, "other", SwitchableChest("store"), CHEST_BUFFER=buffer)
    assert "nothing delivers them" not in caplog.text
    store.up = True
    between = make_visited_app(tmp_path, "app", store, CHEST_BUFFER=buffer)
    assert f"with CHEST_BUFFER '{buffer}' nothing delivers them" in caplog.text
    visit(between, "between")
    close(between)
    after = make_visited_app(tmp_path, "app", store)
    visit(after, "after")
    deliver(after)
    assert sorted(store.request_ids) == ["after", "before", "between"]
    close(after)
    caplog.clear()
    make_visited_app(tmp_path, "app", store, CHEST_BUFFER=buffer)
    assert caplog.text == ""


def test_rejected_records_without_a_journal(tmp_path: Path) -> None:
    """They are replayed from dead/, and a later ledger counts them once."""
    store = SwitchableChest("store", rejects=True)
    app = make_visited_app(tmp_path, "app", store, CHEST_BUFFER="memory")
    visit(app, "first")
    assert app.extensions["chest"].flush(60)
    assert account(app, "store")["rejected"] == 1
    close(app)
    store.rejects = False
    assert run(app, "replay").stdout == "store: 1 delivered, 0 left\n"
    found = account(make_visited_app(tmp_path, "app", store), "store")
    assert (found["captured"], found["delivered"], found["rejected"]) == (1, 1, 0)


def test_records_that_are_handed_over_during_close(tmp_path: Path) -> None:
    """While close() is called repeatedly, each record is stored once."""
    store = SwitchableChest("store")
    app = make_visited_app(tmp_path, "app", store)
    over = threading.Event()

    def close_repeatedly() -> None:
        while not over.is_set():
            close(app)

    closer = threading.Thread(target=close_repeatedly)
    closer.start()
    sent = [f"visit-{number}" for number in range(300)]
    for ident in sent:
        visit(app, ident)
    over.set()
    closer.join()
    visit(app, "last")
    rescan(app)
    wait_until(lambda: len(store.request_ids) >= 301, lambda: str(account(app, "store")))
    assert sorted(store.request_ids) == sorted([*sent, "last"])
    close(app)
    assert account(app, "store")["delivered"] == 301
