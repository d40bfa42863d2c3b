"""``flask chest relay``: from a Redis stream into a store."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..chests.redis.chest import FlaskChestRedis
from ..chests.redis.consumer_group import ConsumerGroup
from ..chests.registry import assign_default_names, assign_unique_names, make_chest
from ..delivery.buffer import LossListener
from ..delivery.dead_letters import DeadLetters
from ..delivery.exporter import Exporter
from ..delivery.journal.scope import JournalScope
from ..delivery.journal.totals import add_rejected
from ..delivery.ledger import Ledger
from ..delivery.worker import DeliveryConfig
from ..operations.relay import StreamBuffer
from ..operations.retention import Maintenance
from .context import current_state, told_errors
from .shutdown import ending


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--group", "group_name", help="The consumer group; default: the target's name and address."
)
@click.option(
    "--claim-after",
    type=click.FloatRange(min=2),
    default=30.0,
    show_default=True,
    help="Seconds after which a relay that is not heard of counts as dead.",
)
@with_appcontext
def relay(source: str, target: str, group_name: str | None, claim_after: float) -> None:
    """Carry records from a Redis stream to a store, until told to end.

    SOURCE and TARGET are URLs as in CHEST_CHESTS, or names of chests that stand there, so that no
    password shows in the list of processes. Several relays share the work.
    """
    state = current_state()
    with told_errors():
        stream, store = find_chests(state, source, target)
    group = ConsumerGroup(stream, group_name or f"{store.name} {store.describe()}")
    name_apart(state, store)
    ledger = Ledger()
    exporter = _exporter(state, group, store, claim_after, ledger)
    with ending() as wait:
        exporter.start()
        click.echo(f"relaying {stream.describe()} to {store.name!r}, group {group.name!r}")
        wait()
        exporter.close()
    accounts = ledger.accounts.values()
    click.echo(
        f"ended; {sum(each.delivered for each in accounts)} delivered, "
        f"{sum(each.rejected for each in accounts)} rejected, "
        f"{sum(each.lost.total() for each in accounts)} lost; the rest waits in the stream"
    )


def find_chests(state: AppState, source: str, target: str) -> tuple[FlaskChestRedis, Chest]:
    """The stream and the store of these words.

    :raises click.UsageError: there is none, or it is none of that kind.
    """
    stream = _chest(state, source, "SOURCE")
    store = _chest(state, target, "TARGET")
    if not isinstance(stream, FlaskChestRedis):
        raise click.UsageError(f"SOURCE is {stream.describe()}; expected redis:// or rediss://")
    if store.describe() == stream.describe():
        raise click.UsageError("SOURCE and TARGET are one stream")
    assign_default_names([stream, store])
    state.bind_chests([stream, store])
    return stream, store


def name_apart(state: AppState, store: Chest) -> None:
    """See that what the target refuses is sent again to it, and to no other of its name."""
    if store in state.chests:
        return
    place = store.location()
    same = [each.name for each in state.chests if place and each.location() == place]
    if same:
        store.name = same[0]
    else:
        assign_unique_names([store], [each.name for each in state.chests])


def _chest(state: AppState, word: str, argument: str) -> Chest:
    by_name = {chest.name: chest for chest in state.chests}
    if word in by_name:
        return by_name[word]
    if ":" not in word:
        names = ", ".join(map(repr, by_name))
        raise click.UsageError(
            f"{argument}: CHEST_CHESTS has no chest {word!r}; it has {names}; or write a URL"
        )
    return make_chest(word, argument)


def _exporter(
    state: AppState, group: ConsumerGroup, store: Chest, claim_after: float, ledger: Ledger
) -> Exporter:
    settings = state.settings
    scope = JournalScope(
        state.journal_dir, state.app.name, (store.name,), {store.name: store.location()}
    )

    def bury(chest: str, lines: Sequence[bytes], reason: str) -> None:
        DeadLetters(scope, chest).add(lines, reason)
        add_rejected(scope, chest, len(lines))

    def make_buffer(on_lost: LossListener) -> StreamBuffer:
        return StreamBuffer(group, store.name, bury, on_lost, claim_after, ledger)

    return Exporter(
        DeliveryConfig(
            name=f"{state.app.name}:relay",
            sender=state.app,
            chests=[store],
            make_buffer=make_buffer,
            bury=bury,
            batch_size=settings.batch_size,
            interval=settings.export_interval,
            shutdown_timeout=settings.shutdown_timeout,
            kept_in=group.chest.describe(),
            upkeep=Maintenance([store], settings.retention).run
            if store.needs_maintenance
            else None,
        )
    )
