"""``capture_records`` of ``flask_chest.testing``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.testing import capture_records

from .apps import Site, put


def test_the_records_of_a_block(site: Site) -> None:
    """Records are collected within the block only, and delivered as usual."""
    site.app.add_url_rule("/<int:n>", "view", lambda n: put("n", n, "done"))
    client = site.client
    client.get("/1")
    with capture_records(site.app) as records:
        client.get("/2")
        assert [record.vars for record in records] == [{"n": 2}]
    client.get("/3")
    assert [record.vars for record in records] == [{"n": 2}]
    assert [record.vars["n"] for record in site.store.records] == [1, 2, 3]


def test_nested_blocks(site: Site) -> None:
    """Each nested block has its own list."""
    site.app.add_url_rule("/", "view", lambda: "done")
    with capture_records(site.app) as outer:
        site.client.get("/")
        with capture_records(site.app) as inner:
            site.client.get("/")
    assert (len(outer), len(inner)) == (2, 1)


def test_an_exception_in_the_block(site: Site) -> None:
    """An exception ends the collecting."""
    site.app.add_url_rule("/", "view", lambda: "done")
    with pytest.raises(LookupError), capture_records(site.app) as records:
        raise LookupError
    site.client.get("/")
    assert records == []


def test_jobs(site: Site) -> None:
    """Records of background jobs are collected."""
    with capture_records(site.app) as records, site.app.app_context():
        g.rows = 1
    assert [record.kind for record in records] == ["job"]


def test_rules_apply(make_site: Callable[..., Site]) -> None:
    """A request that a rule excludes is not collected."""
    site = make_site(CHEST_RULES=[{"rule": "/", "record": False}])
    site.app.add_url_rule("/", "view", lambda: "done")
    with capture_records(site.app) as records:
        site.client.get("/")
    assert records == []


def test_another_app(site: Site, tmp_path: Path) -> None:
    """Records of other apps are not collected."""
    other = Site(tmp_path)
    other.app.add_url_rule("/", "view", lambda: "done")
    with other.recording(), capture_records(site.app) as records:
        other.client.get("/")
    assert records == []


def test_an_app_without_the_extension() -> None:
    """For an app without a ``FlaskChest`` it raises an error with the remedy."""
    app = Flask("plain")
    with pytest.raises(RuntimeError, match=r"'plain' has no FlaskChest: call FlaskChest\(app\)"):
        capture_records(app).__enter__()


def test_a_disabled_app(tmp_path: Path) -> None:
    """With recording off the list stays empty."""
    app = Flask("off", instance_path=str(tmp_path))
    app.config["CHEST_ENABLED"] = False
    FlaskChest(app)
    app.add_url_rule("/", "view", lambda: "done")
    with capture_records(app) as records:
        app.test_client().get("/")
    assert records == []
