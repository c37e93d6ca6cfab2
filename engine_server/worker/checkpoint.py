"""Where a job stands, on disk: enough to go on to the same bytes after any interruption."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import safetensors
import safetensors.torch

from ..denoise.stages import StageState
from ..room import write_failed

NAME = "checkpoint.safetensors"


class Checkpoint:
    """The newest state of one job, in its work folder.

    Args:
        folder: The job's work folder; made when missing.
        key: What the state belongs to; a state of another key is not used.

    Raises:
        ArtifactWriteFailed: The folder cannot be made.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / NAME
        self._key = key
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as why:
            raise write_failed(why, folder, what="The folder for checkpoints") from why

    def save(self, state: StageState) -> None:
        """Replace the state on disk; a reader finds the old one or the new one, both whole.

        Raises:
            ArtifactWriteFailed: The disk is full, or gone; the old state is still there.
        """
        partial = self._path.with_suffix(".partial")
        facts = {"key": self._key, "stage": str(state.stage), "step": str(state.step)}
        raw = safetensors.torch.save({"x": state.x.contiguous()}, metadata=facts)
        try:
            with partial.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as why:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise write_failed(
                why, self._path.parent, what="The checkpoint", expected_bytes=len(raw)
            ) from why

    def load(self) -> StageState | None:
        """The state on disk, or None where there is none of this key."""
        if not self._path.is_file():
            return None
        with safetensors.safe_open(self._path, framework="pt") as file:
            facts = file.metadata()
            if facts.get("key") != self._key:
                return None
            return StageState(
                stage=int(facts["stage"]), step=int(facts["step"]), x=file.get_tensor("x")
            )

    def clear(self) -> None:
        """Forget the state: the job is done."""
        self._path.unlink(missing_ok=True)
