"""A store over HTTP that deduplicates by id, and fails in many ways."""

from __future__ import annotations

import threading
from typing import Any

from tests.servers.http import HTTPRecorder, Reply, Request

WEATHERS = ("fine", "500", "429", "413", "half", "lost answer", "hangs", "down")


class FaultyStore(HTTPRecorder):
    """Answers according to its weather; stores each record once, and the ids of all attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, Any] = {}
        self.seen: list[str] = []
        self.rejected: set[str] = set()
        self._weather = "fine"
        self._changed = threading.Condition()

    @property
    def weather(self) -> str:
        return self._weather

    @weather.setter
    def weather(self, weather: str) -> None:
        before, self._weather = self._weather, weather
        with self._changed:
            self._changed.notify_all()
        if weather == "down" and before != "down":
            self.stop()
        elif before == "down" and weather != "down":
            self.start()

    def stop(self) -> None:
        if self._server is not None:
            super().stop()

    def idents(self) -> list[str]:
        """Return the request ids of its records."""
        return [record["request_id"] for record in self.records.values()]

    def answer(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply()
        records = request.json
        weather = self._weather
        if weather == "hangs":
            with self._changed:
                self._changed.wait_for(lambda: self._weather != "hangs", 120)
            raise ConnectionAbortedError
        if weather == "500":
            return Reply(500)
        if weather == "429":
            return Reply(429, {"Retry-After": "0.2"})
        if weather == "413" and len(records) > 3:
            return Reply(413)
        if weather == "half":
            self._keep(records[: len(records) // 2])
            return Reply(503)
        if self.rejected & {record["request_id"] for record in records}:
            return Reply(400)
        self._keep(records)
        if weather == "lost answer":
            raise ConnectionAbortedError
        return Reply()

    def _keep(self, records: list[Any]) -> None:
        for record in records:
            self.seen.append(record["id"])
            known = self.records.setdefault(record["id"], record)
            assert known == record
