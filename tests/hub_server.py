"""A hub on loopback: serves the repositories it is given as the real one does, no more.

with HubServer({"owner/name": {"config.json": b"{}"}}) as hub:
    ... endpoint=hub.url ...
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<commit>[^/]+)/(?P<path>.+)")
_INFO = re.compile(r"/api/models/(?P<repo>[^/]+/[^/?]+)(/revision/(?P<commit>[^/?]+))?(\?.*)?")


class HubServer:
    """Attributes:
    repositories: Name -> path -> bytes; may be changed while it runs.
    requests: (path, Range header or "") of every file that was asked for.
    revisions: Every commit that was asked for; "" for the newest.
    ignores_ranges: Whether it sends whole files whatever part was asked for.
    """

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.requests: list[tuple[str, str]] = []
        self.revisions: list[str] = []
        self.ignores_ranges = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        why: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if found := _INFO.fullmatch(request.path):
            self.revisions.append(found["commit"] or "")
            files = self.repositories.get(found["repo"])
            if files is None:
                _send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = [_sibling(path, data) for path, data in files.items()]
            sha = found["commit"] or COMMIT
            body = {"id": found["repo"], "modelId": found["repo"], "sha": sha, "siblings": siblings}
            _send(request, 200, json.dumps(body).encode())
            return
        found = _FILE.fullmatch(request.path)
        data = self.repositories.get(found["repo"], {}).get(found["path"]) if found else None
        if found is None or data is None:
            _send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        asked = request.headers.get("Range", "")
        self.requests.append((found["path"], asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.ignores_ranges or not start:
            _send(request, 200, data)
        else:
            headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            _send(request, 206, data[start:], headers)


def _sibling(path: str, data: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    fact: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": blob}
    if path.endswith((".safetensors", ".bin", ".model")):
        sha256 = hashlib.sha256(data).hexdigest()
        fact["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
    return fact


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(data)
        request.wfile.flush()
