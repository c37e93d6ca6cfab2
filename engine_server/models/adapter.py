"""The contract between the method and a model: every model looks like a denoiser of latent windows.

An adapter hides whether its network predicts noise, velocity or the picture. Latents are in the
model's own space, standardised so that ``x_sigma = (1 - sigma) * x0 + sigma * noise`` with unit
Gaussian noise and sigma in 0..1 (flow matching). Nothing here names a model.

Shapes: windows are ``[N, C, F, h, w]``, a panorama is ``[C, F, H, W]``, pictures are -1..1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a model's noise is taken away.

    Attributes:
        solver: What makes a step, a name in `denoise.solvers`.
        levels: Number of steps N -> N + 1 falling noise levels, the last 0; None takes evenly
            spaced levels with the shift of the model's card.
    """

    solver: str = "second-order"
    levels: Callable[[int], tuple[float, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSpec:
    """What a model's latents are.

    Attributes:
        channels: Channels of a latent cell.
        ratio_s: Pixels per cell along a side.
        ratio_t: Frames per latent frame.
        window_hw: Cells (height, width) one forward pass sees.
        window_frames: Latent frames one forward pass sees.
        fov_deg: Field of view of the views on its first stage.
        fps: Frames a second of the pictures it makes.
        prediction: What the network predicts: "flow", "epsilon", "v_prediction", "sample",
            "denoised", or "flow-map": the mean flow to the next level, which it must be told.
        patch: Sides of a window are multiples of so many cells.
        can_ring: Axes ("time", "width") that the model can be told go all round (ring-RoPE).
        rings: Those of them that this job asks for.
        schedule: Noise levels and solver.
        tile_hw: Cells (height, width) of the largest tile, without its margin, in which its
            autoencoder codes a picture larger than a window.
    """

    channels: int
    ratio_s: int
    ratio_t: int
    window_hw: tuple[int, int] = (16, 16)
    window_frames: int = 8
    fov_deg: float = 90.0
    fps: float = 8.0
    prediction: str = "flow"
    patch: int = 1
    can_ring: tuple[str, ...] = ()
    rings: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    tile_hw: tuple[int, int] = (64, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cond:
    """Encoded prompts.

    Attributes:
        tensors: What the network needs; the leading dimension counts prompts.
        ignored_words: Words of the prompt that the model does not know.
        notes: Sentences for the user about what the prompt asks of this model.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    ignored_words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewGeometry:
    """Where on the sphere and in time N windows lie; an adapter uses what its model understands.

    Attributes:
        elevation_rad: Pitch of every cell, float32 ``[N, h, w]``.
        fov_deg: Field of view of all N, degrees.
        azimuth_rad: Yaw of every cell in the panorama, float32 ``[N, h, w]``; None leaves the model
            untold of it, as when a given picture already says where its light stands.
        yaw_deg: Heading of each window's centre.
        pitch_deg: Elevation of each window's centre.
        frames: Latent frames of the panorama that each window shows, in order.
        rings: Axes ("time", "width") on which every window goes all round and which the job wants
            as rings; the model then treats them so.
        control: What the windows are to follow, as the adapter itself made it; leading dimension N.
        sigma_next: Noise level that the step goes to: models of flow maps need it.
    """

    elevation_rad: Tensor
    fov_deg: float
    azimuth_rad: Tensor | None = None
    yaw_deg: tuple[float, ...] = ()
    pitch_deg: tuple[float, ...] = ()
    frames: tuple[tuple[int, ...], ...] = ()
    rings: tuple[str, ...] = ()
    control: Mapping[str, Tensor] = field(default_factory=dict)
    sigma_next: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPictures:
    """What one window is shown beside the words; a model uses what it understands.

    Attributes:
        picture: What its view sees of the reference, ``[3, H, W]``, -1..1.
        follow: What it is to follow (depth, lines, a pose), likewise.
        is_open: Where all is made anew, ``[H, W]``, 0 or 1; elsewhere the picture is kept. None:
            nothing is kept, and the picture is a model to look like.
    """

    picture: Tensor | None = None
    follow: Tensor | None = None
    is_open: Tensor | None = None


class Shown(Protocol):
    """An adapter whose windows can be shown pictures, beside all of `Adapter`."""

    @property
    def needs_picture(self) -> bool:
        """Whether it makes nothing without one."""
        ...

    def view_control(self, shown: WindowPictures) -> Mapping[str, Tensor]:
        """What goes into `ViewGeometry.control` for one window; leading dimension 1."""
        ...


class Adapter(Protocol):
    """A pretrained model as the method sees it."""

    @property
    def spec(self) -> LatentSpec:
        """What its latents are."""
        ...

    def encode_prompt(self, texts: list[str]) -> Cond:
        """Encoded prompts, one for each text; an empty text is the unconditional one."""
        ...

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate of x0 for windows ``x`` at noise level `sigma`, in their shape.

        `cond` holds one prompt, meant for all windows. No guidance, no scheduler.
        """
        ...

    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Pictures ``[F, 3, H, W]`` to latents ``[C, F / ratio_t, h, w]``.

        With `wraps` the pictures are a panorama: the width is a ring. Time is a ring, and a single
        picture stands still: where a latent frame holds several pictures it stands for all of them.
        """
        ...

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """Latents ``[C, F, h, w]`` to F * ratio_t pictures ``[3, H, W]``, streamed frame by frame.

        With `loop` time is a ring: the pictures before the first are those at the end.
        """
        ...
