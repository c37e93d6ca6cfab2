"""Methods on a plane whose windows see one and the same state: `planar`, `whole` and baselines.

All windows of a step are read from the panorama at one noise level, so their order does not matter;
their `denoised` pictures are put together, and the panorama makes one step. What differs is the
plan: where the windows lie, whether they move, and whether a cell is taken from the one that owns
it or averaged over all that see it.

* `planar`: regular panoramas of any width and height; windows move with every step and own their
  middle.
* `whole`: one window as large as the panorama, rolled in yaw every step: for models that were
  trained on panoramas.
* `multidiffusion`: windows that never move, half of each shared with the next, averaged. Averaging
  `denoised` is averaging the stepped windows: the step is linear and they share their state.
  Source: MultiDiffusion (Bar-Tal et al. 2023), equation 5.
* `independent`: windows that never move and share nothing.

Source of `planar`: DynamicScaler eq. 1 (Liu et al. 2024), ``Z_t = Con(Phi(t, c, S(Z_{t-1}, i, j,
t)), t)``: S is `PlanePlan.windows` and `read_window`, Con is `write_owned`. Differs in: windows do
not see one another's results within a step, a window gives only what it owns, and the step is the
panorama's, of second order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..models.adapter import Adapter, Cond
from ..panorama.plane import PlanePlan, Span, add_window, read_window, write_owned
from .executor import Chunk, Executor, in_order
from .loop import Keep, OnStep, entry_state, sample
from .noise import normal_noise, time_cut
from .rings import rings_of_windows
from .solvers import find_solver
from .time_ring import plan_time_windows
from .windows import Item, WindowModel, fixed_time_windows, plane_geometry, time_axis


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanarMethod:
    """Everything that makes `denoised` of a panorama, apart from the state and noise level.

    Attributes:
        model: The guided model.
        plan: The windows in space; it also says whether those in time move and are averaged.
        noise: The stage's noise, ``[C, F, H, W]``.
        seed, stage: Key of the random cuts in time.
        loop: Whether time is a ring.
        view_batch: Windows per model call; part of the result's last bits.
        executor: Who evaluates the windows; changes nothing in the result.
    """

    model: WindowModel
    plan: PlanePlan
    noise: Tensor
    seed: int
    stage: int
    loop: bool
    view_batch: int
    executor: Executor = in_order

    def time_windows(self, num_frames: int, step: int) -> tuple[Span, ...]:
        """This step's windows in time."""
        axis = time_axis(num_frames, self.model.adapter, loop=self.loop)
        if not self.plan.moves:
            return fixed_time_windows(axis, overlap=self.plan.overlap)
        cut = time_cut(seed=self.seed, stage=self.stage, step=step)
        found = plan_time_windows(
            num_frames,
            axis.window,
            loop=self.loop,
            step=step,
            cut=cut,
            periodic="time" in self.model.adapter.spec.rings,
        )
        return tuple(
            Span(cells=w.frames, own_start=w.own_start, own_stop=w.own_stop) for w in found
        )

    def denoised(self, q: Tensor, *, sigma: float, step: int) -> Tensor:
        """The estimate of x0 of the state ``q + sigma * noise``, ``[C, F, H, W]``.

        Raises:
            Cancelled, GenerationFailed: See `WindowModel`.
        """
        x = q + sigma * self.noise
        windows = self.plan.windows(step)
        items = [(t, w) for t in self.time_windows(q.shape[1], step) for w in windows]
        if not self.plan.averages:
            fused = torch.empty_like(q)
            for (frames, window), part in self._predictions(x, items, sigma):
                write_owned(fused, part, frames, window)
            return fused
        total, count = torch.zeros_like(q), torch.zeros_like(q[:1])
        for (frames, window), part in self._predictions(x, items, sigma):
            add_window(total, part, frames, window)
            add_window(count, torch.ones_like(part[:1]), frames, window)
        return total / count

    def _predictions(self, x: Tensor, items: list[Item], sigma: float):
        """(item, its guided `denoised` ``[C, f, h, w]``) of every window of a step, in order."""
        parts = [
            items[begin : begin + self.view_batch]
            for begin in range(0, len(items), self.view_batch)
        ]
        rings = rings_of_windows(
            self.model.adapter.spec,
            num_frames=x.shape[1],
            loop=self.loop,
            goes_round=self.plan.ring and self.plan.window_hw[1] == self.plan.latent_width,
        )
        chunks = (
            Chunk(
                x=torch.stack([read_window(x, t.cells, w) for t, w in part]),
                sigma=sigma,
                geometry=replace(plane_geometry(self.plan, part), rings=rings),
            )
            for part in parts
        )
        for part, result in zip(parts, self.executor(self.model.evaluate, chunks), strict=True):
            yield from zip(part, result, strict=True)


@torch.no_grad()
def denoise_planar(
    x_init: Tensor | None,
    *,
    adapter: Adapter,
    cond: Cond,
    uncond: Cond | None,
    guidance_scale: float,
    sigmas: Sequence[float],
    shape: tuple[int, int, int, int],
    seed: int,
    plan: PlanePlan,
    stage: int = 0,
    loop: bool = True,
    view_batch: int = 6,
    reference: Keep | None = None,
    on_step: OnStep | None = None,
    cancelled: Callable[[], bool] | None = None,
    start_step: int = 0,
    executor: Executor = in_order,
) -> Tensor:
    """One stage of a method on a plane; `plan` says which. Latents ``[C, F, H, W]``.

    What is packed for `on_step` and taken as `x_init` is what `fused` packs: the state without the
    stage's noise, and the solver's memory. Arguments and errors: `loop.denoise_panorama`.
    """
    x_init = entry_state(x_init, shape, sigma=sigmas[0], start_step=start_step)
    assert x_init.shape[1:] == shape[1:], (tuple(x_init.shape), shape)
    method = PlanarMethod(
        model=WindowModel(
            adapter=adapter,
            cond=cond,
            uncond=uncond,
            guidance_scale=guidance_scale,
            cancelled=cancelled,
        ),
        plan=plan,
        noise=normal_noise(shape, seed=seed, stage=stage),
        seed=seed,
        stage=stage,
        loop=loop,
        view_batch=view_batch,
        executor=executor,
    )

    q, *memory = x_init.split(shape[0])
    return sample(
        lambda q, sigma, step: method.denoised(q, sigma=sigma, step=step),
        q,
        sigmas=sigmas,
        memory=tuple(memory),
        keep=reference,
        on_step=on_step,
        start_step=start_step,
        solver=find_solver(adapter.spec.schedule.solver),
    )
