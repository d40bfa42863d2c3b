"""The base class of every chest, and the adapter for classes that write tuples."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from .._process_lock import ProcessLock
from ..errors import ConfigError
from ..record.record import Record
from ..typing import ContextTuple
from .archive_source import ArchiveSource
from .archived_pruning import prune_archived
from .batch_bodies import context_tuples
from .chest_names import check_name
from .constructor_arguments import unknown_argument
from .eraser import Eraser
from .error_messages import ErrorReports, without_secrets

if TYPE_CHECKING:
    from .reader import Reader  # slow to import, and no app needs it to record


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInfo:
    """Settings of the app that a chest works for.

    :param instance_path: the app's instance folder; relative paths start there.
    :param timeout: seconds that one call to the store may take.
    :param retention_seconds: how long the store keeps records; ``None`` keeps them forever.
    :param app_name: the app's name.

    .. versionadded:: 1.0
    """

    instance_path: Path
    timeout: float = 10.0
    retention_seconds: float | None = None
    app_name: str = ""


class _App(Protocol):
    instance_path: str


class Chest(ErrorReports, ABC):
    """Base class of all chests. A subclass only needs :meth:`write`.

    A chest is made while the app is configured, before a server forks. So ``__init__`` must not
    open files or connections and must not start threads; the first :meth:`write` does that.
    :meth:`write` is called by one thread at a time.

    :param name: the chest's name in logs, in the ledger and in the ``chests`` of a rule; default:
        the scheme of the class, with a number if several chests have the same scheme.
    :param logger: the chest's logger; default: ``flask_chest.chests``.
    :param app: the app whose instance folder and name the chest uses if there is no ``FlaskChest``.
    :param unknown: no further argument is allowed; the error lists the arguments that are.

    .. versionadded:: 1.0
    """

    #: Whether :meth:`maintain` is to be called about once an hour.
    needs_maintenance = False
    #: Whether apps whose config names the same store may use one object, and so one connection.
    shareable = False
    #: The entry of ``CHEST_CHESTS`` that the chest was made from, in a form that can be compared.
    made_from: Hashable = None
    #: Archives the rows of an hour and returns the ids that the archive has; ``None`` without an
    #: archive. Retention deletes only these rows.
    archived_ids: Callable[[int], Container[str]] | None = None
    #: Whether the name must not change any more, because an app delivers to the chest under it.
    name_is_fixed = False

    def __init__(
        self,
        *,
        name: str | None = None,
        logger: logging.Logger | None = None,
        app: _App | None = None,
        **unknown: NoReturn,
    ) -> None:
        for argument in unknown:
            raise TypeError(unknown_argument(type(self), argument))
        if name is not None:
            check_name(name)
        super().__init__(name or self.scheme, logger or logging.getLogger("flask_chest.chests"))
        self.name_was_given = name is not None
        self._lock = ProcessLock()
        self.app_info: AppInfo | None = None
        self._folder = None if app is None else Path(app.instance_path)
        if self._folder is not None:
            self.bind(AppInfo(instance_path=self._folder, app_name=getattr(app, "name", "")))

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Let no error of a subclass show a secret: its driver may raise anything."""
        super().__init_subclass__(**arguments)
        for name in ("write", "check", "check_rights", "clock"):
            method = vars(cls).get(name)
            if method is not None:
                setattr(cls, name, without_secrets(method))

    def bind(self, app_info: AppInfo) -> None:
        """Take over the settings of the app; called before the first :meth:`write`.

        A chest of several apps keeps the instance folder of the first app, or of the app that was
        given as ``app=``.

        :param app_info: the settings of the app.

        .. versionadded:: 1.0
        """
        self._folder = self._folder or app_info.instance_path
        self.app_info = replace(app_info, instance_path=self._folder)

    @property
    def lock(self) -> threading.Lock:
        """The lock that delivery holds during :meth:`write`; each process has its own."""
        return self._lock.mine

    @property
    def timeout(self) -> float:
        """Seconds that one call to the store may take."""
        return 10.0 if self.app_info is None else self.app_info.timeout

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> Chest:
        """Make a chest from an entry of ``CHEST_CHESTS``.

        :param url: the URL of the store.
        :param arguments: further constructor arguments: the other items of an entry that is a dict.
        :raises flask_chest.errors.ConfigError: a part of the URL is missing, wrong or unknown.
        """
        raise ConfigError(f"{cls.__name__} cannot be made from a URL")

    @abstractmethod
    def write(self, records: Sequence[Record]) -> None:
        """Store records; return when the store has accepted all of them.

        After a failure the same records may be written again. Use the ``id`` of a record to store
        it only once.

        :param records: a batch; it decodes a record when the record is read, see
            :class:`~flask_chest.record.batch.Batch`.
        :raises flask_chest.errors.DeliveryError: the store cannot take the records now; delivery
            tries again later.
        :raises flask_chest.errors.RejectedError: the store will never take the records.
        """

    def reader(self) -> Reader | None:
        """Return a reader of the store; ``None`` if records cannot be read back (the default).

        ``flask chest stats``, ``show``, ``export`` and ``tail`` and the dashboard read with it.
        The caller closes the reader.

        .. versionadded:: 1.0
        """
        return None

    def eraser(self) -> Eraser | None:
        """Return an eraser for the store; ``None`` if records cannot be deleted (the default).

        ``flask chest forget`` and ``flask chest prune`` delete with it. The caller closes the
        eraser.

        .. versionadded:: 1.0
        """
        return None

    def archive_source(self) -> ArchiveSource | None:
        """Return the rows of the store for the archive; ``None`` if it has none (the default).

        The caller closes it.

        .. versionadded:: 1.0
        """
        return None

    def prune(self, before: datetime, stop: threading.Event) -> Iterator[int]:
        """Delete records older than ``before`` in small batches, with the :meth:`eraser`.

        A chest overrides it if a store needs more, for example a lock.

        :param before: a full hour, UTC; records of this hour are kept.
        :param stop: set to stop after the current batch.
        :returns: an iterator over the number of records in each batch.
        :raises flask_chest.errors.ReadError: the store does not answer.

        .. versionadded:: 1.0
        """
        if self.archived_ids is not None:
            yield from prune_archived(self, self.archived_ids, before, stop)
            return
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

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        """Aggregate complete hours and delete old records, in the background.

        Called about once an hour if :attr:`needs_maintenance` is set.

        :param until: the end of the last complete hour: seconds since 1970, UTC.
        :param retention: seconds to keep records; ``None`` keeps them forever.
        :param stop: set when the process shuts down.

        .. versionadded:: 1.0
        """

    def check(self) -> None:
        """Check that the store can be reached.

        :raises flask_chest.errors.DeliveryError: it cannot; the message has the reason.
        """

    def check_rights(self) -> None:
        """Check that the store would accept records, without storing one, after :meth:`check`.

        :raises flask_chest.errors.DeliveryError: it would not; the message has the reason.

        .. versionadded:: 1.0
        """

    def clock(self) -> float | None:
        """Return the time of the store's server: seconds since 1970, UTC.

        ``None`` if the store has no clock, or does not report it (the default).

        :raises flask_chest.errors.DeliveryError: the store does not answer.

        .. versionadded:: 1.0
        """
        return None

    def close(self) -> None:
        """Close connections and files. A later :meth:`write` opens them again."""

    def local_file(self) -> Path | None:
        """Return the file on this machine that holds the store; ``None`` for a server.

        .. versionadded:: 1.0
        """
        return None

    def location(self) -> str:
        """Return a text that identifies the store, without credentials.

        The journal saves it, so that waiting records reach a store whose chest was renamed. If it
        is empty (the default), the journal goes by the name only.

        .. versionadded:: 1.0
        """
        return ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.describe()}>"

    @staticmethod
    def from_tuple_writer(writer: TupleWriter, *, name: str | None = None) -> Chest:
        """Make a chest from an object with the older method ``write(context_tuple_list)``.

        :param writer: its ``write`` gets ``[(variable_name, variable_value, request_id), ...]`` of
            one request; any exception counts as a failed delivery.
        :param name: the chest's name; default: the writer's class name in lower case.
        """
        return _TupleWriterChest(writer, name=name)


class TupleWriter(Protocol):
    """An object with the older interface."""

    def write(self, context_tuple_list: list[ContextTuple], /) -> Any:
        """Store the variables of one request."""


class _TupleWriterChest(Chest):
    def __init__(self, writer: TupleWriter, *, name: str | None) -> None:
        super().__init__(name=name or type(writer).__name__.lower())
        self._writer = writer

    def write(self, records: Sequence[Record]) -> None:
        with self.converted_errors():
            for record in records:
                self._writer.write(context_tuples([record]))

    def describe(self) -> str:
        return type(self._writer).__qualname__
