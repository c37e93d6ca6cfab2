"""`panoloom view`: a loop in the browser, on a headset over the network when asked."""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...shared.errors import InvalidJob, UserError
from ..config import cache_folder
from ..output import manifest
from .exits import DONE
from .export import stopped_like_ctrl_c

if TYPE_CHECKING:
    from ..viewer.server import SiteServer

NOWHERE = ("192.0.2.1", 9)
"""An address of nobody (RFC 5737). Asking for the way to it sends nothing."""


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "view",
        help="look at a loop in the browser, or on a headset",
        epilog="Only this machine can open the page, unless --lan is given; then the address "
        "holds a secret, the connection is encrypted by a certificate made here, and the browser "
        "will warn once that it does not know who made it.",
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a result, an exported web folder, or an MP4")
    add("--lan", action="store_true", help="let other devices on this network open it")
    add("--plain", action="store_true", help="with --lan: without encryption (then no WebXR)")
    add("--port", type=int, default=0, metavar="N", help="default: any free one")
    add("--no-browser", action="store_true", help="only print the address")
    add("--json", action="store_true", help="print the address as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if options.plain and not options.lan:
        raise InvalidJob("--plain goes with --lan.", field="plain")
    film, title = find_film(options.path)
    with tempfile.TemporaryDirectory(prefix="panoloom-view-") as scratch:
        server, address = open_server(
            film,
            title,
            Path(scratch),
            lan=options.lan,
            plain=options.plain,
            port=options.port,
        )
        with server:
            _tell(address, as_json=options.json, with_code=options.lan)
            if not options.no_browser and not options.lan:
                webbrowser.open(address)
            try:
                with stopped_like_ctrl_c():
                    server.serve_forever()
            except KeyboardInterrupt:
                print("Stopped.", file=sys.stderr)
    return DONE


def find_film(path: Path) -> tuple[Path, str]:
    """The film of what was named, and its title.

    Raises:
        InvalidJob: There is none.
    """
    if path.is_file():
        return path, path.stem
    film = path / "loop.mp4"
    if not film.is_file():
        raise InvalidJob(
            f"{path} is no result, no exported web folder and no film: it has no loop.mp4.",
            field="path",
        )
    if not (path / manifest.NAME).is_file():
        return film, path.name
    return film, str(manifest.load_manifest(path).get("job", {}).get("prompt") or path.name)


def open_server(
    film: Path, title: str, scratch: Path, *, lan: bool, plain: bool, port: int
) -> tuple[SiteServer, str]:
    """A server that is bound but does not serve yet, and its address.

    Raises:
        InvalidJob: The film is none a page can show, or the port is none.
        UserError: The port is taken, or there is no network.
    """
    from ..viewer import certificate, page  # FFmpeg
    from ..viewer.server import Site, SiteServer

    if not 0 <= port < 2**16:
        raise InvalidJob(f"{port} is no port: 0 to 65535.", field="port")
    page.write_page(scratch, film, title=title)
    host = lan_address() if lan else "127.0.0.1"
    token = secrets.token_urlsafe(12) if lan else ""
    files = {
        "": scratch / page.INDEX,
        page.FILM: film.absolute(),
        page.FRAGMENTED: scratch / page.FRAGMENTED,
    }
    tls = None
    if lan and not plain:
        tls = certificate.tls_context(cache_folder() / "viewer", host)
    try:
        server = SiteServer((host, port), Site(files=files, token=token, any_host=lan), tls=tls)
    except OSError as why:
        raise UserError(
            f"Port {port} of {host} cannot be used: {why.strerror or why}. Name another with "
            "--port.",
            port=port,
        ) from why
    scheme = "https" if tls else "http"
    shown = host if lan else "localhost"
    return server, f"{scheme}://{shown}:{server.server_port}/{token}{'/' if token else ''}"


def lan_address() -> str:
    """This machine's address on its network.

    Raises:
        UserError: It is on none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(NOWHERE)
        except OSError as why:
            raise UserError("This machine is on no network: leave --lan out.") from why
        return asked.getsockname()[0]


def qr_code(text: str) -> str:
    """`text` as a code that a headset's camera reads, drawn with half blocks."""
    import segno

    rows = [list(row) for row in segno.make(text, error="m").matrix_iter(border=3)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}  # light ink on a dark terminal
    lines = (
        "".join(blocks[int(a > 0), int(b > 0)] for a, b in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[0::2], rows[1::2], strict=True)
    )
    return "\n".join(lines)


def _tell(address: str, *, as_json: bool, with_code: bool) -> None:
    if as_json:
        print(json.dumps({"address": address}), flush=True)
        return
    if with_code:
        print(qr_code(address), file=sys.stderr)
    print(address, flush=True)
    print("Ctrl-C ends it.", file=sys.stderr)
