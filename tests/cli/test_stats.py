"""``flask chest stats``."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from flask_chest.chests.sql.reader import SQLReader

from .shop import RANGE, cells, lines_of, run


def test_stats(shop: Flask) -> None:
    """One row per route: weighted counts, errors, percentiles and a trend."""
    result = run(shop, "stats", *RANGE)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["route", "count", "per"]
    assert lines[4].startswith("(none)  "), "of equal counts, the group without a value is the last"
    assert "300" in lines[2]
    assert "▁" in lines[2]
    assert [line.split("  ")[0] for line in lines[2:]] == ["/", "/orders/<int:order_id>", "(none)"]


def test_stats_have_units(shop: Flask) -> None:
    """Durations are in milliseconds; the unit of a rate makes it at least 1."""
    header, _, first, *_ = run(shop, "stats", *RANGE).stdout.splitlines()
    assert "mean ms" in header
    [unit] = re.findall(r"per (s|min|h|day)", header)
    per = float(first[header.index("per ") :].split()[0])
    [found] = lines_of(run(shop, "stats", *RANGE, "--json"))
    seconds = {"s": 1, "min": 60, "h": 3600, "day": 86400}[unit]
    assert per >= 1 or unit == "day"
    assert per == pytest.approx(found["groups"][0]["per_second"] * seconds, rel=0.01)
    assert "mean ms" not in run(shop, "stats", "--of", "balance", *RANGE).stdout


def test_stats_of_an_unknown_name(shop: Flask) -> None:
    """A warning names a variable that no record has, since the result looks like an empty store."""
    assert run(shop, "stats", "--by", "tenent", *RANGE).stderr == (
        "none of these records has a vars.tenent\n"
    )
    assert run(shop, "stats", "--of", "tenent", *RANGE).stderr == (
        "none of these records has a number in vars.tenent\n"
    )
    assert run(shop, "stats", "--by", "user_id", "--of", "balance", *RANGE).stderr == ""


def test_a_measure_without_numbers(shop: Flask) -> None:
    """A sum of no numbers is no number, in the table as in JSON."""
    options = ["--of", "tenent", "--by", "method", *RANGE]
    [found] = lines_of(run(shop, "stats", *options, "--json"))
    assert {each["sum"] for each in found["groups"]} == {None}
    header, _, *rows = run(shop, "stats", *options).stdout.splitlines()
    place = cells(header).index("sum")
    assert [cells(row)[place] for row in rows] == ["-"] * len(rows)


def test_stats_of_anything(shop: Flask) -> None:
    """Variables can be grouped, filtered and measured."""
    options = ["--by", "user_id", "--of", "balance", "--where", "status>=500", "--limit", "3"]
    [found] = lines_of(run(shop, "stats", *options, *RANGE, "--json"))
    assert found["by"] == "vars.user_id"
    assert len(found["groups"]) == 3
    assert found["looked_at"] == 1
    assert all(group["errors"] == group["count"] for group in found["groups"])
    assert found["groups"][0]["sum"] < 0
    assert sum(found["groups"][0]["trend"]) == pytest.approx(found["groups"][0]["count"])
    assert "(others)" in run(shop, "stats", "--by", "user_id", "--limit", "3", *RANGE).stdout


def test_estimated_stats(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many records, the command reads a sample and says so."""
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    text = run(shop, "stats", "--by", "method", *RANGE).stderr
    assert re.match(r"estimated from \d+ of about \d+ records, spread evenly over the range", text)
    note, _ = run(shop, "stats", "--by", "unique", *RANGE).stderr.splitlines()
    assert note == "nearly every record has a different value; these are some of them"
    [found] = lines_of(run(shop, "stats", "--by", "method", *RANGE, "--json"))
    assert 0 < found["looked_at"] < 1


def test_estimated_stats_without_matches(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no record of a sample matches, the command does not claim that no record does."""
    rare = ["stats", "--where", "unique=value 7", *RANGE]
    assert "no such records" not in run(shop, *rare).stdout
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 10)
    output = run(shop, *rare).stdout
    assert re.fullmatch(r"no such records in the [\d.]+% of the range that was .*\n", output)


def test_stats_of_hostile_values(shop: Flask) -> None:
    """Control characters in values do not reach the terminal."""
    text = run(shop, "stats", "--by", "mixed", *RANGE).stdout
    assert "\N{REPLACEMENT CHARACTER}<b>" in text
    assert "\u202e" not in text
    assert "…" in text
