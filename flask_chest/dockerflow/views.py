"""The views of the four Dockerflow URLs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify
from flask.typing import ResponseReturnValue

from ..errors import ChestError, ConfigError
from .checks.messages import CRITICAL, ERROR, level_to_text
from .heartbeat import Heartbeat
from .settings import heartbeat_settings
from .signals import heartbeat_failed, heartbeat_passed, send_to_all

logger = logging.getLogger("dockerflow.flask")


class Views:
    """The views of one app.

    :param sender: a second sender of the heartbeat's signals, besides the app.
    :param version: returns the version object, or ``None``.
    """

    def __init__(
        self, app: Flask, sender: object, heartbeat: Heartbeat, version: Callable[[], Any]
    ) -> None:
        self._app = app
        self._sender = sender
        self._heartbeat = heartbeat
        self._version = version

    def blueprint(self) -> Blueprint:
        """Return a new blueprint ``dockerflow`` with the views."""
        blueprint = Blueprint("dockerflow", __name__)
        blueprint.add_url_rule("/__version__", "version", self.version)
        blueprint.add_url_rule("/__heartbeat__", "heartbeat", self.heartbeat)
        blueprint.add_url_rule("/__lbheartbeat__", "lbheartbeat", self.lbheartbeat)
        blueprint.add_url_rule("/__error__", "error", self.error)
        return blueprint

    def version(self) -> ResponseReturnValue:
        """Return the version object; 404 if there is none, 500 if it is invalid."""
        try:
            content = self._version()
            if content is None:
                return _failure("version.json not found", 404)
            return jsonify(content)
        except ChestError as error:
            logger.error("%s", error)
            return _failure(str(error), 500)
        except Exception as error:
            logger.exception("the version callback failed")
            return _failure(f"the version callback raised {type(error).__name__}", 500)

    def heartbeat(self) -> ResponseReturnValue:
        """Return the checks' results, with the failed status for an error or worse."""
        try:
            settings = heartbeat_settings(self._app.config)
            results = self._heartbeat.results(settings)
        except ConfigError as error:
            logger.error("%s", error)
            return _failure(str(error), 500)
        except Exception as error:
            logger.exception("the heartbeat failed")
            return _failure(f"the heartbeat raised {type(error).__name__}", 500)
        answer = jsonify(
            status=level_to_text(results.level), checks=results.statuses, details=results.details
        )
        failed = results.level >= ERROR
        answer.status_code = settings.failed_status if failed else 200
        signal = heartbeat_failed if failed else heartbeat_passed
        send_to_all(signal, (self._sender, self._app), level=results.level)
        return answer

    def lbheartbeat(self) -> ResponseReturnValue:
        """Return 200: the process answers. Amazon's load balancer accepts no other status."""
        return "", 200

    def error(self) -> ResponseReturnValue:
        """Raise an exception, to test error reporting.

        :raises Exception: always.
        """
        logger.error("The __error__ endpoint was called")
        raise Exception("This is a test exception from the /__error__ endpoint.")


def _failure(reason: str, status: int) -> Response:
    answer = jsonify(error=reason, status=level_to_text(CRITICAL))
    answer.status_code = status
    return answer
