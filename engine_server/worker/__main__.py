"""The worker process: takes one job after the other from the broker until it is told to stop.

python -m panoloom.engine_server.worker --endpoint ENDPOINT --keys FILE --library DIR
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from ...shared.connection import LOG_NAME, STATE_FOLDER
from ...shared.errors import PanoloomError
from ...shared.jobs import ArtifactRef, JobSpec
from ...shared.messages import (
    JobCancelled,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    RunJob,
    WorkerReady,
)
from ..config import Executors, seeing_gpu
from ..denoise.loop import Cancelled
from ..machine import memory_bytes
from ..panorama.views import forget_tables
from . import cluster
from .crew import Crew, Member
from .faults import out_of_memory, unexpected
from .generate import Job, Reporter, generate
from .link import WorkerLink
from .models import DEVICE, PRECISION, LoadedModels
from .origin import NUMERICS_VERSION
from .process_line import ProcessLine, evaluator_command
from .remote_member import RemoteMember

POLL_S = 5.0


def main() -> None:
    """Run until the broker says stop or is gone."""
    parser = argparse.ArgumentParser(prog="panoloom.engine_server.worker")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--keys", required=True, type=Path)
    parser.add_argument("--library", required=True, type=Path)
    parser.add_argument("--executors", type=int, default=0)
    parser.add_argument("--cluster", default="")
    options = parser.parse_args()
    executors = Executors(count=options.executors, cluster=options.cluster)
    models = LoadedModels(executors)
    crew = crew_of(executors, str(options.library / STATE_FOLDER / LOG_NAME))

    def on_free(level: str) -> int:
        free(level, models)
        crew.free(level)
        return _memory()[1]

    with WorkerLink(options.endpoint, options.keys, on_free=on_free) as link:
        link.ready(
            WorkerReady(
                pid=os.getpid(),
                device=DEVICE,
                precision=PRECISION,
                numerics_version=NUMERICS_VERSION,
                memory_total_bytes=_memory()[0],
                memory_free_bytes=_memory()[1],
            )
        )
        while not link.is_closed:
            message = link.next_job(timeout_s=POLL_S)
            if message is not None:
                run(message, options.library, models, link, crew)
    crew.close()


def crew_of(executors: Executors, log: str) -> Crew:
    """Those who evaluate beside this worker: processes, each with a GPU of its own, or actors."""

    def start(index: int) -> Member:
        count = torch.cuda.device_count()
        number = (index + 1) % max(1, count)  # the first GPU is the worker's
        line = ProcessLine(
            evaluator_command(log),
            environ=seeing_gpu(number, count),
            where=f"GPU {number}:" if count else "",
        )
        return RemoteMember(line)

    return Crew(executors, cluster.recruiter(executors) if executors.cluster else start, log)


def free(level: str, models: LoadedModels) -> None:
    """Give memory back between jobs.

    Args:
        level: "cache" keeps the weights and drops what is made again at need: tables of where
            views lie, and what torch keeps of freed memory. "weights" drops them too.
    """
    if level == "weights":
        models.free()
    forget_tables()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run(message: RunJob, library: Path, models: LoadedModels, link: WorkerLink, crew: Crew) -> None:
    """One job, from RunJob to its last event. The one seam where foreign errors become ours."""
    job_id = message.job_id
    reporter = Reporter(
        progress=lambda progress: link.send(JobProgressed(job_id=job_id, progress=progress)),
        preview=lambda step, jpeg, width, height: link.send(
            JobPreviewed(job_id=job_id, step=step, width=width, height=height), [jpeg]
        ),
        cancelled=lambda: link.cancelled(job_id),
    )
    try:
        job = Job(
            job_id=job_id,
            spec=JobSpec.from_plain(message.spec),
            library=library,
            blobs=library / STATE_FOLDER / "blobs",
            work_dir=Path(message.work_dir),
        )
        artifact = made(job, models, reporter, crew)
    except Cancelled:
        link.send(JobCancelled(job_id=job_id))
    except PanoloomError as why:
        link.fail(job_id, why)
    except MemoryError as why:
        link.fail(job_id, out_of_memory(why))
    except Exception as why:
        link.fail(job_id, unexpected(why, str(library / STATE_FOLDER / LOG_NAME)))
    else:
        done = JobFinished(job_id=job_id, artifact=artifact, evaluators=crew.evaluators())
        link.send(done)


def made(job: Job, models: LoadedModels, reporter: Reporter, crew: Crew) -> ArtifactRef:
    """The job's pictures; when memory runs out, from the last checkpoint at the next level.

    Raises:
        OutOfMemory: It ran out at the last level that fits too.
    """
    while True:
        try:
            return generate(job, models, reporter, crew)
        except (torch.OutOfMemoryError, MemoryError) as why:
            cause = repr(why)
        # Here the frames that held its tensors are gone.
        level = models.step_down(job.spec)
        print(f"{cause}; going on so that {level.text}", file=sys.stderr, flush=True)


def _memory() -> tuple[int, int]:
    """(total, free) bytes, 0 where the system does not tell."""
    return memory_bytes() or (0, 0)


if __name__ == "__main__":
    main()
