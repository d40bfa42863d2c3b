"""Describes exceptions: text, traceback and a fingerprint that groups the same error."""

from __future__ import annotations

import linecache
import site
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from ..record.free_text_redaction import TextRedaction
from ..record.text_cleaning import clean_text
from ..record.truncation import CUT, truncate_text
from .record_encoder import class_name, error_name, sole_exception

# Exceptions in a chain of causes.
_MAX_CHAIN = 8
# Exceptions of a group that are shown.
_MAX_GROUP = 5
# Levels of groups in groups.
_MAX_DEPTH = 4
# Frames of one exception that are shown.
_MAX_FRAMES = 60
# Library frames that are shown if the traceback is too long.
_MAX_LIBRARY_FRAMES = 4
# Frames that a fingerprint consists of.
_MAX_PRINTED = 50
# Characters of a line of source code.
_MAX_SOURCE = 160
#: The first folder in the path of a library's frame. Frames of the app have other paths.
LIBRARY_FOLDERS = ("site-packages/", "dist-packages/", "stdlib/", "<")
_DIRECT = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"

_Frame = tuple[CodeType, int, dict[str, Any]]


class ExceptionDescriber:
    """Describes the exceptions of one app.

    :param package: the app's import name: modules of its package are the app's own.
    :param root: the app's root folder.
    :param redaction: removes secrets from texts.
    :param max_bytes: UTF-8 bytes of a text or a traceback.
    """

    def __init__(self, package: str, root: str, redaction: TextRedaction, max_bytes: int) -> None:
        self._package = package.partition(".")[0]
        # A module without a package may be anywhere below the working directory.
        self._roots = (Path(root).resolve().parent, Path.cwd())
        self._redaction = redaction
        self._max_bytes = max_bytes
        self._paths: dict[str, str] = {}

    def message(self, error: BaseException) -> str:
        """Return an exception's text without secrets, cut to the size limit."""
        return truncate_text(self._message(sole_exception(error)), self._max_bytes)[0]

    def traceback(self, error: BaseException) -> str:
        """Return a traceback as Python prints it, without secrets and without local variables.

        Paths of the app's frames begin at the folder that contains the app, those of libraries
        with one of ``LIBRARY_FOLDERS``. If the whole is too long, most frames of libraries are
        left out, then frames in the middle.
        """
        whole = "".join(self._chain(error, _MAX_FRAMES))
        if len(whole.encode(errors="replace")) > self._max_bytes:
            whole = "".join(self._chain(error, _MAX_LIBRARY_FRAMES))
        return _without_middle(whole, self._max_bytes)

    def fingerprint(self, error: BaseException) -> str:
        """Return 16 hexadecimal digits that are the same for the same error in later releases.

        They depend on the class, and on modules and functions of the app's frames, neither on
        lines nor on the text. Recursion does not change them. Without frames of the app, those of
        the libraries count.
        """
        error = sole_exception(error)
        frames = list(_frames(error.__traceback__))
        own = [each for each in frames if self._is_own(each)]
        names = dict.fromkeys(
            f"{each[2].get('__name__')}:{each[0].co_name}" for each in own or frames
        )
        text = "\n".join((error_name(error), *list(names)[-_MAX_PRINTED:]))
        return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()

    def _message(self, error: BaseException) -> str:
        try:
            text = str(error)
        except BaseException as failure:  # noqa: BLE001 - a class of the app may raise anything
            return f"<str() raised {type(failure).__name__}>"
        # More could not be stored anyway.
        return clean_text(self._redaction.clean(text[: self._max_bytes + 1]))

    def _chain(self, error: BaseException, library_frames: int) -> Iterator[str]:
        chain: list[tuple[BaseException, str]] = [(error, "")]
        seen = {id(error)}
        while len(chain) < _MAX_CHAIN:
            cause, reason = _cause(chain[-1][0])
            if cause is None or id(cause) in seen:
                break
            seen.add(id(cause))
            chain.append((cause, reason))
        reasons = [reason for _, reason in chain]
        for number in range(len(chain) - 1, -1, -1):
            yield from self._one(chain[number][0], library_frames, 0)
            yield reasons[number]

    def _one(self, error: BaseException, library_frames: int, depth: int) -> Iterator[str]:
        indent = "  | " * depth
        if error.__traceback__ is not None:
            yield f"{indent}Traceback (most recent call last):\n"
            for line in self._shown_frames(error.__traceback__, library_frames):
                yield f"{indent}{line}\n"
        message = self._message(error)
        yield f"{indent}{class_name(error)}{': ' if message else ''}{message}\n"
        inner = _group(error)
        if depth < _MAX_DEPTH:
            for each in inner[:_MAX_GROUP]:
                yield from self._one(each, library_frames, depth + 1)
        rest = len(inner) - (_MAX_GROUP if depth < _MAX_DEPTH else 0)
        if rest > 0:
            yield f"{indent}  | and {rest} more exceptions\n"

    def _shown_frames(self, traceback: TracebackType, library_frames: int) -> Iterator[str]:
        frames = list(_frames(traceback))
        wanted = [number for number, each in enumerate(frames) if self._is_own(each)]
        wanted = wanted[: _MAX_FRAMES // 2] + wanted[_MAX_FRAMES // 2 :][-_MAX_FRAMES // 2 :]
        libraries = [number for number, each in enumerate(frames) if not self._is_own(each)]
        shown = sorted({*wanted, *libraries[-library_frames:]})
        last = -1
        for number in shown:
            if number - last > 1:
                yield f"  [{number - last - 1} frames]"
            last = number
            yield from self._frame_lines(frames[number])
        if len(frames) - last > 1:
            yield f"  [{len(frames) - last - 1} frames]"

    def _frame_lines(self, frame: _Frame) -> Iterator[str]:
        code, line, namespace = frame
        path = self._path(code.co_filename)
        if path.startswith(LIBRARY_FOLDERS) and self._is_own(frame):
            path = path.partition("/")[2]  # the app is installed like a library
        yield clean_text(f'  File "{path}", line {line}, in {code.co_name}')
        source = linecache.getline(code.co_filename, line, namespace).strip()
        if source:
            yield "    " + clean_text(self._redaction.clean(source[:_MAX_SOURCE]))

    def _is_own(self, frame: _Frame) -> bool:
        module = frame[2].get("__name__")
        if isinstance(module, str) and module.partition(".")[0] == self._package:
            return True
        return not self._path(frame[0].co_filename).startswith(LIBRARY_FOLDERS)

    def _path(self, file: str) -> str:
        known = self._paths.get(file)
        if known is None:
            known = _short_path(file, self._roots)
            if len(self._paths) < 4096:  # files are made up by templates and exec()
                self._paths[file] = known
        return known


def _frames(traceback: TracebackType | None) -> Iterator[_Frame]:
    while traceback is not None:
        frame = traceback.tb_frame
        yield frame.f_code, traceback.tb_lineno or 0, frame.f_globals
        traceback = traceback.tb_next


def _cause(error: BaseException) -> tuple[BaseException | None, str]:
    if error.__cause__ is not None:
        return error.__cause__, _DIRECT
    if error.__suppress_context__:
        return None, ""
    return error.__context__, _DURING


def _group(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions of a group; Python has groups since 3.11."""
    try:
        inner = error.exceptions if hasattr(error, "exceptions") else ()
    except BaseException:  # noqa: BLE001 - a class of the app may raise anything
        return ()
    if not isinstance(inner, (tuple, list)):
        return ()
    return tuple(each for each in inner if isinstance(each, BaseException))


@lru_cache(maxsize=1)
def _library_roots() -> tuple[tuple[str, str], ...]:
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    with_user = [*site.getsitepackages(), site.getusersitepackages(), *packages]
    roots = [(f"{Path(each)}/", f"{Path(each).name}/") for each in with_user if each]
    # In a checkout, this package is in no folder for libraries.
    own = (f"{Path(__file__).parents[1]}/", "site-packages/flask_chest/")
    return (*roots, own, (f"{sysconfig.get_path('stdlib')}/", "stdlib/"))


def _short_path(file: str, roots: tuple[Path, ...]) -> str:
    """Return a file's path without the folders that differ between machines."""
    for folder, name in _library_roots():
        if file.startswith(folder):
            return name + file[len(folder) :]
    for name in ("site-packages/", "dist-packages/"):
        if f"/{name}" in file:
            return name + file.partition(f"/{name}")[2]
    for root in roots:
        with suppress(OSError, ValueError, RuntimeError):
            return Path(file).resolve().relative_to(root).as_posix()
    return file


def _without_middle(text: str, max_bytes: int) -> str:
    """Cut whole lines from the middle; the end says what happened."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= max_bytes:
        return text
    room = max_bytes - len(CUT.encode()) - 2
    head = encoded[: room // 4].rpartition(b"\n")[0].decode(errors="ignore")
    tail = encoded[-(room - len(head.encode())) :].partition(b"\n")[2].decode(errors="ignore")
    if not tail:  # one huge line
        tail = truncate_text(text.rstrip("\n").rpartition("\n")[2], room - len(head.encode()))[0]
    return f"{head}\n{CUT}\n{tail}"
