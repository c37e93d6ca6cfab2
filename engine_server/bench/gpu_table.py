"""Times and memory of a real architecture on the card at hand, with random weights: one table.

    python -m panoloom.engine_server.bench.gpu_table [--tiny] [--compile] [--limit-gib N]

Wan 2.1 1.3B is built from its configuration on the device; nothing is downloaded. Random weights
say nothing of how a result looks, only what it costs. `--tiny` runs the same on a CPU in a minute.
`--limit-gib` lets the allocator have no more than a smaller card has; what does not fit fails.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ...shared.jobs import Stage
from ..denoise.stages import denoise_stages
from ..models.adapter import Adapter, Cond, ViewGeometry
from .counting import CountingAdapter
from .footprint import CONFIGS
from .measure import PeakMemory, times

OTHERS = {"paper": "44 views", "multidiffusion": "MultiDiffusion"}
"""Method -> what the table calls it."""
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


def build(setting: Setting, device: str) -> Any:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a stage or a decoding took.

    Attributes:
        seconds: Of a step; of a decoding all of it.
        evaluations: Windows of a step.
        overhead: Time outside of the model, as a share of the time inside.
        device_mib, host_mib: Most memory held; None where that is not told.
    """

    seconds: float
    evaluations: float = 0.0
    overhead: float = 0.0
    device_mib: float | None = None
    host_mib: float | None = None

    @property
    def memory(self) -> str:
        """In words."""
        told = {"on the card": self.device_mib, "of main memory": self.host_mib}
        return ", ".join(f"{mib:.0f} MiB {where}" for where, mib in told.items() if mib is not None)


@dataclass(kw_only=True)
class Table:
    """What was measured of an adapter, and what follows from it.

    Attributes:
        batches: Windows at a time -> seconds a window.
        compiled_s: Seconds a window once the denoiser's blocks are compiled; None: not asked for.
        fused, decoded: Panorama's width -> what it took.
        others: Method -> what it took, at the width `compared`.
    """

    batches: dict[int, float] = field(default_factory=dict)
    compiled_s: float | None = None
    fused: dict[int, Run] = field(default_factory=dict)
    decoded: dict[int, Run] = field(default_factory=dict)
    others: dict[str, Run] = field(default_factory=dict)
    compared: int = 0

    def ratios(self) -> Iterator[tuple[str, str]]:
        """(what, figure): gains, memory over sizes, and ours against other methods."""
        for count, seconds in self.batches.items():
            if count > 1:
                yield f"gain of {count} windows at a time", f"{self.batches[1] / seconds:.2f}"
        if self.compiled_s is not None:
            yield "gain of compiling", f"{self.batches[1] / self.compiled_s:.2f}"
        for what, runs in (("a step", self.fused), ("decoding", self.decoded)):
            small, large = (runs[width].device_mib for width in (min(runs), max(runs)))
            if small and large:
                name = f"memory on the card of {what}, {max(runs)} over {min(runs)} wide"
                yield name, f"{large / small:.3f}"
        ours = self.fused[self.compared]
        for method, run in self.others.items():
            evaluations, seconds = run.evaluations / ours.evaluations, run.seconds / ours.seconds
            yield (
                f"{OTHERS[method]} over ours, {self.compared} wide",
                f"{evaluations:.2f} times the evaluations, {seconds:.2f} times the seconds",
            )


def rows(
    adapter: Any, setting: Setting, *, steps: int, compiles: bool = False
) -> Iterator[tuple[str, str]]:
    """(what, figures) line by line, as they are measured; what follows from them comes last."""
    cond = Cond(tensors={"text": torch.zeros(1, 512, setting.config["text_dim"])})
    table = Table(compared=setting.sizes[-2][0])
    for batch in BATCHES:
        seconds = _seconds(lambda n=batch: _evaluate(adapter, setting, cond, n)) / batch
        table.batches[batch] = seconds
        yield f"{batch} windows at a time", f"{seconds:.4f} s a window"
    for width, fov in setting.sizes:
        table.fused[width] = run = _run(adapter, setting, cond, width, fov, steps)
        yield f"ours, {width}x{width // 2}", _told(run)
    for method, name in OTHERS.items():
        width, fov = setting.sizes[-2]
        run = _run(adapter, setting, cond, width, fov, steps, method=method)
        table.others[method] = run
        yield f"{name}, {width}x{width // 2}", _told(run)
    for width, _ in setting.sizes:
        table.decoded[width] = run = _decode(adapter, setting, width)
        yield f"decoding {width}x{width // 2}", f"{run.seconds:.1f} s, {run.memory}"
    if compiles:
        adapter.transformers[0].compile_repeated_blocks(fullgraph=True)
        table.compiled_s = _seconds(lambda: _evaluate(adapter, setting, cond, 1))
        yield "compiled, 1 window", f"{table.compiled_s:.4f} s a window"
    yield from table.ratios()


def _evaluate(adapter: Adapter, setting: Setting, cond: Cond, count: int) -> None:
    cells = (setting.window, setting.window)
    views = ViewGeometry(elevation_rad=torch.zeros(count, *cells), fov_deg=90.0)
    x = torch.zeros(count, adapter.spec.channels, setting.frames, *cells)
    adapter.denoised(x, 0.7, cond, views)


def _run(
    adapter: Any,
    setting: Setting,
    cond: Cond,
    width: int,
    fov_deg: float,
    steps: int,
    method: str = "fused",
) -> Run:
    """A stage without guidance."""
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
    counted.device = adapter.transformers[0].device.type  # results come back to main memory
    cost = times(counted, time.perf_counter() - wall, time.process_time() - cpu)
    return Run(
        seconds=cost["seconds"] / steps,
        evaluations=counted.evaluations / steps,
        overhead=cost["overhead"],
        device_mib=memory.device_mib(),
        host_mib=memory.host_mib(),
    )


def _told(run: Run) -> str:
    return (
        f"{run.evaluations:.1f} evaluations, {run.seconds:.2f} s a step, "
        f"overhead {100 * run.overhead:.1f} %, {run.memory}"
    )


def _decode(adapter: Adapter, setting: Setting, width: int) -> Run:
    """A panorama in tiles."""
    ratio = adapter.spec.ratio_s
    shape = (adapter.spec.channels, setting.frames, width // 2 // ratio, width // ratio)
    memory, begin = PeakMemory(), time.perf_counter()
    for _ in adapter.decode(torch.zeros(shape), wraps=True, loop=True):
        pass
    return Run(
        seconds=time.perf_counter() - begin,
        device_mib=memory.device_mib(),
        host_mib=memory.host_mib(),
    )


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


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="panoloom.engine_server.bench.gpu_table")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, for a CPU")
    parser.add_argument("--steps", type=int, default=4, help="steps of each run (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="also what compiling gains")
    parser.add_argument("--limit-gib", type=float, help="of the card's memory, no more than this")
    options = parser.parse_args(words)
    setting = TINY if options.tiny else REAL
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    if options.limit_gib and device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(options.limit_gib * 2**30 / total)
        name = f"{name}, limited to {options.limit_gib:g} GiB"
    print(f"{name}, torch {torch.__version__}, {setting.dtype}\n\n| | |\n|---|---|")
    adapter = build(setting, device)
    for what, figures in rows(adapter, setting, steps=options.steps, compiles=options.compile):
        print(f"| {what} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
