"""The real engine and the real model: a result is refined and repainted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine_process import EngineProcess

from panoloom.engine_server.client import Engine
from panoloom.engine_server.commands.refine import refined
from panoloom.engine_server.commands.repaint import repainted
from panoloom.engine_server.commands.request import Request
from panoloom.engine_server.commands.result import read_result
from panoloom.engine_server.output.exr import read_exr
from panoloom.engine_server.output.manifest import verify_artifact
from panoloom.engine_server.panorama.round_part import angles_from
from panoloom.shared.jobs import ArtifactRef, JobSpec, Place
from panoloom.shared.messages import JobFinished

SPEC = JobSpec(prompt="a calm sea at night", num_frames=8, steps=2, seed=3, guidance_scale=1.0)
MOON = Place(text="a full moon", yaw_deg=170, pitch_deg=20, radius_deg=20)


def made(engine: Engine, request: Request) -> ArtifactRef:
    for blob in request.blobs:
        engine.store_blob(blob)
    *_, last = engine.watch(engine.submit(request.spec))
    assert isinstance(last.message, JobFinished), last.message
    assert verify_artifact(Path(last.message.artifact.folder)) == []
    return last.message.artifact


def lights(result: ArtifactRef) -> np.ndarray:
    """Bits of all half floats of all frames, [F, H, W, 3]."""
    paths = sorted((Path(result.folder) / "frames").iterdir())
    return np.stack([read_exr(path.read_bytes()).view(np.uint16) for path in paths])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_result_is_refined_and_repainted_by_the_real_model(
    engine_process: Callable[[str], EngineProcess],
) -> None:
    with engine_process("library").start() as engine:
        first = made(engine, Request(spec=SPEC))
        result = read_result(Path(first.folder))

        larger = made(engine, refined(result, (1024, 512), steps=1))
        assert (larger.width, larger.height) == (1024, 512)
        assert any("motion" in note or "moves" in note for note in larger.notes)

        anew = made(engine, repainted(result, MOON, feather_deg=8))
        away = angles_from(256, 512, yaw_deg=MOON.yaw_deg, pitch_deg=MOON.pitch_deg)
        before, after = lights(first), lights(anew)
        assert np.array_equal(before[:, away >= 28], after[:, away >= 28])
        assert (before != after)[:, away < 20].mean() > 0.9
        assert [job.kind for job in engine.list()] == ["repaint", "refine", "generate"]
