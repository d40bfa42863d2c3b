"""Parses the URL of a store."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError, suggest_name

#: The remedy for a URL that cannot be parsed.
ENCODING_HINT = (
    "percent-encode special characters of user and password, e.g. '@' as '%40', '/' as '%2F'"
)
# Names of URL parameters whose values are credentials.
_SECRET_NAME = re.compile(
    r"(?i)passw|passphrase|pwd|secret|token|api_?key|^key$|credential|^sig|authmechanismproperties"
)


@dataclass(frozen=True, slots=True)
class StoreURL:
    """The parts of a URL, decoded.

    :param hosts: the part between credentials and path, e.g. ``"db:5432"``; some databases allow
        several hosts, separated by commas.
    :param path: the path without its leading slash.
    """

    scheme: str
    username: str = ""
    password: str = field(default="", repr=False)
    hosts: str = ""
    path: str = field(default="", repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> StoreURL:
        """Parse a URL.

        :raises ConfigError: the URL is malformed. The message does not quote the URL, since it may
            contain a password.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ConfigError(f"the URL is malformed; {ENCODING_HINT}") from None
        # The path of a web address may contain '@'. In the URL of a database it means that the
        # password contains a '/' that was not encoded.
        is_web = parts.scheme in {"http", "https"}
        if parts.fragment or ("@" in parts.path + parts.query and not is_web):
            raise ConfigError(
                f"the {parts.scheme} URL has a misplaced '@', '#' or '?'; {ENCODING_HINT}"
            )
        credentials, _, hosts = parts.netloc.rpartition("@")
        username, _, password = credentials.partition(":")
        return cls(
            scheme=parts.scheme,
            username=unquote(username),
            password=unquote(password),
            hosts=hosts,
            path=unquote(parts.path[1:]),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        )

    @property
    def host(self) -> str:
        """The host without its port, if the URL has one host."""
        return urlsplit(f"//{self.hosts}").hostname or ""

    @property
    def port(self) -> int | None:
        """The port, if the URL has one host; ``None`` if it has no port.

        :raises ConfigError: the port is not a number.
        """
        try:
            return urlsplit(f"//{self.hosts}").port
        except ValueError:
            raise ConfigError(
                f"the {self.scheme} URL has a port that is no number; {ENCODING_HINT}"
            ) from None

    def require_host(self, example: str) -> None:
        """Check that the URL has a host, and that its port is a number.

        :param example: a right URL, for the error message.
        :raises ConfigError: the host is missing or the port is not a number.
        """
        if not self.host:
            raise ConfigError(f"the URL names no host; write e.g. {example!r}")
        _ = self.port

    def require_known_parameters(self, known: Collection[str]) -> None:
        """Check the names of the parameters that follow after the ``?``.

        :raises ConfigError: the URL has a parameter that is not known.
        """
        unknown = self.query.keys() - set(known)
        if unknown:
            name = min(unknown)
            advice = suggest_name(name, sorted(known)) if known else "there are none"
            raise ConfigError(f"unknown URL parameter {name!r}; {advice}")

    def secrets(self) -> tuple[str, ...]:
        """The credentials in this URL, also in the form in which HTTP sends them."""
        query = (value for name, value in self.query.items() if _SECRET_NAME.search(name))
        if not self.password:
            return tuple(query)
        both = f"{self.username}:{self.password}".encode("utf-8", "replace")
        basic = (base64.b64encode(both).decode(), base64.urlsafe_b64encode(both).decode())
        return (self.password, *(each.rstrip("=") for each in basic), *query)

    def public_url(self) -> str:
        """The URL without password and query: a query may contain further credentials."""
        user = f"{self.username}@" if self.username else ""
        return self.public_location().replace("://", f"://{user}", 1)

    def public_location(self) -> str:
        """The URL without credentials and query: it stays the same if the credentials change."""
        path = f"/{self.path}" if self.path else ""
        return f"{self.scheme}://{self.hosts}{path}"


def digest(text: str) -> str:
    """Return a short hash that identifies a text without revealing it."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
