"""Warns of a sub-interpreter of Apache's mod_wsgi, in which C extensions may not load."""

from __future__ import annotations

import logging
import sys

_logger = logging.getLogger("flask_chest")


def warn_of_sub_interpreter() -> None:
    """Log a warning if mod_wsgi runs this app in another interpreter than the main one.

    A process group that has two apps loads each in a sub-interpreter. What SQLAlchemy and other
    packages have in C can be loaded by one of them only: the other app answers 500 to each request.
    https://modwsgi.readthedocs.io/en/master/user-guides/application-issues.html
    """
    group = getattr(sys.modules.get("mod_wsgi"), "application_group", "")
    if group:
        _logger.warning(
            "mod_wsgi runs this app in the sub-interpreter %r, where C extensions such as those of "
            "SQLAlchemy fail as soon as a second app of the process group loads them; write "
            "WSGIApplicationGroup %%{GLOBAL}, and give each app its own WSGIDaemonProcess and "
            "WSGIProcessGroup",
            group,
        )
