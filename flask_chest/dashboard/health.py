"""The ledger, and whether each chest answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from ..operations.health_check import HealthChecker
from .params import Params, chosen_chest

if TYPE_CHECKING:
    from ..app.state import AppState

# Seconds that the page waits for all chests together.
_CHECK_TIMEOUT = 2.0


class Health:
    """The page of one app.

    :param state: the state of the app.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._checker = HealthChecker()

    def page(self) -> ResponseReturnValue:
        """Each chest: where it is, whether it answers, what became of its records."""
        state = self._state
        answers = self._checker.check(state.chests, _CHECK_TIMEOUT)
        ledger = state.delivery.ledger().to_dict()
        rows: list[dict[str, Any]] = []
        for chest in state.chests:
            account = ledger.pop(chest.name, {})
            told = {
                "name": chest.name,
                "address": chest.describe(),
                "health": str(answers[chest.name]),
            }
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
        oldest = self._state.delivery.oldest_pending(name)
        return None if oldest is None else max(0.0, time.time() - oldest / 1_000_000)
