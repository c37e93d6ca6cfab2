"""The preview model as the method sees it: the `Adapter` contract over the shipped weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..adapter import Cond, LatentSpec, ViewGeometry
from ..tiles import decode_in_tiles, encode_in_tiles
from . import light, motion
from .autoencoder import CHANNELS, RATIO
from .checkpoint import load_weights
from .text import TOKENS, needs_real_model, pad_tokens, tokenize_prompt

MARGIN = 8  # cells coded around a tile: all that encoder and decoder can see

SPEC = LatentSpec(
    channels=CHANNELS,
    ratio_s=RATIO,
    ratio_t=1,
    window_hw=(16, 16),
    window_frames=8,
    fov_deg=90.0,
    fps=8.0,
    prediction="flow",
)


class PreviewAdapter:
    """The embedded model: 128x128-pixel views of 8 frames, 8 frames a second.

    Args:
        weights_dir: Folder of the weights; None takes the shipped ones.
        device: Where it runs.
        precision: "float32", or "bfloat16" for the denoiser's products; the rest stays float32.

    Attributes:
        log_gains: By word, what `motion.gain_for` adds up.
    """

    def __init__(
        self,
        weights_dir: Path | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        folder = Path(__file__).parent / "weights" if weights_dir is None else Path(weights_dir)
        self._autoencoder, self._denoiser = load_weights(folder)
        self.log_gains = motion.load(folder)
        self._device = torch.device(device)
        self._bf16 = {"float32": False, "bfloat16": True}[precision]
        self._autoencoder.to(self._device)
        self._denoiser.to(self._device)
        self._denoiser.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def spec(self) -> LatentSpec:
        """What its latents are."""
        return SPEC

    @torch.inference_mode()
    def encode_prompt(self, texts: list[str]) -> Cond:
        """One vector for each text under "text", [len(texts), 256]; lists the unknown words.

        "light" is the height of the sun or moon that each text implies, radians [len(texts)];
        "motion_gain" is how much its change over time is enlarged, see `motion`.
        """
        tokens, ignored = [], {}
        for text in texts:
            ids, unknown = tokenize_prompt(text)
            tokens.append(ids)
            ignored.update(dict.fromkeys(unknown))
        beyond = needs_real_model(", ".join(texts))
        vectors = self._denoiser.text(pad_tokens(tokens).to(self._device))
        said = [{TOKENS[i - 1] for i in ids} for ids in tokens]
        heights = [light.pitch_for(words) for words in said]
        gains = [motion.gain_for(words, self.log_gains) for words in said]
        return Cond(
            tensors={
                "text": vectors,
                "light": torch.tensor(heights),
                "motion_gain": torch.tensor(gains),
            },
            ignored_words=tuple(ignored),
            notes=(beyond,) if beyond else (),
        )

    @torch.inference_mode()
    def denoised(self, x: Tensor, sigma: float, cond: Cond, views: ViewGeometry) -> Tensor:
        """Estimate of x0, [N, C, F, h, w]; where elevation or azimuth is not finite, untold."""
        count = len(x)
        noisy = x.to(self._device, torch.float32)
        elevation = views.elevation_rad.to(self._device, torch.float32)
        told = elevation.flatten(1).isfinite().all(dim=1).float()
        azimuth = views.azimuth_rad
        azimuth = torch.full_like(elevation, torch.nan) if azimuth is None else azimuth
        pitch = cond.tensors["light"][:1].expand(count)
        light_told = light.light_channels(
            azimuth.to(elevation), elevation, torch.zeros_like(pitch), pitch
        )
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            velocity = self._denoiser(
                noisy,
                torch.full((count,), float(sigma), device=self._device),
                cond.tensors["text"][:1].expand(count, -1),
                elevation.nan_to_num(0.0, 0.0, 0.0),
                torch.full((count,), float(views.fov_deg), device=self._device),
                told,
                light_told.to(self._device),
            )
        return (noisy - sigma * velocity.float()).to(x.device, x.dtype)

    @torch.inference_mode()
    def encode(self, frames: Tensor, *, wraps: bool) -> Tensor:
        """Latents [C, F, H/8, W/8] of pictures [F, 3, H, W] in -1..1, frame by frame.

        A panorama goes to the device tile by tile.
        """
        out = [
            encode_in_tiles(frame, self._cells, ratio=RATIO, margin=MARGIN)
            if wraps
            else self._cells(frame)
            for frame in frames
        ]
        return torch.stack(out, dim=1).to(frames.device)

    def decode(self, latents: Tensor, *, wraps: bool, loop: bool = True) -> Iterator[Tensor]:
        """Pictures [3, 8h, 8w] in -1..1 of latents [C, F, h, w], one frame at a time.

        A panorama goes to the device tile by tile; its pictures lie on the CPU.
        """
        for index in range(latents.shape[1]):
            cells = latents[:, index]
            if wraps:
                yield decode_in_tiles(cells, self._picture, ratio=RATIO, margin=MARGIN)
            else:
                yield self._picture(cells)

    @torch.inference_mode()
    def _picture(self, cells: Tensor) -> Tensor:
        cells = cells.to(self._device, torch.float32)
        return self._autoencoder.decode(cells[None])[0].clamp(-1.0, 1.0)

    @torch.inference_mode()
    def _cells(self, picture: Tensor) -> Tensor:
        picture = picture.to(self._device, torch.float32)
        return self._autoencoder.encode(picture[None])[0]


def build(folder: Path, *, device: str, precision: str) -> PreviewAdapter:
    """The adapter over the weights in `folder`; see `video.families`."""
    return PreviewAdapter(folder, device=device, precision=precision)
