"""Chromium without a window, told what to do over a pipe: what a browser makes of a page.

It speaks the protocol of Chromium's own tools for developers: https://chromedevtools.github.io/devtools-protocol.
Nothing waits for a time to pass; an answer that does not come in a minute is an error.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PROGRAM = "chromium"

# Seconds for an answer: the machine may be busy.
_PATIENCE = 60.0

# It asks for nothing by itself, and keeps nothing beside the folder that it is given.
_MANNER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars"),
    "--remote-debugging-pipe",
)


class Browser:
    """One page in Chromium.

    + said: what its console and its log have said since the page was opened, such as what a policy forbids
    + asked: the addresses that the page has asked for
    """

    def __init__(self, to_it: int, from_it: int) -> None:
        self._to_it, self._from_it = to_it, from_it
        self._unread, self._number, self._session = b"", 0, ""
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")

    def open(self, page: Path) -> None:
        """Open a file, and wait until it is loaded."""
        self.said, self.asked = [], []
        self._call("Page.navigate", url=page.resolve().as_uri())
        while self._message().get("method") != "Page.loadEventFired":
            pass

    def shows(self, width: int, height: int = 800, *, scheme: str = "light", media: str = "") -> None:
        """Be a screen so wide, in CSS pixels, or paper. + scheme: `light` or `dark`; + media: `print`"""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)

    def value(self, expression: str) -> Any:
        """What JavaScript of the test finds in the page; the page's policy does not forbid it."""
        done = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def paper(self) -> bytes:
        """The page as it is printed: a PDF of A4."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True, "printBackground": True}
        return base64.b64decode(self._call("Page.printToPDF", **size)["data"])

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        unsent = json.dumps(message).encode() + b"\0"
        while unsent:
            unsent = unsent[os.write(self._to_it, unsent) :]
        while (answer := self._message()).get("id") != self._number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._from_it], [], [], _PATIENCE)[0], "Chromium says nothing"
            part = os.read(self._from_it, 1 << 20)
            assert part, "Chromium has ended"
            self._unread += part
        one, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"text": text}}}:
                self.said.append(text)
            case {"method": "Runtime.consoleAPICalled" | "Runtime.exceptionThrown", "params": said}:
                self.said.append(json.dumps(said))
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                self.asked.append(url)
        return message


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser that ends with the `with`. + folder: for what it writes"""
    program = shutil.which(_PROGRAM)
    assert program, f"{_PROGRAM} is missing: apt-get install {_PROGRAM}"
    (its_in, to_it), (from_it, its_out) = os.pipe(), os.pipe()
    # It reads from 3 and writes to 4, which may be something else here.
    its_in, its_out = (_above(10, descriptor) for descriptor in (its_in, its_out))
    words = ["bash", "-c", f'exec "$0" "$@" 3<&{its_in} 4>&{its_out}', program, *_MANNER]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*words, f"--user-data-dir={folder / 'profile'}"],
            pass_fds=[its_in, its_out],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            start_new_session=True,
        )
    os.close(its_in)
    os.close(its_out)
    try:
        yield Browser(to_it, from_it)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(to_it)
        os.close(from_it)


def _above(least: int, descriptor: int) -> int:
    """The same under another number. + least: the smallest that it may have"""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
    os.close(descriptor)
    return found
