"""Which variables are recorded, which are redacted, and how large they may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import g

from flask_chest.record.json_line import encode
from flask_chest.record.truncation import CUT

from ..apps import Site


def visit(site: Site, **values: Any) -> dict[str, Any]:
    """Return the stored variables of a view that puts values on ``g``."""

    def view() -> str:
        for name, value in values.items():
            setattr(g, name, value)
        return "done"

    if "view" not in site.app.view_functions:
        site.app.add_url_rule("/", "view", view)
    site.app.view_functions["view"] = view
    assert site.client.get("/").text == "done"
    return dict(site.take().vars)


def test_all_of_g(site: Site) -> None:
    """Without tracked variables all plain public values on ``g`` are stored, and nothing else."""
    found = visit(site, a=1, b="x", _private=2, connection=object(), payload=b"x", get=3)
    assert found == {"a": 1, "b": "x", "get": 3}


def test_named_variables(make_site: Callable[..., Site]) -> None:
    """Named variables are stored in the order of their names, private and unusual ones too."""
    site = make_site(CHEST_TRACKED_VARS=["b", "_private", "connection", "missing", "a"])
    found = visit(site, a=1, b="x", c="not named", _private=2, connection=object())
    assert list(found.items()) == [
        ("b", "x"),
        ("_private", 2),
        ("connection", "<builtins.object>"),
        ("a", 1),
    ]


def test_a_named_variable_that_another_thread_removes(make_site: Callable[..., Site]) -> None:
    """Another thread may remove a variable between the look-up and the read."""

    class Fleeting(dict[str, Any]):
        def __setattr__(self, name: str, value: object) -> None:
            self[name] = value

        def __getitem__(self, name: str) -> Any:
            if name == "gone":
                self.pop(name)
            return super().__getitem__(name)

    site = make_site(CHEST_TRACKED_VARS=["a", "gone", "b"])
    site.app.app_ctx_globals_class = Fleeting  # type: ignore[assignment]
    assert visit(site, a=1, gone=2, b=3) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Passwd",
        "PWD",
        "secret",
        "api_key",
        "token",
        "csrf_token_2",
        "session",
        "my_session_id",
        "credit_limit",
        "card",
        "authorization",
        "author",
        "principal",
        "new_password",
        "client_secret",
    ],
)
def test_unnamed_secrets_are_redacted(site: Site, name: str) -> None:
    """A variable with the name of a secret is redacted unless it was named, whatever its type."""
    for value in ("x", 1, None, {"a": 1}, object()):
        assert visit(site, **{name: value}) == {name: "[REDACTED]"}


def test_named_variables_are_not_redacted(make_site: Callable[..., Site]) -> None:
    """The default patterns do not redact a named variable, but they do redact keys inside it."""
    site = make_site(CHEST_TRACKED_VARS=["session", "author"])
    found = visit(site, session={"id": 7, "token": "x", "deep": [{"password": "x"}]}, author="ann")
    assert found == {
        "session": {"id": 7, "token": "[REDACTED]", "deep": [{"password": "[REDACTED]"}]},
        "author": "ann",
    }


def test_variables_named_by_a_rule_are_not_redacted(make_site: Callable[..., Site]) -> None:
    """Names in a rule are not redacted either; all other variables on ``g`` are checked."""
    site = make_site(CHEST_RULES=[{"rule": "/", "track": ["author"]}])
    assert visit(site, author="ann", token="x") == {"author": "ann", "token": "[REDACTED]"}


def test_patterns_of_the_app_redact_named_variables(make_site: Callable[..., Site]) -> None:
    """The app's own patterns replace the default ones, and redact named variables too."""
    site = make_site(CHEST_TRACKED_VARS=["email", "token", "user"], CHEST_REDACT=["*mail*"])
    found = visit(site, email="a@b", token="shown", user={"E-Mail": "a@b", "password": "shown"})
    assert found == {
        "email": "[REDACTED]",
        "token": "shown",
        "user": {"E-Mail": "[REDACTED]", "password": "shown"},
    }


def test_no_patterns(make_site: Callable[..., Site]) -> None:
    """An empty list of patterns redacts nothing."""
    site = make_site(CHEST_REDACT=[])
    assert visit(site, token="x", user={"password": "x"}) == {
        "token": "x",
        "user": {"password": "x"},
    }


def test_the_value_on_g_is_not_changed(site: Site) -> None:
    """Redaction and truncation change the record, not the value on ``g``."""
    user = {"password": "x", "text": "y" * 100_000, "items": {3, 1}}
    visit(site, user=user)
    assert user == {"password": "x", "text": "y" * 100_000, "items": {3, 1}}


def test_a_large_value(make_site: Callable[..., Site]) -> None:
    """A value over the limit is cut and marked; the other values are stored whole."""
    site = make_site(CHEST_MAX_VALUE_BYTES=100)
    found = visit(site, before=1, text="x" * 101, fits="y" * 100, after=2)
    assert found == {"before": 1, "text": "x" * 100 + CUT, "fits": "y" * 100, "after": 2}


def test_a_large_record(make_site: Callable[..., Site]) -> None:
    """A record over the limit omits variables, and contains their number."""
    site = make_site(CHEST_MAX_RECORD_BYTES=4096)
    found = visit(site, before=1, **{f"text{n}": "x" * 1000 for n in range(10)}, after=2)
    left_out = found.pop(CUT)
    assert (found["before"], found["after"]) == (1, 2)
    assert left_out == 12 - len(found)
    assert 0 < left_out < 10


@pytest.mark.parametrize("tags", [{}, {"service": "x" * 3000}])
def test_a_record_keeps_to_its_limit(make_site: Callable[..., Site], tags: Any) -> None:
    """A record with all its fields and tags is no larger than the limit."""
    site = make_site(CHEST_MAX_RECORD_BYTES=4096, CHEST_TAGS=tags)
    visit(site, **{f"n{n}": "x" * 30 for n in range(500)})
    assert 3500 < len(encode(site.store.records[-1])) <= 4096


def test_cut_values_of_a_large_record(make_site: Callable[..., Site]) -> None:
    """A cut value looks the same in a record that is too large as in a small one."""
    site = make_site(CHEST_MAX_VALUE_BYTES=1000, CHEST_MAX_RECORD_BYTES=2048)
    values: dict[str, Any] = {"table": {f"key{n}": n for n in range(1000)}}
    small = visit(site, **values)
    assert small["table"][CUT] > 800
    large = visit(site, **values, **{f"text{n}": "x" * 500 for n in range(10)})
    assert large["table"] == small["table"]


def test_five_thousand_variables(site: Site) -> None:
    """As many variables as fit are stored, and the record contains the number of the others."""
    found = visit(site, **{f"variable_{n}": n for n in range(5000)})
    assert found.pop(CUT) == 5000 - len(found)
    assert len(found) > 2000
    assert found["variable_17"] == 17


def test_names_that_are_made_up(site: Site) -> None:
    """A view that makes up names is recorded like any other, however many names came before."""
    for start in range(0, 10_000, 500):
        found = visit(site, **{f"v{n}": n for n in range(start, start + 500)}, _p=1)
        assert found == {f"v{n}": n for n in range(start, start + 500)}


def test_an_awkward_name(site: Site) -> None:
    """NUL and lone surrogates in a name are replaced; a name that is too long is cut."""
    found = visit(site, **{"a\0b": 1, "c\ud800": "x", "d" * 4000: 2})
    assert found == {"a\u2400b": 1, "c\ufffd": "x", "d" * 255: 2}


def test_names_that_are_not_text(site: Site) -> None:
    """Names on ``g`` that are not text are ignored; subclasses of ``str`` are text."""

    class Name(str):
        pass

    @site.app.get("/")
    def view() -> str:
        vars(g._get_current_object())[7] = "seven"
        vars(g._get_current_object())[None] = "none"
        setattr(g, Name("tenant"), "acme")
        g.user_id = 42
        return "done"

    assert site.client.get("/").text == "done"
    assert site.take().vars == {"tenant": "acme", "user_id": 42}
    visit_again = site.app.test_client().get("/")
    assert visit_again.status_code == 200
    assert site.take().vars == {"tenant": "acme", "user_id": 42}


def test_a_name_of_a_str_subclass_does_not_affect_the_plain_name(site: Site) -> None:
    """A name of a ``str`` subclass does not decide what happens to the equal plain name."""

    class Name(str):
        pass

    assert visit(site, **{Name("tenant"): "acme"}) == {"tenant": "acme"}
    assert visit(site, tenant="acme") == {"tenant": "acme"}


def test_text_that_looks_like_nul(site: Site) -> None:
    """The six characters of an escaped NUL are ordinary text."""
    assert visit(site, path="C:\\u0000", n=2**64) == {"path": "C:\\u0000", "n": str(2**64)}


def test_fields_are_clean(make_site: Callable[..., Site]) -> None:
    """NUL and lone surrogates in a request id of the app are replaced."""
    site = make_site(arguments={"request_id_generator": lambda: "a\0b\ud800c"})
    site.app.add_url_rule("/", "home", lambda: "home")
    assert site.client.get("/").status_code == 200
    assert site.only().request_id == "a\u2400b\ufffdc"


def test_dicts_of_texts(site: Site) -> None:
    """A short dict of plain values is stored unchanged, except for redacted keys."""
    plain = {"text": "x", "number": 1, "share": 0.5, "flag": True, "nothing": None}
    found = visit(
        site,
        plain=plain,
        nul={"a\0": "b\0"},
        surrogate={"\ud800": "\udfff"},
        hidden={"user": "u", "Password": "p"},
        big={"number": 2**64},
        long={"text": "x" * 10_000},
    )
    assert found["plain"] == plain
    assert found["nul"] == {"a\u2400": "b\u2400"}
    assert found["surrogate"] == {"\ufffd": "\ufffd"}
    assert found["hidden"] == {"user": "u", "Password": "[REDACTED]"}
    assert found["big"] == {"number": str(2**64)}
    assert len(found["long"]["text"]) < 10_000
