"""The installed zip, a real broker over loopback, and the World that comes of it.

First with a worker that paints known pixels, then with the real one and its model.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from painting_worker import COMMAND

from panoloom.engine_server.broker import Broker, BrokerConfig
from panoloom.engine_server.broker.background import running
from panoloom.engine_server.colour import srgb_to_linear
from panoloom.shared.connection import connection_path

NUM_FRAMES = 8


@pytest.fixture(scope="module")
def painted(blender, tmp_path_factory):
    """What Blender saw of a loop whose every pixel is known."""
    library = tmp_path_factory.mktemp("library")
    config = BrokerConfig(library=library, handles_signals=False)
    words = {
        "prompt": "painted sea",
        "steps": 4,
        "num_frames": NUM_FRAMES,
        "fps": NUM_FRAMES,
        "reference": True,
        "cancel": "another sea pace=150",
        "fail": "a third sea fail_at=2",
    }
    with running(Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND)):
        return blender(
            "end_to_end.py",
            tmp_path_factory.mktemp("painted"),
            connection_path(library),
            json.dumps(words),
        )


def test_loop_arrives_and_is_tagged_with_its_job(painted):
    assert painted["problems"] == []
    assert painted["state"] == "finished"
    assert painted["tagged"]
    assert painted["num_frames"] == NUM_FRAMES


def test_panel_showed_the_reference_and_the_steps_on_the_way(painted):
    assert painted["phases"][0] == "Rendering your scene all around"
    assert painted["previews"] >= 1


def test_reference_reaches_the_worker_with_the_heading_in_its_centre(painted):
    (note,) = painted["notes"]
    assert note.startswith("reference 512x256 [[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 0]]")


def test_world_shows_each_frame_of_the_loop_where_the_camera_looked(painted):
    assert set(painted["differences"]) == {"0", "1", "2", "8", "9"}
    assert max(painted["differences"].values()) < 2e-3


def test_movie_shows_the_same_frames_within_its_eight_bits(painted):
    assert painted["movie"] == ["MOVIE", NUM_FRAMES]
    assert max(painted["movie_differences"].values()) < 0.03


def test_world_changes_between_frames_and_movie_without_apply(painted):
    movie, frames = ["MOVIE", NUM_FRAMES], ["SEQUENCE", NUM_FRAMES]
    assert painted["switched"] == [movie, frames, movie]


def test_painted_colours_arrive_as_linear_light(painted):
    for name, red in {"ahead": 0.2, "right": 0.4, "behind": 0.6}.items():
        expected = srgb_to_linear([red, 0.5, 0.0])
        assert painted["linear"][name] == pytest.approx(list(expected), abs=1e-3)


def test_users_world_comes_back(painted):
    assert painted["restored"] == "Mine"


def test_cancelled_job_keeps_its_last_preview_and_frees_the_button(painted):
    assert painted["cancelled"] == "cancelled"
    assert painted["world_after_cancel"]
    assert painted["can_generate_again"]


def test_failed_job_ends_in_the_workers_sentence(painted):
    assert painted["failed"] == ["The paint is dry."]


@pytest.fixture(scope="module")
def real(blender, tmp_path_factory):
    """A short job of the real engine, started as users start it."""
    library = tmp_path_factory.mktemp("real-library")
    log = library.parent / "engine.log"
    command = [sys.executable, "-m", "panoloom.engine_server", "serve", "--library", str(library)]
    with log.open("w") as sink:
        engine = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while not connection_path(library).exists():
            assert engine.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        words = {
            "prompt": "northern lights over a calm sea",
            "steps": 3,
            "num_frames": 24,
            "fps": 24,
            "reference": True,
        }
        yield blender(
            "end_to_end.py",
            tmp_path_factory.mktemp("real"),
            connection_path(library),
            json.dumps(words),
            timeout=580,
        )
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_engine_lights_the_world_with_its_own_frames(real):
    assert real["problems"] == []
    assert real["state"] == "finished"
    assert real["num_frames"] == 24
    assert real["previews"] >= 1
    assert max(real["differences"].values()) < 5e-3
    assert real["restored"] == "Mine"
