"""Text that every store can hold: of values, of names, and what stands for other things."""

from __future__ import annotations

import re

from ..typing import Plain
from .scalars import NotPlainError, conversion, converted

#: Characters of a name.
MAX_NAME = 255
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text that every store can hold: no NUL, no lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def clean_shallow(value: Plain) -> Plain:
    """A plain value whose texts may not be clean: it is one, or a dict of them."""
    if type(value) is str:
        return clean_text(value)
    if type(value) is dict:
        return {clean_text(name): clean_shallow(item) for name, item in value.items()}
    return value


def clean_name(name: object) -> str:
    """The name of a variable or a key, as text of at most 255 characters."""
    return clean_text(key_text(name))


def key_text(key: object) -> str:
    """A key as text of at most 255 characters, which may not be clean."""
    kind = type(key)
    if kind is str and len(key) <= MAX_NAME:  # type: ignore[arg-type]
        return key  # type: ignore[return-value]
    if issubclass(kind, str):
        return str.__str__(key)[:MAX_NAME]  # isinstance() would ask the key
    if key is None or kind in (bool, float):
        return str(key)
    convert = conversion(kind)
    try:
        made = placeholder(key) if convert is None else converted(convert, key)
    except NotPlainError:
        return placeholder(key)
    return str(made)[:MAX_NAME] if type(made) in (str, int, float) else placeholder(key)


def placeholder(value: object) -> str:
    """A short stand-in for a value that has no plain spelling; runs no code of its class."""
    try:
        kind = type(value)
        return clean_text(f"<{kind.__module__}.{kind.__qualname__}>"[:MAX_NAME])
    except BaseException:  # noqa: BLE001 - a metaclass of theirs, even SystemExit
        return "<unknown>"
