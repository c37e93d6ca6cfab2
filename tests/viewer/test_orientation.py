"""One exported film, marked in six directions: the page, a headset, FFmpeg and our own views agree.

What Blender shows of the same marks: `tests/blender/test_hdri.py`.
"""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from marks import MARKS, marked, marked_loop, to_screen
from pages import centre, in_headset, playing, served, shows

from panoloom.engine_server.output.export.plan import ExportRequest, plan_export
from panoloom.engine_server.output.export.run import export
from panoloom.engine_server.panorama.erp import erp_to_view

pytestmark = pytest.mark.timeout(300)  # a browser on a busy machine
TURNED_DEG = 90.0
"""What lay to the right is turned into the middle: the other marks follow."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Yaw of the export to its film."""
    folder = tmp_path_factory.mktemp("marks")
    loop = marked_loop(folder / "library")
    made = {}
    for yaw_deg in (0.0, TURNED_DEG):
        out = folder / f"{yaw_deg:g}"
        request = ExportRequest(folder=loop, preset="web-safe", out=out, yaw_deg=yaw_deg)
        made[yaw_deg] = export(plan_export(request), lambda *told: None).path
    return made


def seen_at(yaw_deg, pitch_deg, *, turned_deg=0.0):
    """The colour that has to stand there."""
    for mark_yaw, mark_pitch, colour in MARKS.values():
        is_pole = abs(pitch_deg) == 90
        if mark_pitch == pitch_deg and (is_pole or (mark_yaw - turned_deg - yaw_deg) % 360 == 0):
            return colour
    raise AssertionError("no mark there")


DIRECTIONS = [(yaw, pitch) for yaw, pitch, _ in MARKS.values()]


def by_v360(path, yaw_deg, pitch_deg):
    """A view of 40 degrees as FFmpeg's filter takes it, RGB."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream)
        words = f"e:flat:h_fov=40:v_fov=40:w=64:h=64:yaw={yaw_deg}:pitch={pitch_deg}"
        view = graph.add("v360", words)
        sink = graph.add("buffersink")
        source.link_to(view)
        view.link_to(sink)
        graph.configure()
        graph.push(frame)
        return graph.pull().to_ndarray(format="rgb24")


@pytest.mark.parametrize("turned_deg", [0.0, TURNED_DEG])
def test_ffmpegs_v360_finds_every_mark_where_it_belongs(turned_deg, films):
    for yaw, pitch in DIRECTIONS:
        found = centre(by_v360(films[turned_deg], yaw, pitch))
        assert shows(found, seen_at(yaw, pitch, turned_deg=turned_deg)), (yaw, pitch)


def test_our_own_views_find_every_mark():
    erp = torch.from_numpy(to_screen(marked()).transpose(2, 0, 1)[None].copy())
    for yaw, pitch, colour in MARKS.values():
        view = erp_to_view(erp, yaw_deg=yaw, pitch_deg=pitch, fov_deg=40, size=(32, 32))
        found = view[0].numpy().transpose(1, 2, 0) * 255
        assert np.abs(centre(found) - colour).max() < 3


@pytest.mark.parametrize("turned_deg", [0.0, TURNED_DEG])
def test_the_page_finds_every_mark_on_a_screen(turned_deg, films, browser, tmp_path):
    with served(films[turned_deg], tmp_path) as address:
        browser.open(f"{address}#fov=40&screen={turned_deg:g}")
        still_first_frame(browser)
        for yaw, pitch in DIRECTIONS:
            browser.value(f"[panoloom.yaw, panoloom.pitch] = [{yaw}, {pitch}]")
            browser.drawn()
            found = centre(browser.picture())
            assert shows(found, seen_at(yaw, pitch, turned_deg=turned_deg)), (yaw, pitch)


def test_the_page_finds_every_mark_in_a_headset_drawn_by_webgl(films, browser, tmp_path):
    with served(films[TURNED_DEG], tmp_path) as address:
        in_headset(browser, f"{address}#headset=1")
        still_first_frame(browser)
        for yaw, pitch in DIRECTIONS:
            look = f"headset.yaw = {yaw}; headset.pitch = {pitch}; headset.session.frames = 0"
            browser.value(look)
            browser.until("headset.session.frames > 3")
            picture = browser.picture()
            for x in (0.25, 0.75):
                found = centre(picture, x=x)
                assert shows(found, seen_at(yaw, pitch, turned_deg=TURNED_DEG)), (yaw, pitch)


def still_first_frame(browser):
    """Stop at a bright frame: odd ones are dimmed."""
    playing(browser)
    film = "document.getElementById('film')"
    seek = f"{film}.addEventListener('seeked', done, {{ once: true }}); {film}.currentTime = 0.03"
    browser.value(f"{film}.pause()")
    browser.value(f"new Promise((done) => {{ {seek}; }}).then(() => true)")
