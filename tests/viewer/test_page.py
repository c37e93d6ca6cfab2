"""The page in a headless Chromium, on a screen and with a headset that tests bring along."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pages import centre, in_headset, playing, served, shows

from panoloom.engine_server.output.codec import codec_string
from panoloom.engine_server.viewer.page import PAGE, page_bytes, read_film

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine
DARK = 0.3


def test_each_direction_shows_its_own_quarter(film, colours, browser, tmp_path):
    with served(film("mono"), tmp_path) as address:
        browser.open(f"{address}#yaw=0&fov=60")
        playing(browser)
        for yaw in colours:
            browser.value(f"panoloom.yaw = {yaw}")
            browser.drawn()
            assert shows(centre(browser.picture(), y=0.4), colours[yaw])


def test_up_is_the_sky(film, browser, tmp_path):
    with served(film("mono"), tmp_path) as address:
        browser.open(f"{address}#pitch=89&fov=60&yaw=1")
        playing(browser)
        assert shows(centre(browser.picture(), y=0.4), (255, 255, 255))


def test_the_film_goes_on_over_its_join_without_a_hole(film, browser, tmp_path):
    with served(film("mono"), tmp_path) as address:
        browser.open(f"{address}#yaw=2")
        playing(browser)
        assert browser.value("panoloom.playing") == "media-source"
        browser.until("panoloom.rounds >= 4")
        browser.until("document.getElementById('film').currentTime > 2.1")
        film_now = "document.getElementById('film')"
        assert browser.value(f"{film_now}.buffered.length") == 1
        end, rounds = browser.value(f"[{film_now}.buffered.end(0), panoloom.rounds]")
        frame = 1 / 12
        nearest = round(end)  # a round lasts a second
        assert abs(end - nearest) < 0.1 * frame
        assert rounds >= 4


def test_without_media_source_the_film_itself_is_repeated(film, browser, tmp_path):
    with served(film("mono"), tmp_path) as address:
        browser.open(f"{address}#plain", script="window.MediaSource = undefined;")
        playing(browser)
        assert browser.value("panoloom.playing") == "video-loop"
        assert browser.value("document.getElementById('film').loop")


def test_each_eye_of_a_headset_sees_its_half_and_a_turn_of_the_head_turns(
    film, colours, browser, tmp_path
):
    with served(film("top-bottom"), tmp_path) as address:
        in_headset(browser, f"{address}#yaw=3")
        assert browser.value("panoloom.shown") == "webgl"
        for yaw in (0, 90, -90):
            expected = colours[yaw]
            browser.value(f"headset.yaw = {yaw}; headset.session.frames = 0")
            browser.until("headset.session.frames > 3")
            picture = browser.picture()
            left, right = (centre(picture, x=x, y=0.4) for x in (0.25, 0.75))
            assert shows(left, expected)
            assert shows(right, np.array(expected) * DARK)


def test_a_headset_with_media_layers_gets_the_film_as_one(film, browser, tmp_path):
    with served(film("top-bottom"), tmp_path) as address:
        in_headset(browser, f"{address}#yaw=4", layers=True)
        assert browser.value("panoloom.shown") == "layer"
        assert browser.value("headset.layer") == {"video": "film", "layout": "stereo-top-bottom"}
        browser.value("document.getElementById('vr').click()")
        browser.until("panoloom.shown === 'screen'")
        assert browser.value("headset.ended") == 1


def test_the_page_loads_nothing_from_anywhere_else():
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:src|href)=[\"']?([^\s\"'>]+)", text)) == {"loop.mp4"}
    assert "import(" not in text
    assert not re.search(r"https?://", text)


def test_a_title_cannot_become_part_of_the_page(film):
    told = read_film(film("mono"), title="</script><script>alert(1)</script>")
    text = page_bytes(told).decode()
    assert "<script>alert" not in text
    assert told.num_frames == 12


def test_a_film_says_its_codec_as_browsers_ask_for_it(film):
    assert re.fullmatch(r"avc1\.6400[0-9a-f]{2}", codec_string(film("mono")))
    assert read_film(film("top-bottom"), title="a").layout == "top-bottom"
