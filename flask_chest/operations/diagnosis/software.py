"""Examines the installed software: versions, the compiled module, and the platform."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import NamedTuple

from ..._speedups import COMPILED
from .finding import Finding, note

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;.*)?")
_EXTRA = re.compile(r"""extra == ['"]([\w-]+)['"]""")
# Variables of platforms that freeze a process between two requests.
_FROZEN_BETWEEN_REQUESTS = {
    "AWS_LAMBDA_FUNCTION_NAME": "AWS Lambda",
    "K_SERVICE": "Cloud Run (unless processor time is always allocated)",
    "FUNCTION_TARGET": "Google Cloud Functions",
    "FUNCTIONS_WORKER_RUNTIME": "Azure Functions",
    "VERCEL": "Vercel",
    "NETLIFY": "Netlify",
    "FC_FUNCTION_NAME": "Alibaba Function Compute",
}
# Variables of platforms whose disk is emptied at each restart of the app.
_EMPTIED_AT_RESTARTS = {
    "DYNO": "Heroku",
    "VCAP_APPLICATION": "Cloud Foundry",
    "GAE_INSTANCE": "App Engine",
}


def examine_software(
    buffer: str, flush: str = "interval", environ: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Find software that is too old, and platforms that need other settings.

    :param buffer: the app's ``CHEST_BUFFER``.
    :param flush: the app's ``CHEST_FLUSH``.
    :param environ: the environment of the process.
    """
    yield from examine_versions()
    yield from examine_platform(buffer, flush, environ)
    yield note("software", f"Python {platform.python_version()} on {_system()}")
    if COMPILED:
        yield note("software", "the compiled module is in use")
    else:
        yield note(
            "software",
            "the compiled module is not in use: a request pays about half as much again",
            "pip install --force-reinstall --no-binary Flask-Chest Flask-Chest, with a C compiler",
        )
    if not sys.platform.startswith("linux"):
        yield note("software", f"{sys.platform}: file systems and servers cannot be examined")
    if sys.getfilesystemencoding().lower() != "utf-8":
        yield Finding("software", "file names are not UTF-8 here", "PYTHONUTF8=1")


def examine_platform(buffer: str, flush: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Find platforms that freeze processes, or whose disk does not last.

    :param buffer: the app's ``CHEST_BUFFER``.
    :param flush: the app's ``CHEST_FLUSH``.
    :param environ: the environment of the process.
    """
    if buffer == "none" or flush == "request":
        return
    for variable, name in _FROZEN_BETWEEN_REQUESTS.items():
        if variable in environ:
            yield Finding(
                "server",
                f"{name} freezes processes between requests, so records wait for the next one, "
                "and are lost if there is none",
                'CHEST_FLUSH = "request"',
            )
            return
    for variable, name in _EMPTIED_AT_RESTARTS.items():
        if variable in environ:
            yield note(
                "journal",
                f"{name} empties the disk at each restart: records that are not delivered by then "
                "are lost, about a second of them or all since the store is down",
                'CHEST_FLUSH = "request"',
            )


def examine_versions() -> Iterator[Finding]:
    """Find installed packages that are older or newer than Flask-Chest allows."""
    try:
        requirements = metadata.requires("Flask-Chest") or []
    except metadata.PackageNotFoundError:
        yield note("software", "Flask-Chest has no metadata here, so versions are not compared")
        return
    parsed = [match for each in sorted(set(requirements)) if (match := _parse(each)) is not None]
    for name, allowed, extra in parsed:
        if extra is None or all(_is_installed(each.name) for each in parsed if each.extra == extra):
            yield from _compare(name, allowed, optional=extra is not None)


def _system() -> str:
    library, version = platform.libc_ver()
    return f"{platform.system()}, {f'{library} {version}' if library else 'no glibc'}"


class _Requirement(NamedTuple):
    name: str
    allowed: str
    extra: str | None


def _parse(requirement: str) -> _Requirement | None:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        return None
    extra = _EXTRA.search(requirement)
    return _Requirement(match[1], match[2].strip(), None if extra is None else extra[1])


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _compare(name: str, allowed: str, *, optional: bool) -> Iterator[Finding]:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        if not optional:
            yield note("software", f"{name} has no metadata here, so its version is not known")
        return
    for bound in filter(None, allowed.split(",")):
        operator, version = re.split(r"(?<=[=<>~!])(?=\d)", bound.strip(), maxsplit=1)
        too_old = operator == ">=" and _parts(installed) < _parts(version)
        too_new = operator == "<" and _parts(installed) >= _parts(version)
        if too_old or too_new:
            yield Finding(
                "software",
                f"{name} {installed} is installed, and Flask-Chest needs {allowed}",
                f"pip install '{name}{allowed}'",
            )


def _parts(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; that of a pre-release counts as the release."""
    return tuple(int(each) for each in re.findall(r"\d+", version.partition("+")[0])[:3])
