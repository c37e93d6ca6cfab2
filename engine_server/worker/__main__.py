"""The worker process: takes one job after the other from the broker until it is told to stop.

python -m panoloom.engine_server.worker --endpoint ENDPOINT --keys FILE --library DIR
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

import torch

from ...shared.connection import LOG_NAME, STATE_FOLDER
from ...shared.errors import GenerationFailed, OutOfMemory, PanoloomError
from ...shared.jobs import ArtifactRef, JobSpec
from ...shared.messages import (
    JobCancelled,
    JobFinished,
    JobPreviewed,
    JobProgressed,
    RunJob,
    WorkerReady,
)
from ..denoise.loop import Cancelled
from ..machine import memory_bytes
from ..panorama.views import forget_tables
from .generate import Job, Reporter, generate
from .link import WorkerLink
from .models import DEVICE, PRECISION, LoadedModels
from .origin import NUMERICS_VERSION

POLL_S = 5.0


def main() -> None:
    """Run until the broker says stop or is gone."""
    parser = argparse.ArgumentParser(prog="panoloom.engine_server.worker")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--keys", required=True, type=Path)
    parser.add_argument("--library", required=True, type=Path)
    options = parser.parse_args()
    models = LoadedModels()

    def on_free(level: str) -> int:
        free(level, models)
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
                run(message, options.library, models, link)


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


def run(message: RunJob, library: Path, models: LoadedModels, link: WorkerLink) -> None:
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
        artifact = made(job, models, reporter)
    except Cancelled:
        link.send(JobCancelled(job_id=job_id))
    except PanoloomError as why:
        link.fail(job_id, why)
    except MemoryError as why:
        link.fail(job_id, _out_of_memory(why))
    except Exception as why:
        link.fail(job_id, _unexpected(why, library / STATE_FOLDER / LOG_NAME))
    else:
        link.send(JobFinished(job_id=job_id, artifact=artifact))


def made(job: Job, models: LoadedModels, reporter: Reporter) -> ArtifactRef:
    """The job's pictures; when memory runs out, from the last checkpoint at the next level.

    Raises:
        OutOfMemory: It ran out at the last level that fits too.
    """
    while True:
        try:
            return generate(job, models, reporter)
        except (torch.OutOfMemoryError, MemoryError) as why:
            cause = repr(why)
        # Here the frames that held its tensors are gone.
        level = models.step_down(job.spec)
        print(f"{cause}; going on so that {level.text}", file=sys.stderr, flush=True)


def _memory() -> tuple[int, int]:
    """(total, free) bytes, 0 where the system does not tell."""
    return memory_bytes() or (0, 0)


def _out_of_memory(why: BaseException) -> OutOfMemory:
    return OutOfMemory(
        "The machine has too little memory for this job. Ask for a smaller size or a shorter loop, "
        "or close other programs.",
        cause=repr(why),
    )


def _unexpected(why: Exception, log: Path) -> PanoloomError:
    traceback.print_exception(why)  # into the worker's log
    text = str(why)
    if "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return _out_of_memory(why)
    return GenerationFailed(
        f"The pictures could not be made: {type(why).__name__}: {text or 'no message'}. Try again, "
        f"or ask for another size or length; if it stays, report it with the end of {log}.",
        log=str(log),
    )


if __name__ == "__main__":
    main()
