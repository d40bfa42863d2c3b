"""MongoDB: one document per record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ConfigError, DeliveryError, RejectedError
from ...query.eraser import Eraser
from ...query.reader import Reader
from ...record.encoding import loads
from ...record.record import Record
from ..base import Chest
from ..batches import blamed_ids, lines_of, without_nul
from ..client import CHECK_ADDRESS, PerProcessClient, require_driver
from ..url import StoreURL

_DATABASE = "flask_chest"
_DUPLICATE = 11000
# https://www.mongodb.com/docs/manual/reference/error-codes/: what is wrong with a document, as
# against what is wrong with the server at this moment.
_REFUSED = {2, 9, 14, 15, 22, 52, 55, 56, 57, 121, 10334, 17280}
_REMEDIES = {
    13: "grant this user readWrite on the database",
    18: "check user, password and 'authSource'",
}
# Of an index that stays, but shall not delete any more: 68 years, the most that MongoDB takes.
_NEVER = 2**31 - 1

# "%" only where it would be read as one of ours, so that "100%" stays as it is.
_ODD = re.compile(r"^\$|\.|%(?=2E|24|25)")
_SPELLING = {"$": "%24", ".": "%2E", "%": "%25"}
_LARGEST = 2**63 - 1


class FlaskChestMongoDB(Chest):
    """A collection of MongoDB, or of whatever else speaks its protocol.

    A document has the fields of :class:`flask_chest.Record`; ``_id`` is the record's id, and
    ``time`` a date, which MongoDB keeps to the millisecond. In the names of variables ``.`` is
    written ``%2E``, a leading ``$`` ``%24``, since queries would read them otherwise. Integers over
    63 bits are kept as ``Decimal128``.

    :param url: ``"mongodb://user:password@host:27017/database"`` or ``"mongodb+srv://..."``, with
        all options of MongoDB, e.g. ``?tls=true&tlsCAFile=/etc/ssl/our-ca.pem``. Without a database
        it is ``flask_chest``.
    :param collection: made on first use, with indexes for time, route and request id; where
        ``CHEST_RETENTION`` is set, MongoDB itself deletes what is older.
    :raises flask_chest.errors.ConfigError: pymongo is not installed, or the URL is malformed.

    .. versionadded:: 1.0
    """

    scheme = "mongodb"

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
        return (self.address.password, query.get("tlscertificatekeyfilepassword", ""), token)

    def write(self, records: Sequence[Record]) -> None:
        from bson.errors import BSONError
        from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError

        if not records:
            return
        documents = [_document(line) for line in lines_of(records)]
        try:
            self._collection().insert_many(documents, ordered=False)
        except BulkWriteError as error:
            self._raise_for_result(error.details or {}, documents)
        except (DocumentTooLarge, BSONError) as error:
            ids = blamed_ids(records)
            raise RejectedError(self.error_message(error), record_ids=ids) from None
        except PyMongoError as error:
            raise self.to_delivery_error(error) from None

    def reader(self) -> Reader:
        from .reader import MongoReader

        return MongoReader(self)

    def eraser(self) -> Eraser:
        from .eraser import MongoEraser

        return MongoEraser(self)

    def check(self) -> None:
        from pymongo.errors import PyMongoError

        try:
            self._database().command("ping")
        except PyMongoError as error:
            raise self.to_delivery_error(error) from None

    def close(self) -> None:
        self._client.close()

    def _raise_for_result(
        self, details: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]
    ) -> None:
        errors = [error for error in details.get("writeErrors", []) if not _is_there(error)]
        later = [error for error in errors if not _is_refusal(error)]
        later += details.get("writeConcernErrors", [])
        if later:
            raise DeliveryError(self.error_message(later[0].get("errmsg", later[0])))
        if errors:
            # Unordered: all others were inserted.
            rejected = [documents[error["index"]]["_id"] for error in errors]
            reason = self.error_message(errors[0].get("errmsg", "refused"))
            raise RejectedError(reason, record_ids=rejected)

    def remedy(self, error: BaseException) -> str:
        code: Any = getattr(error, "code", None)
        return CHECK_ADDRESS if code is None else _REMEDIES.get(code, "")

    def _database(self) -> Any:
        return self._client.get().get_default_database(_DATABASE)

    def _open_client(self) -> Any:
        self._ready = None
        return self.make_client()

    def make_client(self) -> Any:
        """A client of the server, with this chest's timeout; nothing is connected yet."""
        from pymongo import MongoClient

        milliseconds = int(self.timeout * 1000)
        options: dict[str, Any] = {
            "timeoutMS": milliseconds,
            # PyMongo 4.6 waits half a minute else, before a cursor begins to heed the other one.
            "serverSelectionTimeoutMS": milliseconds,
            "appname": "flask-chest",
        }
        given = {name.lower() for name in self.address.query}
        options = {name: value for name, value in options.items() if name.lower() not in given}
        return MongoClient(self.url, **options)

    def collection_in(self, client: Any) -> Any:
        """The collection of records, as a client of :meth:`make_client` sees it."""
        return client.get_default_database(_DATABASE)[self.collection]

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

        keep = None if self.app_info is None else self.app_info.retention_seconds
        options = {} if keep is None else {"expireAfterSeconds": int(keep)}
        try:
            collection.create_index("time", name="chest_time", **options)
        except OperationFailure as error:
            if error.code not in {85, 86}:
                raise
            # It is there with another retention.
            index = {"name": "chest_time", "expireAfterSeconds": _NEVER, **options}
            database.command("collMod", collection.name, index=index)
        else:
            self._stop_deleting(database, collection, keep)

    def _stop_deleting(self, database: Any, collection: Any, keep: float | None) -> None:
        """Servers differ in whether an index without retention is the same as one with."""
        there = collection.index_information()["chest_time"].get("expireAfterSeconds", _NEVER)
        if keep is None and there < _NEVER:
            index = {"name": "chest_time", "expireAfterSeconds": _NEVER}
            database.command("collMod", collection.name, index=index)


def spell(name: str) -> str:
    """A variable's name as it stands in a document; :func:`read_name` reads it back."""
    return _ODD.sub(lambda found: _SPELLING[found[0]], name)


def read_name(spelled: str) -> str:
    """The variable's name of a name in a document."""
    back = {code: character for character, code in _SPELLING.items()}
    return re.sub("%(?:24|2E|25)", lambda found: back[found[0]], spelled)


def _document(line: bytes) -> dict[str, Any]:
    from bson.datetime_ms import DatetimeMS

    values: dict[str, Any] = loads(without_nul(line))
    document = {"_id": values.pop("id")} | values
    document["time"] = DatetimeMS(values["time"] // 1000)
    document["vars"] = storable(values["vars"])
    document["tags"] = storable(values["tags"])
    return document


def storable(value: Any) -> Any:
    """A value with names and integers as MongoDB takes them; itself, where nothing is to change."""
    if type(value) is dict:
        return {
            spell(name): storable(each) if type(each) in _STRANGE else each
            for name, each in value.items()
        }
    if type(value) is list:
        return [storable(each) for each in value]
    if type(value) is int and value > _LARGEST:
        from bson.decimal128 import Decimal128

        return Decimal128(str(value))
    return value


_STRANGE = (dict, list, int)


def _is_there(error: Mapping[str, Any]) -> bool:
    # A duplicate in a unique index of the user's own is another matter.
    return error.get("code") == _DUPLICATE and set(error.get("keyPattern", ["_id"])) == {"_id"}


def _is_refusal(error: Mapping[str, Any]) -> bool:
    return error.get("code") in _REFUSED or error.get("code") == _DUPLICATE
