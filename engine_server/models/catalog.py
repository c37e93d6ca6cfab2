"""Which models there are, what each can make, and how a wish becomes a plan.

Plain data and integers: nothing here loads a network, so that the broker can refuse a job
before any work begins. `plan` resolves what the person left open (the model's revision and
the ladder of stages); what it returns determines the pictures completely.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob, ModelNotInstalled
from ...shared.jobcheck import METHODS, is_plane
from ...shared.jobs import JobSpec, Stage
from .ladder import Pace, Rung, plane_stages, sphere_stages


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model is and what it can make.

    Attributes:
        name: The word a person types.
        folder: Where its weights (`*.safetensors`) lie.
        ratio_s: Pixels per latent cell, each way.
        ratio_t: Frames per latent frame.
        fps: Frames a second of the clips it was trained on.
        window: Cells across what one forward pass sees.
        window_frames: Latent frames it sees.
        methods: Panorama methods that work with it.
        ladder: Sizes it can make, coarse to fine.
        max_seconds: Longest loop.
        sigma_shift: Shift of the flow-matching schedule towards noise.
        pace: How fast it is.
        family: Which adapter runs it, a name in `video.families`.
        options: What that adapter is told beside its weights.
    """

    name: str
    folder: Path
    ratio_s: int
    ratio_t: int
    fps: float
    window: int
    window_frames: int
    methods: tuple[str, ...]
    ladder: tuple[Rung, ...]
    max_seconds: float
    sigma_shift: float
    pace: Pace
    family: str = "preview"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

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
            window=16,
            window_frames=8,
            methods=METHODS,
            ladder=(
                Rung(
                    width=512,
                    height=256,
                    grid_width=768,
                    grid_height=384,
                    fov_deg=90.0,
                    views=12,
                ),
                Rung(
                    width=1024,
                    height=512,
                    grid_width=1024,
                    grid_height=512,
                    fov_deg=53.0,
                    views=26,
                ),
                Rung(
                    width=2048,
                    height=1024,
                    grid_width=2048,
                    grid_height=1024,
                    fov_deg=28.0,
                    views=91,
                    sigma_start=0.5,
                    steps_share=0.375,
                ),
                Rung(
                    width=4096,
                    height=2048,
                    grid_width=4096,
                    grid_height=2048,
                    fov_deg=14.0,
                    views=340,
                    sigma_start=0.4,
                    steps_share=0.25,
                ),
            ),
            max_seconds=30.0,
            sigma_shift=2.0,
            pace=Pace(evaluation_s=0.026, megapixel_s=0.5, start_s=6.0),
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
    if not is_plane(spec.method):
        return sphere_stages(spec, card.ladder)
    most_px = max(rung.width * rung.height for rung in card.ladder)
    return plane_stages(spec, ratio_s=card.ratio_s, window=card.window, most_px=most_px)


def estimate_s(planned: JobSpec) -> float:
    """About how many seconds a planned job takes on the machine of the model's `Pace`.

    Counts evaluations: windows in space and in time, twice with guidance.
    """
    card = find(planned.model)
    frames = card.model_frames(planned.num_frames / planned.fps) // card.ratio_t
    in_time = max(2, math.ceil(frames / max(1, card.window_frames - 2)))
    passes = 2 if planned.guidance_scale != 1 else 1
    made = planned.stages[planned.base.stage if planned.base else 0 :]
    count = sum(stage.steps * _windows(stage, planned, card) for stage in made) * in_time * passes
    written_megapixels = planned.width * planned.height * planned.num_frames / 1e6
    pace = card.pace
    return pace.start_s + count * pace.evaluation_s + written_megapixels * pace.megapixel_s


def _windows(stage: Stage, planned: JobSpec, card: ModelCard) -> float:
    """Windows in space of one step of a stage; more windows in time are counted with them.

    On average over a run, and in windows of the usual size; a test holds them against the plans.
    """
    across, down = (side / (card.ratio_s * card.window) for side in (stage.width, stage.height))
    tiles = math.ceil(across) * math.ceil(down)
    match planned.method:
        case "whole":
            return across * down
        case "independent":
            return tiles / 2
        case "multidiffusion":
            return math.ceil(2 * across) * max(1, math.ceil(2 * down) - 1)
        case "paper" | "paper-planar":
            early = 15 / 48 if stage.sigma_start >= 1 else 0.0
            views = 44 if planned.method == "paper" else 4 * tiles
            return 1.5 * (early * views + (1 - early) * (tiles + math.ceil(across)))
        case "planar":
            inner = card.ratio_s * (card.window - 2)
            return math.ceil(stage.width / inner) * math.ceil(stage.height / inner)
    return next(rung.views for rung in card.ladder if rung.grid_width == stage.width)
