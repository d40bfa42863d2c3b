"""Makes an app that only reads one store, for commands that run without the recorded app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flask import Flask

from ..app.state import AppState, get_state, publish_state
from ..chests.factory import make_chest
from ..chests.read_only_chest import ReadOnlyChest
from ..config.settings_validation import read_settings
from ..errors import ConfigError


def open_store(url: str) -> Flask:
    """Make an app whose only chest is a store, which must exist.

    :param url: the URL of the store, as in ``CHEST_CHESTS``. A relative path of SQLite starts at
        the current folder.
    :raises ConfigError: the URL is wrong, or this kind of store cannot be read.
    :raises DeliveryError: the store cannot be read, or there is none.
    """
    app = make_store_app(url)
    for chest in get_state(app).chests:
        chest.check()
    return app


def make_store_app(url: str) -> Flask:
    """Make an app whose only chest is a store, which may be created later.

    Its requests are not recorded, and it starts no delivery.

    :param url: the URL of the store.
    :raises ConfigError: the URL is wrong, or this kind of store cannot be read.
    """
    app = Flask("flask-chest", instance_path=str(Path.cwd()), static_folder=None)
    chest = ReadOnlyChest(make_chest(_with_scheme(url), "--chest"))
    # Memory: the folder of the journal would be in the current folder.
    settings = replace(read_settings({"CHEST_BUFFER": "memory"}), chests=[chest])
    publish_state(app, AppState(app, settings))
    return app


def _with_scheme(url: str) -> str:
    if "://" not in url and Path(url).is_file():
        raise ConfigError(f"--chest: a file needs a scheme: sqlite:///{url}")
    return url
