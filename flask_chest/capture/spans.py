"""Spans: measure how long a named part of a request or job takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from time import perf_counter_ns
from typing import Any, TypeVar, cast

from ..record.scalar_conversion import clean_name
from .current_measurements import current_measurements
from .measurements import Measurements

F = TypeVar("F", bound=Callable[..., Any])

# Characters of a span's name.
_MAX_NAME = 100


class Span:
    """A named part of a request or job, as a context manager or as a decorator::

        with chest.span("price"):
            g.total = price(cart)

        @chest.span("render")
        def render(cart): ...

    The record has the milliseconds as the variable ``span.NAME.ms``; spans with the same name are
    added up. Functions may be ``async`` or generators; only the time that a generator itself takes
    counts, not the time in which its caller uses the values. Outside of a request or job, a span
    does nothing.

    :param name: the name, at most 100 characters. It must not vary between requests: of more than
        200 names in a process, the others are added up as ``span.other.ms``.

    .. versionadded:: 1.0
    """

    __slots__ = ("_begun", "_name")

    def __init__(self, name: str) -> None:
        self._name = name if type(name) is str and len(name) <= _MAX_NAME else _short(name)
        #: The last begun one is last; a context manager may be entered again before it ends.
        self._begun: list[tuple[Measurements | None, object]] = []

    def __enter__(self) -> Span:
        measurements = current_measurements()
        key = object()
        if measurements is not None:
            measurements.open_spans[key] = (
                measurements.limited("span", self._name),
                perf_counter_ns(),
            )
        self._begun.append((measurements, key))
        return self

    def __exit__(self, *exc_info: object) -> None:
        now = perf_counter_ns()
        measurements, key = self._begun.pop()
        if measurements is not None:
            # It is missing if the record was written in the meantime.
            opened = measurements.open_spans.pop(key, None)
            if opened is not None:
                measurements.add(opened[0], now - opened[1])

    def __call__(self, function: F) -> F:
        if iscoroutinefunction(function):
            wrapper = _wrap_coroutine(function, self._name)
        elif isasyncgenfunction(function):
            wrapper = _wrap_async_generator(function, self._name)
        elif isgeneratorfunction(function):
            wrapper = _wrap_generator(function, self._name)
        else:
            wrapper = _wrap(function, self._name)
        return cast("F", wrapper)


def _short(name: object) -> str:
    return clean_name(name)[:_MAX_NAME]


def _wrap(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with Span(name):
            return function(*args, **kwargs)

    return wrapper


def _wrap_coroutine(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with Span(name):
            return await function(*args, **kwargs)

    return wrapper


def _wrap_generator(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        step = _Step(name)
        advance, value = generator.send, None
        try:
            while True:
                try:
                    with step:
                        item = advance(value)
                except StopIteration as end:
                    return end.value
                try:
                    value = yield item
                    advance = generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator handles it
                    advance, value = generator.throw, error
        finally:
            with step:
                generator.close()

    return wrapper


def _wrap_async_generator(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        step = _Step(name)
        advance, value = generator.asend, None
        try:
            while True:
                try:
                    with step:
                        item = await advance(value)
                except StopAsyncIteration:
                    return
                try:
                    value = yield item
                    advance = generator.asend
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator handles it
                    advance, value = generator.athrow, error
        finally:
            await generator.aclose()

    return wrapper


class _Step:
    """Measures the steps of one generator, which count as one span."""

    __slots__ = ("_count", "_name", "_started")

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 1
        self._started = 0

    def __enter__(self) -> None:
        self._started = perf_counter_ns()

    def __exit__(self, *exc_info: object) -> None:
        spent = perf_counter_ns() - self._started
        # Looked up for each step: the server iterates over a body after the view has returned.
        measurements = current_measurements()
        if measurements is not None:
            measurements.add_named("span", self._name, spent, self._count)
            self._count = 0
