"""Makes text safe to print: no recorded character controls a terminal or forges a log line."""

from __future__ import annotations

import re

# All characters that may not be printable: escape sequences, line breaks, changes of the text
# direction. Python's expressions have no class for them, so this one finds a superset.
_SUSPICIOUS = re.compile(r"[^ -~]")


def printable(text: str) -> str:
    """Replace each character that is not printable by U+FFFD."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def escape_json(document: bytes) -> bytes:
    r"""Write characters that are not printable as ``\uXXXX`` in a JSON document of one line.

    The document means the same: outside of strings, JSON has printable characters only.
    """
    if document.isascii() and b"\x7f" not in document:
        return document
    text = document.decode()
    return document if text.isprintable() else _SUSPICIOUS.sub(_escaped, text).encode()


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + ((code - 0x10000) >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
