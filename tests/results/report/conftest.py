"""A real headless Chromium, driven over its own pipe: no driver program, no package, no network port."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results.report import figures_at_hand
from results.report.picture import find_browser
from tests.results.report.sites import hostile_runs, remember_sweep, written

PATIENCE = 60.0
"""Seconds to wait for an answer: machines that run tests are busy."""

FIGURES = ["ilq-early", "ilq-scores"]
"""One that these runs cannot draw and one that they can: drawing is most of the time that a site takes."""

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowRight": 39, "ArrowDown": 40}


class Page:
    """A tab. `requests` are the addresses it asked for, `complaints` what its console said of errors and warnings."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self.session, self.target = attached["sessionId"], target
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.browser.call(method, parameters or {}, self.session)
        self.listen()
        return answer

    def listen(self) -> list[str]:
        """Take in what happened; return the names of the events."""
        happened = []
        for event in self.browser.events(self.session):
            about = event["params"]
            happened.append(event["method"])
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            elif event["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(about["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(about["args"]))
            elif event["method"] == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                self.complaints.append(about["entry"]["text"])
        return happened

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file and wait until it is interactive and its deferred script has run."""
        self.call("Page.navigate", {"url": "about:blank"})
        self.wait("location.href === 'about:blank' && document.readyState === 'complete'")
        self.requests.clear()
        self.complaints.clear()
        self.call("Page.navigate", {"url": path.as_uri() + fragment})
        self.wait("location.protocol === 'file:' && document.readyState === 'complete'")

    def wait(self, condition: str) -> None:
        """Until a condition holds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if self.run(condition):
                    return
            except RuntimeError:  # the page is on its way to another
                pass
            time.sleep(0.05)
        raise TimeoutError(condition)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str, shift: bool = False) -> None:
        """A key, as the keyboard sends it."""
        about: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        about["modifiers"] = 8 if shift else 0
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", {"type": "keyDown" if text else "rawKeyDown", "text": text, **about})
        self.call("Input.dispatchKeyEvent", {"type": "keyUp", **about})

    def type(self, text: str) -> None:
        for letter in text:
            self.press(letter)

    def click(self, selector: str) -> None:
        """The mouse in the middle of an element, scrolled into view."""
        place = self.run(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", {"type": kind, **at})

    def size(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """The window, and the system's colours."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def close(self) -> None:
        self.browser.call("Target.closeTarget", {"targetId": self.target})


class Chromium:
    """The browser: commands go in, answers and events come out, JSON with a zero byte behind each."""

    def __init__(self, program: str, profile: Path) -> None:
        ends = [os.pipe(), os.pipe()]
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (ends[0][0], ends[1][1])]
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{high[0]} 4>&{high[1]}',
                "bash",
                program,
                *options,
                "--remote-debugging-pipe",
            ],
            pass_fds=high,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (*high, ends[0][0], ends[1][1]):
            os.close(fd)
        self.sink, self.source = os.fdopen(ends[0][1], "wb", buffering=0), os.fdopen(ends[1][0], "rb", buffering=0)
        self.answers: dict[int, dict[str, Any]] = {}
        self.heard: dict[str, list[dict[str, Any]]] = {}
        self.news: queue.Queue[dict[str, Any]] = queue.Queue()
        self.count = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        rest = b""
        while chunk := self.source.read(65536):
            *whole, rest = (rest + chunk).split(b"\0")
            for message in whole:
                self.news.put(json.loads(message))

    def call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self.count += 1
        number = self.count
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self.sink.write(json.dumps(message).encode() + b"\0")
        while number not in self.answers:
            self._take(self.news.get(timeout=PATIENCE))
        answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer.get("result", {})

    def events(self, session: str) -> list[dict[str, Any]]:
        while not self.news.empty():
            self._take(self.news.get())
        return self.heard.pop(session, [])

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self.answers[message["id"]] = message
        else:
            self.heard.setdefault(message.get("sessionId", ""), []).append(message)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser; tests skip where there is none."""
    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium, which this machine does not have (Debian: apt-get install chromium)")
    browser = Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.end()


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Page]:
    """A tab of a desktop's size."""
    page = Page(chromium)
    page.size(1280, 900)
    yield page
    page.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of some runs, one of them diverged and one missing, with labels that mean harm."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRISE_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(figures_at_hand, "figure_names", lambda: FIGURES)
        runs = hostile_runs()
        remember_sweep(folder / "home", runs)
        return written(runs[:-1], folder)
