"""What a job leaves on the disk on its way, and what it says when that cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from panoloom.engine_server.denoise.stages import StageState
from panoloom.engine_server.worker import checkpoint as module
from panoloom.engine_server.worker.checkpoint import Checkpoint
from panoloom.shared.errors import ArtifactWriteFailed


def state(step: int) -> StageState:
    return StageState(stage=0, step=step, x=torch.full((2, 1, 4, 8), float(step)))


def test_the_newest_state_comes_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, "key")
    checkpoint.save(state(1))
    checkpoint.save(state(2))
    found = checkpoint.load()
    assert found is not None
    assert (found.step, found.x.max()) == (2, 2.0)
    assert Checkpoint(tmp_path, "another").load() is None


def test_full_disk_is_said_with_the_way_out_and_the_old_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path, "key")
    checkpoint.save(state(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(ArtifactWriteFailed, match="too full") as caught:
        checkpoint.save(state(2))
    assert caught.value.details["missing_bytes"] > 0
    assert [path.name for path in tmp_path.iterdir()] == [module.NAME]
    found = checkpoint.load()
    assert found is not None
    assert found.step == 1


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactWriteFailed, match="folder for checkpoints"):
        Checkpoint(tmp_path / "file" / "work", "key")
