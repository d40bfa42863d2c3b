"""Sessions of logged-in browsers: signed cookies that expire, and that a logout ends."""

from __future__ import annotations

import hashlib
import secrets
import time

from itsdangerous import BadData, URLSafeTimedSerializer

from .shared_state_file import Content, StateFile

#: Seconds until a login expires.
SESSION_SECONDS = 12 * 3600
# Above this number of ended sessions, all sessions end.
_MAX_ENDED = 1000


class Sessions:
    """Creates, checks and ends sessions.

    The key is derived from the token, so a new token ends all sessions. Only browsers that sent
    the right token receive a value that is signed with it.

    :param token: ``CHEST_DASHBOARD_TOKEN``.
    :param file: keeps the sessions that were ended by a logout.
    """

    def __init__(self, token: str, file: StateFile) -> None:
        self._serializer = URLSafeTimedSerializer(
            token,
            salt="flask-chest dashboard session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._file = file

    def create(self) -> str:
        """Return the cookie of a new session."""
        return str(self._serializer.dumps(secrets.token_urlsafe(16)))

    def is_valid(self, cookie: str) -> bool:
        """Return whether a cookie belongs to a session that has not ended."""
        found = self._load(cookie)
        if found is None or self._file.is_damaged():
            return False
        name, created = found
        content = self._file.read()
        is_ended = name in content.get("ended", {})
        return not is_ended and created > content.get("ended_before", 0)

    def end(self, cookie: str) -> None:
        """End the session of a cookie, also for copies of the cookie."""
        found = self._load(cookie)
        if found is not None:
            self._file.update(lambda content: _add_ended(content, found[0]))

    def _load(self, cookie: str) -> tuple[str, float] | None:
        """Return the name of a session and when it was created; ``None`` for a wrong cookie."""
        try:
            identity, created = self._serializer.loads(
                cookie, max_age=SESSION_SECONDS, return_timestamp=True
            )
        except BadData:
            return None
        # The file must not contain values that open the dashboard.
        name = hashlib.sha256(str(identity).encode()).hexdigest()[:32]
        return name, created.timestamp()


def _add_ended(content: Content, name: str) -> None:
    now = time.time()
    ended = {each: time for each, time in content.get("ended", {}).items() if time > now}
    ended[name] = now + SESSION_SECONDS
    if len(ended) > _MAX_ENDED:
        content["ended_before"], ended = now, {}
    content["ended"] = ended
