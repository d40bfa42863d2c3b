"""Finds out whether a running uWSGI lets background threads run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
# Lines of uWSGI's configuration that let background threads run.
_THREADS = re.compile(
    r"""^[\s<"'-]*(enable-threads|threads|gevent|asyncio)(?![\w-])(?!["']?\s*[=:>]\s*["']?false)""",
    re.MULTILINE | re.IGNORECASE,
)
_VARIABLES = {"UWSGI_ENABLE_THREADS", "UWSGI_THREADS", "UWSGI_GEVENT"}
_FORMATS = (".ini", ".cfg", ".yaml", ".yml", ".json", ".xml")
# The help text of --enable-threads since version 2.0.27, which always enables threads:
# https://uwsgi-docs.readthedocs.io/en/latest/Changelog-2.0.27.html
_ALWAYS = b"enable threads (stub option this is true by default)"


def has_threads(pid: int, command: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether background threads run in a process of uWSGI.

    Only the process itself has ``uwsgi.has_threads``, so the program and its configuration are
    read. Nothing is executed: whoever calls this may have more rights than the process.

    :param pid: the process; 0 if only its configuration is known.
    :param command: its command line.
    :param environ: its environment.
    """
    if environ.keys() & _VARIABLES or _THREADS.search("\n".join(command)):
        return True
    if any(_THREADS.search(text) for text in _configuration(pid, command)):
        return True
    return any(_contains(file, _ALWAYS) for file in _programs(pid))


def _configuration(pid: int, command: Sequence[str]) -> Iterator[str]:
    for word in command:
        name = word.partition("=")[2] or word
        if name.endswith(_FORMATS):
            # Relative files start at the folder in which the server was started.
            with suppress(OSError, UnicodeDecodeError):
                yield (_PROC / str(pid) / "cwd" / name).read_text(encoding="utf-8")


def _programs(pid: int) -> Iterator[Path]:
    """Yield the files that the server's code may be in: pyuwsgi is a library that Python loads."""
    yield _PROC / str(pid) / "exe"
    with suppress(OSError):
        maps = (_PROC / str(pid) / "maps").read_text(errors="replace")
        for name in sorted(set(re.findall(r"\s(/\S*uwsgi[^/\s]*)$", maps, re.MULTILINE))):
            yield Path(name)


def _contains(file: Path, text: bytes) -> bool:
    with suppress(OSError):
        return text in file.read_bytes()
    return False
