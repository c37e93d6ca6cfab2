"""Contact sheets: what the model made beside what the renderer draws."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from .measure import Clips

GAP = 4  # pixels


def strip(clip: Tensor, moments: int = 3) -> Tensor:
    """Frames of a clip side by side, first to last, [3, H, moments * W]."""
    chosen = torch.linspace(0, len(clip) - 1, min(moments, len(clip))).round().long()
    return torch.cat(list(clip[chosen]), dim=-1)


def sheet(clips: Clips) -> Tensor:
    """Rows of generated | rendered for the same view, then those of plain prompts, [3, H, W]."""
    rows = []
    for made, true in zip(clips.captioned, clips.rendered, strict=True):
        gap = torch.ones(3, made.shape[-2], GAP)
        rows.append(torch.cat((strip(made), gap, strip(true)), dim=-1))
    plain = [strip(clip) for clip in clips.plain]
    for left, right in zip(plain[::2], [*plain[1::2], None], strict=False):
        gap = torch.ones(3, left.shape[-2], GAP)
        right = torch.ones_like(left) if right is None else right
        rows.append(torch.cat((left, gap, right), dim=-1))
    return torch.cat(rows, dim=-2)


def save_sheet(clips: Clips, path: Path) -> None:
    """Write the sheet of a family as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (sheet(clips).clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(path)
