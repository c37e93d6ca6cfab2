"""A worker without a model: the real wire, the real checkpoints, no pictures.

Run by the broker as a process. What it does is written in the prompt, as words `name=value`:

    steps=8            how many steps a job has (the spec's own by default)
    die_at=3           attempt 1 ends itself with SIGKILL after step 3
    dies=1             every attempt does, before its first step
    hold_at=2          waits after step 2 until the file `go` is in the library
    deaf=1             does not listen to CancelJob
    fail_at=4          sends JobFailed after step 4
    quits=1            attempt 1 sends JobCancelled unasked, before the first step
    kib=300            the result has a file of so many KiB
    lies=1             reports a result whose manifest is not there

The result is a chain of hashes over the steps: an interrupted and resumed job ends with the same
manifest as an undisturbed one, and one that lost or repeated a step does not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from panoloom.engine_server.worker.link import WorkerLink
from panoloom.shared.errors import GenerationFailed
from panoloom.shared.jobs import ArtifactRef, JobSpec, Progress
from panoloom.shared.messages import (
    JobCancelled,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    RunJob,
    WorkerReady,
)

COMMAND = [sys.executable, str(Path(__file__).resolve())]
# A whole JPEG would be honest and long; nobody here looks at it.
PREVIEW = b"\xff\xd8\xff\xe0 preview %d \xff\xd9"


def words(prompt: str) -> dict[str, int]:
    """The `name=value` words of a prompt."""
    pairs = (word.partition("=") for word in prompt.split())
    return {name: int(value) for name, equals, value in pairs if equals and value.isdigit()}


def run(link: WorkerLink, job: RunJob, library: Path) -> None:
    spec = JobSpec.from_plain(job.spec)
    script = words(spec.prompt)
    num_steps = script.get("steps", spec.steps)
    checkpoint = Path(job.work_dir) / "checkpoint.json"
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"step": 0, "chain": ""}
    if script.get("quits") and job.attempt == 1:
        link.send(JobCancelled(job_id=job.job_id))
        return
    if script.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    while state["step"] < num_steps:
        if link.cancelled(job.job_id) and not script.get("deaf"):
            link.send(JobCancelled(job_id=job.job_id))
            return
        chain = hashlib.sha256(f"{state['chain']} {state['step']}".encode()).hexdigest()
        state = {"step": state["step"] + 1, "chain": chain}
        temporary = checkpoint.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.replace(checkpoint)
        tell(link, job, state["step"], num_steps)
        if not after_step(link, job, script, state["step"], library):
            return
    finish(link, job, spec, state["chain"], library, script)


def tell(link: WorkerLink, job: RunJob, step: int, num_steps: int) -> None:
    progress = Progress(
        phase="denoise",
        step=step,
        num_steps=num_steps,
        fraction=step / num_steps,
        elapsed_s=0.1 * step,
        time_left_s=0.1 * (num_steps - step),
    )
    link.send(JobProgressed(job_id=job.job_id, progress=progress))
    preview = JobPreviewed(job_id=job.job_id, step=step, width=64, height=32)
    link.send(preview, [PREVIEW % step])


def after_step(
    link: WorkerLink, job: RunJob, script: dict[str, int], step: int, library: Path
) -> bool:
    """False when the job ends here."""
    if step == script.get("die_at") and job.attempt == 1:
        link.close()  # flushes what was said, so that the test knows what was heard
        os.kill(os.getpid(), signal.SIGKILL)
    if step == script.get("fail_at"):
        link.fail(job.job_id, GenerationFailed("The sea is closed today."))
        return False
    while step == script.get("hold_at") and not (library / "go").exists():
        if link.cancelled(job.job_id) and not script.get("deaf"):
            link.send(JobCancelled(job_id=job.job_id))
            return False
        time.sleep(0.01)
    return True


def finish(
    link: WorkerLink,
    job: RunJob,
    spec: JobSpec,
    chain: str,
    library: Path,
    script: dict[str, int],
) -> None:
    folder = library / f"fake-{job.job_id[:8]}"
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    files = []
    for name, size in {"loop.mp4": script.get("kib", 0) * 1024, "frames/loop_0001.exr": 7}.items():
        data = (chain.encode() * (size // len(chain) + 1))[:size]
        (folder / name).write_bytes(data)
        entry = {"path": name, "bytes": size, "sha256": hashlib.sha256(data).hexdigest()}
        files.append(entry)
    plain = {"chain": chain, "spec": spec.to_plain(), "files": files}
    manifest = json.dumps(plain).encode()
    if not script.get("lies"):
        (folder / "manifest.json").write_bytes(manifest)
    artifact = ArtifactRef(
        job_id=job.job_id,
        folder=str(folder),
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        width=spec.width,
        height=spec.height,
        num_frames=spec.num_frames,
        fps=spec.fps,
        loop=spec.loop,
    )
    link.send(JobFinished(job_id=job.job_id, artifact=artifact))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--keys", required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--broken", action="store_true", help="end before being ready")
    options = parser.parse_args()
    if options.broken:
        sys.exit("the graphics card is on holiday")
    link = WorkerLink(options.endpoint, options.keys, on_free=lambda level: 4096)
    with link:
        link.ready(
            WorkerReady(pid=os.getpid(), device="fake", precision="fp32", numerics_version="1")
        )
        while not link.is_closed:
            job = link.next_job(timeout_s=60)
            if job is not None:
                run(link, job, options.library)


if __name__ == "__main__":
    main()
