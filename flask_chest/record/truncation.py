"""Truncation: cuts values and records that are longer than their limits, and marks them as cut."""

from __future__ import annotations

from collections.abc import Mapping

from ..typing import Plain
from .json_line import dumps
from .text_cleaning import clean_text

#: The end of a text or list that was cut. A dict that was cut has it as a key.
CUT = "…[cut]"

# Bytes of the entry that says how many variables were left out.
_MARK_BYTES = 24
# Bytes of ":" and "," around a variable.
_SEPARATOR_BYTES = 2


def truncate_text(text: str, max_bytes: int) -> tuple[str, int]:
    """Clean a text, and cut it if it is too long.

    :param max_bytes: UTF-8 bytes that the text may have, without the mark.
    :returns: the text, and the number of its bytes without the mark.
    """
    # One character more shows that the text is too long; cleaning all of a huge text takes long.
    text = clean_text(text[: max_bytes + 1] if len(text) > max_bytes else text)
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text, len(encoded)
    return encoded[:max_bytes].decode(errors="ignore") + CUT, max_bytes


def truncate_variables(variables: Mapping[str, Plain], max_bytes: int) -> dict[str, Plain]:
    """Return the variables that fit into a record; ``CUT`` maps to the number of the others.

    :param variables: clean variables.
    :param max_bytes: bytes that the encoded variables may have, with the mark.
    """
    left = max_bytes - _MARK_BYTES
    fitting: dict[str, Plain] = {}
    for name, value in variables.items():
        size = len(dumps(name)) + len(dumps(value)) + _SEPARATOR_BYTES
        if size <= left:
            fitting[name] = value
            left -= size
    if len(fitting) < len(variables):
        fitting[CUT] = len(variables) - len(fitting)
    return fitting
