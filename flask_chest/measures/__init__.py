"""Measures what requests and jobs do with other libraries; one file for each library."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask


def attach_measures(names: Iterable[str], app: Flask) -> None:
    """Attach to the libraries that ``CHEST_MEASURE`` names; each is imported only if named.

    Most libraries are attached to once in a process, for all apps that name them.

    :param names: see :data:`flask_chest.config.measured_libraries.MEASURES`.
    """
    for name in names:
        if name == "sqlalchemy":
            from . import sqlalchemy

            sqlalchemy.attach()
        elif name == "requests":
            from . import urllib3

            urllib3.attach()
        elif name == "httpx":
            from . import httpx

            httpx.attach()
        elif name == "redis":
            from . import redis

            redis.attach()
        elif name == "jinja":
            from . import jinja

            jinja.attach(app)
