"""The least privileges of ``docs/stores.rst`` suffice: real users have only these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.errors import DeliveryError, ReadError
from flask_chest.testing import make_records
from tests.servers.mongodb import MongoDB

pytestmark = pytest.mark.server

ROLES: dict[str, Sequence[str]] = {
    "owner": ["createCollection", "createIndex", "listIndexes", "collMod", "insert"],
    "writer": ["createIndex", "listIndexes", "insert"],
    "reader": ["find"],
    "eraser": ["find", "remove"],
}
LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def server() -> Iterator[MongoDB]:
    """A server that asks for a password, with a user for each role."""
    with MongoDB() as server:
        for name, actions in ROLES.items():
            server.make_user(name, "chest_records", actions)
        server.require_passwords()
        yield server


def chest_of(server: MongoDB, user: str, retention: float | None = None) -> FlaskChestMongoDB:
    chest = FlaskChestMongoDB(server.url.replace("//", f"//{user}:secret@"))
    chest.bind(AppInfo(instance_path=Path(), retention_seconds=retention))
    return chest


def test_an_owner_and_users_with_less(server: MongoDB) -> None:
    """Each user can do what the page lists, and nothing else."""
    with closing(chest_of(server, "writer")) as early:
        early.write(make_records(3))
    with closing(chest_of(server, "writer", 3600.0)) as late:
        with pytest.raises(DeliveryError, match="collMod"):
            late.write(make_records(1))
        with closing(chest_of(server, "owner", 3600.0)) as owner:
            owner.write(make_records(1))
        late.check()
        late.write(make_records(1))
    for user, found in (("reader", 5), ("eraser", 5), ("writer", None)):
        chest = chest_of(server, user)
        reader = chest.reader()
        if found is None:
            with pytest.raises(ReadError, match="grant this user"):
                reader.latest(9)
        else:
            assert len(reader.latest(9)) == found
        reader.close()
    for user in ("reader", "writer", "eraser"):
        eraser = chest_of(server, user).eraser()
        if user == "eraser":
            assert sum(eraser.prune(LATEST)) == 5
        else:
            with pytest.raises(ReadError, match="grant this user"):
                list(eraser.prune(LATEST))
        eraser.close()
