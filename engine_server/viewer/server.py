"""The page over HTTP: a fixed list of files, byte ranges, a token, nothing else of the disk.

Python's own file handler knows no ranges, without which browsers do not seek and some do not play.
"""

from __future__ import annotations

import hmac
import re
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}
TYPES = {".html": "text/html; charset=utf-8", ".mp4": "video/mp4"}
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is handed out.

    Attributes:
        files: Name in the address to file; "" is the page itself.
        token: First part of every address; empty: none is asked for.
        any_host: Whether it answers under names other than the loopback's. Without that a foreign
            page whose name points to this machine gets nothing.
    """

    files: dict[str, Path]
    token: str = ""
    any_host: bool = False


class SiteServer(ThreadingHTTPServer):
    """Serves a `Site`; `serve_forever` and `shutdown` as ever."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], site: Site, *, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(address, Handler)
        self.site = site
        if tls is not None:  # the handshake is the request's thread's business
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up, or asks without TLS, is no event."""


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the site's files."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: SiteServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal shows the address."""

    def _answer(self, *, with_body: bool) -> None:
        path = self._file()
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            file = path.open("rb")
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = path.stat().st_size
            wish = self.headers.get("Range")
            span = (0, size) if wish is None else parse_range(wish, size)
            if span is None:
                self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"bytes */{size}")
                return
            start, end = span
            self.send_response(HTTPStatus.OK if wish is None else HTTPStatus.PARTIAL_CONTENT)
            if wish is not None:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self._headers(TYPES.get(path.suffix, "application/octet-stream"), end - start)
            if with_body:
                file.seek(start)
                left = end - start
                while left > 0 and (piece := file.read(min(PIECE, left))):
                    self.wfile.write(piece)
                    left -= len(piece)

    def _headers(self, kind: str, length: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, content_range: str = "") -> None:
        self.send_response(status)
        if content_range:
            self.send_header("Content-Range", content_range)
        self._headers("text/plain", 0)

    def _file(self) -> Path | None:
        site = self.server.site
        host = re.sub(r":\d+$", "", self.headers.get("Host", ""))
        if not site.any_host and host not in LOOPBACK_NAMES:
            return None
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        if site.token:
            token, slash, path = path.partition("/")
            if not slash or not hmac.compare_digest(token.encode(), site.token.encode()):
                return None
        return site.files.get(path)


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last of a `Range` header; None when it cannot be served.

    Only the first of several ranges is served, which RFC 9110 (14.2) allows.
    """
    found = re.match(r"bytes=\s*(\d*)-(\d*)", text)
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    return (start, end) if start < size and end > start else None
