"""A headless Chromium that is spoken to through a pipe (its DevTools protocol)."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--disable-extensions",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=400,300",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP viewer.test 127.0.0.1",
]


class Browser:
    """One page of a Chromium. Every call waits for its answer."""

    def __init__(self, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        def wire() -> None:  # Chromium reads from descriptor 3 and writes to 4
            one, other = os.dup(to_read), os.dup(to_write)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(3, 4),
            preexec_fn=wire,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest, self._number, self._session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.call("Page.enable")

    def call(self, method: str, **words: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": words}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._read, 2**16)
            assert piece, "Chromium has ended"
            self._rest += piece
        raw, _, self._rest = self._rest.partition(b"\0")
        return json.loads(raw)

    def open(self, address: str, *, script: str = "") -> None:
        """Show a page of ours; `script` runs in it before its own."""
        added = self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && window.panoloom !== undefined")
        self.call("Page.removeScriptToEvaluateOnNewDocument", **added)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression, or the promise it makes, comes to."""
        told = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait, within the page, until something is so."""
        loop = f"const look = () => ({expression}) ? done(true) : setTimeout(look, 20); look();"
        for _ in range(200):  # a page that is replaced forgets the question
            try:
                assert self.value(f"new Promise((done) => {{ {loop} }})")
                return
            except AssertionError:
                continue

    def picture(self) -> np.ndarray:
        """What is to be seen, [H, W, 3] uint8."""
        raw = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))

    def close(self) -> None:
        os.close(self._write)
        self._process.terminate()
        self._process.wait()
        os.close(self._read)
