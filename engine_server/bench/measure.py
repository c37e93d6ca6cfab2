"""One case, made and measured: counts, times, peak memory, and the figures of its frames."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..denoise.stages import denoise_stages, plan_stage
from ..models import catalog
from ..models.adapter import Adapter
from ..panorama.views import forget_tables
from ..quality.report import evaluate_frames
from ..worker.decoding import decoded
from .cases import Case
from .counting import CountingAdapter, redundancy

VIEW_BATCH = 6
PICTURE_QUALITY = 90


class PeakMemory:
    """Most memory held since it was made, MiB; None where the system does not tell.

    On Linux the resident set of this process, less what it held at first. What earlier work gave
    back is first returned to the system, so that it is not used again unseen.
    """

    _STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def __init__(self) -> None:
        self._start: float | None = None
        gc.collect()
        with contextlib.suppress(OSError, TypeError, AttributeError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)
        try:
            self._RESET.write_text("5")  # the high-water mark starts anew
            self._start = self._read("VmRSS")
        except OSError:
            pass
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def host_mib(self) -> float | None:
        """On the host."""
        return None if self._start is None else max(0.0, self._read("VmHWM") - self._start)

    def device_mib(self) -> float | None:
        """On the GPU, where there is one."""
        return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None

    def _read(self, name: str) -> float:
        lines = self._STATUS.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def measure(case: Case, adapter: Adapter, *, picture: Path | None = None) -> dict[str, Any]:
    """Make a case and measure it: plain data, as it is cached.

    Laying out the views, once a process, is not counted; building their tables is, for every case.

    Args:
        case: What to make.
        adapter: Its model.
        picture: Where its first frame is put, a JPEG.
    """
    counted, card = CountingAdapter(adapter), catalog.find(case.model)
    cond, uncond = adapter.encode_prompt([case.prompt]), adapter.encode_prompt([""])
    num_frames = case.num_frames // adapter.spec.ratio_t
    for stage in case.variant.stages:
        plan_stage(stage, adapter.spec, method=case.variant.method)
    forget_tables()
    memory = PeakMemory()
    wall, cpu = time.perf_counter(), time.process_time()
    finished = denoise_stages(
        case.variant.stages,
        adapter=counted,
        cond=cond,
        uncond=uncond,
        guidance_scale=case.guidance_scale,
        num_frames=num_frames,
        seed=case.seed,
        view_batch=VIEW_BATCH,
        shift=card.sigma_shift,
        method=case.variant.method,
    )
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = {"host_mib": memory.host_mib(), "device_mib": memory.device_mib()}
    frames = list(decoded(adapter, finished, largest=_size(case)))
    if picture is not None:
        write_picture(picture, frames[0])
    report = evaluate_frames(frames, fps=card.fps, loop=True, prompt=case.prompt)
    last = case.variant.stages[-1]
    return {
        "variant": case.variant.name,
        "table": case.variant.table,
        "prompt": case.prompt,
        "seed": case.seed,
        "grid": [last.width, last.height],
        "size": list(_size(case)),
        "counts": _counts(case, counted, num_frames),
        "cost": times(counted, *seconds) | peak,
        "quality": report.figures(),
        "verdict": report.verdict.headline,
        "machine": machine(),
        "device": counted.device,
    }


def times(counted: CountingAdapter, wall_s: float, cpu_s: float) -> dict[str, float]:
    """What a case took, seconds: of all and of the model alone.

    `seconds` and `model_seconds` are those to compare by: of the processor where the model runs on
    it, whatever else the machine does meanwhile; by the clock where it runs on another device.
    """
    on_cpu = counted.device == "cpu"
    seconds, inside = (cpu_s, counted.cpu_s) if on_cpu else (wall_s, counted.wall_s)
    return {
        "seconds": seconds,
        "model_seconds": inside,
        "overhead": (seconds - inside) / inside,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "model_wall_s": counted.wall_s,
        "model_cpu_s": counted.cpu_s,
    }


def _counts(case: Case, counted: CountingAdapter, num_frames: int) -> dict[str, float]:
    """What the model was asked for, in all and a step; guidance counts in all only."""
    steps = sum(stage.steps for stage in case.variant.stages)
    passes = 1 if case.guidance_scale == 1 else 2
    return {
        "evaluations": counted.evaluations,
        "evaluations_a_step": counted.evaluations / steps / passes,
        "cells_a_step": counted.cells / steps / passes,
        "redundancy": redundancy(counted, num_frames=num_frames, num_steps=steps, passes=passes),
    }


def _size(case: Case) -> tuple[int, int]:
    """Pixels (width, height) of the finished panorama: a dense grid is brought down to its rung."""
    last = case.variant.stages[-1]
    for rung in catalog.find(case.model).ladder:
        if (rung.grid_width, rung.grid_height) == (last.width, last.height):
            return rung.width, rung.height
    return last.width, last.height


def write_picture(path: Path, frame: np.ndarray) -> None:
    """A frame ``[H, W, 3]``, sRGB 0..1, as a JPEG."""
    levels = np.rint(frame[..., ::-1] * 255).astype(np.uint8)
    cv2.imwrite(str(path), levels, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])


def machine() -> str:
    """What the figures were read on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        lines = cpu_info.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{name}, {torch.get_num_threads()} threads"
