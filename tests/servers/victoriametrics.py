"""VictoriaMetrics as a test server; it accepts InfluxDB's ``/api/v2/write``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import requests

from .daemon import Daemon
from .programs import find_program


class VictoriaMetrics(Daemon):
    """A server without a token; it stores numbers only, with times in milliseconds."""

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
        """Return all series of a metric.

        Each is ``{"metric": labels, "values": [...], "timestamps": [...]}``.
        """
        requests.get(f"{self.url}/internal/force_flush", timeout=10).raise_for_status()
        # The default end is the start of the current second, without the latest samples.
        until = str(int(time.time()) + 60)
        parameters = {"match[]": f'{{__name__="{name}"}}', "start": "0", "end": until}
        answer = requests.get(f"{self.url}/api/v1/export", params=parameters, timeout=10)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]
