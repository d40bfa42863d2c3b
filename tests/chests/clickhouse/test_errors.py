"""Tests the errors of the ClickHouse chest: their texts and remedies."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from flask_chest.chests.base import AppInfo
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.chests.clickhouse.errors import describe_error
from flask_chest.chests.factory import make_chest
from flask_chest.errors import DeliveryError, ReadError, RejectedError
from flask_chest.testing import make_records
from tests.servers.certificates import PrivateCA
from tests.servers.clickhouse import ClickHouse, ask
from tests.servers.old_clickhouse import OldClickHouse


@pytest.mark.server
def test_errors_do_not_have_values(url: str, table: str) -> None:
    """The error for a rejected value has its name and a reason, but not the value."""
    chest = FlaskChestClickHouse(url, table)
    status: Any = "4111-1111"
    with pytest.raises(RejectedError, match="in status") as caught:
        chest.write([replace(make_records(1)[0], status=status)])
    chest.close()
    assert "4111" not in str(caught.value)
    assert caught.value.record_ids is not None


@pytest.mark.server
@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("chest:secret@", "chest:hunter22@", "check user and password"),
        ("chest:secret@", "nobody:hunter22@", "check user and password"),
        ("/chest", "/nowhere", "create this database"),
        ("127.0.0.1", "nowhere.invalid", "check host and port"),
    ],
)
def test_wrong_address(server: ClickHouse, old: str, new: str, remedy: str) -> None:
    """The error for a wrong address has chest, address and remedy, but no password."""
    before, _, after = server.url.rpartition(old)
    chest = FlaskChestClickHouse(before + new + after, name="orders")
    for records in (make_records(1), None):
        with pytest.raises(DeliveryError, match=remedy) as caught:
            chest.check() if records is None else chest.write(records)
        for text in (str(caught.value), repr(chest), chest.describe()):
            assert "hunter22" not in text
            assert "secret" not in text
        assert "chest 'orders' at clickhouse://" in str(caught.value)


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS with a private CA works; without the CA, or with another host name, it fails."""
    ca = PrivateCA(tmp_path)
    with ClickHouse(ca.server_files("127.0.0.1")) as server:
        good = f"{server.url}?verify={ca.file}"
        wrong_name = good.replace("127.0.0.1", "localhost")
        chest = make_chest(good)
        chest.write(make_records(1))
        chest.close()
        for url in (server.url, wrong_name):
            chest = make_chest(url)
            with pytest.raises(DeliveryError, match=r"(?i)certificate") as caught:
                chest.write(make_records(1))
            assert "'verify'" in str(caught.value)


@pytest.mark.server
def test_server_too_old(server: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the server's version, the oldest supported version and a remedy."""
    monkeypatch.setattr("flask_chest.chests.clickhouse.version.MIN_VERSION", (99, 1))
    chest = FlaskChestClickHouse(server.url)
    with pytest.raises(DeliveryError, match=r"ClickHouse 2\d\.[\d.]+ is too old; upgrade .* 99\.1"):
        chest.write(make_records(1))


@pytest.mark.server
def test_server_of_2018() -> None:
    """A server that does not know the driver's first query is reported as too old as well."""
    with OldClickHouse() as server:
        chest = FlaskChestClickHouse(server.url)
        reader, eraser = chest.reader(), chest.eraser()
        for call, kind in (
            (chest.check, DeliveryError),
            (partial(chest.write, make_records(1)), DeliveryError),
            (partial(reader.latest, 1), ReadError),
            (partial(eraser.erase, ["0"]), ReadError),
        ):
            with pytest.raises(kind, match=r"ClickHouse 18\.[\d.]+ is too old; upgrade .* 24\.8"):
                call()
        wrong = FlaskChestClickHouse(server.url.replace("secret", "hunter22"))
        with pytest.raises(DeliveryError, match="check user and password"):
            wrong.check()


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (
            "Code: 60. DB::Exception: Code: 60. DB::Exception: No t. In scope SELECT 'secret'.",
            "error (60)",
        ),
        (
            "Code: 497. DB::Exception: me: Not enough privileges. (ACCESS_DENIED) (version 24.8.1)",
            "ACCESS_DENIED (497)",
        ),
        ("Error HTTPConnectionPool(host='h', port=1): 'secret'", "RuntimeError"),
    ],
)
def test_describe_error(text: str, description: str) -> None:
    """An error's description has the code and its name, but no text of the server."""
    assert describe_error(RuntimeError(text)) == description


@pytest.mark.server
def test_the_driver_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The driver logs nothing about the chest's failures, whose errors have the reason; the app's
    own use of the driver is logged as usual."""
    with ClickHouse() as server:
        chest = FlaskChestClickHouse(server.url)
        chest.bind(AppInfo(instance_path=Path(), timeout=2))
        chest.write(make_records(1))
        server.stop()
        with caplog.at_level(logging.INFO):
            for call in (partial(chest.write, make_records(1)), chest.check):
                with pytest.raises(DeliveryError, match="check host and port"):
                    call()
            assert caplog.records == []
            with pytest.raises(ClickHouseError):
                ask(server.url, "SELECT 1")
            assert caplog.records != []
        server.start()
        chest.write(make_records(1))
        chest.close()


@pytest.mark.server
def test_body_too_long_for_a_proxy() -> None:
    """A body that a proxy refuses is rejected, and the error names the proxy's limit."""
    with ClickHouse(max_body_bytes=20_000) as server:
        chest = FlaskChestClickHouse(server.url)
        records = make_records(2)
        records[1] = replace(records[1], vars={"text": "x" * 30_000})
        for batch, blamed in ((records, None), (records[1:], {records[1].id})):
            with pytest.raises(
                RejectedError, match=r"no body of this length.* raise its"
            ) as caught:
                chest.write(batch)
            assert caught.value.record_ids == blamed
        chest.write(records[:1])
        chest.close()
        assert server.ask("SELECT id FROM chest_records") == [(records[0].id,)]
