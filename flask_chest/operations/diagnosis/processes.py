"""Examines the processes that write to the journal: which server they are, and how it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from ...delivery.journal.file_names import WRITER_NAME, writer_folders
from .finding import Finding, note
from .locks import is_locked
from .uwsgi import has_threads

_PROC = Path("/proc")
_DELETED = " (deleted)"  # at the end of a link in /proc
_MIN_OPEN_FILES = 256
# Servers that end without Python's exit hooks on SIGTERM.
_NO_EXIT_HOOKS = ("uvicorn", "granian", "waitress", "waitress-serve", "cheroot")


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """A process that writes to the journal.

    :param command: its command line.
    :param environ: its environment; empty if this user may not read it.
    :param has_terminal: whether somebody started it in a terminal.
    :param max_open_files: its limit of open files.
    :param deleted_files: the files that it has open although they were deleted or replaced.
    :param user: its user; ``None`` if unknown.
    """

    pid: int
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    has_terminal: bool = True
    max_open_files: int = 2**20
    deleted_files: Sequence[Path] = ()
    user: int | None = None

    def runs(self, program: str) -> bool:
        """Return whether it is a program, also if Python runs the program's script or module."""
        return any(re.split(r"[/.]", word)[-1] == program for word in self.command[:3])

    @property
    def name(self) -> str:
        """The first words of its command, and its number."""
        words = " ".join(Path(word).name for word in self.command[:3])
        return f"{words[:60]} (pid {self.pid})"


def find_processes(root: Path) -> list[ServingProcess]:
    """Return the live processes that write to a journal; only Linux can tell."""
    found = {}
    for folder in writer_folders(root):
        if WRITER_NAME.fullmatch(folder.name) is None:
            continue
        pid = int(folder.name.split("-")[1])
        # In another container the number means another process.
        if pid not in found and _has_open(pid, folder):
            with suppress(OSError):
                found[pid] = _read_process(pid)
    return list(found.values())


def examine_process(process: ServingProcess, exporter: str) -> Iterator[Finding]:
    """Find what is wrong with how a server runs.

    :param exporter: the app's ``CHEST_EXPORTER``.
    """
    if _is_uwsgi_without_threads(process) and exporter == "thread":
        yield Finding(
            "server",
            f"{process.name} does not enable threads: before version 2.0.27 uWSGI then runs no "
            "background thread, and nothing is delivered",
            "enable-threads = true",
        )
    if process.runs("flask") and "run" in process.command and not _is_development(process):
        yield Finding(
            "server",
            f"{process.name} is Flask's development server, started without a terminal: it is "
            "neither fast nor safe enough for production",
            "gunicorn --workers 4 --threads 4 MODULE:app",
        )
    if any(map(process.runs, _NO_EXIT_HOOKS)) and exporter == "thread":
        yield note(
            "server",
            f"{process.name} runs no exit hooks: records of its last second wait in the journal",
            'CHEST_EXPORTER = "agent"',
        )
    # mod_wsgi renames its processes: display-name=%{GROUP}.
    if any(map(process.runs, ("apache2", "httpd"))) or process.command[0].startswith("(wsgi:"):
        yield note(
            "server",
            f"{process.name}: two apps in one process group need the main interpreter",
            "WSGIApplicationGroup %{GLOBAL}",
        )
    if process.max_open_files < _MIN_OPEN_FILES:
        yield Finding(
            "server",
            f"{process.name} may open {process.max_open_files} files only",
            f"ulimit -n {_MIN_OPEN_FILES * 4}",
        )


def examine_user(process: ServingProcess, root: Path) -> Iterator[Finding]:
    """Find processes that dropped their rights after the first record.

    :param root: the journal's folder.
    """
    if process.user in {None, 0}:
        return
    for folder in root.glob(f"*-{process.pid}-*"):
        owner = folder.stat().st_uid
        if owner != process.user and WRITER_NAME.fullmatch(folder.name):
            yield Finding(
                "server",
                f"{process.name} runs as user {process.user}, and may not read its own records in "
                f"{folder}, of user {owner}: it dropped its rights after the first one",
                f"chown {process.user} {quote(str(root.parent))}, before the server starts",
            )


def examine_hidden_writers(root: Path, found: Sequence[ServingProcess]) -> Iterator[Finding]:
    """Note processes that write to the journal and that this process cannot see.

    :param root: the journal's folder.
    :param found: the processes that :func:`find_processes` found.
    """
    known = {process.pid for process in found}
    hidden = 0
    for folder in writer_folders(root):
        if WRITER_NAME.fullmatch(folder.name) and int(folder.name.split("-")[1]) not in known:
            hidden += is_locked(folder / "alive.lock")
    if hidden:
        yield note(
            "server",
            f"{hidden} processes write to the journal that are not visible here: they run in other "
            "containers or belong to other users, so they were not examined",
            "run flask chest doctor there, too",
        )


def examine_files(process: ServingProcess, stores: Sequence[Path | None]) -> Iterator[Finding]:
    """Find stores that were deleted or replaced while a process has them open.

    :param stores: the files of the app's stores.
    """
    for file in stores:
        if file is not None and file.resolve() in process.deleted_files:
            yield Finding(
                "server",
                f"{process.name} writes to a deleted file: {file} was deleted or replaced",
                "restart the server",
            )


def _is_uwsgi_without_threads(process: ServingProcess) -> bool:
    is_uwsgi = process.runs("uwsgi") or process.runs("pyuwsgi")
    return is_uwsgi and not has_threads(process.pid, process.command, process.environ)


def _is_development(process: ServingProcess) -> bool:
    return (
        process.has_terminal
        or "--debug" in process.command
        or process.environ.get("FLASK_DEBUG", "0").lower() not in {"0", "false", "no", ""}
    )


def _has_open(pid: int, folder: Path) -> bool:
    return any(file.parent == folder.resolve() for file in _open_files(pid))


def _open_files(pid: int) -> Iterator[Path]:
    with suppress(OSError):  # it ends meanwhile, or another user runs it
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError):
                yield descriptor.readlink()


def _read_process(pid: int) -> ServingProcess:
    folder = _PROC / str(pid)
    command = (folder / "cmdline").read_text(errors="replace").rstrip("\0").split("\0")
    environ = (folder / "environ").read_text(errors="replace").split("\0")
    # Field 7 is the terminal; the name in field 2 may contain spaces.
    terminal = (folder / "stat").read_text().rpartition(")")[2].split()[4]
    limit = re.search(r"Max open files +(\d+)", (folder / "limits").read_text())
    names = (str(file) for file in _open_files(pid))
    return ServingProcess(
        pid,
        command,
        {name: value for name, _, value in (each.partition("=") for each in environ)},
        terminal != "0",
        2**20 if limit is None else int(limit[1]),
        [Path(name.removesuffix(_DELETED)) for name in names if name.endswith(_DELETED)],
        int(re.findall(r"^Uid:\s+\d+\s+(\d+)", (folder / "status").read_text(), re.MULTILINE)[0]),
    )
