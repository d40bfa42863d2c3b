"""``flask chest relay``: carries records from a Redis stream to another store."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..chests.chest_names import assign_default_names, assign_unique_names
from ..chests.factory import make_chest
from ..chests.redis.chest import FlaskChestRedis
from ..chests.redis.consumer_group import ConsumerGroup
from ..delivery.background_delivery import BackgroundDelivery
from ..delivery.buffer_protocol import LossListener
from ..delivery.dead_letters import bury
from ..delivery.delivery_config import DeliveryConfig
from ..delivery.journal.app_scope import JournalScope
from ..delivery.journal.ledger_of_all_processes import add_rejected
from ..delivery.ledger import Ledger
from ..operations.background_retention import Maintenance
from ..operations.redis_relay import StreamBuffer
from .command_context import click_errors, current_state
from .termination_signals import wait_for_shutdown


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--group",
    "group_name",
    help="The consumer group. Default: the name and address of TARGET.",
)
@click.option(
    "--claim-after",
    type=click.FloatRange(min=2),
    default=30.0,
    show_default=True,
    help="Seconds after which a silent relay counts as dead, and others take over its records.",
)
@with_appcontext
def relay(source: str, target: str, group_name: str | None, claim_after: float) -> None:
    """Carry records from a Redis stream to a store.

    SOURCE and TARGET are URLs, or names of chests in CHEST_CHESTS. Use names for stores with a
    password: a URL is visible in the list of processes. Several relays can share the work. A relay
    runs until it receives SIGTERM or SIGINT.
    """
    state = current_state()
    with click_errors():
        stream, store = find_chests(state, source, target)
    group = ConsumerGroup(stream, group_name or f"{store.name} {store.describe()}")
    assign_unique_name(state, store)
    ledger = Ledger()
    delivery = _make_delivery(state, group, store, claim_after, ledger)
    with wait_for_shutdown() as wait:
        delivery.start()
        click.echo(f"relaying {stream.describe()} to {store.name!r}, group {group.name!r}")
        wait(delivery.supervise)  # no request does it here
        delivery.close()
    accounts = ledger.accounts.values()
    click.echo(
        f"stopped; {sum(each.delivered for each in accounts)} delivered, "
        f"{sum(each.rejected for each in accounts)} rejected, "
        f"{sum(each.lost.total() for each in accounts)} lost; other records stay in the stream"
    )


def find_chests(state: AppState, source: str, target: str) -> tuple[FlaskChestRedis, Chest]:
    """Return the stream and the store that two arguments name.

    :raises click.UsageError: an argument names no chest, or a chest of the wrong kind.
    """
    stream = _find_chest(state, source, "SOURCE")
    store = _find_chest(state, target, "TARGET")
    if not isinstance(stream, FlaskChestRedis):
        raise click.UsageError(f"SOURCE is {stream.describe()}; expected redis:// or rediss://")
    if store.describe() == stream.describe():
        raise click.UsageError("SOURCE and TARGET are the same stream")
    assign_default_names([stream, store])
    state.bind_chests([stream, store])
    return stream, store


def assign_unique_name(state: AppState, store: Chest) -> None:
    """Name the target so that a later replay sends its dead letters to the same store.

    A chest of the app that writes to the same store gives the target its name. Otherwise the name
    differs from those of all chests of the app.
    """
    if store in state.chests:
        return
    location = store.location()
    same = [chest.name for chest in state.chests if location and chest.location() == location]
    if same:
        store.name = same[0]
    else:
        assign_unique_names([store], [chest.name for chest in state.chests])


def _find_chest(state: AppState, text: str, argument: str) -> Chest:
    by_name = {chest.name: chest for chest in state.chests}
    if text in by_name:
        return by_name[text]
    if ":" not in text:
        names = ", ".join(map(repr, by_name))
        raise click.UsageError(
            f"{argument}: CHEST_CHESTS has no chest {text!r}; it has {names}; or write a URL"
        )
    return make_chest(text, argument)


def _make_delivery(
    state: AppState, group: ConsumerGroup, store: Chest, claim_after: float, ledger: Ledger
) -> BackgroundDelivery:
    settings = state.settings
    scope = JournalScope(
        state.journal_dir, state.app.name, (store.name,), {store.name: store.location()}
    )

    def dead_letter(chest: str, lines: Sequence[bytes], reason: str) -> None:
        bury(scope, chest, lines, reason, settings.buffer_max_bytes)
        add_rejected(scope, chest, len(lines))

    def make_buffer(on_lost: LossListener) -> StreamBuffer:
        return StreamBuffer(group, store.name, dead_letter, on_lost, claim_after, ledger)

    return BackgroundDelivery(
        DeliveryConfig(
            name=f"{state.app.name}:relay",
            chests=[store],
            make_buffer=make_buffer,
            on_rejected=dead_letter,
            batch_size=settings.batch_size,
            interval=settings.export_interval,
            shutdown_timeout=settings.shutdown_timeout,
            buffer_location=group.chest.describe(),
            maintenance=Maintenance([store], settings.retention).run
            if store.needs_maintenance
            else None,
        ),
        state.app,
    )
