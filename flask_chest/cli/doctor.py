"""``flask chest doctor``: finds what is wrong, or will be, and says what to write."""

from __future__ import annotations

from collections.abc import Iterator

import click
from flask import current_app
from flask.cli import with_appcontext

from ..app.state import AppState
from ..operations.diagnosis.finding import Finding
from ..operations.diagnosis.folders import Folder, examine_folder
from ..operations.diagnosis.journal import examine_journal
from ..operations.diagnosis.processes import (
    examine_files,
    examine_hidden_writers,
    examine_process,
    examine_user,
    find_processes,
)
from ..operations.diagnosis.software import examine_software
from ..operations.diagnosis.stores import examine_stores
from .command_context import current_state, synchronous_chests
from .options import json_option
from .output import one_line, print_json

# For all stores together.
_STORES_TIMEOUT_SECONDS = 30.0
_MAX_LENGTH = 500


@click.command()
@json_option
@click.pass_context
@with_appcontext
def doctor(context: click.Context, as_json: bool) -> None:
    """Find what is wrong, or will be, and what to write.

    Examines folders, the servers that run now, the journal, stores and versions. Run it as the
    user that serves the app. The exit status is 1 if there is a problem.
    """
    state = current_state()
    found = dict.fromkeys(_examine(state))  # two stores in one folder have the same problem
    findings = sorted(found, key=lambda each: not each.is_problem)
    problems = [finding for finding in findings if finding.is_problem]
    if as_json:
        print_json({"problems": len(problems), "findings": [each.to_dict() for each in findings]})
    else:
        for finding in findings:
            _print(finding)
        click.echo(f"{len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'} found")
    if problems:
        context.exit(1)


def _examine(state: AppState) -> Iterator[Finding]:
    settings = state.settings
    for folder in _folders(state):
        yield from examine_folder(folder)
    if settings.buffer == "disk":
        processes = find_processes(state.journal_dir)
        yield from examine_hidden_writers(state.journal_dir, processes)
        for process in processes:
            yield from examine_process(process, settings.exporter)
            yield from examine_user(process, state.journal_dir)
            yield from examine_files(process, [chest.local_file() for chest in state.chests])
    yield from examine_journal(state.journal_scope, settings.exporter)
    chests = [*state.chests, *synchronous_chests(state)]
    yield from examine_stores(chests, _STORES_TIMEOUT_SECONDS)
    for chest in chests:
        if chest.lock.acquire(blocking=False):  # a check that has not finished still uses it
            chest.lock.release()
            chest.close()
    yield from examine_software(settings.buffer, settings.flush)


def _folders(state: AppState) -> Iterator[Folder]:
    app_name, settings = current_app.name, state.settings
    if settings.buffer == "disk":
        yield Folder(
            "journal",
            state.journal_dir,
            'CHEST_JOURNAL_DIR = "{folder}/chest-journal"',
            app_name,
            settings.buffer_max_bytes,
        )
    for chest in state.chests:
        file = chest.local_file()
        if file is not None:
            yield Folder(
                f"chest {chest.name}",
                file.parent,
                f'CHEST_CHESTS = ["sqlite:///{{folder}}/{file.name}"]',
                app_name,
            )


def _print(finding: Finding) -> None:
    label, colour = ("problem", "red") if finding.is_problem else ("ok", "green")
    text = one_line(f"{finding.subject}: {finding.text}", _MAX_LENGTH)
    click.echo(f"{click.style(label.ljust(8), fg=colour)} {text}")
    if finding.remedy:
        click.echo(f"{'':8} {click.style(one_line(finding.remedy, _MAX_LENGTH), bold=True)}")
