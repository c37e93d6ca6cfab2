"""`panoloom refine`: a finished result at a larger size, from what is stored of it.

The coarse stages are not made again: the job enters the model's ladder at the first stage above the
result. With the same steps it ends with the latents of a job that was asked for the larger size
from the beginning.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobs import Base, JobSpec
from ..models import catalog
from .access import add_executor_words, add_library_word, asked_executors, library_of
from .generate import make
from .request import Request, parse_size
from .result import Result, read_result


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "refine",
        help="make a finished result larger, without starting again",
        epilog="The result itself stays as it is; the larger one is a folder of its own.",
    )
    parser.add_argument("result", type=Path, metavar="DIR", help="folder of the result")
    parser.add_argument("--size", required=True, metavar="WxH", help="pixels of the larger one")
    parser.add_argument(
        "--sigma",
        type=float,
        metavar="S",
        help="noise level the result is brought to: less keeps more of it (default: the model's)",
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps of each new stage (the model's)"
    )
    add_library_word(parser, "--out", "--library", default="where DIR lies")
    add_executor_words(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, check, submit, watch, report."""
    result = read_result(options.result)
    size = parse_size(options.size)
    request = refined(result, size, sigma=options.sigma, steps=options.steps)
    library = result.folder.parent if options.library is None else library_of(options)
    executors = asked_executors(options)
    return make(request, library, as_json=options.json, executors=executors)


def refined(
    result: Result, size: tuple[int, int], *, sigma: float | None = None, steps: int | None = None
) -> Request:
    """The job that takes `result` to `size`.

    Args:
        size: Pixels (width, height).
        sigma: Noise level of the first new stage; None is the model's own.
        steps: Of each new stage; None is the model's share of the job's steps.

    Raises:
        InvalidJob: The size is not larger, or not one of the model's.
    """
    old = result.spec
    if size[0] <= old.width or size[1] <= old.height:
        raise InvalidJob(
            f"The result is {old.width}x{old.height} already; {size[0]}x{size[1]} is not larger.",
            field="size",
        )
    plain = replace(old, base=None, stages=())
    entry = len(catalog.plan(plain).stages)
    larger = replace(plain, width=size[0], height=size[1])
    model_sigma = catalog.plan(larger).stages[entry].sigma_start
    base = Base(
        sha256=result.latents_sha256,
        sigma=model_sigma if sigma is None else sigma,
        stage=entry,
    )
    spec = catalog.plan(replace(larger, base=base))
    if steps is not None:
        spec = replace(spec, stages=_with_steps(spec, entry, steps))
        spec.validate()
    return Request(spec=spec, estimate_s=catalog.estimate_s(spec), blobs=(result.latents,))


def _with_steps(spec: JobSpec, entry: int, steps: int) -> tuple[Any, ...]:
    return tuple(
        replace(stage, steps=steps) if index >= entry else stage
        for index, stage in enumerate(spec.stages)
    )
