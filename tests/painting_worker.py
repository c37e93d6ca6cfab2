"""A worker that paints instead of denoising: every pixel of its loop is known.

Run by a real broker. Red tells the direction (0.2 ahead, 0.4 right, 0.6 behind, 0.8 left), green
the height (0 below, 0.5 level, 1 above, in steps), blue the frame; all sRGB, as seen. A word
`pace=200` in the prompt waits so many milliseconds between steps, `hold_at=2` waits after that step
until the file `go` is in the library, `fail_at=4` fails after that step. The note of its result
tells the reference it got.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fake_worker import words
from PIL import Image

from panoloom.engine_server.output.artifact import ArtifactWriter
from panoloom.engine_server.output.pictures import preview_jpeg
from panoloom.engine_server.worker.link import WorkerLink
from panoloom.shared.connection import STATE_FOLDER, blob_path
from panoloom.shared.errors import GenerationFailed, PanoloomError
from panoloom.shared.jobs import JobSpec, Progress
from panoloom.shared.messages import (
    JobCancelled,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    RunJob,
    WorkerReady,
)

COMMAND = [sys.executable, str(Path(__file__).resolve())]
HOLD_S = 300.0


def erp(width: int, height: int, *, blue: float) -> np.ndarray:
    """[H, W, 3] float32: six directions, six colours; row 0 is the zenith."""
    yaw = ((np.arange(width) + 0.5) / width - 0.5) * 360
    pitch = 90 - (np.arange(height) + 0.5) / height * 180
    picture = np.empty((height, width, 3), np.float32)
    picture[..., 0] = 0.2 + 0.2 * (np.round(yaw / 90) % 4)
    picture[..., 1] = (0.5 + 0.5 * np.round(pitch / 90))[:, None]
    picture[..., 2] = blue
    return picture


def frames(spec: JobSpec) -> Iterator[np.ndarray]:
    """Blue goes from 0 up to (N - 1) / N."""
    for index in range(spec.num_frames):
        yield erp(spec.width, spec.height, blue=index / spec.num_frames)


def notes(spec: JobSpec, library: Path) -> tuple[str, ...]:
    """What the reference looks like ahead, to the right and behind, as it arrived here."""
    if spec.reference is None:
        return ()
    path = blob_path(library / STATE_FOLDER / "blobs", spec.reference.sha256)
    with Image.open(path) as image:
        pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    seen = [pixels[height // 2, width * part // 4].tolist() for part in (2, 3, 0)]
    return (f"reference {width}x{height} {seen}",)


def paint(link: WorkerLink, job: RunJob, library: Path) -> None:
    spec = JobSpec.from_plain(job.spec)
    script = words(spec.prompt)
    for step in range(1, spec.steps + 1):
        if link.cancelled(job.job_id):
            link.send(JobCancelled(job_id=job.job_id))
            return
        time.sleep(script.get("pace", 0) / 1000)
        left = script.get("pace", 0) / 1000 * (spec.steps - step)
        progress = Progress(
            phase="denoise",
            step=step,
            num_steps=spec.steps,
            fraction=0.9 * step / spec.steps,
            elapsed_s=0.0,
            time_left_s=left,
        )
        link.send(JobProgressed(job_id=job.job_id, progress=progress))
        picture = erp(spec.width, spec.height, blue=step / spec.steps)
        jpeg, width, height = preview_jpeg(picture)
        link.send(JobPreviewed(job_id=job.job_id, step=step, width=width, height=height), [jpeg])
        if step == script.get("hold_at"):
            hold(link, job, library)
        if step == script.get("fail_at"):
            raise GenerationFailed("The paint is dry.", step=step)
    told = notes(spec, library)
    writer = ArtifactWriter(library, spec, job.job_id, made_with={"paint": 1}, notes=told)
    with writer:
        writer.write(frames(spec))
        link.send(JobFinished(job_id=job.job_id, artifact=writer.finish()))


def hold(link: WorkerLink, job: RunJob, library: Path) -> None:
    """Wait for the file `go`, the end of the job, or HOLD_S."""
    end = time.monotonic() + HOLD_S
    while not (library / "go").exists() and not link.cancelled(job.job_id):
        if time.monotonic() > end:
            raise GenerationFailed(f"The file 'go' never came, in {HOLD_S:g} s.")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--keys", required=True)
    parser.add_argument("--library", type=Path, required=True)
    options = parser.parse_args()
    with WorkerLink(options.endpoint, options.keys, on_free=lambda level: 0) as link:
        link.ready(
            WorkerReady(pid=os.getpid(), device="paint", precision="fp32", numerics_version="1")
        )
        while not link.is_closed:
            job = link.next_job(timeout_s=60)
            if job is None:
                continue
            try:
                paint(link, job, options.library)
            except PanoloomError as why:
                link.fail(job.job_id, why)


if __name__ == "__main__":
    main()
