"""Chromium, driven through the W3C WebDriver protocol: ``with Browser(folder) as browser: ...``."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import requests
from typing_extensions import Self

from .daemon import free_port
from .programs import find_program

T = TypeVar("T")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """One browser window.

    :param folder: an empty folder for the profile.
    :param flags: additional command-line flags for Chromium.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self._flags = [*_FLAGS, f"--user-data-dir={folder}", *flags]
        self._address = f"http://127.0.0.1:{free_port()}"
        self._session = ""

    def __enter__(self) -> Self:
        driver = find_program("chromedriver", "chromium-driver")
        chromium = find_program("chromium", "chromium")
        self._process = subprocess.Popen(
            [driver, f"--port={self._address.rpartition(':')[2]}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait(lambda: requests.get(f"{self._address}/status", timeout=60).ok)
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": self._flags, "binary": chromium},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self._post("/session", {"capabilities": {"alwaysMatch": wanted}}, root=True)
        self._session = f"/session/{answer['sessionId']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Chromium sometimes does not exit by itself, and its last output is not needed.
        with suppress(requests.RequestException):
            requests.delete(f"{self._address}{self._session}", timeout=5)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self._post("/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script and return the value of its ``return``."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click an element; it must be visible."""
        self._post(f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field."""
        element = self._find(selector)
        self._post(f"/element/{element}/clear", {})
        self._post(f"/element/{element}/value", {"text": text})

    def press(self, keys: str) -> None:
        """Send keys to the focused element."""
        active = self._get("/element/active")
        self._post(f"/element/{next(iter(active.values()))}/value", {"text": keys})

    def text(self, selector: str = "body") -> str:
        """Return the visible text of an element."""
        found: str = self._get(f"/element/{self._find(selector)}/text")
        return found

    @property
    def url(self) -> str:
        """The URL of the current page."""
        found: str = self._get("/url")
        return found

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window in pixels."""
        self._post("/window/rect", {"width": width, "height": height})

    def prefer(self, scheme: str) -> None:
        """Emulate a dark or a light color scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", {"features": features})

    def set_time_zone(self, zone: str) -> None:
        """Emulate a time zone."""
        self._command("Emulation.setTimezoneOverride", {"timezoneId": zone})

    @contextmanager
    def limit_timers(self, milliseconds: int) -> Iterator[None]:
        """Limit the delay of every timer of the pages opened within the ``with`` block."""
        source = f"""{{
            const real = window.setTimeout;
            window.setTimeout = (act, wait, ...more) =>
                real(act, Math.min(wait, {milliseconds}), ...more);
        }}"""
        made = self._command("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        yield
        self._command("Page.removeScriptToEvaluateOnNewDocument", made)

    def screenshot(self, file: Path) -> None:
        """Save the whole page as a PNG file."""
        size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 4000), "scale": 1}
        found = self._command(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def errors(self) -> list[str]:
        """Return the console messages since the last call."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def requested_urls(self) -> list[str]:
        """Return the URLs that pages have requested since the last call."""
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self._post("/se/log", {"type": "performance"})
        ]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def until(self, script: str, *arguments: Any, seconds: float = 60) -> Any:
        """Wait until a script returns something true."""
        return self._wait(lambda: self.run(script, *arguments), seconds)

    def _wait(self, ask: Callable[[], T], seconds: float = 60) -> T:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(requests.ConnectionError):
                if answer := ask():
                    return answer
            time.sleep(0.05)
        raise AssertionError(f"the browser did not get there within {seconds} s")

    def _find(self, selector: str) -> str:
        found = self._post("/element", {"using": "css selector", "value": selector})
        element: str = next(iter(found.values()))
        return element

    def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        return self._post("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _post(self, path: str, body: dict[str, Any], *, root: bool = False) -> Any:
        address = self._address + ("" if root else self._session) + path
        return self._value(requests.post(address, json=body, timeout=60))

    def _get(self, path: str) -> Any:
        return self._value(requests.get(f"{self._address}{self._session}{path}", timeout=60))

    def _value(self, answer: requests.Response) -> Any:
        value = answer.json()["value"]
        assert answer.ok, value
        return value
