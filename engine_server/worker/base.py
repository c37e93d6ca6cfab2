"""The finished result that a job goes on from: refined to a larger size, or repainted in a part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...shared.connection import blob_path
from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Part
from ...shared.latents import LatentsHead, check_maker
from ..denoise.loop import Keep
from ..models.adapter import Adapter
from ..output.latents import read_latents
from ..output.repaint import OldFrames, find_result
from ..panorama.round_part import untouched_cells
from .condition import Conditioning
from .origin import NUMERICS_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseResult:
    """What is known of the result a job goes on from.

    Attributes:
        latents: Its finished latents ``[C, F, H, W]``.
        keep: The part of them that stays; None where all is made anew.
        old: Its frames, where a part of them stays.
    """

    latents: torch.Tensor
    keep: Keep | None = None
    old: OldFrames | None = None

    def steer(self, conditioning: Conditioning, sigma: float) -> Conditioning:
        """`conditioning` with the base to start from and the part of it that stays."""
        return replace(
            conditioning,
            init=self.latents if sigma < 1 else None,
            keep=conditioning.keep if self.keep is None else self.keep,
        )

    def settle(self, latents: torch.Tensor) -> torch.Tensor:
        """`latents` with what stays put back exactly, whatever the method made of it."""
        if self.keep is None or latents.shape != self.latents.shape:
            return latents
        return torch.where(self.keep.mask >= 1, self.latents, latents)


def read_base(spec: JobSpec, adapter: Adapter, blobs: Path, library: Path) -> BaseResult | None:
    """The base of a job, or None where it has none.

    Raises:
        InvalidJob: It is no result, of another model or length, or its frames are gone.
    """
    if spec.base is None:
        return None
    array, head = read_latents(blob_path(blobs, spec.base.sha256))
    check_maker(head, spec.model, spec.model_revision)
    if head.channels != adapter.spec.channels:
        raise InvalidJob(
            f"The stored latents have {head.channels} channels; model '{spec.model}' has "
            f"{adapter.spec.channels}.",
            field="base",
        )
    latents = torch.from_numpy(array)
    part = spec.base.part
    if part is None:
        return BaseResult(latents=latents)
    folder = find_result(library, part.manifest_sha256)
    old = OldFrames(folder, part, width=spec.width, height=spec.height)
    if len(old) != spec.num_frames:
        raise InvalidJob(
            f"The result has {len(old)} frames, the job {spec.num_frames}: only a loop of the "
            "same length can take its place.",
            field="num_frames",
            nearest=len(old),
        )
    return BaseResult(latents=latents, keep=kept(latents, part), old=old)


def latents_head(spec: JobSpec, adapter: Adapter, latents: torch.Tensor) -> LatentsHead:
    """What the file of the finished `latents` ``[C, F, H, W]`` of a job says of them."""
    channels, frames, height, width = latents.shape
    return LatentsHead(
        channels=channels,
        frames=frames,
        height=height,
        width=width,
        model=spec.model,
        model_revision=spec.model_revision,
        method=spec.method,
        seed=spec.seed,
        numerics_version=NUMERICS_VERSION,
        fps=adapter.spec.fps,
        loop=spec.loop,
    )


def kept(latents: torch.Tensor, part: Part) -> Keep:
    """The cells of `latents` ``[C, F, H, W]`` that lie wholly outside of the part."""
    outside = untouched_cells(
        latents.shape[2],
        latents.shape[3],
        yaw_deg=part.yaw_deg,
        pitch_deg=part.pitch_deg,
        radius_deg=part.radius_deg,
        feather_deg=part.feather_deg,
    )
    return Keep(latents=latents, mask=torch.from_numpy(outside).to(latents.dtype))
