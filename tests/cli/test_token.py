"""``flask chest token``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from flask_chest.cli import chest

from ..dashboard.shop import log_in, make_dashboard_app


def test_a_new_token_each_time(tmp_path: Path) -> None:
    """The command needs no app; its tokens differ, and a dashboard accepts them."""
    made = [CliRunner().invoke(chest, ["token"]) for _ in range(2)]
    assert [result.exit_code for result in made] == [0, 0]
    tokens = [result.output.strip() for result in made]
    assert tokens[0] != tokens[1]
    assert all(len(token) == 43 for token in tokens)
    app = make_dashboard_app(tmp_path, CHEST_DASHBOARD_TOKEN=tokens[0])
    assert log_in(app.test_client(), tokens[1]).status_code == 403
    assert log_in(app.test_client(), tokens[0]).status_code == 303
    app.extensions["chest"].close()
