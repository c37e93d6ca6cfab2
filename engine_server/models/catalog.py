"""Which models there are, what each can make, and how a wish becomes a plan.

Plain data and integers: nothing here loads a network, so that the broker can refuse a job
before any work begins. `plan` resolves what the person left open (the model's revision and
the ladder of stages); what it returns determines the pictures completely.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ...shared.errors import InvalidJob, ModelNotInstalled
from ...shared.jobs import JobSpec, Stage

REFINE_SIGMA = 0.6
"""Noise level from which a finer stage starts: layout and motion of the coarse one survive."""

REFINE_STEPS_SHARE = 0.5
"""Steps of a finer stage, as a share of the job's steps."""


LEAST_STRENGTH = 0.02
"""Noise level at which a reference of strength 0 starts: as good as none, and still a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One size a model can make, and how.

    Attributes:
        width, height: Pixels of the finished panorama.
        grid_width, grid_height: Pixels of the panorama while it is denoised; it is brought down
            to the finished size by areas. A grid denser than the views loses less of what they
            show when it is read and written back at every step.
        fov_deg: The views' field of view.
    """

    width: int
    height: int
    grid_width: int
    grid_height: int
    fov_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model is and what it can make.

    Attributes:
        name: The word a person types.
        folder: Where its weights (`*.safetensors`) lie.
        ratio_s: Pixels per latent cell, each way.
        ratio_t: Frames per latent frame.
        fps: Frames a second of the clips it was trained on.
        window_frames: Latent frames one forward pass sees.
        methods: Panorama methods that work with it.
        ladder: Sizes it can make, coarse to fine.
        max_seconds: Longest loop.
        sigma_shift: Shift of the flow-matching schedule towards noise.
    """

    name: str
    folder: Path
    ratio_s: int
    ratio_t: int
    fps: float
    window_frames: int
    methods: tuple[str, ...]
    ladder: tuple[Rung, ...]
    max_seconds: float
    sigma_shift: float

    @property
    def weight_files(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    def to_plain(self) -> dict[str, object]:
        """The card as data for clients; the revision is empty where weights are missing."""
        return {
            "name": self.name,
            "revision": revision(self) if self.weight_files else "",
            "installed": bool(self.weight_files),
            "fps": self.fps,
            "sizes": [[rung.width, rung.height] for rung in self.ladder],
            "methods": list(self.methods),
            "min_seconds": self.window_frames * self.ratio_t / self.fps,
            "max_seconds": self.max_seconds,
        }

    def model_frames(self, seconds: float) -> int:
        """Frames the network makes for a loop of `seconds`, before interpolation."""
        return max(1, round(seconds * self.fps / self.ratio_t)) * self.ratio_t


MODELS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(
            name="preview",
            folder=Path(__file__).parent / "preview" / "weights",
            ratio_s=8,
            ratio_t=1,
            fps=8.0,
            window_frames=8,
            methods=("fused",),
            ladder=(
                Rung(width=512, height=256, grid_width=768, grid_height=384, fov_deg=90.0),
                Rung(width=1024, height=512, grid_width=1024, grid_height=512, fov_deg=53.0),
            ),
            max_seconds=30.0,
            sigma_shift=2.0,
        ),
    )
}


@cache
def revision(card: ModelCard) -> str:
    """First 16 hex digits of the sha256 over the model's weight files.

    Raises:
        ModelNotInstalled: There are no weights.
    """
    if not card.weight_files:
        raise ModelNotInstalled(
            f"The weights of model '{card.name}' are missing from {card.folder}; "
            "reinstall panoloom.",
            model=card.name,
        )
    digest = hashlib.sha256()
    for path in card.weight_files:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def find(name: str) -> ModelCard:
    """The card of model `name`.

    Raises:
        InvalidJob: No such model; the known ones are listed.
    """
    if name not in MODELS:
        known = ", ".join(sorted(MODELS))
        raise InvalidJob(
            f"There is no model '{name}'. Known: {known}.", field="model", known=sorted(MODELS)
        )
    return MODELS[name]


def plan(spec: JobSpec) -> JobSpec:
    """`spec` with everything resolved that shapes the pictures.

    Raises:
        InvalidJob: The model cannot make this; `details["field"]` names what to change and,
            where there is one, `details["nearest"]` the nearest that works.
        ModelNotInstalled: Its weights are missing.
    """
    spec.validate()
    card = find(spec.model)
    if spec.method not in card.methods:
        known = ", ".join(card.methods)
        raise InvalidJob(
            f"Model '{card.name}' has no method '{spec.method}'. Known: {known}.",
            field="method",
            known=list(card.methods),
        )
    installed = revision(card)
    if spec.model_revision not in ("", installed):
        raise InvalidJob(
            f"Revision {spec.model_revision} of model '{card.name}' is not here; "
            f"installed is {installed}. Leave the revision empty to use that.",
            field="model_revision",
            nearest=installed,
        )
    _check_length(spec, card)
    return replace(spec, model_revision=installed, stages=_stages(spec, card))


def _check_length(spec: JobSpec, card: ModelCard) -> None:
    seconds = spec.num_frames / spec.fps
    shortest = card.window_frames * card.ratio_t / card.fps
    if card.model_frames(seconds) < card.window_frames * card.ratio_t:
        nearest = math.ceil(shortest * spec.fps)
        raise InvalidJob(
            f"{spec.num_frames} frames at {spec.fps:g} fps are {seconds:.2f} s; "
            f"model '{card.name}' makes loops of at least {shortest:g} s: "
            f"ask for {nearest} frames or more.",
            field="num_frames",
            nearest=nearest,
        )
    if seconds > card.max_seconds:
        nearest = math.floor(card.max_seconds * spec.fps)
        raise InvalidJob(
            f"{spec.num_frames} frames at {spec.fps:g} fps are {seconds:.1f} s; "
            f"model '{card.name}' makes loops of at most {card.max_seconds:g} s: "
            f"ask for {nearest} frames or fewer.",
            field="num_frames",
            nearest=nearest,
        )


def _stages(spec: JobSpec, card: ModelCard) -> tuple[Stage, ...]:
    sizes = [(rung.width, rung.height) for rung in card.ladder]
    if (spec.width, spec.height) not in sizes:
        nearest = min(sizes, key=lambda size: abs(math.log(size[0] / spec.width)))
        listed = ", ".join(f"{width}x{height}" for width, height in sizes)
        raise InvalidJob(
            f"Model '{card.name}' makes {listed}, not {spec.width}x{spec.height}; "
            f"the nearest is {nearest[0]}x{nearest[1]}.",
            field="size",
            nearest=list(nearest),
        )
    if spec.stages:
        return _checked_stages(spec, card)
    rungs = card.ladder[: sizes.index((spec.width, spec.height)) + 1]
    refine_steps = max(2, math.ceil(spec.steps * REFINE_STEPS_SHARE))
    first_sigma = 1.0 if spec.reference is None else max(spec.reference.strength, LEAST_STRENGTH)
    return tuple(
        Stage(
            width=rung.grid_width,
            height=rung.grid_height,
            steps=spec.steps if index == 0 else refine_steps,
            sigma_start=first_sigma if index == 0 else REFINE_SIGMA,
            fov_deg=rung.fov_deg,
        )
        for index, rung in enumerate(rungs)
    )


def _checked_stages(spec: JobSpec, card: ModelCard) -> tuple[Stage, ...]:
    """Stages a person wrote out: the rungs of the ladder in its order, up to the job's size."""
    written = [(stage.width, stage.height, stage.fov_deg) for stage in spec.stages]
    sizes = [(rung.width, rung.height) for rung in card.ladder]
    climb = [(rung.grid_width, rung.grid_height, rung.fov_deg) for rung in card.ladder]
    if written != climb[: sizes.index((spec.width, spec.height)) + 1]:
        listed = ", ".join(f"{w}x{h} at {fov:g} degrees" for w, h, fov in climb)
        raise InvalidJob(
            f"The stages of a job climb the model's ladder from its first rung to the job's size; "
            f"the ladder of '{card.name}' is {listed}.",
            field="stages",
        )
    return spec.stages
