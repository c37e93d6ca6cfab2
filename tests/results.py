"""Results of whole jobs: a loader to make them with, and what tells two of them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panoloom.engine_server.models.adapter import Adapter
from panoloom.engine_server.output.manifest import load_manifest
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.jobs import ArtifactRef


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
