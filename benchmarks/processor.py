"""CPU time of an answer: this process', and that of the database server that worked for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import sqlalchemy as sa

_PARENT, _OWN, _OF_CHILDREN = 1, slice(11, 13), slice(13, 15)


class Processor:
    """Tells milliseconds of CPU that were used so far.

    A server's are told in ticks of 10 ms, and only of one on this machine: others count as none.

    :param url: the store.
    """

    def __init__(self, url: str) -> None:
        self._server = _find_server(url)

    def used(self) -> float:
        """Of this process and of the server, its processes that have ended included."""
        mine = time.process_time() * 1000
        if self._server is None:
            return mine
        ticks = sum(_stat(self._server, _OWN)) + sum(_stat(self._server, _OF_CHILDREN))
        for child in Path(f"/proc/{self._server}/task/{self._server}/children").read_text().split():
            ticks += sum(_stat(int(child), _OWN))
        return mine + ticks * 1000 / os.sysconf("SC_CLK_TCK")


def _find_server(url: str) -> int | None:
    if not url.startswith("postgresql://"):
        return None
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        mine = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        parent = _stat(mine, slice(_PARENT, _PARENT + 1))
    engine.dispose()
    return parent[0] if parent else None


def _stat(pid: int, fields: slice) -> list[int]:
    """Fields behind the name, which may have blanks in it; none of a process that is not there.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [int(word) for word in words[fields]]
