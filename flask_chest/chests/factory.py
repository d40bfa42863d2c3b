"""Makes chests from the entries of ``CHEST_CHESTS``: URLs, dicts and ``Chest`` objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigError, suggest_name
from ..record.printable_text import printable
from .base import Chest
from .chest_names import assign_default_names
from .constructor_arguments import check_arguments
from .secret_scrubbing import scrub
from .sharing import comparable
from .store_registry import SCHEMES, load_class
from .url import ENCODING_HINT, StoreURL

# Those whose values may be credentials.
_SECRET_MAPPINGS = {"headers", "options", "params", "proxies", "resource", "settings"}


def make_chests(specs: Iterable[object], key: str = "CHEST_CHESTS") -> list[Chest]:
    """Make the chests that a config value lists.

    :param specs: URLs, dicts with ``"url"`` and constructor arguments, or chests.
    :param key: the name of the config value in error messages.
    :raises ConfigError: an entry is none of these, or two chests have the same name.
    """
    chests = [make_chest(spec, f"{key}[{index}]") for index, spec in enumerate(specs)]
    assign_default_names(chests)
    seen: dict[str, int] = {}
    for index, chest in enumerate(chests):
        if chest.name in seen:
            raise ConfigError(
                f"{key}[{index}]: the name {chest.name!r} is taken by {key}[{seen[chest.name]}]; "
                "give one of them another 'name'"
            )
        seen[chest.name] = index
    return chests


def make_chest(spec: object, key: str = "CHEST_CHESTS") -> Chest:
    """Make one chest from a URL or a dict; a chest is returned as it is.

    :param key: the name of the config value in error messages.
    :raises ConfigError: the entry is wrong; the message has ``key``, the value and the remedy.
    """
    if isinstance(spec, Chest):
        return spec
    if isinstance(spec, str):
        return _from_url(spec, {}, key)
    if isinstance(spec, Mapping):
        arguments = dict(spec)
        url = arguments.pop("url", None)
        if not isinstance(url, str):
            raise ConfigError(f"{key}: a dict needs 'url', e.g. {{'url': 'sqlite:///chest.db'}}")
        return _from_url(url, arguments, key)
    if isinstance(spec, type):
        raise ConfigError(f"{key}: a class is not a Chest; make one: {spec.__name__}(...)")
    if callable(getattr(spec, "write", None)):
        raise ConfigError(
            f"{key}: {type(spec).__name__} is not a Chest; wrap it: Chest.from_tuple_writer(obj)"
        )
    raise ConfigError(
        f"{key}: expected a URL, a dict with 'url', or a Chest, not {type(spec).__name__}"
    )


def _from_url(url: str, arguments: dict[str, Any], key: str) -> Chest:
    scheme = _scheme(url, key)
    if scheme not in SCHEMES:
        raise ConfigError(f"{key}: {_unknown_scheme(scheme)}")
    if not url.partition(":")[2].startswith("//"):
        right = "sqlite:///chest.db" if scheme == "sqlite" else f"{scheme}://..."
        raise ConfigError(f"{key}: '//' must follow '{scheme}:'; write {right!r}")
    _, class_name = SCHEMES[scheme]
    chest_class = load_class(class_name)
    check_arguments(chest_class, arguments, key)
    try:
        chest = chest_class.from_url(url, **arguments)
        chest.made_from = comparable([url, arguments])
        return chest
    except (TypeError, ValueError) as error:  # a ConfigError is a ValueError
        remedy = "; leave out what the URL says" if "multiple values" in str(error) else ""
        reason = printable(scrub(f"{error}{remedy}", _secrets_of(url, arguments)))
    # Outside of the handler: a traceback would show the error with its secrets.
    raise ConfigError(f"{key}: {reason}")


def _secrets_of(url: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what may be a credential in an entry of ``CHEST_CHESTS``."""
    found = [urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]]
    with suppress(ConfigError):
        found += StoreURL.parse(url).secrets()
    for name, value in arguments.items():
        if name in _SECRET_MAPPINGS and isinstance(value, Mapping):
            found += map(str, value.values())
        elif name == "token":
            found.append(str(value))
    return tuple(found)


def _scheme(url: str, key: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        # The message of the error may quote a part of the password.
        raise ConfigError(f"{key}: the URL is malformed; {ENCODING_HINT}") from None


def _unknown_scheme(scheme: str) -> str:
    if not scheme:
        return "a URL needs a scheme, e.g. 'sqlite:///chest.db'"
    return f"unknown scheme {scheme!r}; {suggest_name(scheme, sorted(SCHEMES))}"
