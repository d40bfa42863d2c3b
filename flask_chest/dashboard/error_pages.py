"""The pages that show errors: their groups, and one error whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import request
from flask.typing import ResponseReturnValue

from ..chests.reader import Reader
from ..operations.error_search import search_errors
from .record_parts import own_frames
from .url_params import RANGES, Params, chest_argument


class ErrorPages:
    """The views; each reads its whole state from the URL.

    :param reader: returns the reader that the current request asks for.
    :param render: renders a template.
    """

    def __init__(self, reader: Callable[[], Reader], render: Callable[..., str]) -> None:
        self._reader = reader
        self._render = render

    def groups(self) -> ResponseReturnValue:
        """List the groups of errors, the one that was last seen first."""
        params = _params()
        report = search_errors(self._reader(), params.query())
        return self._render(
            "errors",
            active_page="errors",
            params=params,
            ranges=RANGES,
            chest=chest_argument(request.args),
            report=report,
        )

    def group(self, key: str) -> ResponseReturnValue:
        """Show the newest error of a group whole."""
        params = _params()
        report = search_errors(self._reader(), params.query())
        found = next((each for each in report.groups if each.key == key), None)
        chest = chest_argument(request.args)
        if found is None:
            error = f"there is no error {key[:80]!r} in this range; choose a longer one"
            return self._render("error", error=error, params=params, chest=chest), 404
        return self._render(
            "error_group",
            active_page="errors",
            params=params,
            ranges=RANGES,
            chest=chest,
            group=found,
            trace=own_frames(found.stacktrace or ""),
        )


def _params() -> Params:
    params = Params.from_args(request.args)
    # Errors are rare, and their groups span releases.
    return params if request.args.get("since") else replace(params, since="7 days")
