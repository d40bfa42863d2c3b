"""The queries of the Grafana dashboards, run on their stores."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest

from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.operations.background_retention import Maintenance
from tests import ROOT

from ..chests.sql.rollups.suite import days_of_records
from ..servers.influxdb import InfluxDB
from ..servers.postgresql import PostgreSQL

FOLDER = ROOT / "examples" / "grafana"

# Grafana's macros, and the text that replaces them:
# https://grafana.com/docs/grafana/latest/datasources/postgres/#macros
_DAYS = "time BETWEEN now() - interval '7 days' AND now()"
_MACROS = (
    (r"\$__timeFilter\(time\)", _DAYS),
    (r"\$__timeGroup\(time, \$__interval\)", "floor(extract(epoch from time)/3600)*3600"),
    (r"\$__interval", "1h"),
    (r"\$__unixEpochFrom\(\)", "0"),
    (r"\$__unixEpochTo\(\)", "99999999999"),
    (r"\$\{variable:sqlstring\}", "'user_id'"),
    (r"\$timeFilter", "time >= now() - 7d"),
    (r"\$variable", "user_id"),
)


def queries(name: str, key: str) -> Iterator[tuple[str, str]]:
    """Yield the title and the query of each panel and variable."""
    content = json.loads((FOLDER / name).read_text())
    for panel in content["panels"]:
        for target in panel["targets"]:
            yield panel["title"], expand_macros(target[key])
    for variable in content["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], expand_macros(variable["query"])


def expand_macros(query: str) -> str:
    for macro, text in _MACROS:
        query = re.sub(macro, text, query)
    assert "$" not in query
    return query


@pytest.mark.parametrize("name", ["postgresql.json", "influxdb.json"])
def test_panels(name: str) -> None:
    """Panels have different ids and positions, and use the chosen data source."""
    panels: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}


@pytest.mark.server
def test_postgresql() -> None:
    """Every query returns a row."""
    with PostgreSQL() as server:
        chest = FlaskChestPostgreSQL(server.url)
        chest.write(list(days_of_records(datetime.now(timezone.utc))))
        Maintenance([chest], None).run(threading.Event())
        with psycopg.connect(server.url) as connection:
            for title, query in queries("postgresql.json", "rawSql"):
                cursor = connection.execute(query.encode())
                assert cursor.fetchone() is not None, title
        chest.close()


@pytest.mark.server
def test_influxdb() -> None:
    """Every query returns a row."""
    with InfluxDB() as server:
        chest = FlaskChestInfluxDB.from_url(server.url)
        records = days_of_records(datetime.now(timezone.utc))
        # InfluxDB keeps numbers and strings of one variable in separate fields; use numbers only.
        chest.write([replace(each, vars={"user_id": 7}) for each in records])
        for title, query in queries("influxdb.json", "query"):
            assert server.query(query), title
        chest.close()
