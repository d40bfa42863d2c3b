"""An app under test, with everything that it records at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, g
from flask.testing import FlaskClient

from flask_chest import FlaskChest, Record
from flask_chest.chests.memory import MemoryChest
from flask_chest.testing import capture_records


class Site:
    """An app with a ``FlaskChest`` that writes to memory before each response.

    :param folder: the app's instance folder.
    :param arguments: of ``FlaskChest``.
    :param config: the app's.
    """

    def __init__(
        self, folder: Path, *, arguments: Mapping[str, Any] | None = None, **config: Any
    ) -> None:
        self.app = Flask("site", instance_path=str(folder), static_folder=None)
        self.app.config.update({"CHEST_BUFFER": "none", **config})
        self._arguments = arguments or {}
        self.store = MemoryChest()
        self.records: list[Record] = []

    @contextmanager
    def recording(self) -> Iterator[Site]:
        """Bring in ``FlaskChest``; what stands before it in a test is wrapped by its middleware."""
        self.chest = FlaskChest(self.app, chests=[self.store], **self._arguments)
        with capture_records(self.app) as records:
            self.records = records
            yield self
        self.chest.close()

    @property
    def client(self) -> FlaskClient:
        """A client that sees what a browser would: a 500, not the exception."""
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        return self.app.test_client()

    def only(self) -> Record:
        """The one record that was made, which is the one that was stored."""
        [record] = self.records
        assert self.store.records == [record]
        return record

    def take(self) -> Record:
        """The one record made since it was last asked for."""
        [record] = self.records
        self.records.clear()
        assert self.store.records[-1] == record
        return record


def put(name: str, value: object, answer: str) -> str:
    """Put a variable on ``g`` and answer: a view that fits into a lambda."""
    setattr(g, name, value)
    return answer


def facts(record: Record) -> tuple[Any, ...]:
    """Which request it was, and how it ended."""
    return record.method, record.route, record.endpoint, record.status, record.error
