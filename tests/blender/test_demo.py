"""The Blender part of the demo, with a worker that paints."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from painting_worker import COMMAND

from panoloom.engine_server.broker import Broker, BrokerConfig
from panoloom.engine_server.broker.background import running
from panoloom.shared.connection import connection_path

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def demo(extension_zip, blender_python, tmp_path_factory):
    """What the demo printed, and its folder, moved elsewhere afterwards."""
    out = tmp_path_factory.mktemp("demo") / "out"
    out.mkdir()
    config = BrokerConfig(library=out, handles_signals=False)
    command = [str(blender_python), str(ROOT / "packaging" / "demo_scene.py")]
    command += ["--zip", str(extension_zip), "--connection", str(connection_path(out))]
    command += ["--prompt", "painted sea", "--out", str(out), "--seconds", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with running(Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND)):
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=380, check=False
        )
    assert done.returncode == 0, done.stderr[-6000:]
    made = json.loads(done.stdout.strip().splitlines()[-1])
    there = {name: Path(path).is_file() for name, path in made.items() if name in FILES}
    there |= {path: Path(path).is_file() for path in made["renders"]}
    moved = out.rename(out.with_name("moved"))
    return made, there, moved


FILES = ("blend", "movie", "poster", "contact_sheet")


def test_everything_the_last_line_names_is_there(demo):
    made, there, _ = demo
    assert set(FILES) <= set(there)
    assert all(there.values()), there
    assert len(made["renders"]) == 2
    assert made["num_frames"] == 24
    assert made["previews"] >= 1


def test_scene_was_rendered_at_two_times_of_the_loop(demo):
    made, _, moved = demo
    first, second = ((moved / Path(path).name).read_bytes() for path in made["renders"])
    assert first != second


def test_moved_folder_shows_its_world_without_the_extension(demo, blender_alone, tmp_path):
    _, _, moved = demo
    found = blender_alone("open_moved.py", tmp_path, moved / "demo.blend")
    assert found == {
        "extension": False,
        "relative": True,
        "found": True,
        "inside": True,
        "duration": 24,
        "frames": [1, 24],
    }
