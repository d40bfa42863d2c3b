"""The state of an app: look-up, and functions that wait for it."""

from __future__ import annotations

import pytest

from flask_chest import FlaskChest
from flask_chest.app.state import AppState, find_state, get_state, with_state

from ..apps import make_plain_app


def test_look_up() -> None:
    """An app with a ``FlaskChest`` has one state."""
    app = make_plain_app(CHEST_CHESTS=["memory://"])
    extension = FlaskChest(app)
    assert get_state(app) is find_state(app) is extension.of(app)
    assert get_state(app).app is app


@pytest.mark.parametrize("disabled", [True, False], ids=["recording off", "no FlaskChest"])
def test_no_state(disabled: bool) -> None:
    """Without a state, ``find_state()`` returns ``None`` and ``get_state()`` names the remedy."""
    app = make_plain_app(CHEST_ENABLED=False)
    if disabled:
        FlaskChest(app)
    assert find_state(app) is None
    with pytest.raises(RuntimeError, match=r"call FlaskChest\(app\) and leave CHEST_ENABLED on"):
        get_state(app)


def test_a_listener_is_called_once_in_any_order() -> None:
    """A listener gets the state once, whether ``FlaskChest`` is initialized before or after."""
    app = make_plain_app(CHEST_CHESTS=["memory://"])
    early: list[AppState] = []
    late: list[AppState] = []
    with_state(app, early.append)
    assert early == []
    FlaskChest(app)
    with_state(app, late.append)
    assert early == late == [get_state(app)]
