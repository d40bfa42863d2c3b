"""Limits the size of statements to what a MySQL server and the proxies before it accept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ....errors import RejectedError
from ....record.record import Record
from ...batch_bodies import blamed_ids

# The lost connections that PyMySQL reports; a server may close one without an answer if a statement
# is too large.
_LOST = {2006, 2013}
_MIN_LIMIT, _STEP = 64 * 1024, 64 * 1024
# Header, kind of the command, and one byte more: the server refuses packets of exactly the limit.
_HEADER = 8


class PacketLimit:
    """The size of the next statement.

    It is halved when a connection breaks while a statement is sent, because a proxy may have a
    smaller limit than the server. It grows again with each statement that is accepted.

    :param wanted: the largest limit in bytes.
    :param overhead: bytes of a statement beside its rows.
    """

    def __init__(self, wanted: int, overhead: int) -> None:
        self._wanted = wanted
        self._overhead = overhead + _HEADER
        self._accepted = wanted
        self._max_packet = wanted

    @property
    def limit(self) -> int:
        """Maximum size in bytes of the rows of one statement, without their parentheses."""
        room = max(1, self._max_packet - self._overhead)
        # A row has at least 130 bytes, and parentheses and comma take three.
        return min(self._accepted, room * 19 // 20)

    def ask(self, connection: Any) -> None:
        """Ask the server of a new connection for its ``max_allowed_packet``."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            self._max_packet = int(cursor.fetchone()[0])

    def require_fit(self, size: int, records: Sequence[Record]) -> None:
        """Check that rows fit into one statement.

        :param size: bytes of the rows.
        :param records: the batch that the rows belong to.
        :raises RejectedError: a record is larger than the server's limit.
        """
        if size + self._overhead <= self._max_packet:
            return
        raise RejectedError(
            f"a record of {size} bytes is larger than the server's max_allowed_packet, "
            f"{self._max_packet} bytes; raise it, then run 'flask chest replay'",
            record_ids=blamed_ids(records),
        )

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Note whether a statement is accepted."""
        try:
            yield
        except Exception as error:
            if error.args and error.args[0] in _LOST:
                self._accepted = max(_MIN_LIMIT, self._accepted // 2)
            raise
        self._accepted = min(self._wanted, self._accepted + _STEP)
