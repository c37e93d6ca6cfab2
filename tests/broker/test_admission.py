"""What is refused at the door of a job that goes on from a result."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from panoloom.engine_server.broker.admission import admit, key_of_finished
from panoloom.engine_server.broker.blobs import BlobStore
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import ArtifactRef, Base, JobSpec
from panoloom.shared.latents import LatentsHead
from panoloom.shared.messages import StoreBlob, SubmitJob

HEAD = LatentsHead(
    channels=2,
    frames=1,
    height=1,
    width=2,
    model="preview",
    model_revision="r1",
    method="fused",
    seed=0,
    numerics_version="2",
    fps=8.0,
    loop=True,
)
LATENTS = HEAD.to_bytes() + bytes(HEAD.data_bytes)


def submitted(tmp_path, raw: bytes, *, is_stored: bool = True) -> JobSpec:
    blobs = BlobStore(tmp_path / "blobs", max_bytes=2**20)
    sha256 = hashlib.sha256(raw).hexdigest()
    if is_stored:
        blobs.store(StoreBlob(sha256=sha256, size=len(raw), offset=0), raw)
    spec = JobSpec(prompt="sea", base=Base(sha256=sha256, sigma=0.6))
    request = SubmitJob(job_id="a" * 32, spec=spec.to_plain())

    def plan(asked: JobSpec) -> JobSpec:
        return dataclasses.replace(asked, model_revision="r1")

    return admit(request, plan=plan, blobs=blobs, library=tmp_path)


def test_latents_of_the_model_that_is_here_are_taken(tmp_path):
    assert submitted(tmp_path, LATENTS).model_revision == "r1"


def test_latents_that_are_not_stored_are_asked_for(tmp_path):
    with pytest.raises(InvalidJob, match="not been stored") as caught:
        submitted(tmp_path, LATENTS, is_stored=False)
    assert caught.value.details["missing"] == [hashlib.sha256(LATENTS).hexdigest()]


def test_latents_of_another_revision_are_refused_before_any_work(tmp_path):
    other = dataclasses.replace(HEAD, model_revision="r0")
    with pytest.raises(InvalidJob, match="revision r0") as caught:
        submitted(tmp_path, other.to_bytes() + bytes(HEAD.data_bytes))
    assert caught.value.details["nearest"] == "r1"


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\xff" * 64,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        LATENTS.replace(b"panoloom.latents", b"somebody.latents"),
        LATENTS.replace(b"F32", b"F16"),
        LATENTS.replace(b'"frames":"1"', b'"frames":"0"'),
        LATENTS.replace(b'"frames":"1"', b'"frames":"x"'),
    ],
    ids=range(10),
)
def test_what_are_no_latents_is_refused(tmp_path, raw):
    with pytest.raises(InvalidJob, match="not the latents"):
        submitted(tmp_path, raw)


def test_latents_of_a_newer_panoloom_say_so(tmp_path):
    newer = LATENTS.replace(b'"format_version":"1"', b'"format_version":"9"')
    with pytest.raises(InvalidJob, match="Update Panoloom"):
        submitted(tmp_path, newer)


@pytest.mark.parametrize(
    ("memory", "key"),
    [({}, "k"), ({"same_pictures": True}, "k"), ({"same_pictures": False}, "")],
)
def test_pictures_of_weights_in_8_bits_are_not_found_again(tmp_path, memory, key):
    (tmp_path / "manifest.json").write_text(json.dumps({"memory": memory}), encoding="utf-8")
    artifact = ArtifactRef(
        job_id="a" * 32,
        folder=str(tmp_path),
        manifest_sha256="",
        width=2,
        height=1,
        num_frames=1,
        fps=8.0,
        loop=True,
    )
    assert key_of_finished(artifact, "k") == key
