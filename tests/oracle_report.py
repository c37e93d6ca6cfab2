"""How far each method lies from the true statistics of a Gaussian field: tables of docs/method.md.

    python tests/oracle_report.py [--quick]            # some minutes on one core

With the exact denoiser of a Gaussian field every method is linear in its noise, so the covariance
of the finished picture is known without drawing anything. On the torus it is written down from the
windows, which tests hold against the code; on the sphere the code itself is given a unit of noise
in every cell (`unit_noise`). Only `paper` is drawn, 4096 times: it takes new noise as it goes.
16 steps, one frame. The model sees one window at a time, 16 x 16 cells (on the torus 8 x 8); it is
one of perspective views, but for `whole`, which is given one that knows panoramas.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "denoise")]

from oracles import FieldAdapter, SphereAdapter, SphereDeviation  # noqa: E402

from panoloom.engine_server.denoise import loop, planar  # noqa: E402
from panoloom.engine_server.denoise.finish import Finished  # noqa: E402
from panoloom.engine_server.denoise.methods import METHODS, plan_method  # noqa: E402
from panoloom.engine_server.denoise.schedule import flow_sigmas  # noqa: E402
from panoloom.engine_server.models.adapter import Cond, LatentSpec  # noqa: E402
from panoloom.engine_server.panorama.tables import NOISE_FINENESS  # noqa: E402

STEPS = 16
DRAWS, SEEDS = 1024, 4


@contextlib.contextmanager
def unit_noise() -> Iterator[None]:
    """Noise that is 1 in cell k of channel k and 0 elsewhere: the result is the linear map."""

    def rows(shape, *, seed, stage):
        cells = shape[2] * shape[3] * NOISE_FINENESS**2
        assert shape[:2] == (cells, 1)
        return torch.eye(cells)

    def field(shape, **key):
        cells = shape[2] * shape[3]
        assert shape[:2] == (cells, 1)
        return torch.eye(cells).view(shape)

    with (
        mock.patch.object(loop, "noise_rows", rows),
        mock.patch.object(planar, "normal_noise", field),
    ):
        yield


def on_sphere(
    method: str, *, height: int = 32, window: int = 16, steps: int = STEPS, **options
) -> SphereDeviation:
    """The deviation of a method on an ERP grid of `height` rows."""
    cells = 2 * height**2
    if method == "paper":
        drawn = [_made(method, height, window, steps, DRAWS, seed=k) for k in range(SEEDS)]
        found = sum(matrix.T @ matrix for matrix in drawn) / (DRAWS * SEEDS)
        return SphereDeviation.of(found, height)
    units = cells * NOISE_FINENESS**2 if method in ("fused", "still") else cells
    with unit_noise():
        matrix = _made(method, height, window, steps, units, **options)
    return SphereDeviation.of(matrix.T @ matrix, height)


def _made(
    method: str, height: int, window: int, steps: int, channels: int, **options
) -> NDArray[np.float64]:
    """Finished panoramas, one a channel, ``[channels, cells]``."""
    spec = LatentSpec(
        channels=channels, ratio_s=8, ratio_t=1, window_hw=(window, window), window_frames=1
    )
    known = SphereAdapter if method == "whole" else FieldAdapter
    result = METHODS[method](
        None,
        adapter=known(num_frames=1, spec=spec),
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        sigmas=flow_sigmas(steps),
        shape=(channels, 1, height, 2 * height),
        seed=options.pop("seed", 1),
        plan=plan_method(
            method, latent_width=2 * height, latent_height=height, spec=spec, fov_deg=90.0
        ),
        **options,
    )
    return Finished.of(result).latents.flatten(1).double().numpy()


def sphere_table(height: int, window: int) -> Iterator[str]:
    """Rows of the table of methods on the sphere."""
    bands = "degrees 0-2, 3-6, 7-11, 12-16"
    yield f"| method | variance | of a row | {bands} | step | worst | seam | poles |"
    yield "|---|---|---|---|---|---|---|---|"
    rows = {
        "fused": ("fused", {}),
        "fused, moving to the end": ("fused", {"finish_sigma": 0.0}),
        "fused without shifting": ("still", {}),
        "paper": ("paper", {}),
        "whole": ("whole", {}),
        "multidiffusion": ("multidiffusion", {}),
        "independent": ("independent", {}),
    }
    for title, (method, options) in rows.items():
        d = on_sphere(method, height=height, window=window, **options)
        bands = " ".join(f"{share:.2f}" for share in d.spectrum)
        yield (
            f"| {title} | {d.variance:.2f} | {d.least:.2f} to {d.most:.2f} | {bands} "
            f"| {d.step:.2f} | {d.worst_step:.2f} | {d.seam:.2f} | {d.poles:.2f} |"
        )


def torus_table() -> Iterator[str]:
    """Rows of the table of plans on a torus of 16 x 24 cells."""
    from test_planar import torus_deviation

    yield "| windows of 8 x 8 | variance | of a cell | broad to fine | step | worst column |"
    yield "|---|---|---|---|---|---|"
    averaged = {"overlap": 0.5, "averages": True}
    rows = {
        "moving (DynamicScaler's offset shifting)": {},
        "moving, 1 cell of margin (`planar`)": {"margin": 1},
        "moving, 2 cells of margin": {"margin": 2},
        "moving, 3 cells of margin": {"margin": 3},
        "moving, half overlap, averaged": averaged,
        "still, half overlap, averaged (MultiDiffusion)": averaged | {"moves": False},
        "still (independent)": {"moves": False},
    }
    for title, changes in rows.items():
        d = torus_deviation(changes, STEPS)
        bands = " ".join(f"{share:.2f}" for share in d.spectrum)
        yield (
            f"| {title} | {d.variance:.2f} | {d.least:.2f} to {d.most:.2f} | {bands} "
            f"| {d.step:.2f} | {d.worst_step:.2f} |"
        )


def main() -> None:
    """Print both tables."""
    small = "--quick" in sys.argv
    for rows in (torus_table(), iter([""]), sphere_table(*((16, 8) if small else (32, 16)))):
        for line in rows:
            print(line, flush=True)


if __name__ == "__main__":
    main()
