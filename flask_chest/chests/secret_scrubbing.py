"""Blanks out credentials in texts, in each form in which a server or a driver may quote them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

BLANK = "***"

# To blank out a shorter secret would make messages unreadable.
_MIN_LENGTH = 3
# A part that is shorter than this is only blanked out as a word of its own.
_MIN_INNER_LENGTH = 6
_SEPARATORS = re.compile(r"[\s=:,;&/\"'@]+")
# Words of headers that are no credentials.
_PUBLIC_WORDS = frozenset(
    ("apikey", "aws4-hmac-sha256", "basic", "bearer", "digest", "http", "https", "key", "token")
)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets by ``***``: whole ones, their parts, and encoded ones.

    A part is, for example, the token in ``Bearer TOKEN``, or one segment of a path. Encoded forms
    are those of URLs, JSON, HTML, Base64 and Python's ``repr``.
    """
    pattern = _pattern(tuple(secrets), True)
    return text if pattern is None else pattern.sub(BLANK, text)


def scrub_whole(text: str, secrets: Iterable[str]) -> str:
    """Replace whole secrets by ``***``, also encoded ones, but not their parts."""
    pattern = _pattern(tuple(secrets), False)
    return text if pattern is None else pattern.sub(BLANK, text)


@lru_cache(maxsize=256)
def _pattern(secrets: tuple[str, ...], with_parts: bool) -> re.Pattern[str] | None:
    found: set[str] = set()
    for secret in secrets:
        found.update(map(re.escape, _forms(secret.strip())))
        if with_parts:
            for part in _parts(secret):
                found.update(_part_pattern(each) for each in _forms(part))
    if not found:
        return None
    # The longest form first: a shorter one may be a part of it.
    return re.compile("|".join(sorted(found, key=len, reverse=True)), re.IGNORECASE)


def _parts(secret: str) -> Iterator[str]:
    yield unquote(secret)
    yield secret.strip().partition(" ")[2]  # the credentials behind the scheme of a header
    for part in (*_SEPARATORS.split(secret), *_SEPARATORS.split(unquote(secret))):
        if part.lower() not in _PUBLIC_WORDS:
            yield part
            yield unquote(part)


def _part_pattern(form: str) -> str:
    if len(form) >= _MIN_INNER_LENGTH:
        return re.escape(form)
    return rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"


def _forms(secret: str) -> set[str]:
    if len(secret) < _MIN_LENGTH:
        return set()
    encoded = secret.encode("utf-8", "surrogatepass")
    forms = {
        secret,
        quote(encoded),
        quote(encoded, safe=""),
        quote_plus(encoded),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(encoded)[2:-1],
        base64.b64encode(encoded).decode().rstrip("="),
        base64.urlsafe_b64encode(encoded).decode().rstrip("="),
    }
    # Python escapes this quotation mark if the text around the secret contains the other one.
    forms |= {form.replace("'", r"\'") for form in forms}
    return {form for form in forms if len(form) >= _MIN_LENGTH}
