"""Makes clients of MongoDB, and the connection that a reader or an eraser uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import ChestError, ReadError
from ..url import StoreURL

T = TypeVar("T")

_DEFAULT_DATABASE = "flask_chest"


def make_client(url: str, timeout: float) -> Any:
    """Make a client; it connects on its first use.

    :param timeout: seconds that one call may take, unless the URL sets another time.
    """
    from pymongo import MongoClient

    milliseconds = int(timeout * 1000)
    options: dict[str, Any] = {
        "timeoutMS": milliseconds,
        # Without it, PyMongo 4.6 waits 30 seconds for a server before cursors heed timeoutMS.
        "serverSelectionTimeoutMS": milliseconds,
        "appname": "flask-chest",
    }
    in_url = {name.lower() for name in StoreURL.parse(url).query}
    options = {name: value for name, value in options.items() if name.lower() not in in_url}
    return MongoClient(url, **options)


def database_of(client: Any) -> Any:
    """Return the database that the client's URL names, or the default one."""
    return client.get_default_database(_DEFAULT_DATABASE)


class CollectionConnection:
    """A reader's or eraser's own connection to the collection of records.

    :param make_client: makes the client; called on first use.
    :param collection: the collection's name.
    :param to_read_error: converts a driver's error.
    """

    def __init__(
        self,
        make_client: Callable[[], Any],
        collection: str,
        to_read_error: Callable[[BaseException], ReadError],
    ) -> None:
        self._make_client = make_client
        self._name = collection
        self._to_read_error = to_read_error
        self._client: Any = None

    def run(self, operation: Callable[[Any], T]) -> T:
        """Call an operation with PyMongo's collection and return what it returns.

        :raises flask_chest.errors.ReadError: the driver raised an error.
        """
        try:
            return operation(self._collection())
        except ChestError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver may raise anything, with a secret in it
            raise self._to_read_error(error) from None

    def close(self) -> None:
        """Close the client. A later operation opens another one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _collection(self) -> Any:
        if self._client is None:
            self._client = self._make_client()
        return database_of(self._client)[self._name]
