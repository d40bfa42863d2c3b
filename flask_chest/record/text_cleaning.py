"""Replaces NUL and lone surrogates, which some stores reject."""

from __future__ import annotations

import re

from ..typing import Plain

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Replace NUL and lone surrogates, which some stores reject."""
    if "\0" in text:
        text = text.replace("\0", "\u2400")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def clean_shallow(value: Plain) -> Plain:
    """Clean a text, or the names and texts of a dict; return any other value unchanged."""
    if type(value) is str:
        return clean_text(value)
    if type(value) is dict:
        return {clean_text(name): clean_shallow(item) for name, item in value.items()}
    return value


# NUL in JSON: an odd number of backslashes before "u0000".
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

_NUL_PICTURE = rb"\1" + "\u2400".encode()


def replace_nul(body: bytes) -> bytes:
    """Replace each NUL in JSON by the symbol U+2400, since most databases do not accept NUL."""
    if rb"\u0000" not in body:
        return body
    return _NUL.sub(_NUL_PICTURE, body)
