"""What a check answers with: messages, each with a level."""

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
    """The word for a level, ``"unknown"`` for a number that is none of the five.

    .. versionadded:: 1.0
    """
    return STATUSES.get(level, "unknown")


class CheckMessage:
    """One finding of a check; use one of :class:`Debug`, :class:`Info`, :class:`Warning`,
    :class:`Error`, :class:`Critical`.

    :param msg: what was found, for people.
    :param level: in place of the class' own level; same scale as :mod:`logging`.
    :param hint: what to do about it; shows in ``str()`` only.
    :param obj: what it is about; an exception here goes to the log with its traceback.
    :param id: a fixed name by which dashboards and ``silenced_checks`` know the finding.

    .. versionadded:: 1.0
    """

    # A bare CheckMessage without a level must not pass as "ok".
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
        return isinstance(other, type(self)) and other._facts() == self._facts()

    __hash__ = None  # type: ignore[assignment]  # its attributes may change

    def __str__(self) -> str:
        about = "?" if self.obj is None else self.obj
        name = f"({self.id}) " if self.id else ""
        hint = f"\n\tHINT: {self.hint}" if self.hint else ""
        return f"{about}: {name}{self.msg}{hint}"

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: level={self.level!r}, msg={self.msg!r}, "
            f"hint={self.hint!r}, obj={self.obj!r}, id={self.id!r}>"
        )

    def _facts(self) -> tuple[object, ...]:
        return self.level, self.msg, self.hint, self.obj, self.id

    def is_serious(self, level: int = ERROR) -> bool:
        """Whether this message is at ``level`` or above."""
        return self.level >= level


class Debug(CheckMessage):
    """Of interest to developers only.

    .. versionadded:: 1.0
    """

    level = DEBUG


class Info(CheckMessage):
    """Worth knowing, nothing to do.

    .. versionadded:: 1.0
    """

    level = INFO


class Warning(CheckMessage):  # noqa: A001 - the name that users write
    """Needs a look; the heartbeat still passes.

    .. versionadded:: 1.0
    """

    level = WARNING


class Error(CheckMessage):
    """Something the service needs is broken; the heartbeat fails.

    .. versionadded:: 1.0
    """

    level = ERROR


class Critical(CheckMessage):
    """The service cannot work; the heartbeat fails.

    .. versionadded:: 1.0
    """

    level = CRITICAL
