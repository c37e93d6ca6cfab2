"""The sun and the lamps of a loop: found where the picture is clipped, given back what was lost.

A region is a light when it is clipped, compact and small, and when it stays: regions of one frame
and the next that overlap are one light, and the last frame is followed by the first. What a light
sheds is one number for the whole loop, so that it does not flicker; in each frame it is spread over
the pixels of its own region so that their sum is that number, at any size and any ceiling
(illuminance is conserved). What does not fit under a ceiling is left to a lamp.

The sun's number: on level ground, clear sky, high noon, it gives four times what the rest of the
sky gives, and less the longer its way through the air (Kasten and Young 1989), at 0.25 an air mass.
Lamps shine `LAMP_RADIANCE` times white. Both are assumptions; a picture does not tell.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..panorama.erp import angles_to_directions, pixels_to_angles
from .hdr import LUMA, sky_illuminance

CLIPPED = 0.75
"""Linear luminance, 1 is white on the screen, from which a pixel may belong to a light."""
MAX_RADIUS_DEG = 12.0
"""Of a round spot as large as the largest region that is a light; clouds are larger."""
MIN_FILL = 0.35
"""Share of the round spot around a region that it fills: a streak of glitter is no light."""
MIN_STAY = 0.5
MAX_LAMPS = 8
NOON_RATIO = 4.0
EXTINCTION = 0.25
LAMP_RADIANCE = 32.0
SUN_ANGLE_DEG = 0.526
LOOKED_AT_WIDTH, MOST_REGIONS = 2048, 32
"""For a suggestion wider frames are looked at in this width, and glitter is not: bounded cost."""
ESTIMATED = "estimated, not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A light in one frame.

    Attributes:
        direction: Unit vector to its middle; axes of `panorama/erp.py`.
        solid_angle: In steradians.
        radius_deg: Of the circle around it.
        colour: Mean linear RGB of its pixels.
    """

    direction: np.ndarray
    solid_angle: float
    radius_deg: float
    colour: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A light of the loop.

    Attributes:
        is_sun: The brightest one above the horizon; at most one is.
        illuminance: What it sheds on a surface that faces it, in the units of a World whose white
            is 1 (grey 1 all around sheds pi); the strength of a Sun lamp in Blender.
        colour: Linear RGB, the largest is 1.
        spots: Frame to what is seen of it there.
        visible: Frame to the share of it that shows, 0..1, smooth over the loop.
    """

    is_sun: bool
    illuminance: float
    colour: tuple[float, float, float]
    spots: dict[int, Spot]
    visible: tuple[float, ...]

    @property
    def direction(self) -> np.ndarray:
        """The middle of its way, a unit vector."""
        total = np.sum([spot.direction for spot in self.spots.values()], axis=0)
        return total / np.linalg.norm(total)

    def told(self, *, in_picture: float = 0.0) -> dict[str, Any]:
        """Plain data for a manifest or a sidecar.

        Args:
            in_picture: How much of the illuminance was given back to the frames.
        """
        x, y, z = (float(value) for value in self.direction)
        return {
            "is_sun": self.is_sun,
            "yaw_deg": round(math.degrees(math.atan2(y, x)), 2),
            "pitch_deg": round(math.degrees(math.asin(max(-1.0, min(1.0, z)))), 2),
            "direction": [round(value, 5) for value in (x, y, z)],
            "colour": [round(value, 4) for value in self.colour],
            "angle_deg": SUN_ANGLE_DEG,
            "illuminance": round(self.illuminance, 4),
            "in_picture": round(in_picture, 4),
            "lamp_strength": round(max(self.illuminance - in_picture, 0.0), 4),
        }


class LightFinder:
    """Looks at a loop's frames in order and tells its lights; a frame is looked at once.

    Args:
        most: So many regions of a frame, the largest, are looked at; None: all.
    """

    def __init__(self, *, most: int | None = None) -> None:
        self._most = most
        self._parent: list[int] = []
        self._spots: list[tuple[int, Spot]] = []
        self._first: np.ndarray | None = None
        self._last: np.ndarray | None = None
        self._num_frames = 0

    def add(self, light: np.ndarray) -> None:
        """The next frame [H, W, 3], linear, before its highlights are expanded."""
        labels = self._label(light)
        if self._last is not None:
            self._join(self._last, labels)
        if self._first is None:
            self._first = labels
        self._last = labels
        self._num_frames += 1

    def lights(self, sky: float) -> list[Light]:
        """What was found, the sun first.

        Args:
            sky: Illuminance of the expanded sky without lights on level ground; `sky_illuminance`.
        """
        if self._first is None or self._last is None:
            return []
        self._join(self._last, self._first)
        tracks: dict[int, list[tuple[int, Spot]]] = defaultdict(list)
        for index, spot in enumerate(self._spots):
            tracks[self._root(index)].append(spot)
        kept = [track for track in tracks.values() if self._is_light(track)]
        kept.sort(key=lambda track: -sum(spot.solid_angle for _, spot in track))
        high = [track for track in kept if _middle(track)[2] > 0]
        ordered = [*high[:1], *(track for track in kept if not high or track is not high[0])]
        return [
            self._light(track, is_sun=bool(high) and number == 0, sky=sky)
            for number, track in enumerate(ordered[: 1 + MAX_LAMPS])
        ]

    def _label(self, light: np.ndarray) -> np.ndarray:
        """Which spot every pixel belongs to, -1 for none."""
        height, width = light.shape[:2]
        mask = ((light @ LUMA) >= CLIPPED).astype(np.uint8)
        count, local = cv2.connectedComponents(mask, connectivity=8)
        names = _joined_over_the_seam(local, count)
        labels = np.full((height, width), -1, np.int32)
        regions = sorted(_regions(local, names), key=lambda each: -each[0].size)
        for row, column in regions[: self._most]:
            spot = _spot(light[row, column], *_cells(row, column, height, width))
            if spot.solid_angle <= _cap(MAX_RADIUS_DEG):
                labels[row, column] = len(self._spots)
                self._parent.append(len(self._spots))
                self._spots.append((self._num_frames, spot))
        return labels

    def _join(self, one: np.ndarray, other: np.ndarray) -> None:
        both = (one >= 0) & (other >= 0)
        for a, b in set(zip(one[both].tolist(), other[both].tolist(), strict=True)):
            self._parent[self._root(a)] = self._root(b)

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = index = self._parent[self._parent[index]]
        return index

    def _is_light(self, track: list[tuple[int, Spot]]) -> bool:
        stays = len({frame for frame, _ in track}) >= MIN_STAY * self._num_frames
        fills = [spot.solid_angle / _cap(spot.radius_deg) for _, spot in track]
        return stays and float(np.median(fills)) >= MIN_FILL

    def _light(self, track: list[tuple[int, Spot]], *, is_sun: bool, sky: float) -> Light:
        spots: dict[int, Spot] = {}
        for frame, spot in sorted(track, key=lambda each: each[1].solid_angle):
            spots[frame] = spot  # the largest, where a frame has several
        middle = _middle(track)
        usual = float(np.median([spot.solid_angle for spot in spots.values()]))
        seen = [
            spots[f].solid_angle / usual if f in spots else 0.0 for f in range(self._num_frames)
        ]
        colour = np.mean([spot.colour for spot in spots.values()], axis=0)
        colour = colour / max(float(colour.max()), 1e-6)
        shed = LAMP_RADIANCE * usual
        if is_sun:
            shed = max(_sun_ratio(middle[2]) * sky / max(float(middle[2]), 0.05), usual)
        return Light(
            is_sun=is_sun,
            illuminance=shed,
            colour=(float(colour[0]), float(colour[1]), float(colour[2])),
            spots=spots,
            visible=tuple(_smooth(np.minimum(seen, 1.0))),
        )


class SunFinder:
    """The Sun lamp that stored frames suggest, beside what they show as they are."""

    def __init__(self) -> None:
        self._finder = LightFinder(most=MOST_REGIONS)
        self._skies: list[float] = []

    def add(self, light: np.ndarray) -> None:
        """The next frame [H, W, 3], linear."""
        light = np.asarray(light, np.float32)
        if light.shape[1] > LOOKED_AT_WIDTH:
            size = (LOOKED_AT_WIDTH, LOOKED_AT_WIDTH // 2)
            light = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        self._finder.add(light)
        self._skies.append(sky_illuminance(light))

    def told(self) -> dict[str, Any] | None:
        """Plain data, as `Light.told` has it; None when there is no sun."""
        if not self._skies:
            return None
        lights = self._finder.lights(float(np.median(self._skies)))
        return next((light.told() | {"label": ESTIMATED} for light in lights if light.is_sun), None)


def add_light(
    frame: np.ndarray, before: np.ndarray, light: Light, index: int, *, ceiling: float
) -> float:
    """Give a light back to a frame, in place.

    Args:
        frame: [H, W, 3] float32, expanded linear light; changed.
        before: The same frame before it was expanded.
        index: The frame's number.
        ceiling: The brightest a component may become.

    Returns:
        The illuminance that was added; less than `light` has where the ceiling was reached.
    """
    spot = light.spots.get(index) or _nearest_spot(light, index, len(light.visible))
    target = light.illuminance * light.visible[index]
    height, width = frame.shape[:2]
    reach = math.radians(min(1.2 * spot.radius_deg + 180.0 / height, 80.0))
    pitch = math.asin(max(-1.0, min(1.0, float(spot.direction[2]))))
    top, bottom = (round((0.5 - (pitch + sign * reach) / math.pi) * height) for sign in (1, -1))
    row, column = np.mgrid[max(top, 0) : min(bottom + 1, height), 0:width].reshape(2, -1)
    areas, directions = _cells(row, column, height, width)
    facing = directions @ spot.direction
    inside = facing > math.cos(reach)
    near = row[inside], column[inside]
    above = np.maximum(before[near] @ LUMA - 0.8 * CLIPPED, 0.0)
    # Most of it into the core, and no edge; hidden in this frame, it shines where it would stand.
    share = (above / above.max()) ** 3 if above.any() else np.ones_like(above)
    weight = areas[inside] * facing[inside]
    colour = np.array(light.colour, np.float32)
    luminous = colour / float(colour @ LUMA)
    room = np.min((ceiling - frame[near]) / np.maximum(luminous, 1e-6), axis=-1).clip(min=0.0)
    radiance = _under_ceiling(share, weight, room, target)
    frame[near] += (radiance[:, None] * luminous).astype(frame.dtype)
    return float((radiance * weight).sum())


def _under_ceiling(
    share: np.ndarray, weight: np.ndarray, room: np.ndarray, target: float
) -> np.ndarray:
    """Radiance in proportion to `share`, at most `room`, whose weighted sum is `target`."""
    low, high = 0.0, target / max(float((share * weight).sum()), 1e-12)
    while high < 1e9 and (np.minimum(high * share, room) * weight).sum() < target * 0.999:
        high *= 2.0
        if (room[share > 0] * weight[share > 0]).sum() < target * 0.999:
            return np.where(share > 0, room, 0.0)
    for _ in range(50):
        middle = 0.5 * (low + high)
        enough = (np.minimum(middle * share, room) * weight).sum() >= target
        low, high = (low, middle) if enough else (middle, high)
    return np.minimum(high * share, room)


def _nearest_spot(light: Light, index: int, num_frames: int) -> Spot:
    def away(frame: int) -> int:
        step = abs(frame - index)
        return min(step, num_frames - step)

    return light.spots[min(light.spots, key=away)]


def _joined_over_the_seam(local: np.ndarray, count: int) -> list[int]:
    """Label to label, regions that meet at the seam being one."""
    names = list(range(count))
    left, right = local[:, 0], local[:, -1]
    for up in (-1, 0, 1):
        other = np.roll(right, up)
        for a, b in set(zip(left.tolist(), other.tolist(), strict=True)):
            if a and b and names[a] != names[b]:
                old, new = names[a], names[b]
                names = [new if name == old else name for name in names]
    return names


def _regions(local: np.ndarray, names: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the pixels of every region, by name; `local` 0 is none."""
    row, column = np.nonzero(local)
    if not row.size:
        return
    name = np.array(names)[local[row, column]]
    order = np.argsort(name, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(name[order])) + 1):
        yield row[part], column[part]


def _spot(pixels: np.ndarray, areas: np.ndarray, directions: np.ndarray) -> Spot:
    total = (directions * areas[:, None]).sum(axis=0)
    direction = total / max(float(np.linalg.norm(total)), 1e-12)
    solid_angle = float(areas.sum())
    nearest = float(np.clip(directions @ direction, -1.0, 1.0).min())
    half_cell = math.sqrt(float(areas.max()) / math.pi)
    return Spot(
        direction=direction,
        solid_angle=solid_angle,
        radius_deg=math.degrees(math.acos(nearest) + half_cell),
        colour=(pixels.astype(np.float64) * areas[:, None]).sum(axis=0) / solid_angle,
    )


def _cells(
    row: np.ndarray, column: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Solid angles and directions of some pixels of an ERP."""
    edges = np.sin((0.5 - np.arange(height + 1) / height) * math.pi)
    yaw_rad, pitch_rad = pixels_to_angles(row + 0.5, column + 0.5, height=height, width=width)
    areas = -np.diff(edges)[row] * (2 * math.pi / width)
    return areas, angles_to_directions(yaw_rad, pitch_rad)


def _middle(track: list[tuple[int, Spot]]) -> np.ndarray:
    total = np.sum([spot.direction * spot.solid_angle for _, spot in track], axis=0)
    return total / np.linalg.norm(total)


def _cap(radius_deg: float) -> float:
    return 2 * math.pi * (1 - math.cos(math.radians(radius_deg)))


def _sun_ratio(sine: float) -> float:
    """Sun to sky on level ground, by the sine of the sun's height."""
    height_deg = math.degrees(math.asin(float(np.clip(sine, 0.0, 1.0))))
    air = 1.0 / (sine + 0.50572 * (height_deg + 6.07995) ** -1.6364)
    return NOON_RATIO * math.exp(-EXTINCTION * (air - 1.0))


def _smooth(values: np.ndarray) -> list[float]:
    """A 1-2-1 filter, four times, over the ring of time."""
    for _ in range(4):
        values = 0.25 * np.roll(values, 1) + 0.5 * values + 0.25 * np.roll(values, -1)
    return [float(value) for value in values]
