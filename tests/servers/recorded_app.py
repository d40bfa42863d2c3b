"""The recorded app as a module's variable, for servers that call no factory."""

from __future__ import annotations

from .recorded import create_app

app = create_app()
