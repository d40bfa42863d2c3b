"""The four URLs that a Dockerflow container answers."""

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

    :param sender: in whose name, besides the app's, the heartbeat's signals are sent.
    :param version: gives the version object, ``None`` where there is none.
    """

    def __init__(
        self, app: Flask, sender: object, heartbeat: Heartbeat, version: Callable[[], Any]
    ) -> None:
        self._app = app
        self._sender = sender
        self._heartbeat = heartbeat
        self._version = version

    def blueprint(self) -> Blueprint:
        """The views under their URLs, in a new blueprint ``dockerflow``."""
        blueprint = Blueprint("dockerflow", __name__)
        blueprint.add_url_rule("/__version__", "version", self.version)
        blueprint.add_url_rule("/__heartbeat__", "heartbeat", self.heartbeat)
        blueprint.add_url_rule("/__lbheartbeat__", "lbheartbeat", self.lbheartbeat)
        blueprint.add_url_rule("/__error__", "error", self.error)
        return blueprint

    def version(self) -> ResponseReturnValue:
        """The version object; 404 where there is none, 500 where it is broken."""
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
        """What the checks find; the failed status where that is an error or worse."""
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
        """The process answers. 200, not 204: Amazon's load balancer takes nothing else."""
        return "", 200

    def error(self) -> ResponseReturnValue:
        """Raise, to see that errors are reported.

        :raises Exception: always.
        """
        logger.error("The __error__ endpoint was called")
        raise Exception("This is a test exception from the /__error__ endpoint.")


def _failure(reason: str, status: int) -> Response:
    answer = jsonify(error=reason, status=level_to_text(CRITICAL))
    answer.status_code = status
    return answer
