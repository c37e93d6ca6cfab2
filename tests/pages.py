"""The page in a browser: served, playing, in a headset, and what is to be seen of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path

import numpy as np
from headless import Browser

from panoloom.engine_server.commands.view import open_server

HEADSET = Path(__file__).with_name("headset.js").read_text(encoding="utf-8")


@contextmanager
def served(film: Path, folder: Path, **words: bool) -> Iterator[str]:
    """The page of a film: its address while it is served. `words`: of `open_server`."""
    kind = {"lan": False, "plain": False} | words
    server, address = open_server(film, "a <b>sea", folder, port=0, **kind)
    with serving(server):
        yield address


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Let a bound server serve during the block, and close it."""
    words = {"poll_interval": 0.01}
    thread = threading.Thread(target=server.serve_forever, kwargs=words, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


def centre(picture: np.ndarray, *, x: float = 0.5, y: float = 0.45) -> np.ndarray:
    """The colour around a place, x and y as shares of the picture."""
    row, column = int(y * picture.shape[0]), int(x * picture.shape[1])
    return picture[row - 4 : row + 4, column - 4 : column + 4].mean(axis=(0, 1))


def shows(found: np.ndarray, expected: object) -> bool:
    """Whether a colour is the expected one."""
    return bool(np.abs(found - np.array(expected)).max() < 30)


def playing(browser: Browser) -> None:
    """Wait until the film plays."""
    browser.until("document.getElementById('film').readyState >= 3 && panoloom.playing")


def in_headset(browser: Browser, address: str, *, layers: bool = False) -> None:
    """Open the page with a headset at hand and enter VR."""
    browser.value(f"window.name = '{'layers' if layers else ''}'")
    browser.open(address, script=HEADSET)
    playing(browser)
    browser.until("!document.getElementById('vr').hidden")
    browser.value("document.getElementById('vr').click()")
    browser.until("['layer', 'webgl'].includes(panoloom.shown) && headset.session.frames > 5")
