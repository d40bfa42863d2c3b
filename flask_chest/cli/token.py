"""``flask chest token``: makes a token for the dashboard."""

from __future__ import annotations

import secrets

import click

_BYTES = 32


@click.command()
def token() -> None:
    """Print a new random token for CHEST_DASHBOARD_TOKEN.

    The command stores nothing. A new token ends all sessions of the dashboard.
    """
    click.echo(secrets.token_urlsafe(_BYTES))
