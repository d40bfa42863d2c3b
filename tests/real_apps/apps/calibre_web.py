"""calibre-web, up to the point where it would start its own server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flask import Flask


def make_app(folder: Path, attach: Callable[[Flask], None]) -> Flask:
    os.environ["CALIBRE_DBPATH"] = str(folder)
    sys.argv = ["cps", "-p", str(folder / "settings.db"), "-o", str(folder / "calibre.log")]
    try:
        import cps
        from cps.main import main
    except ImportError:
        # The package on PyPI keeps its modules in a folder of its own.
        import calibreweb

        sys.path.insert(0, str(Path(calibreweb.__path__[0])))
        import cps
        from cps.main import main

    cps.web_server.start = lambda: True
    with suppress(SystemExit):
        main()
    app: Flask = cps.app
    attach(app)
    return app
