"""Writes out the characters that the encoding of a PostgreSQL database lacks."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from ...record.json_line import dumps, loads
from ...record.text_cleaning import replace_nul

# The server stores the bytes of these as they are.
_COMPLETE = {"UTF8", "SQL_ASCII"}
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
# Neither ASCII nor surrogates.
_HEX = r"\\(?:x(?=[89a-f])|u(?!00|d[89a-f])(?=[0-9a-f]{4})|U(?=00(?:0[1-9a-f]|10)[0-9a-f]{4}))"
_CODE = r"((?<=x)[0-9a-f]{2}|(?<=u)[0-9a-f]{4}|(?<=U)[0-9a-f]{8})"
_WRITTEN_OUT = re.compile(_HEX + _CODE)
_WRITTEN_OUT_IN_JSON = re.compile(r"\\" + _HEX + _CODE)


def codec_of(server_encoding: str) -> str | None:
    """Return Python's codec for the encoding of a database; ``None`` if it has all characters.

    :param server_encoding: e.g. ``"LATIN1"``, see
        https://www.postgresql.org/docs/current/multibyte.html#CHARSET-TABLE
    """
    if server_encoding in _COMPLETE:
        return None
    name = server_encoding.replace("WIN", "cp").replace("KOI8", "koi8_")
    try:
        codecs.lookup(name)
    except LookupError:
        return "ascii"  # e.g. EUC_TW
    return name


def storable_lines(lines: Sequence[bytes], codec: str) -> list[bytes]:
    r"""Return encoded records with ``\u20ac`` in place of a character that the codec lacks."""
    return [_storable_line(line, codec) for line in lines]


def storable_text(text: str, codec: str) -> str:
    r"""Return a text with ``\u20ac`` in place of a character that the codec lacks."""
    return text.encode(codec, "backslashreplace").decode(codec)


def original_text(text: str, *, in_json: bool) -> str:
    """Return a text with the characters that :func:`storable_text` has written out.

    :param in_json: the text is JSON, which escapes the backslash.
    """
    pattern = _WRITTEN_OUT_IN_JSON if in_json else _WRITTEN_OUT
    return pattern.sub(lambda found: chr(int(found[1], 16)), text)


def _storable_line(line: bytes, codec: str) -> bytes:
    if line.isascii() and rb"\u" not in line:
        return line
    # A line that was written by hand may hold JSON's escapes of characters.
    text = dumps(loads(replace_nul(line))).decode()
    # JSON escapes the backslash.
    return _NON_ASCII.sub(
        lambda found: storable_text(found[0], codec).replace("\\", "\\\\"), text
    ).encode()
