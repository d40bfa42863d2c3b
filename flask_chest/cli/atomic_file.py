"""Where a command writes what somebody keeps: a file that is whole, or is not there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click


@contextmanager
def destination(name: str) -> Iterator[BinaryIO]:
    """A file to write to. What fails on the way leaves an earlier file of that name as it was.

    ``click.File(atomic=True)`` would put the half of it in its place, and replace devices.

    :param name: its path, or ``-`` for standard output.
    :raises click.ClickException: it cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        return
    path = Path(name).resolve()  # of a link, the file that it leads to
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            yield from _replaced(path)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from None


def _replaced(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("xb") as file:
            yield file
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
