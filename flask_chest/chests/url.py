"""A backend's URL, taken apart so that its credentials can be kept out of logs and errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError

_HINT = "percent-encode special characters of user and password, e.g. '@' as '%40', '/' as '%2F'"
# A shorter secret would blank out half of an innocent message.
_SHORTEST_SECRET = 3


@dataclass(frozen=True, slots=True)
class StoreURL:
    """The parts of a URL, decoded.

    :param hosts: everything between the credentials and the path, e.g. ``"db:5432"``; some
        databases name several here.
    :param path: the path without its leading slash.
    """

    scheme: str
    username: str = ""
    password: str = field(default="", repr=False)
    hosts: str = ""
    path: str = ""
    query: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> StoreURL:
        """Take a URL apart.

        :raises ConfigError: it is malformed. The message does not quote it: who knows what part of
            a password would be in it.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ConfigError(f"the URL is malformed; {_HINT}") from None
        # Of a web address a path may well hold an '@'; of a database it is the end of a password.
        if parts.fragment or ("@" in parts.path and parts.scheme not in {"http", "https"}):
            raise ConfigError(f"the {parts.scheme} URL has its '@', '#' or '?' astray; {_HINT}")
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
        """The only host, without its port."""
        return urlsplit(f"//{self.hosts}").hostname or ""

    @property
    def port(self) -> int | None:
        """The port of the only host.

        :raises ConfigError: it is no number.
        """
        try:
            return urlsplit(f"//{self.hosts}").port
        except ValueError:
            raise ConfigError(
                f"the {self.scheme} URL has a port that is no number; {_HINT}"
            ) from None

    def public_url(self) -> str:
        """The URL without password and query, where further credentials may stand."""
        user = f"{self.username}@" if self.username else ""
        return self.public_location().replace("://", f"://{user}", 1)

    def public_location(self) -> str:
        """The URL without user and query: who asks for it may change, and where it is does not."""
        path = f"/{self.path}" if self.path else ""
        return f"{self.scheme}://{self.hosts}{path}"


def digest(text: str) -> str:
    """What stands for a text that may be a secret."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """Blank out secrets that a driver put into its message."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
