"""The MySQL chest with servers and proxies whose settings differ from the defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pymysql
import pytest

from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.testing import make_records
from tests.servers.mariadb import MariaDB
from tests.servers.tcp_proxy import TCPProxy

from .helpers import open_reader
from .schema_versions import MARIADB_1, ROWS_1

pytestmark = pytest.mark.server


def ask(server: MariaDB, *statements: str, database: str = "chest") -> list[tuple[Any, ...]]:
    """Run statements as an administrator; return the rows of the last one."""
    with (
        pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.mark.parametrize(
    "options",
    [
        ["--character-set-server=latin1", "--collation-server=latin1_german1_ci"],
        ["--character-set-server=utf8mb3", "--skip-character-set-client-handshake"],
        ["--character-set-server=utf16", "--init-connect=SET NAMES latin1"],
        ["--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY,PIPES_AS_CONCAT"],
    ],
)
def test_character_sets_and_modes(options: list[str]) -> None:
    """The view has all names and values, whatever the defaults of server and database are."""
    variables: dict[str, Any] = {
        "ключ 日本 😀": "Wert 😀 \\ ' \"",
        "-x": "1",
        "": "empty",
        "a\tb": "tab",
        "Q": "upper",
        "q": "lower",
        'q"u\\o.te$[0]': "x",
        "none": None,
    }
    with MariaDB(*options) as server:
        ask(server, "CREATE DATABASE other", "GRANT ALL ON other.* TO chest@'%'")
        chest = FlaskChestMySQL(server.url.removesuffix("/chest") + "/other")
        [one, two, three] = make_records(3)
        chest.write([replace(one, vars=variables), replace(two, vars={"日": "本"})])
        chest.write([replace(three, vars={})])
        reader = open_reader(chest)
        found = {each.id: each.vars for each in reader.latest(3)}
        assert found == {one.id: variables, two.id: {"日": "本"}, three.id: {}}
        reader.close()
        chest.close()
        rows = ask(server, "SELECT record_id, name, value FROM chest_vars", database="other")
        query = "SELECT value FROM chest_vars WHERE name = '日' GROUP BY value"
        assert ask(server, query, database="other") == [("本",)]
    assert {name: value for id_, name, value in rows if id_ == one.id} == variables
    assert len(rows) == len(variables) + 1


def test_older_view() -> None:
    """The view of an older version is replaced."""
    with MariaDB("--character-set-server=latin1") as server:
        ask(server, "ALTER DATABASE chest CHARACTER SET latin1", "SET NAMES utf8mb4")
        ask(server, *(MARIADB_1 + ROWS_1).split(";\n"))
        chest = FlaskChestMySQL(server.url)
        chest.write([replace(make_records(1)[0], vars={"日": "本"})])
        chest.close()
        rows = ask(server, "SELECT name, value FROM chest_vars ORDER BY name")
    assert rows == [("a", "1"), ("日", "本")]


def test_small_packets() -> None:
    """Statements fit into the server's ``max_allowed_packet``, measured after escaping."""
    records = [replace(each, vars={"text": "'" * 20_000}) for each in make_records(30)]
    [large] = [replace(each, vars={"text": "'" * 40_000}) for each in make_records(1)]
    with MariaDB("--max-allowed-packet=64K") as server:
        chest = FlaskChestMySQL(server.url)
        chest.write(Batch([encode(record) for record in records]))
        with pytest.raises(
            RejectedError, match="raise it, then run 'flask chest replay'"
        ) as raised:
            chest.write([large])
        assert raised.value.record_ids == frozenset([large.id])
        with pytest.raises(RejectedError) as raised:
            chest.write([*make_records(3), large])
        assert raised.value.record_ids is None, "delivery halves the batch"
        # A limit that was raised holds for the next connection.
        ask(server, "SET GLOBAL max_allowed_packet = 1048576")
        chest.close()
        chest.write([large])
        chest.close()
        assert ask(server, "SELECT count(*) FROM chest_records") == [(31,)]


def test_packet_limit() -> None:
    """Up to the limit a record is stored, beyond it it is rejected; no size breaks delivery."""
    stored, rejected = 60_000, 66_000
    with MariaDB("--max-allowed-packet=64K") as server:
        chest = FlaskChestMySQL(server.url)
        while rejected - stored > 1:
            size = (stored + rejected) // 2
            try:
                chest.write([replace(make_records(1)[0], vars={"text": "x" * size})])
                stored = size
            except RejectedError:
                rejected = size
        chest.close()
        [(longest,)] = ask(server, "SELECT max(length(vars)) FROM chest_records")
    assert 64_500 < longest < 65_536


def test_proxy_with_a_smaller_limit() -> None:
    """If a proxy cuts large statements, they are halved until they pass (a simulated proxy)."""
    records = [replace(each, vars={"text": "x" * 20_000}) for each in make_records(100)]
    batch = Batch([encode(record) for record in records])
    with MariaDB() as server, TCPProxy(server.port) as proxy:
        chest = FlaskChestMySQL(server.url.replace(str(server.port), str(proxy.port)))
        chest.write(make_records(1))
        proxy.max_bytes = 300_000
        for _ in range(4):
            try:
                chest.write(batch)
                break
            except DeliveryError:
                continue
        chest.close()
        assert ask(server, "SELECT count(*) FROM chest_records") == [(101,)]
