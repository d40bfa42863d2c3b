"""Says in one sentence that Windows is not supported, before another import fails."""

from __future__ import annotations

try:
    import fcntl as fcntl
except ImportError:
    raise ImportError(
        "Flask-Chest needs a POSIX system (Linux, macOS, BSD), because processes share its journal "
        "by file locks that Windows does not have; on Windows run the app in WSL 2"
    ) from None
