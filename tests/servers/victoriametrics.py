"""VictoriaMetrics, which serves InfluxDB's ``/api/v2/write``, started for a test."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import requests

from .daemon import Daemon
from .programs import find_program


class VictoriaMetrics(Daemon):
    """Keeps numbers only, by the millisecond, and asks for no token."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [
            find_program("victoria-metrics", "victoria-metrics"),
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-storageDataPath=data",
            "-retentionPeriod=100y",
        ]

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/health", timeout=2).ok

    def samples(self, name: str) -> list[dict[str, Any]]:
        """All series of a metric: ``{"metric": labels, "values": [...], "timestamps": [...]}``."""
        requests.get(f"{self.url}/internal/force_flush", timeout=10).raise_for_status()
        # Its own end is the second that has begun: what came in since would be missing.
        until = str(int(time.time()) + 60)
        parameters = {"match[]": f'{{__name__="{name}"}}', "start": "0", "end": until}
        answer = requests.get(f"{self.url}/api/v1/export", params=parameters, timeout=10)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]
