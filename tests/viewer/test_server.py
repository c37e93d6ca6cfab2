from __future__ import annotations

import http.client
import ssl
from contextlib import contextmanager

import cv2
import numpy as np
import pages
import pytest

from panoloom.engine_server.commands.view import find_film, qr_code
from panoloom.engine_server.viewer.certificate import tls_context
from panoloom.engine_server.viewer.server import Site, SiteServer, parse_range
from panoloom.shared.errors import InvalidJob

DATA = bytes(range(256)) * 8


@contextmanager
def serving(tmp_path, *, token="", any_host=False, tls=None):
    film = tmp_path / "a.mp4"
    film.write_bytes(DATA)
    site = Site(files={"": film, "loop.mp4": film}, token=token, any_host=any_host)
    server = SiteServer(("127.0.0.1", 0), site, tls=tls)
    with pages.serving(server):
        yield server.server_port


def ask(port, path="/loop.mp4", *, method="GET", tls=None, **headers):
    if tls is None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=tls)
    try:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        client.close()


def test_ranges_are_served_to_the_byte(tmp_path):
    with serving(tmp_path) as port:
        status, headers, body = ask(port, Range="bytes=100-199")
        assert (status, body) == (206, DATA[100:200])
        assert headers["Content-Range"] == "bytes 100-199/2048"
        assert ask(port, Range="bytes=-48")[2] == DATA[-48:]
        assert ask(port, Range="bytes=2000-")[2] == DATA[2000:]
        status, headers, body = ask(port, Range="bytes=5000-")
        assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */2048")


def test_the_whole_file_and_its_head(tmp_path):
    with serving(tmp_path) as port:
        status, headers, body = ask(port)
        assert (status, body, headers["Content-Type"]) == (200, DATA, "video/mp4")
        assert headers["Accept-Ranges"] == "bytes"
        status, headers, body = ask(port, method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "2048")


@pytest.mark.parametrize(
    "path", ["/other.mp4", "/../a.mp4", "/%2e%2e/a.mp4", "//etc/passwd", "/loop.mp4/x"]
)
def test_nothing_else_of_the_disk_is_handed_out(path, tmp_path):
    with serving(tmp_path) as port:
        assert ask(port, path)[0] == 404


def test_a_foreign_name_for_this_machine_gets_nothing(tmp_path):
    with serving(tmp_path) as port:
        assert ask(port, Host="evil.example")[0] == 404
        assert ask(port, Host=f"localhost:{port}")[0] == 200


def test_with_a_token_only_who_knows_it_is_served(tmp_path):
    with serving(tmp_path, token="secret", any_host=True) as port:
        assert ask(port, "/loop.mp4")[0] == 404
        assert ask(port, "/wrong/loop.mp4")[0] == 404
        assert ask(port, "/secret/loop.mp4", Host="192.168.0.9")[0] == 200
        assert ask(port, "/secret/")[0] == 200


def test_the_self_made_certificate_names_the_address_and_is_kept(tmp_path):
    context = tls_context(tmp_path / "keys", "127.0.0.1")
    pem = tmp_path / "keys" / "viewer-127.0.0.1.pem"
    first = pem.read_bytes()
    trusting = ssl.create_default_context(cadata=first.decode())
    with serving(tmp_path, tls=context) as port:
        assert ask(port, tls=trusting)[0] == 200  # the client checks the address against it
    tls_context(tmp_path / "keys", "127.0.0.1")
    assert pem.read_bytes() == first
    assert pem.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=2-3,5-6", (2, 4)),
        ("bytes=10-", None),
        ("bytes=5-4", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_range_headers(text, span):
    assert parse_range(text, 10) == span


def test_a_code_is_as_wide_as_high_in_half_blocks():
    lines = qr_code("https://192.168.0.9:8443/secret/").split("\n")
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) == 2 * len(lines) - 1
    assert set("".join(lines)) <= set("█▀▄ ")


def test_a_camera_reads_the_address_off_the_code():
    address = "https://192.168.0.9:8443/Zk3-secret_9/"
    inks = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}  # 1 is dark
    rows = [
        [inks[each][half] for each in row]
        for row in qr_code(address).split("\n")
        for half in (0, 1)
    ]
    picture = np.repeat(np.repeat(255 - 255 * np.uint8(rows), 8, axis=0), 8, axis=1)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == address


def test_what_has_no_film_is_refused(tmp_path):
    with pytest.raises(InvalidJob, match=r"no loop\.mp4"):
        find_film(tmp_path)
