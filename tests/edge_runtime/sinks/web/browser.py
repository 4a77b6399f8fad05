"""Headless Chromium, told what to do through a pipe: Chrome's DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.edge_runtime.sinks.web.fixtures import DEADLINE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         "--remote-debugging-pipe")  # fmt: skip
# It takes commands from descriptor 3 and answers on 4.
LAUNCHER = """
import fcntl, os, sys
for theirs, ours in enumerate([fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]], 3):
    os.dup2(ours, theirs)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page. https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, folder: Path, width: int = 1280, height: int = 1000) -> None:
        """folder: of its profile."""
        if CHROMIUM is None:
            pytest.skip("no chromium here: apt install chromium")
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        command = [sys.executable, "-c", LAUNCHER, str(theirs_in), str(theirs_out), CHROMIUM]
        command += [*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def call(self, method: str, **parameters: object) -> dict:
        """Result of a command."""
        self._number += 1
        message: dict = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Until its script runs."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href == {json.dumps(url)} && document.readyState != 'loading'")

    def value(self, expression: str) -> object:
        """Value of an expression in the page's script; None where it cannot be had yet."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return None if "exceptionDetails" in found else found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until it is true in the page."""
        deadline = time.monotonic() + DEADLINE
        while not self.value(expression):
            assert time.monotonic() < deadline, (
                f"waited in vain for {expression}: {self.value('document.body.innerText')}"
            )
            time.sleep(0.05)

    def screenshot(self) -> bytes:
        """PNG file of what is seen."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _receive(self) -> dict:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], DEADLINE)
            data = os.read(self._from, 1 << 16) if ready else b""
            assert data, "chromium does not answer"
            self._rest += data
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)
