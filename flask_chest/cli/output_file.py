"""Output files that are either complete or not written at all."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from ..delivery.file_ownership import random_name

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@contextmanager
def atomic_file(name: str) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces an existing file only if the command succeeds.

    ``click.File(atomic=True)`` moves a half-written file into place after an error, and replaces
    devices and pipes.

    :param name: the file's path, or ``-`` for standard output.
    :raises click.ClickException: the file cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        return
    path = Path(name).resolve()  # replace the target of a symbolic link, not the link
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            yield from _replacement(path)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from None


def _replacement(path: Path) -> Iterator[BinaryIO]:
    # The name cannot be guessed, and the file has to be new: in a folder that others may write to,
    # a link with this name would have us overwrite its target. Records are private by default.
    draft = random_name(path.with_name(f".{path.name}"))
    try:
        with os.fdopen(os.open(draft, _NEW_FILE, 0o600), "wb") as file:
            yield file
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
