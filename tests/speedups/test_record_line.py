"""The fast path returns the same line as the encoder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_chest.capture.encoding_cache import EncodingCache
from flask_chest.capture.record_encoder import RecordEncoder
from flask_chest.capture.request_state import RequestState
from flask_chest.config.plan_compiler import Plan
from flask_chest.config.rule_matching import Route
from flask_chest.record.json_line import decode

from .sides import SUFFIX, begun, stopped


def encoding_of(names: tuple[str, ...] | None, known: set[tuple[str, ...]]) -> EncodingCache:
    """Return the cache of a route that has seen some names."""
    plan = Plan(Route("/", "view", "GET"), names, frozenset(names or ()), 1, 1.0, record=True)
    return EncodingCache(plan, plain_key_sets=known)


def both_lines(
    state: RequestState, values: Mapping[str, Any], plan: EncodingCache, limit: int
) -> tuple[bytes | None, bytes]:
    """Return a record's line from the fast path and from the encoder."""
    capture = RecordEncoder(None, 400, limit)
    plan.static_suffix = SUFFIX
    fast_path_args = capture.fast_path_args(plan)
    assert fast_path_args is not None
    state.g = SimpleNamespace(**values)
    with patch.object(time, "perf_counter", lambda: state.started + 0.012_345_6):
        short = state.fast_line(*fast_path_args)
        return short, capture.encode(
            state.varying_fields(state.duration_ms()), values, plan, SUFFIX
        )


# Few names and small values, so that many examples reach the fast path.
VALUES = st.dictionaries(
    st.sampled_from(["user", "tenant", "total", "password", "_own"]),
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.floats()
    | st.text(max_size=120)
    | st.lists(st.integers(), max_size=2)
    | st.just("\ud800")
    | st.just("\0"),
    max_size=4,
)


@given(
    VALUES,
    st.sampled_from([None, ("user", "total"), ("gone", "user")]),
    st.integers(0, 2**40) | st.sampled_from([0.0, 1e-7, 0.999_999_9, 1e9, -1.0]),
    st.integers(2048, 2100) | st.integers(0, 300),
    st.none() | st.integers(0, 999),
    st.sampled_from(["4f9a", 'a "quoted" id', "umlaut \u00fc", "\ud800", "x" * 255, "x" * 256]),
)
@example({"user": 1, "total": 9.5}, None, 0.001, 2048, 200, "4f9a")
def test_a_line_is_the_same(
    values: dict[str, Any],
    names: tuple[str, ...] | None,
    elapsed: float,
    limit: int,
    status: int | None,
    request_id: str,
) -> None:
    """The fast path returns the encoder's line, or ``None``."""
    with stopped():
        state = begun({})
    state.status, state.request_id = status, request_id
    plan = encoding_of(names, set())
    capture = RecordEncoder(None, 400, limit)
    capture.variables.collect(values, plan)  # fills the cache
    fast_path_args = capture.fast_path_args(plan)
    assert fast_path_args is not None
    state.g = SimpleNamespace(**values)
    with patch.object(time, "perf_counter", lambda: state.started + elapsed):
        short = state.fast_line(*fast_path_args[:3], SUFFIX, limit)
        if short is not None:
            assert short == capture.encode(
                state.varying_fields(state.duration_ms()), values, plan, SUFFIX
            )


def test_the_fast_path_is_taken() -> None:
    """The fast path encodes common values, and returns ``None`` for all others."""
    common = {"user": 42, "tenant": "acme", "total": 99.5, "cached": True, "coupon": None}
    plan = encoding_of(None, {tuple(common), ("user",)})
    state = begun({})
    state.status = 200
    short, whole = both_lines(state, common, plan, 2048)
    assert short == whole
    assert decode(whole).duration_ms == 12.345
    assert decode(whole).vars == common
    for value in (2**63, "x" * 101, [1], {"a": 1}, b"x", object(), "a\0b", "\\", "\ud800", Path()):
        assert both_lines(state, {"user": value}, plan, 2048)[0] is None
    assert both_lines(state, {"unheard": 1}, plan, 2048)[0] is None
    assert both_lines(state, common, plan, len(whole))[0] == whole
    assert both_lines(state, common, plan, len(whole) - 1)[0] is None


@pytest.mark.parametrize(
    "change",
    [
        {"error": ValueError()},
        {"environ": {"HTTP_TRACEPARENT": "00-1-2-00"}},
        {"status": None},
        {"status": True},
        {"g": {"user": 1}},
        {"g": None},
        {"request_id": None},
        {"time": -1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fast_path_is_not_taken(change: dict[str, Any]) -> None:
    """Rare cases are left to the encoder."""
    state = begun({})
    state.status, state.g = 200, SimpleNamespace(user=1)
    taken: tuple[Any, ...] = (None, {("user",)}, 100, SUFFIX, 2048)
    assert state.fast_line(*taken) is not None
    for name, value in change.items():
        setattr(state, name, value)
    assert state.fast_line(*taken) is None


def test_a_custom_g_class() -> None:
    """A ``g`` that is a dict, or has slots, is left to the encoder."""

    class Slots:
        __slots__ = ("user",)

        def __init__(self) -> None:
            self.user = 1

    state = begun({})
    state.status = 200
    for holder in ({"user": 1}, type("Items", (dict,), {})(user=1), Slots(), object()):
        state.g = holder
        assert state.fast_line(None, {(), ("user",)}, 100, SUFFIX, 2048) is None
