"""From words and pictures to what the denoiser is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ...shared.connection import blob_path
from ...shared.errors import InvalidJob
from ...shared.jobcheck import is_plane
from ...shared.jobs import JobSpec, Reference
from ..conditioning.fill import fill_open
from ..conditioning.follow import read_follow
from ..conditioning.photograph import Hanging
from ..conditioning.reference import ReferencePicture, read_reference
from ..denoise.directions import Directed, directions_of, texts_of
from ..denoise.loop import Keep
from ..models.adapter import Adapter, Cond
from .decoding import encoded_flat, encoded_views
from .shown import NO_PICTURES, Pictures, shown_views


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What steers a job.

    Attributes:
        cond, uncond: The encoded prompt (prompts, where there are some for directions) and negative
            prompt.
        init: Latents ``[C, 1, H, W]`` the loop starts from, or None for pure noise.
        keep: The part of the panorama that is given, in latents.
        picture: The reference in pixels.
        pictures: What windows are shown of it, for models that take pictures.
        notes: Sentences for the user.
    """

    cond: Cond
    uncond: Cond
    init: torch.Tensor | None = None
    keep: Keep | None = None
    picture: ReferencePicture | None = None
    pictures: Pictures = NO_PICTURES
    notes: tuple[str, ...] = ()

    def over(self, frame: np.ndarray) -> np.ndarray:
        """`frame` [H, W, 3] with the kept part of the reference put over it, if sizes agree.

        Previews of a coarser stage have another size and are left as they are.
        """
        picture = self.picture
        if picture is None or picture.mask is None or picture.erp.shape != frame.shape:
            return frame
        mask = picture.mask[..., None]
        return frame * (1 - mask) + picture.erp * mask


def condition(spec: JobSpec, adapter: Adapter, blobs: Path) -> Conditioning:
    """Encode the prompts and the reference of `spec`.

    Raises:
        InvalidJob: The reference cannot be used.
    """
    cond = adapter.encode_prompt(texts_of(spec))
    uncond = adapter.encode_prompt([spec.negative_prompt])
    ignored = tuple(dict.fromkeys((*cond.ignored_words, *uncond.ignored_words)))
    notes = (*((_ignored_note(spec.model, ignored),) if ignored else ()), *cond.notes)
    follow = _follow(spec, blobs)
    if spec.reference is None:
        return Conditioning(cond=cond, uncond=uncond, pictures=Pictures(follow=follow), notes=notes)
    picture = _picture(spec.reference, spec, blobs)
    whole = _whole(picture, spec.reference)
    latents = _encoded(whole, spec, adapter)
    return Conditioning(
        cond=cond,
        uncond=uncond,
        init=latents if spec.reference.strength < 1 else None,
        keep=_keep(picture, whole, latents, spec, adapter),
        picture=picture,
        pictures=_pictures(picture, whole, follow),
        notes=notes,
    )


def _follow(spec: JobSpec, blobs: Path) -> torch.Tensor | None:
    """The picture to follow, ``[3, H, W]``, -1..1."""
    if spec.follow_sha256 is None:
        return None
    raw = blob_path(blobs, spec.follow_sha256).read_bytes()
    picture = read_follow(raw, spec.width, spec.height)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0))) * 2 - 1


def _pictures(
    picture: ReferencePicture, whole: torch.Tensor, follow: torch.Tensor | None
) -> Pictures:
    """What windows are shown of a reference ``[3, H, W]`` and of what to follow."""
    is_open = None if picture.mask is None else torch.from_numpy(1 - picture.mask)
    return Pictures(picture=whole, follow=follow, is_open=is_open)


def _whole(picture: ReferencePicture, reference: Reference) -> torch.Tensor:
    """A reference ``[3, H, W]``, -1..1; what is open is painted over from what is given.

    Where the loop starts from noise alone nothing counts but what is kept.
    """
    starts_from_noise = reference.mode == "keep" and reference.strength >= 1
    given = picture.mask if starts_from_noise else picture.covers
    whole = picture.erp if given is None else fill_open(picture.erp, given)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(whole, -1, 0))) * 2 - 1


def _encoded(whole: torch.Tensor, spec: JobSpec, adapter: Adapter) -> torch.Tensor:
    """Latents ``[C, 1, H, W]`` of a reference."""
    if is_plane(spec.method):
        return encoded_flat(adapter, whole[None], ring=spec.ring)
    return adapter.encode(whole[None], wraps=True)


def _keep(
    picture: ReferencePicture,
    whole: torch.Tensor,
    latents: torch.Tensor,
    spec: JobSpec,
    adapter: Adapter,
) -> Keep | None:
    """What the method holds on to: what is kept, and what comes alive and stays itself."""
    assert spec.reference is not None
    ratio_s = adapter.spec.ratio_s
    open_everywhere = torch.zeros(latents.shape[-2:])
    mask = open_everywhere if picture.mask is None else kept_cells(picture.mask, ratio_s)
    hold = None
    if spec.reference.mode == "animate":
        covers = np.ones_like(picture.erp[..., 0]) if picture.covers is None else picture.covers
        hold = F.avg_pool2d(torch.from_numpy(covers)[None], ratio_s)[0]
    elif picture.mask is None:
        return None
    return Keep(
        latents=latents,
        mask=mask,
        hold=hold,
        in_views=lambda views: encoded_views(adapter, whole, views),
    )


def directed(spec: JobSpec, adapter: Adapter, pictures: Pictures = NO_PICTURES) -> Adapter:
    """The model as this job's method sees it: told each direction's prompt, shown its pictures.

    With a reference it is not told the azimuth: the light stands where the picture has it. Nor is
    it for a part that is repainted: a moon that is asked for there is to stand there.
    """
    return Directed(
        adapter=shown_views(spec, adapter, pictures),
        directions=directions_of(spec),
        tells_azimuth=spec.reference is None and spec.kind != "repaint",
        rings=spec.ring_rope,
    )


def kept_cells(mask: np.ndarray, ratio_s: int) -> torch.Tensor:
    """Cells ``[h, w]`` held to the reference: 1 where a cell and all around it are wholly kept.

    A cell at the border stays free, so that what is painted beside a kept thing does not fade into
    it; the pixels of the thing are put over the finished frame anyway.

    Args:
        mask: [H, W] float32, 1 is kept.
        ratio_s: Pixels across a cell.
    """
    is_open = F.max_pool2d(1 - torch.from_numpy(mask)[None, None], ratio_s)
    around = F.pad(F.pad(is_open, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1), mode="replicate")
    return 1 - F.max_pool2d(around, 3, stride=1)[0, 0]


def _picture(reference: Reference, spec: JobSpec, blobs: Path) -> ReferencePicture:
    mask = reference.mask_sha256
    picture = read_reference(
        blob_path(blobs, reference.sha256).read_bytes(),
        blob_path(blobs, mask).read_bytes() if mask else None,
        spec.width,
        spec.height,
        hanging=_hanging(reference),
        is_flat=is_plane(spec.method),
    )
    if reference.mode == "animate":
        return picture if mask else replace(picture, mask=None)
    if picture.mask is None and reference.strength >= 1:
        raise InvalidJob(
            "At strength 1 nothing of this reference would be left: it has no mask and no "
            "transparent part. Lower the strength, to 0.6 for example, or give a mask.",
            field="reference.strength",
            nearest=0.6,
        )
    return picture


def _hanging(reference: Reference) -> Hanging | None:
    if reference.yaw_deg is None or reference.fov_deg is None:
        return None
    return Hanging(
        yaw_deg=reference.yaw_deg, pitch_deg=reference.pitch_deg, fov_deg=reference.fov_deg
    )


def _ignored_note(model: str, words: tuple[str, ...]) -> str:
    listed = ", ".join(words)
    return f"Model '{model}' does not know these words and ignored them: {listed}."
