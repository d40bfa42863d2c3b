"""What a backend is: three methods, and where its settings come from."""

from __future__ import annotations

import inspect
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import quote

from .._process import ProcessLock
from ..errors import ConfigError, DeliveryError, ReadError, RejectedError, suggest_name
from ..query.eraser import Eraser
from ..query.reader import Reader
from ..record.record import Record
from ..typing import ContextTuple
from .url import scrub

_MESSAGE_LENGTH = 500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInfo:
    """What a chest may know of the app it works for.

    :param instance_path: the app's instance folder; relative paths start there.
    :param timeout: seconds that one call to the backend may take.
    :param retention_seconds: how long rows are kept; ``None`` keeps them for ever.
    :param app_name: what the app is called.
    """

    instance_path: Path
    timeout: float = 10.0
    retention_seconds: float | None = None
    app_name: str = ""


class _HasInstancePath(Protocol):
    @property
    def instance_path(self) -> str: ...


class Chest(ABC):
    """Base class of every backend. A backend of one's own needs :meth:`write` only.

    A chest is made while the app is configured, so ``__init__`` must not open a file, a connection
    or a thread: that belongs into the first :meth:`write`, which runs in the process that serves,
    after any fork. It is called from one thread at a time.

    :param name: how logs, the ledger and the rules' ``chests`` call it; default: the class' scheme,
        numbered where there are several.
    :param logger: where it logs; default ``flask_chest.chests``.
    :param app: the app whose instance folder and settings it takes, for use without ``FlaskChest``.
    :param unknown: nothing: what else is given is refused, with the names that there are.

    .. versionadded:: 1.0
    """

    #: The default name, and the scheme of this chest's URLs.
    scheme = "chest"
    #: Whether its old rows go, and its hours are summed up, by our doing.
    needs_maintenance = False
    #: An app delivers to it under its name, which from then on stays as it is.
    name_is_fixed = False

    def __init__(
        self,
        *,
        name: str | None = None,
        logger: logging.Logger | None = None,
        app: _HasInstancePath | None = None,
        **unknown: NoReturn,
    ) -> None:
        for word in unknown:
            raise TypeError(unknown_argument(type(self), word))
        if name is not None:
            _check_name(name)
        self.name = name or self.scheme
        self.name_was_given = name is not None
        self._lock = ProcessLock()
        self.logger = logger or logging.getLogger("flask_chest.chests")
        self.app_info: AppInfo | None = None
        self._folder = None if app is None else Path(app.instance_path)
        if self._folder is not None:
            called = getattr(app, "name", "")
            self.bind(AppInfo(instance_path=self._folder, app_name=called))

    def bind(self, app_info: AppInfo) -> None:
        """Take the settings of the app; called before the first :meth:`write`.

        A chest that serves several apps keeps to the instance folder of the first, or of the one
        that it was given as ``app=``.

        :param app_info: what it may know of the app.
        """
        self._folder = self._folder or app_info.instance_path
        self.app_info = replace(app_info, instance_path=self._folder)

    @property
    def lock(self) -> threading.Lock:
        """Held while the chest writes: it is called by one thread at a time."""
        return self._lock.mine

    @property
    def timeout(self) -> float:
        """Seconds that one call to the backend may take."""
        return 10.0 if self.app_info is None else self.app_info.timeout

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> Chest:
        """Make the chest from a URL of ``CHEST_CHESTS`` and further constructor arguments.

        :param url: the URL, with whatever its scheme allows.
        :param arguments: what stands beside ``url`` in a dict.
        :raises flask_chest.errors.ConfigError: the URL lacks something or has too much.
        """
        raise ConfigError(f"{cls.__name__} cannot be made from a URL")

    @abstractmethod
    def write(self, records: Sequence[Record]) -> None:
        """Store records; return when the backend has accepted all of them.

        The same records may come again after a failure: their ``id`` makes that harmless.

        :param records: a batch; each is decoded when it is looked at, see
            :class:`~flask_chest.record.encoding.Batch`.
        :raises flask_chest.errors.DeliveryError: not now; send them again later.
        :raises flask_chest.errors.RejectedError: these will never be accepted.
        """

    def reader(self) -> Reader | None:
        """A reader of the store, or ``None`` if records cannot be read back (the default)."""
        return None

    def eraser(self) -> Eraser | None:
        """An eraser for the store, or ``None`` if records cannot be deleted (the default)."""
        return None

    def prune(self, before: datetime, stop: threading.Event) -> Iterator[int]:
        """Delete records older than ``before``, in small batches.

        :param before: a full hour, in UTC; this hour stays.
        :param stop: set to stop after the current batch.
        :returns: an iterator over the size of each batch.
        :raises flask_chest.errors.ReadError: the store does not answer.
        """
        eraser = self.eraser()
        if eraser is None:
            return
        try:
            for count in eraser.prune(before):
                yield count
                if stop.is_set():
                    return
        finally:
            eraser.close()

    def maintain(  # noqa: B027, a store may need none
        self, until: int, retention: float | None, stop: threading.Event
    ) -> None:
        """Sum up hours and delete old records; called about once an hour if
        :attr:`needs_maintenance` is set.

        :param until: the end of the last hour to sum up: seconds since 1970, UTC.
        :param retention: seconds that records are kept; ``None`` keeps them forever.
        :param stop: set when the process shuts down.
        """

    def check(self) -> None:  # noqa: B027, a backend may have nothing to ask
        """See whether the backend can be reached; return when it can.

        :raises flask_chest.errors.DeliveryError: it cannot, with the reason.
        """

    def close(self) -> None:  # noqa: B027, a backend may have nothing to let go of
        """Let go of connections and files. A later :meth:`write` opens them anew."""

    def describe(self) -> str:
        """The backend's address for logs and errors, without any credential."""
        return self.scheme

    def location(self) -> str:
        """What tells this store from others, however the chest is called, for the journal to note.

        No credential; empty where the name is all there is to go by.

        .. versionadded:: 1.0
        """
        return ""

    def secrets(self) -> tuple[str, ...]:
        """What must never stand in a log or an error: passwords, tokens."""
        return ()

    def error_message(self, reason: object, remedy: str = "") -> str:
        """The text of an error: which chest, where, what happened, what to do about it.

        :param reason: the driver's exception or words; only its first line is taken, since further
            ones may quote values of the app's users.
        :param remedy: what to do about it, as half a sentence.
        """
        what = str(reason).strip().partition("\n")[0][:_MESSAGE_LENGTH]
        if isinstance(reason, BaseException):
            what = f"{type(reason).__name__}: {what}"
        text = f"chest {self.name!r} at {self.describe()}: {what}"
        return scrub(f"{text}; {remedy}" if remedy else text, self.secrets())

    def remedy(self, error: BaseException) -> str:
        """Return advice on an error of the driver, as half a sentence; empty if there is none.

        .. versionadded:: 1.0
        """
        return ""

    def to_delivery_error(self, error: BaseException) -> DeliveryError:
        """Turn an error of the driver into one that names the chest, its address and a remedy.

        .. versionadded:: 1.0
        """
        return DeliveryError(self.error_message(error, self.remedy(error)))

    def to_read_error(self, error: BaseException) -> ReadError:
        """The same for readers and erasers.

        .. versionadded:: 1.0
        """
        return ReadError(self.error_message(error, self.remedy(error)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.describe()}>"

    @staticmethod
    def from_tuple_writer(writer: TupleWriter, *, name: str | None = None) -> Chest:
        """Serve a class of the older interface, ``write(context_tuple_list)``.

        :param writer: gets ``[(variable_name, variable_value, request_id), ...]``, one request a
            call; an exception of it counts as a failed delivery.
        :param name: as for every chest; default: the writer's class name in lower case.
        """
        return _TupleWriterChest(writer, name=name)


def known_arguments(chest_class: type[Chest]) -> list[str]:
    """What the constructor of a chest takes."""
    both = [inspect.signature(each).parameters.values() for each in (chest_class, Chest)]
    named = [each.name for part in both for each in part if each.kind is not each.VAR_KEYWORD]
    return list(dict.fromkeys(named))


def unknown_argument(chest_class: type[Chest], name: str) -> str:
    """What is said of an argument that a chest's constructor does not take."""
    advice = suggest_name(name, known_arguments(chest_class))
    return f"{chest_class.__name__} has no argument {name!r}; {advice}"


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ConfigError(f"name {name!r}: expected a text of printable characters, not empty")
    # It is a file's name for dead letters, percent-encoded and with an ending.
    if len(quote(name)) > _LONGEST_NAME:
        raise ConfigError(
            f"name {name!r}: expected at most {_LONGEST_NAME} bytes, percent-encoded; shorten it"
        )


class TupleWriter(Protocol):
    """A backend of the older interface."""

    def write(self, context_tuple_list: list[ContextTuple], /) -> Any:
        """Store the variables of one request."""


def context_tuples(records: Iterable[Record]) -> list[ContextTuple]:
    """The older spelling of records: a ``(name, value, request_id)`` for each variable."""
    return [
        (name, value, record.request_id)
        for record in records
        for name, value in record.vars.items()
    ]


class _TupleWriterChest(Chest):
    def __init__(self, writer: TupleWriter, *, name: str | None) -> None:
        super().__init__(name=name or type(writer).__name__.lower())
        self._writer = writer

    def write(self, records: Sequence[Record]) -> None:
        try:
            for record in records:
                self._writer.write(context_tuples([record]))
        except (DeliveryError, RejectedError):
            raise
        except Exception as error:  # whatever an older writer raises is a failed delivery
            raise self.to_delivery_error(error) from error

    def describe(self) -> str:
        return type(self._writer).__qualname__
