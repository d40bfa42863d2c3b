"""The ``flask chest`` command group: inspect, query, export and maintain an app's records."""

from __future__ import annotations

import click

from .agent import agent
from .archive import archive
from .doctor import doctor
from .errors import errors
from .export import export
from .forget import forget
from .import_ import import_records
from .prune import prune
from .relay import relay
from .replay import replay
from .rules import explain, rules
from .show import show
from .stats import stats
from .status import status
from .tail import tail
from .token import token
from .try_ import try_


@click.group()
def chest() -> None:
    """Inspect and manage what Flask-Chest records of this app."""


for _command in (
    agent,
    archive,
    doctor,
    errors,
    explain,
    export,
    forget,
    import_records,
    prune,
    relay,
    replay,
    rules,
    show,
    stats,
    status,
    tail,
    try_,
    token,
):
    chest.add_command(_command)
