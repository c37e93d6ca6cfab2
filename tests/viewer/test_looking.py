"""Looking around on a screen: mouse, keys, fingers, and the device itself."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from marks import marked_loop
from pages import centre, playing, served, serving, shows

from panoloom.engine_server.output.export.plan import ExportRequest, plan_export
from panoloom.engine_server.output.export.run import export

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine
WHITE = (255, 255, 255)
LOOKS = "[panoloom.yaw, panoloom.pitch, panoloom.fov]"


@pytest.fixture
def page(film, browser, tmp_path):
    """A page that plays, looking ahead."""
    with served(film("mono"), tmp_path) as address:
        browser.open(f"{address}#fov=80")
        playing(browser)
        yield browser


@pytest.fixture
def phone(browser):
    """The browser as that of a phone with a touch screen."""
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=300,
        height=400,
        deviceScaleFactor=2,
        mobile=True,
    )
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    yield browser
    browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
    browser.call("Emulation.clearDeviceMetricsOverride")


def press(browser, key):
    for kind in ("keyDown", "keyUp"):
        text = {"text": key} if kind == "keyDown" and len(key) == 1 else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, **text)


def seen(browser):
    """The colour in the middle."""
    browser.drawn()
    return centre(browser.picture(), y=0.4)


def test_dragging_pulls_the_picture_along(page):
    mouse = {"button": "left", "clickCount": 1}
    page.call("Input.dispatchMouseEvent", type="mousePressed", x=200, y=100, **mouse)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=150, y=120, **mouse)
    page.call("Input.dispatchMouseEvent", type="mouseReleased", x=150, y=120, **mouse)
    degrees = 80 / page.value("document.getElementById('view').clientWidth")  # a pixel
    assert page.value(LOOKS) == pytest.approx([50 * degrees, 20 * degrees, 80])


def test_keys_turn_zoom_pause_and_begin_again(page):
    assert "arrow keys" in page.value("document.getElementById('say').textContent")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowDown"):
        press(page, key)
    assert page.value(LOOKS) == [5, 5, 80]
    assert page.value("document.getElementById('say').textContent") == ""
    press(page, "+")
    assert page.value("panoloom.fov") == pytest.approx(72)
    press(page, "-")
    assert page.value("panoloom.fov") == pytest.approx(80)
    press(page, " ")
    assert page.value("document.getElementById('film').paused")
    page.until("document.getElementById('play').textContent === 'Play'")
    press(page, " ")
    page.until("!document.getElementById('film').paused")
    press(page, "0")
    assert page.value(LOOKS) == [0, 0, 90]
    press(page, "f")
    page.until("document.fullscreenElement !== null")
    press(page, "f")
    page.until("document.fullscreenElement === null")


def test_the_wheel_zooms(page):
    wheel = {"type": "mouseWheel", "x": 200, "y": 100, "deltaX": 0}
    page.call("Input.dispatchMouseEvent", deltaY=-300, **wheel)
    page.until("panoloom.fov < 79")


def test_two_fingers_that_part_zoom_in(phone, page):
    def fingers(kind, *places):
        points = [{"x": x, "y": 100, "id": number} for number, x in enumerate(places)]
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    assert "arrow keys" not in page.value("document.getElementById('say').textContent")
    fingers("touchStart", 130, 170)
    fingers("touchMove", 100, 200)
    fingers("touchEnd")
    assert page.value("panoloom.fov") == pytest.approx(32, abs=3)  # 80 times 40 to 100


def test_a_device_that_is_turned_and_raised_looks_where_it_points(phone, page, colours):
    def held(alpha, beta, gamma=0):
        words = {"alpha": alpha, "beta": beta, "gamma": gamma}
        page.call("DeviceOrientation.setDeviceOrientationOverride", **words)

    page.until("!document.getElementById('motion').hidden")
    try:
        held(30, 90)  # upright; which way it points at first does not matter
        page.value("document.getElementById('motion').click()")
        page.until("document.getElementById('motion').hidden")
        assert shows(seen(page), colours[0])
        held(300, 90)
        assert shows(seen(page), colours[90])
        held(120, 90)
        assert shows(seen(page), colours[-90])
        held(30, 178)
        assert shows(seen(page), WHITE)  # the sky
    finally:
        page.call("DeviceOrientation.clearDeviceOrientationOverride")


def test_a_screen_shows_the_left_eye_of_a_film_in_stereo(film, browser, colours, tmp_path):
    with served(film("top-bottom"), tmp_path) as address:
        browser.open(f"{address}#fov=60")
        playing(browser)
        assert shows(seen(browser), colours[0])


def test_without_webgl_the_film_is_shown_flat_and_says_so(film, browser, tmp_path):
    with served(film("mono"), tmp_path) as address:
        browser.open(address, script="HTMLCanvasElement.prototype.getContext = () => null;")
        playing(browser)
        assert browser.value("panoloom.shown") == "flat"
        assert browser.value("document.getElementById('film').clientHeight") > 100
        assert "shown flat" in browser.value("document.getElementById('say').textContent")


def test_an_exported_web_folder_plays_from_a_server_that_knows_nothing(browser, tmp_path):
    request = ExportRequest(
        folder=marked_loop(tmp_path / "library"), preset="web", out=tmp_path / "out"
    )
    made = export(plan_export(request), lambda *told: None).path

    class Quiet(SimpleHTTPRequestHandler):
        """Python's own: whole files, no ranges."""

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=made))
    server.daemon_threads = True
    with serving(server):
        browser.open(f"http://127.0.0.1:{server.server_port}/")
        playing(browser)
        browser.until("panoloom.rounds >= 3")
        assert browser.value("panoloom.playing") == "media-source"
