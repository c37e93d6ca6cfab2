"""What the panel's words become, and where the camera looks: decisions over plain values.

Angles are in radians and positions in Blender's world: x right, y away, z up; a heading is measured
from +x, counter-clockwise seen from above.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.errors import InvalidJob, ModelNotInstalled
from ..shared.jobs import JobSpec, Reference

SIZES = {
    "512x256": (512, 256),
    "1024x512": (1024, 512),
    "2048x1024": (2048, 1024),
    "4096x2048": (4096, 2048),
}
QUALITIES = {"DRAFT": 8, "NORMAL": 16, "FINE": 32}
"""Names of numbers of denoising steps."""
CUSTOM = "CUSTOM"
DEFAULT_MODEL = "preview"
"""It ships with the engine, and the table of times is about it."""
STYLES: dict[str, tuple[str, str]] = {
    "NONE": ("As written", ""),
    "CALM": ("Calm", "calm, slow, soft"),
    "LIVELY": ("Lively", "windy, fast, waves"),
    "GOLDEN": ("Golden hour", "at sunset, warm golden light"),
    "NIGHT": ("Night", "at night under the stars, dark"),
    "WINTER": ("Winter", "snowy, cold, pale"),
    "STORM": ("Storm", "stormy, dark heavy clouds, lightning"),
    "DREAM": ("Dream", "misty, purple and pink, faint"),
}
"""Style presets: what they are called, and the words they add to the prompt."""
DIRECTIONS_SINCE = (1, 1)
"""The protocol's version from which on an engine reads prompts by direction."""
PENDING = "0" * 64
"""Stands in a request for the hash of a file that is still to be rendered."""
OPAQUE_STRENGTH = 0.6  # of a reference without open parts: its layout stays, the rest moves
LEVEL = 1e-3  # below this much of a unit vector in the plane, a camera looks straight up or down


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """The panel's words, read from the scene at the press of Generate.

    Attributes:
        style: A key of `STYLES`, whose words follow those of the prompt.
        sky, horizon, ground: Words for these directions, over those of the prompt.
        size: A key of `SIZES`.
        seconds: Length of the loop.
        scene_fps: Frames a second of the scene; the loop gets one frame for each of the scene's.
        steps: Denoising steps.
        use_reference: Start from a picture of the scene around the active camera.
        strength: How much of that picture may change, 0 to 1.
        follow_depth: Let the pictures follow the distances of what stands around the camera.
    """

    prompt: str
    negative_prompt: str = ""
    style: str = "NONE"
    sky: str = ""
    horizon: str = ""
    ground: str = ""
    seed: int = 0
    size: str = "512x256"
    seconds: float = 5.0
    scene_fps: float = 24.0
    steps: int = 16
    guidance_scale: float = 4.0
    model: str = DEFAULT_MODEL
    use_reference: bool = False
    strength: float = 1.0
    follow_depth: bool = False

    @property
    def has_words(self) -> bool:
        """Whether there is anything that says what to show."""
        return any(words.strip() for words in (self.prompt, self.sky, self.horizon, self.ground))


def with_style(prompt: str, style: str) -> str:
    """The prompt and the words of a style preset behind it; lines become one."""
    words = STYLES.get(style, STYLES["NONE"])[1]
    return ", ".join(part for part in (" ".join(prompt.split()), words) if part)


def quality_of(steps: int) -> str:
    """The name of a number of steps, CUSTOM for any other."""
    return next((name for name, count in QUALITIES.items() if count == steps), CUSTOM)


def size_name(width: int, height: int) -> str:
    """The key of `SIZES` for these pixels, empty when the panel has none."""
    return next((name for name, size in SIZES.items() if size == (width, height)), "")


def frames_of_loop(seconds: float, fps: float) -> int:
    """Whole frames of a loop of this length at the scene's frame rate, at least two."""
    if not (math.isfinite(seconds) and math.isfinite(fps)):
        raise InvalidJob("The length of the loop is not a number.", field="seconds")
    return max(2, round(seconds * fps))


def job_spec(settings: SceneSettings, reference: Reference | None = None) -> JobSpec:
    """The request behind the Generate button; what it follows is `PENDING`.

    Raises:
        InvalidJob: Something in it cannot be made; the sentence is fit for the panel.
    """
    width, height = SIZES[settings.size]
    spec = JobSpec(
        prompt=with_style(settings.prompt, settings.style),
        negative_prompt=" ".join(settings.negative_prompt.split()),
        sky=settings.sky.strip(),
        horizon=settings.horizon.strip(),
        ground=settings.ground.strip(),
        seed=settings.seed,
        width=width,
        height=height,
        num_frames=frames_of_loop(settings.seconds, settings.scene_fps),
        fps=settings.scene_fps,
        model=settings.model,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        reference=reference,
        follow_sha256=PENDING if settings.follow_depth else None,
    )
    spec.validate()
    return spec


def check_model(
    settings: SceneSettings,
    models: Sequence[Mapping[str, Any]],
    protocol: Sequence[int] = DIRECTIONS_SINCE,
) -> None:
    """Refuse what this engine or its model cannot make, before any work is done for it.

    Args:
        models: The engine's words about its models, as in `Welcomed`; a model that is not among
            them, or tells no limits, is left to the engine.
        protocol: The version the engine speaks.

    Raises:
        InvalidJob: `details["field"]` is what to change, `details["nearest"]` what to ask for.
        ModelNotInstalled: The engine knows the model and has no weights of it.
    """
    if tuple(protocol) < DIRECTIONS_SINCE and (settings.sky or settings.horizon or settings.ground):
        raise InvalidJob(
            "This engine is too old for prompts by direction. Update it, or clear them.",
            field="directions",
            nearest="",
        )
    model = next((model for model in models if model.get("name") == settings.model), {})
    if not model.get("installed", True):
        command = f"panoloom models install {settings.model}"
        raise ModelNotInstalled(
            f"Model '{settings.model}' is not installed with the engine. Install it there with "
            f"`{command}`, or take another.",
            model=settings.model,
            command=command,
        )
    _check_length(settings, model)
    sizes = [tuple(size) for size in model.get("sizes", ())]
    width, height = SIZES[settings.size]
    if sizes and (width, height) not in sizes:
        near = min(sizes, key=lambda size: abs(size[0] - width))
        raise InvalidJob(
            f"Model '{settings.model}' of this engine does not make {width}x{height}; "
            f"{near[0]}x{near[1]} is the nearest.",
            field="size",
            nearest=list(near),
        )


def _check_length(settings: SceneSettings, model: Mapping[str, Any]) -> None:
    least, most = model.get("min_seconds", 0.0), model.get("max_seconds", math.inf)
    if least <= settings.seconds <= most:
        return
    raise InvalidJob(
        f"The loop would last {settings.seconds:g} s, and model '{settings.model}' makes loops of "
        f"{least:g} to {most:g} s.",
        field="seconds",
        nearest=least if settings.seconds < least else most,
    )


def with_reference(
    spec: JobSpec, picture: bytes, strength: float, *, is_opaque: bool
) -> tuple[JobSpec, str]:
    """`spec` starting from this picture, whose alpha says what to keep, and a remark on it.

    Args:
        strength: How much of the picture may change, 0 to 1.
        is_opaque: Whether the picture has no open part. At full strength nothing of such a picture
            would be left, so it gets `OPAQUE_STRENGTH` and a remark.
    """
    is_weakened = is_opaque and strength >= 1.0
    reference = Reference(
        sha256=hashlib.sha256(picture).hexdigest(),
        strength=OPAQUE_STRENGTH if is_weakened else strength,
    )
    return dataclasses.replace(spec, reference=reference), NOTHING_OPEN if is_weakened else ""


def with_depth(spec: JobSpec, depth: bytes) -> JobSpec:
    """`spec` following these distances."""
    return dataclasses.replace(spec, follow_sha256=hashlib.sha256(depth).hexdigest())


def why_no_depth(model: str, models: Sequence[Mapping[str, Any]]) -> str:
    """Why the scene's depth cannot be followed, a few words; empty when it can.

    Args:
        model: Name of the one that makes the loop.
        models: See `check_model`; none while there is no engine.
    """
    if not models:
        return "needs an engine"
    told = next((other for other in models if other.get("name") == model), {})
    return "" if "control" in told.get("takes", ()) else f"model '{model}' cannot follow it"


def heading_of(rotation: Sequence[Sequence[float]]) -> float:
    """Heading of a camera with this 3x3 (or larger) matrix to the world: yaw alone, level horizon.

    A Blender camera looks along its own -z with +y up. Looking straight down, the top of the
    picture is ahead; looking straight up, the bottom is.
    """
    ahead = (-rotation[0][2], -rotation[1][2], -rotation[2][2])
    up = (rotation[0][1], rotation[1][1])
    if math.hypot(ahead[0], ahead[1]) > LEVEL * math.hypot(*ahead):
        return math.atan2(ahead[1], ahead[0])
    sign = 1.0 if ahead[2] < 0 else -1.0
    return math.atan2(sign * up[1], sign * up[0])


def mapping_rotation(heading: float, yaw: float = 0.0) -> float:
    """Turn about z of the World's texture coordinates that puts the ERP centre at `heading`.

    Blender's environment texture has its centre along +x and turns left as u falls, so +yaw in the
    ERP is to the right already. `yaw` turns the World further to the right.
    """
    return yaw - heading


def retiming(rate: float, num_frames: int, offset: int) -> str:
    """The driver of an image's offset that plays a loop at another rate.

    Scene frame f is to show frame floor((f - 1) * rate) of the loop, counted from 0 and wrapped;
    Blender itself shows f - 1, wrapped, and then adds the offset. `fmod` and `floor` keep this a
    simple expression, which runs without scripts; whole rounds are added so that it wraps before
    frame 1 as well.

    Args:
        rate: Frames of the loop for one of the scene, at most 8.
        num_frames: Of the loop.
        offset: The number before that of the first picture of a sequence.
    """
    rounds = num_frames * (FAR // num_frames + 1)
    shown = f"fmod(floor((frame - 1) * {rate!r} + 1e-06) + {8 * rounds}, {num_frames})"
    return f"{offset} + {shown} - fmod(floor(frame) - 1 + {rounds}, {num_frames})"


FAR = 1_000_000  # no scene goes on for as many frames before its first
NOTHING_OPEN = (
    f"The scene fills the view all around, so {OPAQUE_STRENGTH:g} of it may change: "
    "at 1 nothing of it would be left."
)


def world_name(prompt: str) -> str:
    """A short name for the World of a prompt, as Blender's lists can show it."""
    words = " ".join(prompt.split())
    return f"Panoloom {words[:40].rstrip(' ,.;')}".rstrip()
