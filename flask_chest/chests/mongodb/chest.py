"""The MongoDB chest: one document per record."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ...errors import ConfigError, RejectedError
from ...query.time_intervals import floor_to_hour, to_utc
from ...record.record import Record
from ..archive_source import ArchiveSource
from ..base import Chest
from ..batch_bodies import blamed_ids, to_lines
from ..drivers import require_driver
from ..eraser import Eraser
from ..per_process_client import PerProcessClient
from ..reader import Reader
from ..url import StoreURL
from .client import CollectionConnection, database_of, make_client
from .documents import to_document
from .errors import (
    describe_error,
    describe_write_error,
    is_already_stored,
    is_rejection,
    remedy_for,
)
from .late_hours import report_late_hours, state_name

# Seconds. MongoDB cannot drop the retention of an index in place, so it is set to the maximum.
_MAX_RETENTION = 2**31 - 1
# An index of this name or of these keys exists with other options.
_INDEX_CONFLICTS = {85, 86}


class FlaskChestMongoDB(Chest):
    """Stores records in a collection of MongoDB, or of a server that speaks its protocol.

    A document has the fields of :class:`flask_chest.Record`. ``_id`` is the record's id, and
    ``time`` is a date, which MongoDB keeps to the millisecond. In the names of variables, ``.`` is
    stored as ``%2E`` and a leading ``$`` as ``%24``, because both have a meaning in MongoDB's
    queries. Integers of other writers that exceed 63 bits are stored as ``Decimal128``; those of a
    view are recorded as text.

    :param url: ``"mongodb://user:password@host:27017/database"`` or ``"mongodb+srv://..."``, with
        all options of MongoDB, e.g. ``?tls=true&tlsCAFile=/etc/ssl/our-ca.pem``. The default
        database is ``flask_chest``.
    :param collection: the collection's name; it is created on first use, with indexes for time,
        route and request id. If ``CHEST_RETENTION`` is set, MongoDB itself deletes older records.
    :raises flask_chest.errors.ConfigError: pymongo is not installed, or the URL is malformed.

    .. versionadded:: 1.0
    """

    scheme = "mongodb"
    shareable = True

    def __init__(self, url: str, collection: str = "chest_records", **arguments: Any) -> None:
        require_driver("pymongo", "mongodb")
        self.url = url
        self.address = StoreURL.parse(url)
        if self.address.scheme not in {"mongodb", "mongodb+srv"}:
            raise ConfigError(f"{self.address.scheme!r} is not 'mongodb://' or 'mongodb+srv://'")
        if not collection or "$" in collection or collection.startswith("system."):
            raise ConfigError(f"collection {collection!r}: MongoDB takes no such name")
        super().__init__(**arguments)
        self.collection = collection
        self._client: PerProcessClient[Any] = PerProcessClient(self._open_client)
        self._ready: Any = None

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestMongoDB:
        """``mongodb://user:password@host:27017/database``, ``mongodb+srv://...``"""
        return cls(url, **arguments)

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return f"{self.address.public_location()} {self.collection}"

    def secrets(self) -> tuple[str, ...]:
        query = {name.lower(): value for name, value in self.address.query.items()}
        token = query.get("authmechanismproperties", "")
        file_password = query.get("tlscertificatekeyfilepassword", "")
        return (*self.address.secrets(), file_password, token)

    def write(self, records: Sequence[Record]) -> None:
        from bson.errors import BSONError
        from pymongo.errors import BulkWriteError, DocumentTooLarge

        if not records:
            return
        lines = to_lines(records)
        with self.converted_errors():
            documents = [to_document(line) for line in lines]
            try:
                self._collection().insert_many(documents, ordered=False)
            except BulkWriteError as error:
                self._raise_for_result(error.details or {}, documents)
            except (DocumentTooLarge, BSONError) as error:
                ids = blamed_ids(records)
                raise RejectedError(self.error_message(error), record_ids=ids) from None
            report_late_hours(self._database(), self.collection, records)

    def reader(self) -> Reader:
        from .reader import MongoReader

        return MongoReader(self.name, self._open_connection())

    def eraser(self) -> Eraser:
        from .eraser import MongoEraser

        return MongoEraser(self._open_connection())

    def archive_source(self) -> ArchiveSource:
        from .archive_source import MongoArchiveSource

        state = CollectionConnection(
            self._make_client, state_name(self.collection), self.to_read_error
        )
        return MongoArchiveSource(self._open_connection(), state)

    @property
    def needs_maintenance(self) -> bool:  # type: ignore[override]
        """With an archive, retention deletes archived documents; else MongoDB deletes them."""
        return self.archived_ids is not None

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        if retention is not None and self.archived_ids is not None:
            before = datetime.now(timezone.utc) - timedelta(seconds=retention)
            for _ in self.prune(floor_to_hour(before), stop):
                pass

    def check(self) -> None:
        with self.converted_errors():
            self._database().command("ping")

    def clock(self) -> float | None:
        from pymongo.errors import PyMongoError

        try:
            local_time: datetime = self._database().command("hello")["localTime"]
        except PyMongoError as error:
            raise self.to_delivery_error(error) from None
        return to_utc(local_time).timestamp()

    def close(self) -> None:
        self._client.close()

    def _raise_for_result(
        self, details: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]
    ) -> None:
        errors = [each for each in details.get("writeErrors", []) if not is_already_stored(each)]
        retryable = [error for error in errors if not is_rejection(error)]
        retryable += details.get("writeConcernErrors", [])
        if retryable:
            self.log_detail(retryable[0].get("errmsg"))
            raise self.unavailable(describe_write_error(retryable[0]))
        if errors:
            # The insert is unordered, so MongoDB has inserted all other documents.
            rejected = [documents[error["index"]]["_id"] for error in errors]
            self.log_detail(errors[0].get("errmsg"))
            reason = self.error_message(describe_write_error(errors[0]))
            raise RejectedError(reason, record_ids=rejected)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def describe_error(self, error: BaseException) -> str:
        return describe_error(error)

    def _database(self) -> Any:
        return database_of(self._client.get())

    def _open_client(self) -> Any:
        self._ready = None
        return self._make_client()

    def _make_client(self) -> Any:
        return make_client(self.url, self.timeout)

    def _open_connection(self) -> CollectionConnection:
        return CollectionConnection(self._make_client, self.collection, self.to_read_error)

    def _collection(self) -> Any:
        database = self._database()
        if self._ready is None:
            collection = database[self.collection]
            collection.create_index([("route", 1), ("time", 1)])
            collection.create_index("request_id")
            self._index_time(database, collection)
            self._ready = collection
        return self._ready

    def _index_time(self, database: Any, collection: Any) -> None:
        from pymongo.errors import OperationFailure

        retention = None if self.app_info is None else self.app_info.retention_seconds
        if self.archived_ids is not None:
            retention = None  # MongoDB would delete documents that are not archived yet
        options = {} if retention is None else {"expireAfterSeconds": int(retention)}
        try:
            collection.create_index("time", name="chest_time", **options)
        except OperationFailure as error:
            if error.code not in _INDEX_CONFLICTS:
                raise
            self._set_retention(database, collection, options.get("expireAfterSeconds"))
            return
        # Some servers accept an index without retention in place of one that has a retention.
        index = collection.index_information()["chest_time"]
        if retention is None and index.get("expireAfterSeconds", _MAX_RETENTION) < _MAX_RETENTION:
            self._set_retention(database, collection, None)

    def _set_retention(self, database: Any, collection: Any, seconds: int | None) -> None:
        expire_after = _MAX_RETENTION if seconds is None else seconds
        index = {"name": "chest_time", "expireAfterSeconds": expire_after}
        database.command("collMod", collection.name, index=index)
