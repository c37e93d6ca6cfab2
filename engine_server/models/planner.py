"""What a job will need, what this machine has, and how it will be done: `generate --dry-run`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...shared.errors import OutOfMemory
from ...shared.jobs import JobSpec
from .. import machine
from ..room import estimate_bytes, readable_size
from . import catalog, store
from .card import GIB, ModelCard
from .memory import HEADROOM_BYTES, LEVELS, Level, Needs, Room, first_level, needs, shared_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A job before it begins.

    Attributes:
        spec: The job with its stages.
        level, needs: Where on the ladder of memory it starts, and what it takes there; None and the
            least of all where it does not fit.
        refusal: Why it cannot be done here, or None.
        seconds: About how long it takes on `card.pace.machine`.
        disk_bytes: Of the result, at most.
        download_bytes: What has to be installed first.
        executors: Who evaluate views; `room` and `needs` are of each of them.
    """

    card: ModelCard
    spec: JobSpec
    room: Room
    level: Level | None
    needs: Needs
    refusal: OutOfMemory | None
    seconds: float
    disk_bytes: int
    free_disk_bytes: int
    download_bytes: int
    executors: int = 1

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        pace = self.card.pace
        return {
            "model": self.card.name,
            "installed": self.download_bytes == 0,
            "download_bytes": self.download_bytes,
            "stages": [
                {"width": s.width, "height": s.height, "steps": s.steps, "fov_deg": s.fov_deg}
                for s in self.spec.stages
            ],
            "evaluations": catalog.evaluations(self.spec),
            "executors": self.executors,
            "level": self.level.name if self.level else None,
            "same_pictures": self.level.same_pictures if self.level else None,
            "device": {"name": self.room.device, "free_bytes": self.room.device_bytes,
                       "needed_bytes": self.needs.device_bytes, "parts": self.needs.device,
                       "moment": self.needs.moment},
            "memory": {"free_bytes": self.room.host_bytes, "needed_bytes": self.needs.host_bytes,
                       "parts": self.needs.host},
            "disk": {"free_bytes": self.free_disk_bytes, "needed_bytes": self.disk_bytes},
            "time": {"seconds": self.seconds, "on": pace.machine, "source": pace.source},
            "fits": self.refusal is None,
            "refusal": str(self.refusal) if self.refusal else "",
        }  # fmt: skip

    def lines(self) -> list[str]:
        """As lines for people."""
        spec, card = self.spec, self.card
        climb = " -> ".join(f"{s.width}x{s.height} ({s.steps} steps)" for s in spec.stages)
        said = [
            f"{spec.width}x{spec.height}, {spec.num_frames} frames at {spec.fps:g} a second, "
            f"model {card.name}",
            f"stages   {climb}; {catalog.evaluations(spec):.0f} evaluations",
            f"device   {_share(self.needs.device_bytes, self.room.device_bytes, self.room.device)}",
            *(f"           {_gib(count)}  {part}" for part, count in self.needs.device.items()),
            f"memory   {_share(self.needs.host_bytes, self.room.host_bytes, 'this machine')}",
            *(f"           {_gib(count)}  {part}" for part, count in self.needs.host.items()),
            f"disk     {readable_size(self.disk_bytes)} at most, "
            f"{readable_size(self.free_disk_bytes)} free",
            f"time     about {_time(self.seconds)} on {card.pace.machine} ({card.pace.source})",
        ]
        if self.executors > 1:
            said.insert(2, f"shared   by {self.executors} that evaluate views; memory of each:")
        if self.level is not None and card.build is not None:
            said.append(f"level    {self.level.name}: {self.level.text}")
        if self.download_bytes:
            said.append(f"first    {store.not_installed(card)}")
        if self.refusal is not None:
            said.append(f"refused  {self.refusal}")
        return said


def forecast(
    spec: JobSpec, room: Room, *, library: Path, executors: int = 1, num_gpus: int = 1
) -> Forecast:
    """What the job will need and how it would be done in `room`.

    Args:
        executors, num_gpus: How many share it, and the GPUs they share.

    Raises:
        InvalidJob: No machine could make it with this model.
    """
    room = shared_room(room, executors, num_gpus)
    planned, card = catalog.outline(spec), catalog.find(spec.model)
    level, refusal = None, None
    try:
        level, need = first_level(card, planned, room)
    except OutOfMemory as why:
        refusal = why
        each = [needs(card, planned, rung, room) for rung in LEVELS]
        need = min(each, key=lambda found: found.device_bytes)
    place = next(path for path in (library, *library.parents) if path.exists())
    return Forecast(
        card=card,
        spec=planned,
        room=room,
        level=level,
        needs=need,
        refusal=refusal,
        seconds=catalog.estimate_s(planned),
        disk_bytes=estimate_bytes(planned),
        free_disk_bytes=shutil.disk_usage(place).free,
        download_bytes=0 if store.is_installed(card) else card.download_bytes,
        executors=executors,
    )


def gpus_here() -> int:
    """GPUs of this machine."""
    return len(machine.gpu_memory())


def room_here(card: ModelCard) -> Room:
    """Memory of this machine that a model may use; the preview model runs on the CPU."""
    sizes = machine.memory_bytes() or (0, 0)
    host = max(0, sizes[1])
    gpus = machine.gpu_memory() if card.build is not None else []
    if not gpus:
        width = 2 if machine.multiplies_bfloat16() else 4
        return Room(
            device="CPU", device_bytes=host, host_bytes=host, shares=True, weight_bytes=width
        )
    best = max(gpus, key=lambda gpu: gpu.free_bytes)
    free = max(0, best.free_bytes - HEADROOM_BYTES)
    return Room(device=best.name, device_bytes=free, host_bytes=host)


def memory_at_each_level(card: ModelCard) -> dict[str, int]:
    """Level of the ladder -> bytes on a card, of a job of five seconds with words alone.

    The same at every size: a device holds windows and never a panorama. Empty for a small model.
    """
    if card.build is None:
        return {}
    width, height = card.ladder[-1].size
    wish = JobSpec(
        prompt="sea", model=card.name, width=width, height=height, num_frames=120, fps=24.0
    )
    spec, room = catalog.outline(wish), Room(device="", device_bytes=0, host_bytes=0)
    return {level.name: needs(card, spec, level, room).device_bytes for level in LEVELS}


def _share(needed: int, free: int, of: str) -> str:
    return f"{_gib(needed).strip()} of {_gib(free).strip()} free on {of}"


def _gib(count: int) -> str:
    return f"{count / GIB:5.1f} GiB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
