"""``flask chest``: what is tracked, where it stands, and what comes in."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask.testing import EnvironBuilder
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from . import table
from .app_chest import AppChest
from .chests.base import Chest
from .errors import ChestError
from .extension import FlaskChest
from .reader import first_reader
from .record import Record
from .replay import Replay
from .rule import Route
from .rules import Plan

_POLL = 0.5
# Workers deliver in their own time: a record may come in after one that began later.
_LATE = 30


@click.group()
def chest() -> None:
    """See what Flask-Chest records of this app."""


@chest.command()
@with_appcontext
def rules() -> None:
    """What each route tracks, and by which rule."""
    held = _held()
    rows = []
    for route in sorted(_routes(), key=lambda route: (route.rule or "", route.method)):
        plan = held.plans.show(route)
        rows.append((route.method, route.rule, *_told(plan, held)))
    click.echo(table.render(("method", "route", "tracks", "chests", "sample", "by"), rows))
    for rule in held.plans.unmatched():
        text = f"{rule.source} matches no route of the app: {rule.told}"
        click.secho(text, fg="yellow", err=True)


@chest.command()
@click.argument("method")
@click.argument("path")
@with_appcontext
def explain(method: str, path: str) -> None:
    """What a request with METHOD to PATH would record, and why."""
    held = _held()
    route, redirect = _match(method.upper(), path)
    plan = held.plans.show(route)
    tracks, chests, sample, sources = _told(plan, held)
    told = [
        ("route", route.rule or _unmatched(redirect)),
        ("endpoint", route.endpoint),
        ("blueprint", route.blueprint),
        ("recorded", "yes" if plan.record else "no"),
        ("tracks", tracks),
        ("chests", chests),
        ("sample", sample),
        ("by", sources),
    ]
    for name, value in told:
        click.echo(f"{click.style(name.ljust(9), bold=True)}  {'-' if value is None else value}")


@chest.command()
@with_appcontext
def status() -> None:
    """Every chest: where it is, whether it answers, and its ledger."""
    held = _held()
    ledger = held.carrier.ledger().accounts
    rows = []
    for each in held.chests:
        account = ledger.pop(each.name)
        rows.append(_ledger_row(each.name, each.describe(), _health(each), account))
    for name, account in ledger.items():
        rows.append(_ledger_row(name, "-", "not in CHEST_CHESTS", account))
    header = ("chest", "address", "health", "captured", "delivered", "pending", "rejected", "lost")
    click.echo(table.render(header, rows))
    if held.settings.buffer == "disk":
        click.echo(f"journal: {held.journal_dir}")
    else:
        click.echo("The buffer is not on disk, so this is only what this very command recorded.")


@chest.command()
@click.option("-n", "--lines", default=10, show_default=True, help="Older records to begin with.")
@click.option("--follow/--no-follow", default=True, help="Wait for more.", show_default=True)
@with_appcontext
def tail(lines: int, follow: bool) -> None:
    """Show records as they come in."""
    try:
        reader = first_reader(_held().chests)
    except ChestError as error:
        raise click.ClickException(str(error)) from None
    # Those of the last seconds are not new, however few of them are shown.
    seen = reader.ids_after(_horizon())
    for record in reader.latest(lines):
        seen.add(record.id)
        click.echo(_tail_line(record))
    while follow:
        time.sleep(_POLL)  # a store that is polled has no event to wait for
        recent = reader.ids_after(_horizon())
        for record in reader.pick(recent - seen):
            click.echo(_tail_line(record))
        seen = recent


@chest.command()
@click.argument("name", required=False)
@with_appcontext
def replay(name: str | None) -> None:
    """Send the dead letters of chest NAME, or of all chests, again."""
    held = _held()
    chests = [each for each in held.chests if name in (None, each.name)]
    if not chests:
        names = ", ".join(each.name for each in held.chests)
        raise click.ClickException(f"there is no chest {name!r}; there are: {names}")
    for each in chests:
        again = _replay_of(held, each)
        with click.progressbar(again.run(), length=len(again), label=each.name) as letters:
            for _ in letters:
                pass
        each.close()
        click.echo(f"{each.name}: {again.delivered} delivered, {len(again.left)} left")
        if again.failure is not None:
            raise click.ClickException(str(again.failure))


def _replay_of(held: AppChest, each: Chest) -> Replay:
    try:
        return Replay(held.journal_dir, each, held.app.name)
    except ChestError as error:
        raise click.ClickException(str(error)) from None


@chest.command()
@with_appcontext
def agent() -> None:
    """Deliver what the processes of this app capture, until told to end.

    For CHEST_EXPORTER = "agent"; run it beside them, one on each machine.
    """
    held = _held()
    try:
        exporter = held.agent()
    except ChestError as error:
        raise click.ClickException(str(error)) from None
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    exporter.start()
    click.echo(f"delivering {held.journal_dir} to {', '.join(map(repr, held.chests))}")
    ended.wait()
    exporter.close()
    click.echo("ended; what was not delivered waits in the journal")


def _horizon() -> str:
    return f"{(int(time.time()) - _LATE) * 1000:012x}"


def _tail_line(record: Record) -> str:
    status = "-" if record.status is None else str(record.status)
    duration = "-" if record.duration_ms is None else f"{record.duration_ms:.1f} ms"
    variables = " ".join(f"{name}={_one_line(value)}" for name, value in record.vars.items())
    what = f"{record.method or record.kind:7} {record.route or record.endpoint or '(no route)'}"
    parts = [
        click.style(f"{record.time:%H:%M:%S}", dim=True),
        click.style(status.rjust(3), fg=_colour(record)),
        what.ljust(36),
        duration.rjust(10),
        click.style(variables, fg="cyan"),
    ]
    if record.error:
        parts.append(click.style(record.error, fg="red"))
    return " ".join(parts).rstrip()


def _one_line(value: object) -> str:
    text = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value)
    )
    return text if len(text) <= 60 else f"{text[:59]}…"


def _colour(record: Record) -> str:
    if record.error is not None or (record.status or 0) >= 500:
        return "red"
    return "yellow" if (record.status or 0) >= 400 else "green"


def _told(plan: Plan, held: AppChest) -> tuple[str, str, float, str]:
    if not plan.record:
        tracks = "(not recorded)"
    elif plan.names is None:
        tracks = ", ".join(("all of g", *sorted(plan.named)))
    else:
        tracks = ", ".join(plan.names) or "(request only)"
    names = [each.name for bit, each in enumerate(held.chests) if plan.mask >> bit & 1]
    return tracks, ", ".join(names), plan.sample, ", ".join(plan.sources) or "(app)"


def _ledger_row(name: str, address: str, health: str, account: Any) -> tuple[object, ...]:
    lost = ", ".join(f"{n} {reason}" for reason, n in account.lost.items() if n) or 0
    return (
        name,
        address,
        health,
        account.captured,
        account.delivered,
        account.pending,
        account.rejected,
        lost,
    )


def _health(chest_of_app: Any) -> str:
    try:
        chest_of_app.check()
    except Exception as error:  # noqa: BLE001 - a backend of theirs may raise anything
        return f"unreachable: {error}"
    return "ok"


def _match(method: str, path: str) -> tuple[Route, str | None]:
    """The route of a request, and where it would be redirected to."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    environ = EnvironBuilder(app, path, method=method).get_environ()
    adapter = app.create_url_adapter(app.request_class(environ))
    redirect = None
    try:
        rule, _ = adapter.match(return_rule=True)
    except RequestRedirect as error:
        redirect = error.new_url
    except HTTPException:
        pass
    else:
        return Route(rule.rule, rule.endpoint, method), None
    return Route(None, None, method), redirect


def _unmatched(redirect: str | None) -> str:
    told = "none: no route of the app matches"
    return told if redirect is None else f"{told}, but this is redirected to {redirect}"


def _routes() -> Iterable[Route]:
    for rule in current_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            yield Route(rule.rule, rule.endpoint, method)


def _held() -> AppChest:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    extension = app.extensions.get("chest")
    if not isinstance(extension, FlaskChest):
        raise click.ClickException(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app)")
    try:
        return extension.of(app)
    except RuntimeError:
        raise click.ClickException("recording is off: CHEST_ENABLED is False") from None
