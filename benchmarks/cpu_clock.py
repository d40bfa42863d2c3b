"""Measures the CPU time of an answer, in this process and in the database server."""

from __future__ import annotations

import os
import time
from pathlib import Path

import sqlalchemy as sa

_PARENT, _OWN, _OF_CHILDREN = 1, slice(11, 13), slice(13, 15)


class Processor:
    """Measures the CPU time that was used so far, in milliseconds.

    The time of a server has a resolution of 10 ms. A server on another machine counts as 0.

    :param url: the store.
    """

    def __init__(self, url: str) -> None:
        self._server = _find_server(url)

    def used(self) -> float:
        """CPU time of this process and of the server, including the server's ended processes."""
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
    """Fields after the name, which may contain spaces; empty if the process has ended.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [int(word) for word in words[fields]]
