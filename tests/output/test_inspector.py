from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.inspector import Inspection
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact

JOB = "a" * 32


class Counting:
    """An inspector that counts and looks at the shape."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def add(self, frame: np.ndarray) -> None:
        self.shapes.append(frame.shape)

    def finish(self) -> Inspection:
        return Inspection(files={"seen.json": b"{}"}, summary={"level": "fine"}, notes=("Seen.",))


@pytest.fixture
def written(tmp_path, small_spec):
    """(inspector, folder, reference) of a job of six frames from four of the model."""
    spec = dataclasses.replace(small_spec, num_frames=6, fps=12.0)
    inspector = Counting()
    frames = (np.full((32, 64, 3), index / 4, np.float32) for index in range(4))
    writer = ArtifactWriter(
        tmp_path, spec, JOB, made_with={}, notes=("First.",), inspector=inspector
    )
    with writer:
        writer.write(frames, num_model_frames=4)
        reference = writer.finish()
    return inspector, Path(reference.folder), reference


def test_an_inspector_sees_every_finished_frame_once(written):
    inspector, _, _ = written
    assert inspector.shapes == [(32, 64, 3)] * 6


def test_what_an_inspector_found_is_part_of_the_result(written):
    _, folder, reference = written
    manifest = load_manifest(folder)
    assert (folder / "seen.json").read_bytes() == b"{}"
    assert "seen.json" in {entry["path"] for entry in manifest["files"]}
    assert manifest["quality"] == {"level": "fine"}
    assert manifest["notes"] == ["First.", "Seen."]
    assert reference.notes == ("First.", "Seen.")
    assert verify_artifact(folder) == []
