"""Previews without a decoder: colours as a linear map of latents, fitted once for a model.

    python -m panoloom.engine_server.models.video.rgb FAMILY FOLDER

encodes a few pictures of procedural worlds with the autoencoder in FOLDER, solves for the map from
cells to their mean colours by least squares, and writes it beside the weights as `quick-look.json`.
The engine does the same at the first job of a model, and keeps the map in its cache. A preview then
costs a small matrix product instead of a decoder's seconds. Where a tiny autoencoder lies in
`FOLDER/taesd`, that is taken instead: sharper, and still fast.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from ..adapter import Adapter
from ..preview.dataset import draw_look, render, to_signed
from .families import build

FILE_NAME = "quick-look.json"
TINY_FOLDER = "taesd"
PICTURES = 12
PICTURE_PX = 256

QuickLook = Callable[[Tensor], Tensor]
"""Latents ``[C, h, w]`` -> a small picture ``[3, H, W]``, -1..1, on the CPU."""


@dataclass(frozen=True, slots=True)
class LinearRgb:
    """Colours of cells.

    Attributes:
        weight: Float32 ``[3, C]``.
        bias: Float32 ``[3]``.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, latents: Tensor) -> Tensor:
        """The picture ``[3, h, w]``, -1..1, of latents ``[C, h, w]``."""
        cells = torch.einsum("rc,chw->rhw", self.weight, latents.float().cpu())
        return (cells + self.bias[:, None, None]).clamp(-1.0, 1.0)

    def save(self, path: Path) -> None:
        """As JSON."""
        document = {"weight": self.weight.tolist(), "bias": self.bias.tolist()}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document), encoding="utf-8")
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> LinearRgb:
        """What `save` wrote."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return LinearRgb(torch.tensor(document["weight"]), torch.tensor(document["bias"]))


def fit(latents: Tensor, colours: Tensor) -> LinearRgb:
    """The map that is nearest in the mean square.

    Args:
        latents: Cells ``[C, n]``.
        colours: Their mean colours ``[3, n]``, -1..1.
    """
    told = torch.cat((latents, torch.ones_like(latents[:1]))).double().T
    solved = torch.linalg.lstsq(told, colours.double().T, driver="gelsd").solution
    return LinearRgb(solved[:-1].T.float().contiguous(), solved[-1].float())


def fit_model(adapter: Adapter, pictures: Sequence[Tensor]) -> LinearRgb:
    """The map of a model, from pictures ``[3, H, W]``, -1..1, of whole cells."""
    ratio = adapter.spec.ratio_s
    cells, colours = [], []
    for picture in pictures:
        cells.append(adapter.encode(picture[None], wraps=False)[:, 0].flatten(1).cpu())
        colours.append(torch.nn.functional.avg_pool2d(picture, ratio).flatten(1))
    return fit(torch.cat(cells, dim=1), torch.cat(colours, dim=1))


def worlds(count: int, *, px: int = PICTURE_PX, seed: int = 0) -> list[Tensor]:
    """Pictures ``[3, px, px]``, -1..1, of procedural worlds of all kinds."""
    rng = Random(seed)
    seen = [to_signed(render(draw_look(rng), 1))[0] for _ in range(count)]
    return [torch.nn.functional.interpolate(p[None], size=(px, px))[0] for p in seen]


def quick_look(folder: Path) -> QuickLook | None:
    """The quick look of the model in `folder`; None: its previews are decoded."""
    tiny = folder / TINY_FOLDER
    if (tiny / "config.json").is_file():
        return _tiny(tiny)
    path = folder / FILE_NAME
    return LinearRgb.load(path) if path.is_file() else None


def fitted_look(adapter: Adapter, path: Path) -> LinearRgb:
    """The map of a model, from `path` or, the first time, fitted and written there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        fit_model(adapter, worlds(PICTURES)).save(path)
    return LinearRgb.load(path)


def _tiny(folder: Path) -> QuickLook:
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    model = AutoencoderTiny.from_pretrained(folder, local_files_only=True, use_safetensors=True)

    @torch.inference_mode()
    def look(latents: Tensor) -> Tensor:
        scaled = latents[None].to(model.device, model.dtype)
        return model.decode(scaled, return_dict=False)[0][0].float().cpu().clamp(-1.0, 1.0)

    return look


def main(words: Sequence[str] | None = None) -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description="Fit the quick look of a model.")
    parser.add_argument("family")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(words)
    adapter = build(chosen.family, chosen.folder, device=chosen.device, precision="float32")
    found = fit_model(adapter, worlds(PICTURES))
    found.save(chosen.folder / FILE_NAME)
    print(f"Written: {chosen.folder / FILE_NAME}")


if __name__ == "__main__":
    main()
