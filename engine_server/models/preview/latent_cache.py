"""Latents of rendered clips, kept in shards so that training reads no pixels."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch
from torch import Tensor

from .captions import caption
from .checkpoint import load_autoencoder, load_state, save_state
from .dataset import CELLS, draw_look, elevation, render, to_signed
from .text import pad_tokens, tokenize

SHARD = 250


def cache_clips(run: Path, count: int, frames: int, seed: int) -> None:
    """Render `count` clips of `frames` frames and write their latents; finished shards are kept."""
    model = load_autoencoder(run / "autoencoder.safetensors")
    for shard in range(-(-count // SHARD)):
        path = run / f"latents-{frames}-{seed}-{shard:03d}.safetensors"
        if path.exists():
            continue
        rng = Random(f"{seed}-{frames}-{shard}")
        looks = [draw_look(rng) for _ in range(min(SHARD, count - shard * SHARD))]
        parts = []
        for look in looks:
            with torch.no_grad():
                parts.append(model.encode(to_signed(render(look, frames))).half())
        saved = {
            "latents": torch.stack(parts).transpose(1, 2).contiguous(),  # [N, C, F, h, w]
            "pitch_deg": torch.tensor([look.pitch_deg for look in looks]),
            "fov_deg": torch.tensor([look.fov_deg for look in looks]),
            "words": [look.world.words for look in looks],
            "has_sky": [look.world.kind == "open" for look in looks],
            "family": [look.world.family for look in looks],
        }
        save_state(path, saved)


class Pool:
    """All cached clips of a run; `refresh` takes up shards that appeared since."""

    def __init__(self, run: Path) -> None:
        self.run, self.seen = run, set()
        self.clips: dict[int, list[Tensor]] = {}
        self.facts: dict[int, list[tuple[float, float, dict, bool]]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Load shards that are not loaded yet, in the order of their names."""
        for path in sorted(self.run.glob("latents-*.safetensors")):
            if path.name in self.seen:
                continue
            self.seen.add(path.name)
            saved = load_state(path)
            frames = saved["latents"].shape[2]
            self.clips.setdefault(frames, []).extend(saved["latents"])
            rows = zip(
                saved["pitch_deg"].tolist(),
                saved["fov_deg"].tolist(),
                saved["words"],
                saved["has_sky"],
                strict=True,
            )
            self.facts.setdefault(frames, []).extend(rows)

    def count(self, frames: int) -> int:
        """How many clips of this many frames there are."""
        return len(self.clips.get(frames, []))

    def batch(self, size: int, single: bool, rng: Random) -> dict[str, Tensor]:
        """A random batch: latents [N, C, F, h, w], tokens [N, L], elevation, fov_deg.

        single takes one frame out of any clip; otherwise only clips of the longest kind.
        """
        longest = max(self.clips)
        latents, pitches, fovs, tokens = [], [], [], []
        total = sum(self.count(f) for f in self.clips)
        for _ in range(size):
            frames = longest
            if single:
                pick = rng.randrange(total)
                for frames in sorted(self.clips):
                    if pick < self.count(frames):
                        break
                    pick -= self.count(frames)
            else:
                pick = rng.randrange(self.count(longest))
            clip = self.clips[frames][pick]
            if single:
                at = rng.randrange(frames)
                clip = clip[:, at : at + 1]
            pitch, fov, words, has_sky = self.facts[frames][pick]
            latents.append(clip)
            pitches.append(pitch)
            fovs.append(fov)
            tokens.append(tokenize(caption(words, has_sky, pitch, rng))[0])
        pitch_deg, fov_deg = torch.tensor(pitches), torch.tensor(fovs)
        return {
            "latents": torch.stack(latents).float(),
            "tokens": pad_tokens(tokens),
            "elevation": elevation(pitch_deg, fov_deg, CELLS),
            "fov_deg": fov_deg,
        }
