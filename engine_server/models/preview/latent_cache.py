"""Latents of rendered clips, kept in shards so that training reads no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from . import light
from .captions import caption
from .checkpoint import load_autoencoder, load_state, save_state
from .dataset import CELLS, Look, azimuth, draw_look, elevation, render, to_signed
from .text import pad_tokens, tokenize

SHARD = 250
UNTOLD = 0.12  # how often training leaves out where a view looks, and says it in words
UNTOLD_LIGHT = 0.15  # how often training leaves out where the light is


def shard_looks(seed: int, frames: int, shard: int, count: int = SHARD) -> list[Look]:
    """The views that a shard shows: the same for the same numbers."""
    rng = Random(f"{seed}-{frames}-{shard}")
    return [draw_look(rng) for _ in range(count)]


def look_facts(looks: list[Look]) -> dict[str, Any]:
    """What training has to know of each view, as tensors and plain lists of len(looks)."""
    lights = [look.world.sky.sun or (0.0, light.NONE) for look in looks]
    return {
        "yaw_deg": torch.tensor([look.yaw_deg for look in looks]),
        "pitch_deg": torch.tensor([look.pitch_deg for look in looks]),
        "fov_deg": torch.tensor([look.fov_deg for look in looks]),
        "light_yaw_rad": torch.tensor([yaw for yaw, _ in lights]),
        "light_pitch_rad": torch.tensor([pitch for _, pitch in lights]),
        "words": [look.world.words for look in looks],
        "has_sky": [look.world.kind == "open" for look in looks],
        "family": [look.world.family for look in looks],
    }


def cache_clips(run: Path, count: int, frames: int, seed: int, device: str = "cpu") -> None:
    """Render `count` clips of `frames` frames and write their latents; finished shards are kept."""
    model = load_autoencoder(run / "autoencoder.safetensors").to(device)
    for shard in range(-(-count // SHARD)):
        path = run / f"latents-{frames}-{seed}-{shard:03d}.safetensors"
        if path.exists():
            continue
        looks = shard_looks(seed, frames, shard, min(SHARD, count - shard * SHARD))
        parts = []
        for look in looks:
            with torch.no_grad():
                clip = to_signed(render(look, frames, device))
                parts.append(model.encode(clip).half().cpu())
        latents = torch.stack(parts).transpose(1, 2).contiguous()  # [N, C, F, h, w]
        save_state(path, {"latents": latents, **look_facts(looks)})


class Pool:
    """All cached clips of a run; `refresh` takes up shards that appeared since.

    Half of the clips that `batch` draws are of the families `more`, where there are any.
    """

    def __init__(self, run: Path, untold: float = UNTOLD, more: Sequence[str] = ()) -> None:
        self.run, self.untold, self.more, self.seen = run, untold, frozenset(more), set()
        self.clips: dict[int, list[Tensor]] = {}
        self.facts: dict[int, list[dict[str, Any]]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Load shards that are not loaded yet, in the order of their names."""
        for path in sorted(self.run.glob("latents-*.safetensors")):
            if path.name in self.seen:
                continue
            self.seen.add(path.name)
            saved = load_state(path)
            latents = saved.pop("latents")
            frames = latents.shape[2]
            self.clips.setdefault(frames, []).extend(latents)
            columns = [v.tolist() if isinstance(v, Tensor) else v for v in saved.values()]
            rows = [dict(zip(saved, row, strict=True)) for row in zip(*columns, strict=True)]
            self.facts.setdefault(frames, []).extend(rows)

    def count(self, frames: int) -> int:
        """How many clips of this many frames there are."""
        return len(self.clips.get(frames, []))

    def pick(self, single: bool, rng: Random) -> tuple[int, int]:
        """(kind, number) of a random clip; only of the longest kind unless `single`."""
        longest = max(self.clips)
        if not single:
            numbers = range(self.count(longest))
            if self.more and rng.random() < 0.5:
                rows = self.facts[longest]
                numbers = [n for n in numbers if rows[n]["family"] in self.more] or numbers
            return longest, rng.choice(numbers)
        number = rng.randrange(sum(self.count(frames) for frames in self.clips))
        for frames in sorted(self.clips):
            if number < self.count(frames):
                return frames, number
            number -= self.count(frames)
        raise AssertionError

    def batch(self, size: int, single: bool, rng: Random) -> dict[str, Tensor]:
        """A random batch: latents [N, C, F, h, w], tokens [N, L], told [N] and `told_geometry`.

        single takes one frame out of any clip; otherwise only clips of the longest kind.
        """
        latents, tokens, rows, tells = [], [], [], []
        for _ in range(size):
            frames, number = self.pick(single, rng)
            clip, row = self.clips[frames][number], self.facts[frames][number]
            if single:
                at = rng.randrange(frames)
                clip = clip[:, at : at + 1]
            latents.append(clip)
            told = rng.random() >= self.untold
            tells.append(told)
            said = caption(row["words"], row["has_sky"], row["pitch_deg"], rng, point=not told)
            tokens.append(tokenize(said)[0])
            dark = not told or rng.random() < UNTOLD_LIGHT
            rows.append({**row, "light_pitch_rad": light.UNTOLD} if dark else row)
        return {
            "latents": torch.stack(latents).float(),
            "tokens": pad_tokens(tokens),
            "told": torch.tensor(tells).float(),
            **told_geometry(rows),
        }


def told_geometry(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    """What the network is told of views with these facts: elevation, fov_deg, light_told."""
    names = ("yaw_deg", "pitch_deg", "fov_deg", "light_yaw_rad", "light_pitch_rad")
    yaw, pitch, fov, light_yaw, light_pitch = (
        torch.tensor([row[name] for row in rows]) for name in names
    )
    heights = elevation(pitch, fov, CELLS)
    across = azimuth(yaw, pitch, fov, CELLS)
    return {
        "elevation": heights,
        "fov_deg": fov,
        "light_told": light.light_channels(across, heights, light_yaw, light_pitch),
    }
