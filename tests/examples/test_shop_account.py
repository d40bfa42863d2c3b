"""The shop's login."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.shop import create_app


@pytest.mark.parametrize("password", ["open barley", "öffne dich", ""])
def test_a_wrong_password_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """A wrong password is answered with 401, also with non-ASCII characters."""
    monkeypatch.setenv("FLASK_CHEST_CHESTS", '["memory://"]')
    monkeypatch.setenv("FLASK_CHEST_BUFFER", "none")
    form = {"email": "staff@shop.test", "password": password}
    answer = create_app(str(tmp_path)).test_client().post("/login", data=form)
    assert answer.status_code == 401
