"""Times and memory of a real architecture on the card at hand, with random weights: one table.

    python -m panoloom.engine_server.bench.gpu_table [--tiny] [--steps N] [--compile]

Wan 2.1 1.3B is built from its configuration on the device; nothing is downloaded. Random weights
say nothing of how a result looks, only what it costs. `--tiny` runs the same on a CPU in a minute.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ...shared.jobs import Stage
from ..denoise.stages import denoise_stages
from ..models.adapter import Adapter, Cond, ViewGeometry
from .counting import CountingAdapter
from .footprint import CONFIGS
from .measure import PeakMemory, times

METHODS = ("fused", "paper", "multidiffusion")
BATCHES = (1, 2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is built, and at which sizes it is measured.

    Attributes:
        config: Of the denoiser.
        codec: Of the autoencoder; empty takes the library's own numbers.
        window: Cells across a window; `frames` latent ones of it and of the loop.
        sizes: (panorama width in pixels, field of view) of the stages measured.
    """

    config: dict[str, Any]
    codec: dict[str, Any]
    window: int
    frames: int
    sizes: tuple[tuple[int, float], ...]
    dtype: torch.dtype


REAL = Setting(
    config=CONFIGS["wan-1.3b"][1],
    codec={},
    window=64,
    frames=16,
    sizes=((1536, 100.0), (2048, 90.0), (4096, 53.0)),
    dtype=torch.bfloat16,
)
TINY = Setting(
    config={**REAL.config, "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": 32,
            "ffn_dim": 32, "num_layers": 2},
    codec={"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    window=8,
    frames=4,
    sizes=((256, 90.0), (512, 53.0)),
    dtype=torch.float32,
)  # fmt: skip


def build(setting: Setting, device: str) -> Adapter:
    """The adapter over random weights; it encodes no prompts."""
    from ..models.video.wan import WanAdapter, WanParts

    library: Any = importlib.import_module("diffusers")
    torch.manual_seed(0)
    with torch.device(device):
        transformer = library.WanTransformer3DModel(**setting.config).to(setting.dtype).eval()
        vae = library.AutoencoderKLWan(**setting.codec).eval()
    parts: Any = WanParts(
        transformer=transformer,
        vae=vae,
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text=None,  # pyright: ignore[reportArgumentType]
    )
    window = (setting.window, setting.window)
    return WanAdapter(parts, window_hw=window, window_frames=setting.frames, ghosts=1)


def rows(
    adapter: Any, setting: Setting, *, steps: int, compiles: bool = False
) -> Iterator[tuple[str, str]]:
    """(what, figures) line by line, as they are measured."""
    cond = Cond(tensors={"text": torch.zeros(1, 512, setting.config["text_dim"])})
    for batch in BATCHES:
        seconds = _seconds(lambda n=batch: _evaluate(adapter, setting, cond, n))
        yield f"{batch} windows at a time", f"{seconds / batch:.4f} s a window"
    for width, fov in setting.sizes:
        yield f"fused, {width}x{width // 2}", _run(adapter, setting, cond, width, fov, steps)
    width, fov = setting.sizes[-2]
    for method in METHODS[1:]:
        figures = _run(adapter, setting, cond, width, fov, steps, method=method)
        yield f"{method}, {width}x{width // 2}", figures
    for width, _ in setting.sizes:
        yield f"decode, {width}x{width // 2}", _decode(adapter, setting, width)
    if compiles:
        adapter.transformers[0].compile_repeated_blocks(fullgraph=True)
        _evaluate(adapter, setting, cond, 1)
        seconds = _seconds(lambda: _evaluate(adapter, setting, cond, 1))
        yield "compiled, 1 window", f"{seconds:.4f} s a window"


def _evaluate(adapter: Adapter, setting: Setting, cond: Cond, count: int) -> None:
    cells = (setting.window, setting.window)
    views = ViewGeometry(elevation_rad=torch.zeros(count, *cells), fov_deg=90.0)
    x = torch.zeros(count, adapter.spec.channels, setting.frames, *cells)
    adapter.denoised(x, 0.7, cond, views)


def _run(
    adapter: Adapter,
    setting: Setting,
    cond: Cond,
    width: int,
    fov_deg: float,
    steps: int,
    method: str = "fused",
) -> str:
    """A stage without guidance: evaluations and seconds a step, overhead, peak memory."""
    counted = CountingAdapter(adapter)
    stage = Stage(width=width, height=width // 2, steps=steps, fov_deg=fov_deg)
    memory = PeakMemory()
    wall, cpu = time.perf_counter(), time.process_time()
    denoise_stages(
        [stage],
        adapter=counted,
        cond=cond,
        uncond=None,
        guidance_scale=1.0,
        num_frames=setting.frames,
        seed=0,
        view_batch=1,
        method=method,
    )
    cost = times(counted, time.perf_counter() - wall, time.process_time() - cpu)
    return (
        f"{counted.evaluations / steps:.1f} evaluations, {cost['seconds'] / steps:.2f} s a step, "
        f"overhead {100 * cost['overhead']:.1f} %, {_peak(memory)}"
    )


def _decode(adapter: Adapter, setting: Setting, width: int) -> str:
    ratio = adapter.spec.ratio_s
    shape = (adapter.spec.channels, setting.frames, width // 2 // ratio, width // ratio)
    memory, begin = PeakMemory(), time.perf_counter()
    count = sum(1 for _ in adapter.decode(torch.zeros(shape), wraps=True, loop=True))
    return f"{count} frames in {time.perf_counter() - begin:.1f} s, {_peak(memory)}"


def _seconds(work: Callable[[], None]) -> float:
    """Of one call, the second of two."""
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _peak(memory: PeakMemory) -> str:
    device, host = memory.device_mib(), memory.host_mib()
    told = [f"{device:.0f} MiB on the card"] if device is not None else []
    return ", ".join(told + ([f"{host:.0f} MiB of main memory"] if host is not None else []))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="panoloom.engine_server.bench.gpu_table")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, for a CPU")
    parser.add_argument("--steps", type=int, default=4, help="steps of each run (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="also what compiling gains")
    options = parser.parse_args()
    setting = TINY if options.tiny else REAL
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {setting.dtype}\n\n| | |\n|---|---|")
    adapter = build(setting, device)
    for what, figures in rows(adapter, setting, steps=options.steps, compiles=options.compile):
        print(f"| {what} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
