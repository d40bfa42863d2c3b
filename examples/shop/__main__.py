"""Serve the shop, visit it, stop it, and show the records."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from . import report
from .server import ServerError, serve
from .traffic import Tally, drive

DEFAULT_INSTANCE = Path(__file__).parents[2] / "instance"  # `flask run` uses the same folder.


@click.command("python -m examples.shop")
@click.option("--requests", "count", default=1000, show_default=True, help="How many to make.")
@click.option("--sessions", default=4, show_default=True, help="How many visitors at once.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same visitors.")
@click.option(
    "--instance",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    default=DEFAULT_INSTANCE,
    help="The folder for chest.db.",
)
def main(count: int, sessions: int, seed: int, instance: Path) -> None:
    """Serve the shop with gunicorn, visit it, and show the records."""
    clear(instance)
    tally = Tally()
    try:
        with serve(instance, workers=2) as url:
            click.echo(f"gunicorn serves the shop at {url} with 2 workers")
            answers = drive(url, count=count, sessions=sessions, seed=seed)
            with click.progressbar(answers, length=count, label="visiting it") as progress:
                for answer in progress:
                    tally.add(answer)
    except ServerError as error:
        raise click.ClickException(str(error)) from error
    database = instance / "chest.db"
    click.echo()
    report.show(database)
    recorded = report.count_recorded(database)
    click.secho(f"\nanswered {tally.answered} requests, recorded {recorded}", bold=True)
    show_next_steps(instance)
    sys.exit(recorded != tally.answered or tally.unanswered > 0)


def clear(instance: Path) -> None:
    """Delete the records of earlier runs, so that the counts below are this run's."""
    instance.mkdir(parents=True, exist_ok=True)
    for path in instance.glob("chest.db*"):
        path.unlink()
    shutil.rmtree(instance / "chest-journal", ignore_errors=True)


def show_next_steps(instance: Path) -> None:
    database = instance / "chest.db"
    app = "examples.shop"
    if instance != DEFAULT_INSTANCE:
        app = f"'{app}:create_app(\"{instance}\")'"
    flask = Path(sys.executable).with_name("flask")
    click.echo(f"""
It is all in {database}. Next:
  {flask} --app {app} run
  {flask} --app {app} chest tail
  {flask} --app {app} chest stats --by tenant
  sqlite3 {database} "select * from chest_vars limit 5"\
""")


if __name__ == "__main__":
    main()
