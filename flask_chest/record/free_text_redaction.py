"""Redaction of free text: messages, tracebacks, log lines and SQL statements."""

from __future__ import annotations

import re
from functools import lru_cache

from .redaction import REDACTED, Redaction

# Characters of a text that is searched; more is cut off, as a secret might be in it.
_MAX_TEXT = 65_536
# A name, in quotes or brackets or not, and what is between it and its value.
_NAMED = (
    r"(?<![\w.\-])(?P<name>[\w.\-]{1,255})"
    r"(?P<close>\\{0,7}[\"'])?(?P<bracket>[\])]|%5[Dd])?[ \t]{0,4}"
    r"(?P<separator>=>|:=|=|:|[,(](?=\s{0,4}[brufBRUF]{0,2}\\{0,7}[\"'])"
    r"|(?<=[ \t])(?:(?:is|was)[ \t])?(?=\\{0,7}[\"']))[ \t]{0,4}"
)
_OPENING = r"[brufBRUF]{0,2}(?P<backslashes>\\{0,7})(?P<quote>[\"'])"
_WORD_BEFORE = r"[A-Za-z]{1,30}[ \-]$"
_END_OF_LINE = r"[\r\n]|$"
# A bare value ends at white space, or where the next parameter of a query begins.
_END_OF_BARE = r"\s|&(?=[\w.\-\[\]%]{1,99}=)|$"
_END_OF_ITEM = r"[,}\])\r\n]|$"
_BRACKETS = "[({"
_CARD = r"(?<![\w.])\d(?:[ \-]?\d){12,18}(?![\w.])"

# Shapes of secrets, whatever their names.
_SHAPES = (
    (r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [^-]{0,60}-----|\Z)", REDACTED),
    # Credentials in URLs. A password may contain an unencoded "/" or "@" by mistake.
    (
        r"(?<=://)(?:[^\s/'\"<>@:]{0,100}:[^\s'\"<>]{0,400}|[^\s/'\"<>?#]{0,400})@(?=[\w\[])",
        f"{REDACTED}@",
    ),
    (r"(?i)\b(Bearer|Basic|Digest|Negotiate)\s+[A-Za-z0-9+/=_.~\-]{6,}", rf"\1 {REDACTED}"),
    (r"\beyJ[\w\-]{8,}(?:\.[\w\-]*){0,4}", REDACTED),
    (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", REDACTED),
    (r"\b(?:sk|pk|rk)_(?:live|test)_\w{8,}", REDACTED),
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AIza)[\w\-]{10,}", REDACTED),
    # Values of a statement that databases and their drivers quote in errors.
    (r"(?s)\[parameters: .*?(?:\]\s*(?=\n|\Z)|\Z)", f"[parameters: {REDACTED}]"),
    (r"(?s)(Failing row contains )\(.*?(?:\)\.|\Z)", rf"\1({REDACTED})."),
    (r"(?s)(Duplicate entry )'.*?(?:' for key|\Z)", rf"\1'{REDACTED}' for key"),
    (r"(?s)([Ii]nvalid input [^:\n]{0,60}: )\".*?(?:\"\s*(?=\n|\Z)|\Z)", rf'\1"{REDACTED}"'),
    (r"(?s)(value: )'.*?(?:' for column|\Z)", rf"\1'{REDACTED}' for column"),
)


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> re.Pattern[str]:
    # On first use: compiling takes some milliseconds, which most processes need not spend.
    return re.compile(pattern)


class TextRedaction:
    """Replaces secrets in free text.

    A secret is the value of a sensitive name (``password=...``, ``'token': '...'``, a header), or
    has the shape of one: credentials in a URL, a card number, a token of a well-known kind, a
    private key, or a value that a database quotes in its error.

    :param redaction: decides which names are sensitive.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._is_sensitive = redaction.is_sensitive

    def clean(self, text: str) -> str:
        """Return a text without secrets. If in doubt, the rest of a line is replaced too."""
        text = text[:_MAX_TEXT]
        for pattern, replacement in _SHAPES:
            text = _compiled(pattern).sub(replacement, text)
        return _compiled(_CARD).sub(_hide_card, self._without_named(text))

    def _without_named(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        named = _compiled(_NAMED)
        found = named.search(text)
        while found is not None:
            start = end = found.end()
            if self._names_secret(text, found):
                end = max(_end_of_value(text, found), start)
                if end > start:
                    parts += (text[done:start], REDACTED)
                    done = end
            found = named.search(text, max(end, found.start() + 1))
        return "".join((*parts, text[done:]))

    def _names_secret(self, text: str, found: re.Match[str]) -> bool:
        name = found["name"].strip("-.")
        if self._is_sensitive(name) or self._is_sensitive(name.rpartition(".")[2]):
            return True
        # "API key: ...": only both words together are sensitive.
        before = _compiled(_WORD_BEFORE).search(text, max(found.start() - 31, 0), found.start())
        return before is not None and self._is_sensitive(f"{before[0]}{name}")


def _end_of_value(text: str, found: re.Match[str]) -> int:
    """Return where the value behind a sensitive name ends."""
    start = found.end()
    opening = _compiled(_OPENING).match(text, start)
    if opening is not None:
        return _end_of_quoted(text, opening)
    if text[start : start + 1] == "(" and found["bracket"] == ")":  # PostgreSQL: Key (name)=(value)
        end = text.find(")", start)
        return len(text) if end < 0 else end + 1
    if text[start : start + 1] in _BRACKETS:
        return _match_end(_END_OF_LINE, text, start)
    if found["close"] is not None:  # the key of a dict; its value is a number
        return _match_end(_END_OF_ITEM, text, start)
    if "=" in found["separator"]:
        return _match_end(_END_OF_BARE, text, start)
    return _match_end(_END_OF_LINE, text, start)  # a header


def _end_of_quoted(text: str, opening: re.Match[str]) -> int:
    # JSON within JSON escapes its quotes, so as many backslashes end a text as begin it.
    depth = len(opening["backslashes"])
    end = text.find(opening["quote"], opening.end())
    while end >= 0:
        before = end - len(text[opening.end() : end].rstrip("\\")) - opening.end()
        if before % (2 * (depth + 1)) == depth:
            return end + 1
        end = text.find(opening["quote"], end + 1)
    return len(text)


def _match_end(pattern: str, text: str, start: int) -> int:
    found = _compiled(pattern).search(text, start)
    return len(text) if found is None else found.start()


def _hide_card(found: re.Match[str]) -> str:
    digits = [int(each) for each in found[0] if each.isdigit()]
    # Luhn's formula: https://en.wikipedia.org/wiki/Luhn_algorithm
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return REDACTED if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


_COMMENT = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_NUMBER = r"(?<![\w$:@.])[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?![\w$])"
_DOLLAR = r"\$(?P<tag>\w{0,60})\$.*?(?:\$(?P=tag)\$|\Z)"
_ESCAPED = r"'(?:[^'\\]|\\.|'')*(?:'|\Z)"
_STANDARD = r"(?:[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z))"
_IDENTIFIER = r'(?P<kept>"(?:[^"]|"")*"|`[^`]*`)'
_DOUBLE = r'"(?:[^"\\]|\\.|"")*(?:"|\Z)'
_SQL = "(?s)" + "|".join((_COMMENT, _IDENTIFIER, _DOLLAR, _STANDARD, _NUMBER))
_MYSQL = "(?s)" + "|".join((_COMMENT, r"#[^\n]*", r"(?P<kept>`[^`]*`)", _DOUBLE, _ESCAPED, _NUMBER))


def without_literals(statement: str, dialect: str = "") -> str:
    """Return a SQL statement with ``?`` in place of each literal, without comments, on one line.

    OpenTelemetry asks for the same:
    https://opentelemetry.io/docs/specs/semconv/database/database-spans/#sanitization-of-dbquerytext

    :param dialect: SQLAlchemy's name of the dialect; MySQL's texts may have double quotes.
    """
    pattern = _compiled(_MYSQL if dialect in ("mysql", "mariadb") else _SQL)
    return " ".join(pattern.sub(_literal, statement[:_MAX_TEXT]).split())


def _literal(found: re.Match[str]) -> str:
    kept = found.groupdict().get("kept")
    if kept is not None:
        return kept
    return " " if found[0].startswith(("--", "/*", "#")) else "?"
