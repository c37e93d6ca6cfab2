"""A finished result as a command reads it: its job, its stored latents, and what made them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec
from ...shared.latents import NAME as LATENTS_NAME
from ...shared.latents import LatentsHead, check_maker, read_head
from ..broker.config import MAX_BLOB_BYTES
from ..models import catalog
from ..output import manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result folder, checked.

    Attributes:
        folder: Absolute path.
        spec: The resolved job that made it.
        manifest_sha256: Hash of its manifest.
        latents: The bytes of its latents file.
        latents_sha256: Their hash, which is the one in the manifest.
        head: What they say of themselves.
    """

    folder: Path
    spec: JobSpec
    manifest_sha256: str
    latents: bytes
    latents_sha256: str
    head: LatentsHead


def read_result(folder: Path) -> Result:
    """The result in `folder`, if the model that is here can go on from it.

    Raises:
        InvalidJob: It is no result of Panoloom, keeps no latents, was changed, or was made by
            another model or another revision of it.
        ModelNotInstalled: The model's weights are missing.
    """
    folder = folder.absolute()
    told = manifest.load_manifest(folder)
    spec = JobSpec.from_plain(told.get("job"))
    path = folder / LATENTS_NAME
    entry = _entry(told)
    if entry is None:
        raise InvalidJob(
            f"{folder} keeps no latents: it was made by an older Panoloom. Make it again with the "
            "job in its manifest; that takes as long as it took.",
            field="folder",
        )
    try:
        if path.stat().st_size > MAX_BLOB_BYTES:
            raise InvalidJob(
                f"{path} has {path.stat().st_size / 2**20:.0f} MiB; "
                f"{MAX_BLOB_BYTES / 2**20:.0f} MiB is the most an engine takes.",
                field="folder",
                largest=MAX_BLOB_BYTES,
            )
        with path.open("rb") as file:
            head = read_head(file)
        raw = path.read_bytes()
    except OSError as why:
        raise InvalidJob(f"{path} cannot be read: {why.strerror or why}.", field="folder") from why
    sha256 = hashlib.sha256(raw).hexdigest()
    if sha256 != entry.get("sha256"):
        raise InvalidJob(
            f"{path} has been changed: its hash is not the one in the manifest.", field="folder"
        )
    check_maker(head, spec.model, catalog.revision(catalog.find(spec.model)))
    return Result(
        folder=folder,
        spec=spec,
        manifest_sha256=manifest.file_sha256(folder / manifest.NAME),
        latents=raw,
        latents_sha256=sha256,
        head=head,
    )


def _entry(told: dict[str, Any]) -> dict[str, Any] | None:
    entries = told.get("files")
    named = [entry for entry in entries or () if entry.get("path") == LATENTS_NAME]
    return named[0] if named else None
