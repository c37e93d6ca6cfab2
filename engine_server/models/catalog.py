"""Which models there are, what each can make, and how a wish becomes a plan.

Plain data and integers: nothing here loads a network, so that the broker can refuse a job
before any work begins. `plan` resolves what the person left open (the model's revision and
the ladder of stages); what it returns determines the pictures completely.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

from ...shared.errors import InvalidJob
from ...shared.jobcheck import METHODS, is_plane
from ...shared.jobs import JobSpec, Stage
from . import store
from .card import ModelCard
from .fitting import check_lora
from .ladder import Pace, Rung, plane_stages, sphere_stages
from .released import RELEASED

MAX_CLIP_SECONDS = 600.0
"""Longest clip with two ends. What a device holds is the same for any length; the host holds all
latent frames, and the plan refuses what does not fit there."""

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
            good_at="every machine: no download, no GPU; skies, seas, storms and their kin",
        ),
        *RELEASED,
    )
}


def revision(card: ModelCard) -> str:
    """Names the bytes of the model's weights, 16 hex digits.

    Raises:
        ModelNotInstalled: There are none here; the sentence names the command that brings them.
    """
    return shipped_revision(card) if card.ships else store.installed_revision(card)


@cache
def shipped_revision(card: ModelCard) -> str:
    """First digits of the sha256 over the weights that came with panoloom."""
    if not card.weight_files:
        raise store.not_installed(card)
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


def to_plain(card: ModelCard) -> dict[str, object]:
    """The card as data for clients; the revision is empty where weights are missing."""
    installed = store.is_installed(card)
    return {
        "name": card.name,
        "revision": revision(card) if installed else "",
        "installed": installed,
        "fps": card.fps,
        "sizes": [[rung.width, rung.height] for rung in card.ladder],
        "methods": list(card.methods),
        "min_seconds": card.least_seconds,
        "max_seconds": card.max_seconds,
        "steps": card.steps,
        "guidance_scale": card.guidance_scale,
        "takes": list(card.takes),
    }


def plan(spec: JobSpec) -> JobSpec:
    """`spec` with everything resolved that shapes the pictures.

    Raises:
        InvalidJob: The model cannot make this; `details["field"]` names what to change and,
            where there is one, `details["nearest"]` the nearest that works.
        ModelNotInstalled: Its weights are missing, or those of a LoRA.
    """
    planned, card = outline(spec), find(spec.model)
    installed = revision(card)
    if spec.model_revision not in ("", installed):
        raise InvalidJob(
            f"Revision {spec.model_revision} of model '{card.name}' is not here; "
            f"installed is {installed}. Leave the revision empty to use that.",
            field="model_revision",
            nearest=installed,
        )
    loras = tuple(store.resolved(lora) for lora in spec.loras)
    for lora in loras:
        check_lora(card, store.lora_file(lora))
    return replace(planned, model_revision=installed, loras=loras)


def outline(spec: JobSpec) -> JobSpec:
    """`spec` with its stages and batch, which want no weights: what a job would need.

    Raises:
        InvalidJob: The model cannot make this.
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
    _check_options(spec, card)
    _check_experts(spec, card)
    _check_length(spec, card)
    _check_rings(spec, card)
    _check_pictures(spec, card)
    return replace(
        spec, view_batch=min(spec.view_batch, card.view_batch), stages=_stages(spec, card)
    )


def _check_options(spec: JobSpec, card: ModelCard) -> None:
    for field, word in (("loras", "lora"), ("ring_rope", "ring-rope")):
        if getattr(spec, field) and word not in card.takes:
            able = [other.name for other in MODELS.values() if word in other.takes]
            what = "LoRAs" if word == "lora" else "ring-RoPE"
            raise InvalidJob(
                f"Model '{card.name}' takes no {what}. Those that do: {', '.join(able)}.",
                field=field,
                known=able,
            )


def _check_experts(spec: JobSpec, card: ModelCard) -> None:
    if card.build is not None and card.build.experts > 1:
        return
    for lora in spec.loras:
        if lora.expert:
            able = [o.name for o in MODELS.values() if o.build is not None and o.build.experts > 1]
            raise InvalidJob(
                f"Model '{card.name}' has one denoiser for all noise: leave '{lora.expert}' out of "
                f"the LoRA '{lora.id}'. Those with two: {', '.join(able)}.",
                field="loras",
                known=able,
            )


def _check_pictures(spec: JobSpec, card: ModelCard) -> None:
    """A picture to follow is for models that take control, in views through a lens."""
    if spec.follow_sha256 is None:
        return
    if "control" not in card.takes:
        able = [other.name for other in MODELS.values() if "control" in other.takes]
        raise InvalidJob(
            f"Model '{card.name}' follows no depth or lines. Those that do: {', '.join(able)}.",
            field="follow_sha256",
            known=able,
        )
    if spec.method != METHODS[0]:
        raise InvalidJob(
            f"A picture is followed view by view; method '{spec.method}' has windows that are no "
            f"views. Take the method {METHODS[0]}.",
            field="method",
            known=[METHODS[0]],
        )


def _check_rings(spec: JobSpec, card: ModelCard) -> None:
    """Only a window that goes all round can be told that it does."""
    able = {"time": ("fused", "planar", "whole"), "width": ("whole",)}
    for axis in spec.ring_rope:
        if spec.method not in able[axis]:
            raise InvalidJob(
                f"Ring-RoPE in {axis} needs windows that go all round, which those of method "
                f"'{spec.method}' do not. Methods whose windows do: {', '.join(able[axis])}.",
                field="ring_rope",
                known=list(able[axis]),
            )
    if "time" not in spec.ring_rope:
        return
    if not spec.loop:
        raise InvalidJob("Ring-RoPE in time is for loops.", field="ring_rope")
    made = card.model_frames(spec.num_frames / spec.fps)
    window = card.window_frames * card.ratio_t
    if made != window:
        nearest = round(card.least_seconds * spec.fps)
        raise InvalidJob(
            f"With ring-RoPE in time one window is the loop: {window} of the model's frames, "
            f"{card.least_seconds:g} s; {spec.num_frames} frames at {spec.fps:g} fps take {made}. "
            f"Ask for {nearest} frames, or leave ring-RoPE in time out.",
            field="num_frames",
            nearest=nearest,
        )


def _check_length(spec: JobSpec, card: ModelCard) -> None:
    seconds = spec.num_frames / spec.fps
    shortest = card.least_seconds
    if card.model_frames(seconds) < card.window_frames * card.ratio_t:
        nearest = math.ceil(shortest * spec.fps)
        raise InvalidJob(
            f"{spec.num_frames} frames at {spec.fps:g} fps are {seconds:.2f} s; "
            f"model '{card.name}' makes loops of at least {shortest:g} s: "
            f"ask for {nearest} frames or more.",
            field="num_frames",
            nearest=nearest,
        )
    most, kind = (card.max_seconds, "loops") if spec.loop else (MAX_CLIP_SECONDS, "clips")
    if seconds > most:
        nearest = math.floor(most * spec.fps)
        raise InvalidJob(
            f"{spec.num_frames} frames at {spec.fps:g} fps are {seconds:.1f} s; "
            f"model '{card.name}' makes {kind} of at most {most:g} s: "
            f"ask for {nearest} frames or fewer.",
            field="num_frames",
            nearest=nearest,
        )


def _stages(spec: JobSpec, card: ModelCard) -> tuple[Stage, ...]:
    if not is_plane(spec.method):
        return sphere_stages(spec, card.ladder)
    most_px = max(rung.width * rung.height for rung in card.ladder)
    return plane_stages(spec, ratio_s=card.ratio_s, window=card.window, most_px=most_px)


def evaluations(planned: JobSpec) -> float:
    """About how many windows the network sees: in space and in time, twice with guidance."""
    card = find(planned.model)
    frames = card.model_frames(planned.num_frames / planned.fps) // card.ratio_t
    in_time = max(2, math.ceil(frames / max(1, card.window_frames - 2)))
    passes = 2 if planned.guidance_scale != 1 else 1
    made = planned.stages[planned.base.stage if planned.base else 0 :]
    count = sum(stage.steps * _windows(stage, planned, card) for stage in made)
    return count * in_time * passes


def estimate_s(planned: JobSpec) -> float:
    """About how many seconds a planned job takes on the machine of the model's `Pace`."""
    pace = find(planned.model).pace
    written_megapixels = planned.width * planned.height * planned.num_frames / 1e6
    made_s = evaluations(planned) * pace.evaluation_s
    return pace.start_s + made_s + written_megapixels * pace.megapixel_s


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
