"""The messages that checks return, each with a level."""

from __future__ import annotations

DEBUG = 10
INFO = 20
WARNING = 30
ERROR = 40
CRITICAL = 50

STATUSES = {
    0: "ok",
    DEBUG: "debug",
    INFO: "info",
    WARNING: "warning",
    ERROR: "error",
    CRITICAL: "critical",
}


def level_to_text(level: int) -> str:
    """Return the word for a level; ``"unknown"`` for other numbers.

    .. versionadded:: 1.0
    """
    return STATUSES.get(level, "unknown")


class CheckMessage:
    """A message of a check; use one of the subclasses :class:`Debug`, :class:`Info`,
    :class:`Warning`, :class:`Error`, :class:`Critical`.

    :param msg: the text.
    :param level: overrides the level of the class; same scale as :mod:`logging`.
    :param hint: a remedy; only ``str()`` shows it.
    :param obj: the subject; the traceback of an exception is logged.
    :param id: a fixed name for dashboards and ``silenced_checks``.

    .. versionadded:: 1.0
    """

    # A CheckMessage without a level must not count as "ok".
    level: int = ERROR

    def __init__(
        self,
        msg: str,
        level: int | None = None,
        hint: str | None = None,
        obj: object = None,
        id: str | None = None,  # noqa: A002 - the name that users write
    ) -> None:
        self.msg = msg
        if level:
            self.level = int(level)
        self.hint = hint
        self.obj = obj
        self.id = id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other._values() == self._values()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __str__(self) -> str:
        subject = "?" if self.obj is None else self.obj
        name = f"({self.id}) " if self.id else ""
        hint = f"\n\tHINT: {self.hint}" if self.hint else ""
        return f"{subject}: {name}{self.msg}{hint}"

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: level={self.level!r}, msg={self.msg!r}, "
            f"hint={self.hint!r}, obj={self.obj!r}, id={self.id!r}>"
        )

    def _values(self) -> tuple[object, ...]:
        return self.level, self.msg, self.hint, self.obj, self.id

    def is_serious(self, level: int = ERROR) -> bool:
        """Return whether this message is at ``level`` or above."""
        return self.level >= level


class Debug(CheckMessage):
    """Of interest only to developers.

    .. versionadded:: 1.0
    """

    level = DEBUG


class Info(CheckMessage):
    """Information that requires no action.

    .. versionadded:: 1.0
    """

    level = INFO


class Warning(CheckMessage):  # noqa: A001 - the name that users write
    """A problem to look at; the heartbeat still passes.

    .. versionadded:: 1.0
    """

    level = WARNING


class Error(CheckMessage):
    """A part that the service needs is broken; the heartbeat fails.

    .. versionadded:: 1.0
    """

    level = ERROR


class Critical(CheckMessage):
    """The service cannot work; the heartbeat fails.

    .. versionadded:: 1.0
    """

    level = CRITICAL
