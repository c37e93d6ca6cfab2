"""The light of an export: found in a first pass over the loop, given back in the second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..hdr import LABEL, PQ_PEAK, WHITE_NITS, Curve, expand, sky_illuminance
from ..hdr10 import LightLevel
from ..lights import Light, LightFinder, add_light
from .source import Loop, turned

Where = Literal["picture", "lamp"]
OnFrame = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class Relit:
    """A loop's light.

    Attributes:
        curve: One for all frames.
        lights: The sun first, if there is one.
        sun_in: Whether the sun is put into the picture or left to a lamp.
        ceiling: The brightest a component may be in the file.
        level: How bright the expanded frames are, without the lights.
        added: What of each light came into the picture, frame by frame.
    """

    curve: Curve
    lights: list[Light]
    sun_in: Where
    ceiling: float
    level: LightLevel
    added: dict[int, list[float]] = field(default_factory=dict)

    def frames(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Linear frames [H, W, 3], expanded and with their lights."""
        for index, before in enumerate(frames):
            frame = np.minimum(expand(before, self.curve), np.float32(self.ceiling))
            for number, light in enumerate(self.lights):
                if light.is_sun and self.sun_in == "lamp":
                    continue
                got = add_light(frame, before, light, index, ceiling=self.ceiling)
                self.added.setdefault(number, []).append(got)
            yield frame

    def told(self) -> dict[str, Any]:
        """Plain data for the sidecar, after all frames."""
        told = [self._told(number, light) for number, light in enumerate(self.lights)]
        return {
            "label": LABEL,
            "curve": {"knee": self.curve.knee, "peak": self.curve.peak},
            "white_nits": WHITE_NITS,
            "sun": next((each for each in told if each["is_sun"]), None),
            "lamps": [each for each in told if not each["is_sun"]],
        }

    def _told(self, number: int, light: Light) -> dict[str, Any]:
        return light.told(in_picture=float(np.median(self.added.get(number, [0.0]))))


def relight(
    loop: Loop, *, yaw_deg: float, ceiling: float, sun_in: Where, curve: Curve, on_frame: OnFrame
) -> Relit:
    """The first pass over a loop: its lights, and how bright it will be."""
    finder, level, skies = LightFinder(), LightLevel(), []
    for index in range(loop.num_frames):
        light = turned(loop.light(index), yaw_deg)
        expanded = expand(light, curve)
        finder.add(light)
        level.add(expanded)
        skies.append(sky_illuminance(expanded))
        on_frame(index + 1, loop.num_frames)
    lights = finder.lights(float(np.median(skies)))
    if any(not light.is_sun or sun_in == "picture" for light in lights):
        level.peak = min(ceiling, PQ_PEAK)
    return Relit(curve=curve, lights=lights, sun_in=sun_in, ceiling=ceiling, level=level)
