"""A reference picture as the engine uses it: an ERP of the job's size and what of it to keep.

Bytes from outside are judged before they are decoded: their kind, their size, their shape.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import OpenEXR
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from ...shared.errors import InvalidJob
from ...shared.jobs import LARGEST_REFERENCE, MAX_REFERENCE_PIXELS
from ..colour import linear_to_srgb, srgb_to_linear
from ..panorama.erp import resize_erp
from .photograph import Hanging, by_fours, on_sphere

_EXR_MAGIC = b"\x76\x2f\x31\x01"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
_BROKEN = (OSError, SyntaxError, ValueError, RuntimeError, TypeError, KeyError, IndexError)
"""What the decoders raise on damaged files."""
FARTHEST = 1e10
"""What Blender's depth pass says of the sky."""
Pixels = TypeVar("Pixels")


@dataclass(frozen=True, slots=True)
class ReferencePicture:
    """A reference at the size of the job.

    Attributes:
        erp: [H, W, 3] float32, display-referred sRGB, 0..1; not multiplied by the mask.
        mask: [H, W] float32, 0..1, 1 keeps that part of the picture; None where neither a mask nor
            a transparent part was given.
        covers: [H, W] float32, 0..1, where there is a picture at all; None: everywhere.
    """

    erp: np.ndarray
    mask: np.ndarray | None
    covers: np.ndarray | None = None


def read_reference(
    picture: bytes,
    mask: bytes | None,
    width: int,
    height: int,
    *,
    hanging: Hanging | None = None,
    is_flat: bool = False,
) -> ReferencePicture:
    """Read a reference (PNG, JPEG or OpenEXR) and its mask.

    The mask is the mask picture's brightness, or else the picture's own alpha. A picture whose
    alpha is opaque everywhere has no mask; a photograph is kept as far as it reaches. EXR is taken
    as linear Rec.709 with associated alpha, the way Blender renders it; what is brighter than 1 is
    clipped.

    Args:
        picture, mask: Contents of the files.
        width, height: Of the job, in pixels.
        hanging: Where a perspective photograph hangs; None: the picture is the whole panorama.
        is_flat: Whether the job makes a flat picture, of any sides, instead of a panorama.

    Raises:
        InvalidJob: The bytes are not a picture of these kinds, damaged, larger than 64 megapixels,
            not twice as wide as high, or hold NaN or infinity; the mask has another size.
    """
    light, alpha = read_light(picture, "reference")
    high, wide = light.shape[:2]
    if hanging is None and not is_flat and wide != 2 * high:
        raise InvalidJob(
            f"The reference is {wide}x{high}; a 360° picture is twice as wide as it is high: "
            f"{2 * high}x{high}, for example.",
            field="reference",
            nearest=[2 * high, high],
        )
    given = _mask(mask, (high, wide)) if mask is not None else None
    is_everywhere = hanging is None and (alpha is None or bool(np.all(alpha >= 1.0)))
    if alpha is None:
        alpha = np.ones((high, wide), np.float32)
    planes = np.dstack((light, alpha) if given is None else (light, alpha, given))
    reach = None
    if hanging is not None:
        planes, reach = on_sphere(planes, hanging, width=width, height=height)
    else:
        planes = resized_panorama(planes, width, height, is_flat=is_flat)
    light, alpha = planes[..., :3], _share(planes[..., 3])
    covers = alpha if reach is None else alpha * reach
    keep = covers if given is None else _share(planes[..., 4])
    if given is not None and reach is not None:
        keep = keep * reach
    return ReferencePicture(
        erp=np.clip(linear_to_srgb(light / np.maximum(alpha, 1e-6)[..., None]), 0.0, 1.0),
        mask=None if given is None and is_everywhere else keep,
        covers=None if is_everywhere else covers,
    )


def _mask(raw: bytes, size: tuple[int, int]) -> np.ndarray:
    """[H, W] float32, 0..1, of a mask picture; encoded values count as they are, not as light."""
    light, alpha = read_light(raw, "mask")
    if light.shape[:2] != size:
        raise InvalidJob(
            f"The mask is {light.shape[1]}x{light.shape[0]} and its reference "
            f"{size[1]}x{size[0]}; they must have the same size.",
            field="mask",
            nearest=[size[1], size[0]],
        )
    values = light if is_exr(raw) else linear_to_srgb(light)
    if alpha is not None and not is_exr(raw):
        values = linear_to_srgb(light / np.maximum(alpha, 1e-6)[..., None]) * alpha[..., None]
    return np.clip(values.mean(axis=-1), 0.0, 1.0)


def read_light(raw: bytes, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Linear light [H, W, 3] multiplied by alpha, and alpha [H, W] or None; both finite."""
    if not (is_exr(raw) or raw.startswith((_PNG_MAGIC, _JPEG_MAGIC))):
        raise InvalidJob(f"The {name} is not a PNG, JPEG or OpenEXR picture.", field=name)
    pixels = _decoded(_exr_pixels if is_exr(raw) else _pil_pixels, raw, name)
    _check_finite(pixels, name)
    alpha = np.clip(pixels[..., 3], 0.0, 1.0) if pixels.shape[2] == 4 else None
    light = np.maximum(pixels[..., :3], 0.0)
    if alpha is not None and not is_exr(raw):
        light *= alpha[..., None]
    return light, alpha


def read_distance(raw: bytes, name: str) -> np.ndarray:
    """Distances [H, W] float32, finite, of an EXR: of its depth pass, else its first channel.

    Of several layers with such a pass (channels called Z or Depth) the nearest counts; what is
    infinitely far is `FARTHEST`.
    """
    channels = _decoded(_exr_channels, raw, name)
    passes = [channels[key] for key in channels if key.rpartition(".")[2] in ("Z", "Depth")]
    planes = passes or (_picture_layer(channels) or [*channels.values()])[:1]
    nearest = np.minimum(np.min(planes, axis=0), FARTHEST).astype(np.float32)
    _check_finite(nearest[..., None], name)
    return nearest


def _decoded(read: Callable[[bytes, str], Pixels], raw: bytes, name: str) -> Pixels:
    try:
        return read(raw, name)
    except _BROKEN as why:
        raise InvalidJob(
            f"The {name} is damaged and cannot be read. Save it again.", field=name
        ) from why


def _pil_pixels(raw: bytes, name: str) -> np.ndarray:
    """Linear light [H, W, 3 or 4] float32 of a PNG or JPEG; alpha not multiplied in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities in metadata and sizes; sizes are checked below
        try:
            image = Image.open(io.BytesIO(raw), formats=("PNG", "JPEG"))
        except Image.DecompressionBombError as why:
            raise _too_large(name) from why
        except UnidentifiedImageError as why:
            raise OSError(str(why)) from why
        _check_size(image.width, image.height, name)
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16") or image.mode == "I":
            grey = np.asarray(image, dtype=np.float32) / 65535.0
            return srgb_to_linear(np.repeat(grey[..., None], 3, axis=-1))
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    encoded = np.asarray(image, dtype=np.float32) / 255.0
    return np.concatenate([srgb_to_linear(encoded[..., :3]), encoded[..., 3:]], axis=-1)


def _exr_pixels(raw: bytes, name: str) -> np.ndarray:
    """[H, W, 3 or 4] float32 of the picture layer of an EXR, also of a multi-layer one."""
    channels = _exr_channels(raw, name)
    planes = _picture_layer(channels)
    if planes is None:
        raise InvalidJob(
            f"The {name} has no channels R, G and B; it has {', '.join(sorted(channels))}.",
            field=name,
        )
    return np.stack([plane.astype(np.float32) for plane in planes], axis=-1)


def _exr_channels(raw: bytes, name: str) -> dict[str, np.ndarray]:
    """Planes [H, W] by the names of the channels, of all parts."""
    with OpenEXR.File(io.BytesIO(raw), separate_channels=True, header_only=True) as file:
        num_parts = len(file.parts)
        for part in file.parts:
            low, high = part.header["dataWindow"]
            _check_size(int(high[0]) - int(low[0]) + 1, int(high[1]) - int(low[1]) + 1, name)
    with OpenEXR.File(io.BytesIO(raw), separate_channels=True) as file:
        if len(file.parts) < num_parts:  # what cannot be decoded is left out, without an error
            raise OSError("a part of the file is damaged")
        return {
            channel: np.asarray(data.pixels)
            for part in reversed(file.parts)
            for channel, data in part.channels.items()
        }


def _picture_layer(channels: dict[str, np.ndarray]) -> list[np.ndarray] | None:
    """R, G, B and, if there, A: without a layer's name, else of the combined layer, else any."""
    layers = sorted({channel.rpartition(".")[0] for channel in channels})
    for layer in sorted(layers, key=lambda layer: (layer != "", "Combined" not in layer)):
        prefix = f"{layer}." if layer else ""
        if all(prefix + letter in channels for letter in "RGB"):
            return [channels[prefix + x] for x in "RGBA" if prefix + x in channels]
        if prefix + "Y" in channels:
            grey = channels[prefix + "Y"]
            return [grey, grey, grey]
    return None


def _check_size(width: int, height: int, name: str) -> None:
    if width < 2 or height < 1:
        raise InvalidJob(f"The {name} has no pixels ({width}x{height}).", field=name)
    if width * height > MAX_REFERENCE_PIXELS:
        raise _too_large(name, f" ({width}x{height})")


def _too_large(name: str, size: str = "") -> InvalidJob:
    width, height = LARGEST_REFERENCE
    return InvalidJob(
        f"The {name} is too large{size}: {MAX_REFERENCE_PIXELS // 10**6} megapixels are the most, "
        f"{width}x{height} for example.",
        field=name,
        largest=[width, height],
    )


def _check_finite(pixels: np.ndarray, name: str) -> None:
    bad = ~np.isfinite(pixels).all(axis=-1)
    if bad.any():
        row, column = (int(axis[0]) for axis in np.nonzero(bad))
        raise InvalidJob(
            f"The {name} has {int(bad.sum())} pixels that are no numbers (NaN or infinite); the "
            f"first is at column {column}, row {row}.",
            field=name,
        )


def resized_panorama(
    picture: np.ndarray, width: int, height: int, *, is_flat: bool = False
) -> np.ndarray:
    """[H, W, C] resampled: by areas when shrinking, else bicubic, on a panorama across the seam and
    the poles.
    """
    if picture.shape[:2] == (height, width):
        return picture
    if picture.shape[1] > width or is_flat:
        how = cv2.INTER_AREA if picture.shape[1] > width else cv2.INTER_CUBIC
        size = (width, height)
        planes = by_fours(picture, lambda four: cv2.resize(four, size, interpolation=how))
        return np.maximum(planes, 0.0)
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0)))
    grown = resize_erp(planes, size=(height, width)).numpy()
    return np.maximum(np.moveaxis(grown, 0, -1), 0.0)


def _share(plane: np.ndarray) -> np.ndarray:
    """A resampled mask as 0..1; what resampling left a hair below 1 is 1."""
    return np.where(plane > 1 - 1e-4, 1.0, np.clip(plane, 0.0, 1.0)).astype(np.float32)


def is_exr(raw: bytes) -> bool:
    return raw.startswith(_EXR_MAGIC)
