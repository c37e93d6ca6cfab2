"""Prompts by direction: each holds where it belongs, and where they meet they are blended.

What is blended is what the model makes of each prompt (`denoised`), cell by cell, by where the cell
looks. So it works for any model and any method: `Directed` stands between the two and takes a
`Cond` of several prompts apart. A prompt without weight in a window is not asked for there.

The bands of sky, horizon and ground are smooth functions of elevation, those of places of the angle
from their middle, and nothing depends on the views: turning a place turns the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...shared.jobs import JobSpec, Place
from ..models.adapter import Adapter, Cond, LatentSpec, ViewGeometry
from ..models.passing_on import PassesOn

BAND_DEG = (8.0, 22.0)
"""Elevations over which the horizon's words go over into those of the sky, or of the ground."""
MEETING_DEG = (-4.0, 4.0)
"""Where sky and ground meet when nothing is said of the horizon."""
EDGE = (0.75, 1.25)
"""Where a place's words fade, in radii: half of them is left at 1."""
LEAST_WEIGHT = 0.02
"""A prompt that has less than this everywhere in a window is left out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """Where the prompts of a job hold; the first prompt is the one for everything else.

    Attributes:
        sky, horizon, ground: Whether there are words for it.
        places: Round parts, in order.
    """

    sky: bool = False
    horizon: bool = False
    ground: bool = False
    places: tuple[Place, ...] = ()

    @property
    def count(self) -> int:
        """How many prompts there are, with the one for everything."""
        return 1 + self.sky + self.horizon + self.ground + len(self.places)

    def weights(self, azimuth_rad: Tensor, elevation_rad: Tensor) -> Tensor:
        """How much each prompt counts, float32 ``[P, *shape]``, adding up to 1.

        Args:
            azimuth_rad, elevation_rad: Where the cells look, ``[*shape]``.
        """
        bands = self._bands(elevation_rad.float())
        if not self.places:
            return torch.stack(bands)
        near = torch.stack(
            [_nearness(place, azimuth_rad.float(), elevation_rad.float()) for place in self.places]
        )
        near = near / near.sum(0).clamp(min=1)
        rest = (1 - near.sum(0)).clamp(min=0)
        return torch.cat((torch.stack(bands) * rest, near))

    def _bands(self, elevation_rad: Tensor) -> list[Tensor]:
        """Weights of: everything else, sky, horizon, ground; those without words left out."""
        elevation = torch.rad2deg(elevation_rad)
        up, down = _rise(elevation, *BAND_DEG), _rise(-elevation, *BAND_DEG)
        if not self.horizon and self.sky and self.ground:
            up = _rise(elevation, *MEETING_DEG)
            down = 1 - up
        elif not self.horizon:
            up, down = _rise(elevation, *MEETING_DEG), _rise(-elevation, *MEETING_DEG)
        middle = 1 - up - down
        named = [(self.sky, up), (self.horizon, middle), (self.ground, down)]
        said = [weight for is_said, weight in named if is_said]
        rest = torch.ones_like(elevation) - sum(said, torch.zeros_like(elevation))
        return [rest.clamp(min=0), *said]


def directions_of(spec: JobSpec) -> Directions:
    """Where the prompts of `spec` hold."""
    return Directions(
        sky=bool(spec.sky.strip()),
        horizon=bool(spec.horizon.strip()),
        ground=bool(spec.ground.strip()),
        places=spec.places,
    )


def texts_of(spec: JobSpec) -> list[str]:
    """The prompts in the order of `Directions.weights`, each with the words that hold everywhere.

    So the light of the whole is also that of its parts: a calm sea at night has lava at night.
    """
    own = [spec.sky, spec.horizon, spec.ground, *(place.text for place in spec.places)]
    own = [text for text in own if text.strip()]
    everywhere = f", {spec.prompt}" if spec.prompt.strip() else ""
    return [spec.prompt, *(text + everywhere for text in own)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directed(PassesOn):
    """A model that is told different prompts for different directions, or not told the azimuth.

    It is an `Adapter`: given a `Cond` of as many prompts as there are directions it blends, given
    one prompt it passes on.

    Attributes:
        adapter: The model.
        directions: Where the prompts hold.
        tells_azimuth: Whether the model may know the cells' yaw; with a reference it may not,
            because the light stands where the picture has it.
        rings: Axes that the job wants the model to take for rings.
    """

    adapter: Adapter
    directions: Directions
    tells_azimuth: bool = True
    rings: tuple[str, ...] = ()

    @property
    def spec(self) -> LatentSpec:
        """What the model's latents are, and what this job wants of them."""
        return replace(self.adapter.spec, rings=self.rings)

    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """The model's estimate of x0, blended over the prompts of `cond` where it has several."""
        told = views if self.tells_azimuth else replace(views, azimuth_rad=None)
        if num_prompts(cond) != self.directions.count or self.directions.count == 1:
            return self.adapter.denoised(x, sigma, cond, told)
        assert views.azimuth_rad is not None, "prompts by direction need to know where cells look"
        weights = _without_traces(self.directions.weights(views.azimuth_rad, views.elevation_rad))
        out = torch.zeros_like(x)
        for index, weight in enumerate(weights):
            seen = torch.nonzero(weight.flatten(1).amax(1)).flatten().tolist()
            if not seen:
                continue
            part = self.adapter.denoised(x[seen], sigma, prompt_of(cond, index), some(told, seen))
            out[seen] += weight[seen].to(x)[:, None, None] * part
        return out


def num_prompts(cond: Cond) -> int:
    """How many prompts a `Cond` holds."""
    return min((len(tensor) for tensor in cond.tensors.values()), default=1)


def prompt_of(cond: Cond, index: int) -> Cond:
    """One of the prompts of a `Cond`."""
    rows = {name: tensor[index : index + 1] for name, tensor in cond.tensors.items()}
    return replace(cond, tensors=rows)


def some(views: ViewGeometry, indices: Sequence[int]) -> ViewGeometry:
    """The geometry of some of the windows."""

    def pick(values: tuple) -> tuple:
        return tuple(values[i] for i in indices) if values else ()

    azimuth = None if views.azimuth_rad is None else views.azimuth_rad[list(indices)]
    return replace(
        views,
        elevation_rad=views.elevation_rad[list(indices)],
        azimuth_rad=azimuth,
        yaw_deg=pick(views.yaw_deg),
        pitch_deg=pick(views.pitch_deg),
        frames=pick(views.frames),
    )


def _without_traces(weights: Tensor) -> Tensor:
    """`weights` ``[P, N, h, w]`` without those that hardly count in a window, adding up to 1."""
    counts = weights.flatten(2).amax(2) >= LEAST_WEIGHT
    kept = weights * counts[:, :, None, None]
    return kept / kept.sum(0)


def _rise(value: Tensor, low: float, high: float) -> Tensor:
    """From 0 at `low` to 1 at `high`, smoothly."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _nearness(place: Place, azimuth_rad: Tensor, elevation_rad: Tensor) -> Tensor:
    """1 in the middle of a place, half at its radius, 0 outside."""
    yaw, pitch = math.radians(place.yaw_deg), math.radians(place.pitch_deg)
    # the haversine keeps small angles exact in float32
    across = (torch.sin((azimuth_rad - yaw) / 2)) ** 2
    upward = (torch.sin((elevation_rad - pitch) / 2)) ** 2
    half = upward + torch.cos(elevation_rad) * math.cos(pitch) * across
    angle = torch.rad2deg(2 * torch.asin(half.clamp(0, 1).sqrt()))
    low, high = (edge * place.radius_deg for edge in EDGE)
    return 1 - _rise(angle, low, high)
