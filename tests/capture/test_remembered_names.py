"""Names that views make up: a route remembers only a limited number of characters."""

from __future__ import annotations

import gc
import tracemalloc

from flask import g, request

from flask_chest.app.state import get_state

from ..apps import Site


def test_headers_are_redacted(site: Site) -> None:
    """``dict(request.headers)`` and its pairs are stored without cookies and credentials."""

    @site.app.get("/")
    def view() -> str:
        g.headers, g.pairs = dict(request.headers), list(request.headers)
        g.csp_nonce = "n"
        return "done"

    site.client.get("/", headers={"Cookie": "a=b", "Authorization": "c", "X-Ok": "d"})
    made = site.only().vars
    assert (made["csp_nonce"], made["headers"]["X-Ok"]) == ("[REDACTED]", "d")  # type: ignore[index,call-overload]
    assert "a=b" not in str(made)
    assert ["Authorization", "[REDACTED]"] in made["pairs"]  # type: ignore[operator]


def test_long_names_are_not_kept(site: Site) -> None:
    """300 requests with names of 300 kB each, as variables and keys, leave less than 10 MiB."""
    number = iter(range(1000))

    @site.app.get("/")
    def view() -> str:
        n = next(number)
        # Not by setattr(), whose names Python 3.12 keeps for ever.
        vars(g._get_current_object())[f"{'x' * 300_000}{n}"] = 1
        g.inner = {f"{'y' * 300_000}{n}": 1}
        return "done"

    client = site.client
    client.get("/")
    tracemalloc.start()
    for _ in range(300):
        client.get("/")
        site.records.clear()
        site.store.records.clear()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Of 180 MB. Python itself keeps up to 30 names that instances of one class have had.
    assert grown < 10 << 20


def test_long_sets_of_names_are_not_kept(site: Site) -> None:
    """Views that make up many names at once leave no long sets of names."""
    number = iter(range(1000))

    @site.app.get("/")
    def view() -> str:
        n = next(number)
        for index in range(60):
            setattr(g, f"{'x' * 100}_{n}_{index}", 1)
        return "done"

    for _ in range(10):
        site.client.get("/")
    [encoding] = get_state(site.app).plans.known.values()
    assert encoding.plain_key_sets == set()
    assert len(encoding.name_decisions) == 600
