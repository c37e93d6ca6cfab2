"""What a model is and what it can make: plain data, the same for one that ships and one from a hub.

Nothing here loads a network or asks one, so the broker and every command can read it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import models_folder
from .ladder import Pace, Rung

GIB = 2**30
SINGLE = "single"
"""Folder, in that of a model, of one file that takes the place of its denoiser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where files of a model come from.

    Attributes:
        repository: "owner/name" on the hub.
        revision: Commit. Empty: none is known for certain; the newest is asked for when it is
            installed, and recorded.
        parts: Folders of it that are needed; "" stands for the files at its root.
        into: Folder of ours that they go to; "" is the model's own.
        variant: "fp16" takes the files of that name, and drops it from theirs.
    """

    repository: str
    revision: str = ""
    parts: tuple[str, ...] = ("",)
    into: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA as it is put on a model.

    Attributes:
        path: Its safetensors file.
        weight, expert: See `shared.jobs.Lora`.
    """

    path: Path
    weight: float = 1.0
    expert: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one may do with the weights.

    Attributes:
        licence: Its name.
        commercial: "yes", "no", or "conditions" (read the licence).
        note: What to know about it, a sentence; may be empty.
    """

    licence: str
    commercial: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Numbers of the networks that memory and time follow from.

    Attributes:
        encoder_params: Of everything that reads prompts and pictures before the denoiser runs.
        denoiser_params: Of one denoiser.
        experts: Denoisers that take turns; one works at a time.
        decoder_params: Of the autoencoder.
        decoder_bytes: Bytes of one of its weights: those that need float32 have 4.
        evaluation_bytes: Most that one window takes besides the weights, in bfloat16, counted
            operator by operator at the window's full size (`python -m
            panoloom.engine_server.bench.footprint`).
        decode_bytes: The same for the autoencoder and one window of it.
        tile_bytes: The same for a tile of a panorama with its margin, the larger of decoding and
            encoding; 0 where that is no more than a window takes.
        block_share: Largest block of the denoiser as a share of it: what offloading holds twice.
        evaluation_tflop: 10**12 multiplications and additions of one window, counted likewise.
    """

    encoder_params: int
    denoiser_params: int
    decoder_params: int
    evaluation_bytes: int
    decode_bytes: int
    evaluation_tflop: float
    experts: int = 1
    decoder_bytes: int = 4
    tile_bytes: int = 0
    block_share: float = 1 / 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model is and what it can make.

    Attributes:
        name: The word a person types.
        folder: Where its weights (`*.safetensors`) lie: absolute for a model that ships, else a
            name in the folder of installed models.
        ratio_s: Pixels per latent cell, each way.
        ratio_t: Frames per latent frame.
        fps: Frames a second of the clips it was trained on.
        window: Cells across what one forward pass sees.
        window_frames: Latent frames it sees.
        methods: Panorama methods that work with it.
        ladder: Sizes it can make, coarse to fine.
        max_seconds: Longest loop.
        sigma_shift: Shift of the flow-matching schedule towards noise.
        pace: How fast it is.
        family: Which adapter runs it, a name in `video.families`.
        options: What that adapter is told beside its weights.
        good_at: What to choose it for, a few words.
        terms: What one may do with its weights.
        sources: Where they come from; none: they ship with panoloom.
        download_bytes: About how much that is; the hub says it exactly when it is installed.
        build: Sizes of its networks; None for a model that is small everywhere.
        steps, guidance_scale: What it was made for.
        view_batch: Most windows it is given in one evaluation; a window of a large model fills a
            card by itself.
        takes: What it can be given besides words: "lora", "ring-rope", "image", "control".
    """

    name: str
    folder: Path
    ratio_s: int
    ratio_t: int
    fps: float
    window: int
    window_frames: int
    methods: tuple[str, ...]
    ladder: tuple[Rung, ...]
    max_seconds: float
    sigma_shift: float
    pace: Pace
    family: str = "preview"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    good_at: str = ""
    terms: Terms = Terms(licence="GPL-3.0-or-later", commercial="yes")
    sources: tuple[Source, ...] = ()
    download_bytes: int = 0
    build: Build | None = None
    steps: int = 16
    guidance_scale: float = 4.0
    view_batch: int = 256
    takes: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The absolute folder of its weights, there or not."""
        return models_folder() / self.folder

    @property
    def ships(self) -> bool:
        """Whether it comes with panoloom."""
        return not self.sources

    @property
    def weight_files(self) -> list[Path]:
        """Its weights on this machine; of an installed model those in folders below too."""
        found = self.home.glob("*.safetensors" if self.ships else "**/*.safetensors")
        return sorted(path for path in found if path.is_file())

    @property
    def single_file(self) -> Path | None:
        """The file that a person gave in place of the denoiser, or None."""
        found = sorted(path for path in (self.home / SINGLE).glob("*") if path.is_file())
        return found[0] if found else None

    def model_frames(self, seconds: float) -> int:
        """Frames the network makes for a loop of `seconds`, before interpolation."""
        return max(1, round(seconds * self.fps / self.ratio_t)) * self.ratio_t

    @property
    def least_seconds(self) -> float:
        """The shortest loop it makes: what one window shows."""
        return self.window_frames * self.ratio_t / self.fps
