"""A headless Chromium that is spoken to through a pipe (its DevTools protocol).

    with Browser(profile) as browser:
        browser.open(address)

No wait of it is without an end, and with the block every process of it ends.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
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
PIPES = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
"""Chromium reads from descriptor 3 and writes to 4. A shell sets them: this process has threads,
and must run nothing between fork and exec."""
ANSWER_S, END_S = 120.0, 10.0
"""How long an answer, and the end, may take on a busy machine."""


class Browser:
    """One page of a Chromium. Every call waits for its answer, at most `ANSWER_S`.

    Raises:
        TimeoutError: From any method: there was no answer in time.
    """

    def __init__(self, profile: Path) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", PIPES, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # so that all of its processes can be ended
        )
        self._rest, self._number, self._session = b"", 0, None
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            self.call("Page.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, method: str, *, within_s: float = ANSWER_S, **words: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": words}
        if self._session:
            message["sessionId"] = self._session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        until = time.monotonic() + within_s
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self, until: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        while b"\0" not in self._rest:
            left_s = max(until - time.monotonic(), 0.0)
            if not select.select([self._process.stdout], [], [], left_s)[0]:
                raise TimeoutError("Chromium does not answer")
            piece = os.read(self._process.stdout.fileno(), 2**16)
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

    def value(self, expression: str, *, within_s: float = ANSWER_S) -> Any:
        """What a JavaScript expression, or the promise it makes, comes to."""
        told = self.call(
            "Runtime.evaluate",
            within_s=within_s,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait, within the page, until something is so."""
        look = f"const look = () => ({expression}) ? done(true) : setTimeout(look, 20); look();"
        end = time.monotonic() + ANSWER_S
        while True:
            try:
                left_s = end - time.monotonic()
                assert self.value(f"new Promise((done) => {{ {look} }})", within_s=left_s)
                return
            except TimeoutError:
                raise TimeoutError(f"never came to be: {expression}") from None
            except AssertionError:  # a page that is replaced forgets the question
                if time.monotonic() > end or self._process.poll() is not None:
                    raise

    def drawn(self) -> None:
        """Wait until the page has drawn what it was told last."""
        self.value(
            "new Promise((done) => requestAnimationFrame(() => "
            "requestAnimationFrame(() => done(true))))"
        )

    def picture(self) -> np.ndarray:
        """What is to be seen, [H, W, 3] uint8."""
        raw = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))

    def close(self) -> None:
        """End it, all of its processes; once it has, nothing."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
