"""Where the one light of a world stands: what the network is told, and what a prompt implies.

A world has one sun or moon or none. The network is told for every cell of a view the angle to it,
so that the views of one panorama agree on a single sun and on the side that it colours. In a
panorama the light stands at yaw 0, at a height that goes with the prompt. A network that is not
told (a job with a reference picture, whose light is where it is) paints what the prompt says.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHANNELS = 4
UNTOLD = math.nan
NONE = math.inf  # stands for a pitch: the world is known to have no light in the sky

SUNRISE, DAY, MOON = math.radians(7.0), math.radians(38.0), math.radians(30.0)

_STARRY = ("stars", "milkyway", "aurora", "nebula", "space")
_DARK = ("night", "dark", *_STARRY)
_LIGHTLESS = ("underwater", "fire", "lava", "rain", "storm", "lightning", "overcast", "snowfall")
_LOW = ("sunset", "sunrise", "evening", "morning")


def pitch_for(tokens: set[str]) -> float:
    """Height of the light in radians for the words of a prompt; `NONE`, or `UNTOLD` for no words.

    Args:
        tokens: Known words, as `text.TOKENS` spells them.
    """
    if not tokens:
        return UNTOLD
    if "moon" in tokens or ({"sea", "night"} <= tokens and not tokens & {*_STARRY, *_LIGHTLESS}):
        return MOON  # a sea by night is drawn by moonlight
    if tokens & set(_LOW):
        return SUNRISE
    if tokens & {*_DARK, *_LIGHTLESS}:
        return NONE
    return DAY


def cosine(
    azimuth_rad: Tensor, elevation_rad: Tensor, yaw_rad: Tensor, pitch_rad: Tensor
) -> Tensor:
    """Cosine of the angle between cells [N, h, w] and a light for each N, at yaw and pitch [N]."""
    yaw, pitch = yaw_rad[:, None, None], pitch_rad[:, None, None]
    level = elevation_rad.cos() * pitch.cos() * (azimuth_rad - yaw).cos()
    return level + elevation_rad.sin() * pitch.sin()


def light_channels(
    azimuth_rad: Tensor, elevation_rad: Tensor, yaw_rad: Tensor, pitch_rad: Tensor
) -> Tensor:
    """What the network is told of the light, [N, 4, h, w].

    The channels are: whether it is told at all, whether there is a light, the cosine of the angle
    to it, and a lobe ten degrees wide around it.

    Args:
        azimuth_rad, elevation_rad: Directions of the cells, [N, h, w]; azimuth may be NaN: untold.
        yaw_rad, pitch_rad: Of the light, [N]; a pitch of `NONE` or `UNTOLD` says so.
    """
    told = ~pitch_rad.isnan() & azimuth_rad.flatten(1).isfinite().all(dim=1)
    lit = told & pitch_rad.isfinite()
    near = cosine(
        azimuth_rad.nan_to_num(0.0),
        elevation_rad.nan_to_num(0.0),
        yaw_rad,
        pitch_rad.nan_to_num(0.0, 0.0, 0.0),
    )
    shown = lit[:, None, None].to(near.dtype)
    flags = torch.stack((told, lit), dim=1).to(near.dtype)[:, :, None, None]
    angles = torch.stack((near, torch.exp(40.0 * (near - 1.0))), dim=1) * shown[:, None]
    return torch.cat((flags.expand(-1, -1, *near.shape[1:]), angles), dim=1)
