"""The ledger, and whether each chest answers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from .params import Params, chosen_chest

if TYPE_CHECKING:
    from ..app.state import AppState
    from ..chests.base import Chest

# Seconds that the page waits for all chests together.
_PATIENCE = 2.0


class Health:
    """The page of one app.

    :param state: the state of the app.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Thread] = {}
        self._found: dict[str, str] = {}

    def page(self) -> ResponseReturnValue:
        """Each chest: where it is, whether it answers, what became of its records."""
        state = self._state
        answers = self._ask_all()
        ledger = state.delivery.ledger().to_dict()
        rows: list[dict[str, Any]] = []
        for chest in state.chests:
            account = ledger.pop(chest.name, {})
            told = {"name": chest.name, "address": chest.describe(), "health": answers[chest.name]}
            rows.append({**told, **account, "waits": self._oldest(chest.name)})
        for name, account in ledger.items():
            told = {"name": name, "address": "-", "health": "not in CHEST_CHESTS"}
            rows.append({**told, **account, "waits": None})
        return render_template(
            "flask_chest/health.html",
            page="health",
            rows=rows,
            params=Params.of(request.args),
            chest=chosen_chest(request.args),
            everywhere=state.settings.buffer == "disk",
        )

    def _oldest(self, name: str) -> float | None:
        """Seconds that the oldest record has waited."""
        oldest = self._state.delivery.oldest(name)
        return None if oldest is None else max(0.0, time.time() - oldest / 1_000_000)

    def _ask_all(self) -> dict[str, str]:
        """Ask all chests at once: one that hangs must not hide another."""
        deadline = time.monotonic() + _PATIENCE
        with self._lock:  # of two pages one starts them, and both wait for the same
            threads = [self._asked(chest) for chest in self._state.chests]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return {
            chest.name: self._found.get(chest.name, f"no answer within {_PATIENCE:g} s")
            for chest in self._state.chests
        }

    def _asked(self, chest: Chest) -> threading.Thread:
        """The thread that asks a chest: an earlier one where that still waits."""
        thread = self._asking.get(chest.name)
        if thread is None or not thread.is_alive():
            self._found.pop(chest.name, None)
            thread = threading.Thread(target=self._ask, args=(chest,), daemon=True)
            self._asking[chest.name] = thread
            thread.start()
        return thread

    def _ask(self, chest: Chest) -> None:
        # A chest is called by one thread at a time; delivery may be at work.
        with chest.lock:
            try:
                chest.check()
            except Exception as error:  # noqa: BLE001 - a backend of theirs may raise anything
                self._found[chest.name] = f"unreachable: {error}"
            else:
                self._found[chest.name] = "ok"
