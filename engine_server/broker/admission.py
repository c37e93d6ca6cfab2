"""What is checked before a job is taken, so that nothing impossible is ever begun."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ...shared.errors import ArtifactWriteFailed, InvalidJob
from ...shared.jobs import ArtifactRef, Base, JobSpec, Reference, is_job_id
from ...shared.latents import check_maker
from ...shared.latents import read_head as read_latents_head
from ...shared.messages import SubmitJob, WorkerReady
from ..room import check_room
from .blobs import BlobStore
from .images import check_mask_size, read_head, reference_sides

Plan = Callable[[JobSpec], JobSpec]
MAX_PRIORITY = 1000


def admit(request: SubmitJob, *, plan: Plan, blobs: BlobStore, library: Path) -> JobSpec:
    """The resolved spec of a request that can be carried out.

    Raises:
        InvalidJob: What was asked makes no sense or names what is not there.
        ArtifactWriteFailed: The result could not be written.
    """
    spec = asked_spec(request)
    spec.validate()
    resolved = plan(spec)
    if spec.reference is not None:
        check_reference(spec.reference, blobs, sides=reference_sides(spec))
    if spec.follow_sha256 is not None:
        check_follow(spec.follow_sha256, blobs)
    if spec.base is not None:
        check_base(resolved, spec.base, blobs)
    check_room(library, resolved)
    return resolved


def asked_spec(request: SubmitJob) -> JobSpec:
    """The spec as the client wrote it.

    Raises:
        InvalidJob: The id, the priority or the types in it are wrong.
    """
    if not is_job_id(request.job_id):
        raise InvalidJob("A job id has 32 lower-case hex digits.", field="job_id")
    if abs(request.priority) > MAX_PRIORITY:
        raise InvalidJob(
            f"The priority goes from {-MAX_PRIORITY} to {MAX_PRIORITY}.", field="priority"
        )
    return JobSpec.from_plain(request.spec)


def check_reference(
    reference: Reference, blobs: BlobStore, *, sides: tuple[int, int] | None = (2, 1)
) -> None:
    """Refuse references that are missing, no pictures, or do not fit their mask.

    Args:
        sides: Width to height that the picture has to have; None: any.

    Raises:
        InvalidJob: `details["missing"]` lists hashes that have to be stored first.
    """
    names = {"reference.sha256": reference.sha256, "reference.mask_sha256": reference.mask_sha256}
    wanted = {field: sha256 for field, sha256 in names.items() if sha256}
    missing = [sha256 for sha256 in wanted.values() if not blobs.has(sha256)]
    if missing:
        raise InvalidJob(
            "The reference has not been stored in the engine yet.",
            field="reference",
            missing=missing,
        )
    heads = {
        field: read_head(blobs.path(sha), field=field, sides=sides) for field, sha in wanted.items()
    }
    if reference.mask_sha256:
        mask = "reference.mask_sha256"
        check_mask_size(heads[mask], heads["reference.sha256"], field=mask)


def check_follow(sha256: str, blobs: BlobStore) -> None:
    """Refuse a picture to follow that is missing or is no panorama.

    Raises:
        InvalidJob: `details["missing"]` lists the hash that has to be stored first.
    """
    if not blobs.has(sha256):
        raise InvalidJob(
            "The picture to follow has not been stored in the engine yet.",
            field="follow_sha256",
            missing=[sha256],
        )
    read_head(blobs.path(sha256), field="follow_sha256")


def check_base(spec: JobSpec, base: Base, blobs: BlobStore) -> None:
    """Refuse a base whose latents are missing, are none, or were made by another model.

    Raises:
        InvalidJob: `details["missing"]` lists hashes that have to be stored first.
    """
    if not blobs.has(base.sha256):
        raise InvalidJob(
            "The result to go on from has not been stored in the engine yet.",
            field="base",
            missing=[base.sha256],
        )
    with blobs.path(base.sha256).open("rb") as file:
        check_maker(read_latents_head(file), spec.model, spec.model_revision)


def result_key(spec: JobSpec, worker: WorkerReady) -> str:
    """Name of a result: equal keys mean equal bytes."""
    parts = [spec.sha256(), worker.numerics_version, worker.device, worker.precision]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def key_of_finished(artifact: ArtifactRef, key: str) -> str:
    """The key by which a finished result is found again; empty for one that is not.

    A job whose weights were kept in 8 bits for want of memory is made anew when it is asked for
    again: with more memory free its pictures are others.
    """
    told = json.loads((Path(artifact.folder) / "manifest.json").read_bytes())
    changes = isinstance(told, dict) and not told.get("memory", {}).get("same_pictures", True)
    return "" if changes else key


def fault_of(artifact: ArtifactRef, library: Path) -> ArtifactWriteFailed | None:
    """What is wrong with a result that the worker says is finished; None when it is whole."""
    folder = Path(artifact.folder).resolve()
    if not folder.is_relative_to(library.resolve()):
        return ArtifactWriteFailed(
            f"The worker wrote to {folder}, outside of the library {library}. If the library was "
            "moved while the engine ran, end the engine, start it again and ask for the job once "
            "more.",
            path=str(folder),
        )
    if not is_intact(artifact):
        return ArtifactWriteFailed(
            f"The result in {folder} is not whole: its manifest is missing or altered. Something "
            "else changed the folder; ask for the job once more.",
            path=str(folder),
        )
    return None


def is_intact(artifact: ArtifactRef) -> bool:
    """Whether the folder is still there with the manifest it was finished with."""
    try:
        manifest = (Path(artifact.folder) / "manifest.json").read_bytes()
    except OSError:
        return False
    return hashlib.sha256(manifest).hexdigest() == artifact.manifest_sha256
