"""The ladder from coarse to fine: which sizes a model makes, by which stages, in about what time.

A panorama climbs the model's rungs. A flat picture starts where its short side is about as long as
one window and doubles. Plain integers: the broker plans without loading a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Stage

LEAST_STRENGTH = 0.02
"""Noise level at which a reference of strength 0 starts: as good as none, and still a schedule."""

PLANE_SIGMA = 0.6
PLANE_STEPS_SHARE = 0.5
LEAST_STEPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One size a model can make, and how.

    Attributes:
        width, height: Pixels of the finished panorama.
        grid_width, grid_height: Pixels of the panorama while it is denoised; it is brought down
            to the finished size by areas. A grid denser than the views loses less of what they
            show when it is read and written back at every step.
        fov_deg: The views' field of view.
        views: Views of a step in which they stand still: most steps; a test holds it against the
            layout.
        sigma_start: Noise level from which it starts when it refines the rung below: layout and
            motion of that survive.
        steps_share: Steps of it then, as a share of the job's steps.
    """

    width: int
    height: int
    grid_width: int
    grid_height: int
    fov_deg: float
    views: float
    sigma_start: float = 0.6
    steps_share: float = 0.5

    @property
    def size(self) -> tuple[int, int]:
        """Pixels (width, height) of the finished panorama."""
        return self.width, self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a model is.

    Attributes:
        evaluation_s: Seconds for one window of the network.
        megapixel_s: Seconds for a million pixels of a finished frame, decoded and written.
        start_s: Seconds before the first evaluation.
        machine: On what, in words that follow "on".
        source: Where the figures are from, in words.
    """

    evaluation_s: float
    megapixel_s: float
    start_s: float
    machine: str = "two CPU cores"
    source: str = "measured"


def steps_of(steps: int, share: float) -> int:
    """Steps of a finer stage in a job of `steps`."""
    return max(LEAST_STEPS, math.ceil(steps * share))


def sphere_stages(spec: JobSpec, rungs: Sequence[Rung]) -> tuple[Stage, ...]:
    """The stages of a panorama: what `spec` says, or the climb from the first rung to its size.

    A job with a base enters the climb at `base.stage`, at the base's noise level.

    Raises:
        InvalidJob: A size off the ladder, or stages that do not climb it.
    """
    sizes = [rung.size for rung in rungs]
    if (spec.width, spec.height) not in sizes:
        nearest = min(sizes, key=lambda size: abs(math.log(size[0] / spec.width)))
        listed = ", ".join(f"{width}x{height}" for width, height in sizes)
        raise InvalidJob(
            f"Model '{spec.model}' makes {listed}, not {spec.width}x{spec.height}; "
            f"the nearest is {nearest[0]}x{nearest[1]}.",
            field="size",
            nearest=list(nearest),
        )
    climb = rungs[: sizes.index((spec.width, spec.height)) + 1]
    entry, first = _entry(spec, len(climb))
    if spec.stages:
        return _checked_climb(spec, climb)
    return tuple(
        _stage(
            rung,
            steps_of(spec.steps, rung.steps_share) if index else spec.steps,
            first if index == entry else rung.sigma_start if index else 1.0,
        )
        for index, rung in enumerate(climb)
    )


def plane_stages(spec: JobSpec, *, ratio_s: int, window: int, most_px: int) -> tuple[Stage, ...]:
    """The stages of a flat picture: halved while a window fits its short side, then doubled.

    Args:
        ratio_s: Pixels per cell.
        window: Cells across a window.
        most_px: Pixels of the largest picture.

    Raises:
        InvalidJob: Sides that are no whole cells, shorter than a window, or too many pixels.
    """
    least = ratio_s * window
    sides = [max(least, round(side / ratio_s) * ratio_s) for side in (spec.width, spec.height)]
    if sides != [spec.width, spec.height]:
        raise InvalidJob(
            f"Model '{spec.model}' makes flat pictures in steps of {ratio_s} pixels, each side at "
            f"least {least}, not {spec.width}x{spec.height}; the nearest is {sides[0]}x{sides[1]}.",
            field="size",
            nearest=sides,
        )
    if spec.width * spec.height > most_px:
        shrink = math.sqrt(most_px / (spec.width * spec.height))
        fitting = [max(least, int(side * shrink) // ratio_s * ratio_s) for side in sides]
        raise InvalidJob(
            f"{spec.width}x{spec.height} are {spec.width * spec.height / 1e6:.1f} million pixels; "
            f"{most_px / 1e6:.1f} million are the most: {fitting[0]}x{fitting[1]}, for example.",
            field="size",
            largest=fitting,
        )
    if spec.stages:
        if (spec.stages[-1].width, spec.stages[-1].height) != (spec.width, spec.height):
            raise InvalidJob("The last stage of a flat picture has its size.", field="stages")
        return spec.stages
    halvings = int(math.log2(min(spec.width, spec.height) / least))
    entry, first = _entry(spec, halvings + 1)
    return tuple(
        Stage(
            width=_cells(spec.width, 2 ** (halvings - k), ratio_s),
            height=_cells(spec.height, 2 ** (halvings - k), ratio_s),
            steps=steps_of(spec.steps, PLANE_STEPS_SHARE) if k else spec.steps,
            sigma_start=first if k == entry else PLANE_SIGMA if k else 1.0,
            fov_deg=2 * math.degrees(math.atan(0.5**k)),
        )
        for k in range(halvings + 1)
    )


def _entry(spec: JobSpec, num_stages: int) -> tuple[int, float]:
    """The stage a job begins with, and its noise level.

    Raises:
        InvalidJob: The base stands above the ladder.
    """
    if spec.base is not None:
        if spec.base.stage >= num_stages:
            raise InvalidJob(
                f"{spec.width}x{spec.height} has {num_stages} stages; none of them is left to "
                f"make above a base that enters at stage {spec.base.stage}. Ask for a larger size.",
                field="base.stage",
                largest=num_stages - 1,
            )
        return spec.base.stage, spec.base.sigma
    return 0, 1.0 if spec.reference is None else max(spec.reference.strength, LEAST_STRENGTH)


def _cells(side: int, divisor: int, ratio_s: int) -> int:
    return max(1, round(side / divisor / ratio_s)) * ratio_s


def _stage(rung: Rung, steps: int, sigma_start: float) -> Stage:
    return Stage(
        width=rung.grid_width,
        height=rung.grid_height,
        steps=steps,
        sigma_start=sigma_start,
        fov_deg=rung.fov_deg,
    )


def _checked_climb(spec: JobSpec, climb: Sequence[Rung]) -> tuple[Stage, ...]:
    """Stages a person wrote out: the rungs in order, from the first up to the job's size."""
    written = [(stage.width, stage.height, stage.fov_deg) for stage in spec.stages]
    rungs = [(rung.grid_width, rung.grid_height, rung.fov_deg) for rung in climb]
    if written == rungs:
        return spec.stages
    listed = ", ".join(f"{w}x{h} at {fov:g} degrees" for w, h, fov in rungs)
    raise InvalidJob(
        f"The stages of a job climb the model's ladder from its first rung to the job's size; "
        f"for {spec.width}x{spec.height} the ladder of '{spec.model}' is {listed}.",
        field="stages",
    )
