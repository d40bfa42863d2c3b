"""The health page: the ledger of each chest, and whether its store answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from ..app.state import AppState
from ..operations.chest_health import HealthChecker
from .url_params import Params, chest_argument

# Seconds that the page waits for all chests together.
_CHECK_TIMEOUT = 2.0


class Health:
    """The health page of one app.

    :param state: the state of the app.
    :param render: renders a template.
    """

    def __init__(self, state: AppState, render: Callable[..., str]) -> None:
        self._state = state
        self._render = render
        self._checker = HealthChecker()

    def page(self) -> ResponseReturnValue:
        """Show the address, the health and the ledger of each chest."""
        return self._render(
            "health",
            active_page="health",
            rows=self._rows(),
            params=Params.from_args(request.args),
            chest=chest_argument(request.args),
            failed_logins=self._state.ledger().get("dashboard", {}).get("failed_logins"),
            all_processes=self._state.settings.buffer == "disk",
        )

    def _rows(self) -> list[dict[str, Any]]:
        state = self._state
        health = self._checker.check(state.chests, _CHECK_TIMEOUT)
        ledger = state.delivery.ledger().to_dict()
        rows: list[dict[str, Any]] = [
            {
                "name": chest.name,
                "address": chest.describe(),
                "health": str(health[chest.name]),
                **ledger.pop(chest.name, {}),
                "oldest": self._oldest_pending(chest.name),
            }
            for chest in state.chests
        ]
        for name, account in ledger.items():
            row = {"name": name, "address": "-", "health": "not in CHEST_CHESTS"}
            rows.append({**row, **account, "oldest": None})
        return rows

    def _oldest_pending(self, name: str) -> float | None:
        """Return the age of the oldest pending record in seconds."""
        oldest = self._state.delivery.oldest_pending(name)
        return None if oldest is None else max(0.0, time.time() - oldest / 1_000_000)
