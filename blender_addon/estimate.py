"""About how long a loop takes and how large it gets, told before it is asked for. No Blender.

The table is that of the engine's README: two cores of a server CPU. What past loops of the same
library really took corrects it, so that the panel's word is about this machine after the first one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .core import DEFAULT_MODEL

EXR_BYTES_PER_PIXEL = 6.0  # three half floats
MOVIE_BYTES_PER_PIXEL = 0.5
FIXED_BYTES = 4 * 2**20
EVALUATION_S = 0.026  # one window of the preview model
MEGAPIXEL_S = 0.5  # decoding and writing
START_S = 6.0
MODEL_FPS = 8.0
WINDOW_FRAMES = 8
RUNGS = {512: (12.0, 1.0), 1024: (26.0, 0.5), 2048: (91.0, 0.375), 4096: (340.0, 0.25)}
"""Width in pixels: views a step, and the share of the steps that a loop spends there."""
MEMORY_GB = {512: 0.7, 1024: 1.5}
"""Width in pixels: what the worker took for up to MEASURED_S; larger ones were not measured."""
MEASURED_S = 5.0
MAX_PACES = 12
LEAST_S = 1.0
ASK = "Its time depends on the card: `panoloom generate --dry-run` tells"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a loop will take.

    Attributes:
        seconds: 0 where nobody knows.
        memory_gb: 0 where it was not measured.
        is_measured: Whether loops of this machine say so, or only the table.
    """

    seconds: float
    disk_bytes: int
    memory_gb: float
    is_measured: bool

    @property
    def text(self) -> str:
        """One line for the panel."""
        if not self.seconds:
            return f"{size(self.disk_bytes)} on disk. {ASK}"
        source = "" if self.is_measured else ", a guess"
        memory = f", {self.memory_gb:g} GB of memory" if self.memory_gb else ""
        return f"About {duration(self.seconds)}{source}{memory}; {size(self.disk_bytes)} on disk"


def estimate(
    *,
    width: int,
    num_frames: int,
    seconds: float,
    steps: int,
    guided: bool,
    paces: Sequence[float],
    model: str = DEFAULT_MODEL,
) -> Estimate:
    """What a loop takes: of the preview model all of it, of another its place on the disk.

    Args:
        seconds: Length of the loop.
        guided: Whether guidance is on, which doubles the work.
        paces: What past loops took, as multiples of the table's word; empty: nobody knows.
    """
    guess = table_s(width=width, num_frames=num_frames, seconds=seconds, steps=steps, guided=guided)
    pace = median(paces) if paces else 1.0
    pixels = width * (width // 2)
    per_frame = pixels * (EXR_BYTES_PER_PIXEL + MOVIE_BYTES_PER_PIXEL)
    disk = int(per_frame * num_frames + FIXED_BYTES)
    if model != DEFAULT_MODEL:
        return Estimate(0.0, disk, 0.0, False)
    memory = MEMORY_GB.get(width, 0.0) if seconds <= MEASURED_S else 0.0
    return Estimate(guess * pace, disk, memory, bool(paces))


def table_s(*, width: int, num_frames: int, seconds: float, steps: int, guided: bool) -> float:
    """Seconds by the table alone: windows in space and in time, twice with guidance."""
    in_time = max(2, math.ceil(round(seconds * MODEL_FPS) / (WINDOW_FRAMES - 2)))
    count = 0.0
    for rung, (views, share) in RUNGS.items():
        if rung <= width:
            count += views * max(2, round(steps * share))
    megapixels = width * (width // 2) * num_frames / 1e6
    passes = 2 if guided else 1
    return START_S + count * in_time * passes * EVALUATION_S + megapixels * MEGAPIXEL_S


def with_pace(paces: Sequence[float], took_s: float, table: float) -> list[float]:
    """The paces with one more loop that took so long; only the last few count."""
    if took_s < LEAST_S or table <= 0:
        return list(paces)
    return [*paces, round(took_s / table, 3)][-MAX_PACES:]


def duration(seconds: float) -> str:
    """ "40 s", "3 min" or "2 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def time_left(seconds: float | None) -> str:
    """ "about 40 s left", or nothing while nobody knows."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    return f"about {duration(seconds)} left"


def size(num_bytes: float) -> str:
    """ "512 kB", "1.5 GB"; powers of ten, as disks are sold."""
    number, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
