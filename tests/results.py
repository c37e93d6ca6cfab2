"""Results of whole jobs: a loader to make them with, and what tells two of them apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from panoloom.engine_server.models.adapter import Adapter, Cond
from panoloom.engine_server.output.manifest import load_manifest
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.jobs import ArtifactRef


class SquareCodec:
    """A codec for models of latents 8 times as coarse: a cell is a square of pixels."""

    def encode_prompt(self, texts: list[str]) -> Cond:
        """Nothing is told."""
        return Cond()

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """Frames ``[3, 8 H, 8 W]``, half as bright as the latents."""
        for frame in latents.unbind(1):
            yield frame.repeat_interleave(8, -1).repeat_interleave(8, -2) / 2


class OneModel(LoadedModels):
    """Has one adapter, whatever the name."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self._only = adapter

    def load(self, name: str) -> Adapter:
        """The one."""
        return self._only


def require_same_bytes(result: ArtifactRef, expected: ArtifactRef) -> None:
    """Fail unless two results are the same byte for byte; says which of their files differ."""
    one, other = (_facts(each) for each in (result, expected))
    differing = sorted(name for name in one | other if one.get(name) != other.get(name))
    told = [f"{name}: {one.get(name)} and {other.get(name)}"[:400] for name in differing]
    assert not differing, "\n".join(["the results differ in", *told])
    assert result.manifest_sha256 == expected.manifest_sha256


def _facts(result: ArtifactRef) -> dict[str, Any]:
    """Hashes of the files and, one by one, all other facts of a result's manifest."""
    manifest = load_manifest(Path(result.folder))
    hashes = {entry["path"]: entry["sha256"] for entry in manifest.pop("files")}
    return hashes | manifest
