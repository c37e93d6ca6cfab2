"""Whether weights belong to the model they are given for: told from tables of contents alone.

A folder is known by the class its denoiser's configuration names and by how many weights it has; a
single file and a LoRA by the names and shapes of their tensors. No weight is read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from .card import ModelCard
from .safe_files import Tensor, read_header

NEAR = 0.2
"""So far apart, as a share, numbers of weights still mean the same model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What the denoiser of a family looks like.

    Attributes:
        part: Its folder.
        classes: What its configuration may call it.
        marks: Endings of names, each of which some tensor of it has, whoever wrote the file.
        alien: Beginnings of names that none of its tensors has.
        in_channels: Latent channels it takes, where that tells it from others of its class.
    """

    part: str = "transformer"
    classes: tuple[str, ...]
    marks: tuple[tuple[str, ...], ...]
    alien: tuple[str, ...] = ()
    in_channels: int | None = None

    def is_like(self, config: Mapping[str, Any]) -> bool:
        """Whether a denoiser's configuration is one of these."""
        channels = config.get("in_channels", self.in_channels)
        same = self.in_channels is None or channels == self.in_channels
        return config.get("_class_name") in self.classes and same


_WAN_MARKS = (("patch_embedding.weight",), ("self_attn.q.weight", "attn1.to_q.weight"))
_WAN = Fit(
    classes=("WanTransformer3DModel",), marks=_WAN_MARKS, alien=("vace_blocks.",), in_channels=16
)
FITS = {
    "wan": _WAN,
    "wan-i2v": replace(_WAN, in_channels=36),
    "wan-ti2v": replace(_WAN, in_channels=48),
    "wan-vace": Fit(
        classes=("WanVACETransformer3DModel",),
        marks=(*_WAN_MARKS, ("vace_patch_embedding.weight",)),
    ),
    "anyflow": Fit(classes=("AnyFlowTransformer3DModel",), marks=_WAN_MARKS),
    "animatediff": Fit(
        part="unet",
        classes=("UNet2DConditionModel", "UNetMotionModel"),
        marks=(("conv_in.weight", "input_blocks.0.0.weight"), ("attn1.to_q.weight",)),
    ),
    "ltx": Fit(
        classes=("LTXVideoTransformer3DModel",),
        marks=(("patchify_proj.weight", "proj_in.weight"), ("attn1.to_q.weight",)),
        alien=("audio_",),
    ),
}
_DOWN = re.compile(r"(?P<module>.+?)\.(lora_A|lora_down|lora\.down)(\.\w+)?\.weight")
_SELF_ATTENTION = re.compile(r"(self_attn|attn1)[._](to_)?[qkv]$")


def check_folder(card: ModelCard, folder: Path, catalog: Iterable[ModelCard]) -> None:
    """Refuse a folder of another family, or of a model of another size.

    Raises:
        InvalidJob: It says what the folder holds, and which model of the catalog that is.
    """
    config, fit = read_config(card, folder), FITS[card.family]
    if not fit.is_like(config):
        kin = [c.name for c in catalog if c.family in FITS and FITS[c.family].is_like(config)]
        hint = f" It looks like one of {', '.join(kin)}." if kin else ""
        channels = config.get("in_channels") if fit.in_channels else None
        found = _described(config.get("_class_name", "nothing"), channels)
        raise InvalidJob(
            f"This is no '{card.name}': its {fit.part} is a {found}, not a "
            f"{_described(' or '.join(fit.classes), fit.in_channels)}.{hint}",
            field="source",
            known=kin,
        )
    count = _num_weights(folder / fit.part)
    sizes = {c.name: c.build.denoiser_params for c in catalog if c.build and FITS[c.family] == fit}
    if not count or not sizes:
        return
    nearest = min(sizes, key=lambda name: abs(math.log(sizes[name] / count)))
    same = sizes[nearest] == sizes.get(card.name)
    if not same and abs(sizes[nearest] / count - 1) < NEAR:
        raise InvalidJob(
            f"This is no '{card.name}': its {fit.part} has {count / 1e9:.2f} billion weights, as "
            f"'{nearest}' has. Install it as that.",
            field="source",
            nearest=nearest,
        )


def check_denoiser_file(card: ModelCard, path: Path) -> None:
    """Refuse one file that is no denoiser of this model.

    Raises:
        InvalidJob: It is a pickle, cut off, of another family or of another width.
    """
    if path.suffix == ".gguf":
        with path.open("rb") as file:
            if file.read(4) == b"GGUF":
                return
        raise InvalidJob(f"{path.name} is no GGUF file.", field="source")
    header, fit = read_header(path), FITS[card.family]
    bare = [name.removeprefix("model.diffusion_model.") for name in header]
    lacks = [marks for marks in fit.marks if not any(name.endswith(marks) for name in bare)]
    alien = next((name for name in bare if name.startswith(fit.alien)), "") if fit.alien else ""
    if lacks or alien:
        why = f"has {alien}" if alien else f"has no {' or '.join(lacks[0])}"
        raise InvalidJob(f"{path.name} is no denoiser of '{card.name}': it {why}.", field="source")
    config = read_config(card, card.home)
    width, takes = _width(config, card), config.get("in_channels")
    first = next((t for name, t in header.items() if name.endswith(fit.marks[0])), None)
    if first is not None and width and first.shape[0] != width[0]:
        raise InvalidJob(
            f"{path.name} is no denoiser of '{card.name}': it is {first.shape[0]} channels wide, "
            f"that is {width[0]}.",
            field="source",
        )
    if first is not None and takes and first.shape[1] != takes:
        raise InvalidJob(
            f"{path.name} is no denoiser of '{card.name}': it takes {first.shape[1]} channels, "
            f"that takes {takes}.",
            field="source",
        )


def check_lora(card: ModelCard, path: Path) -> None:
    """Refuse a LoRA for another model.

    Raises:
        InvalidJob: It is no LoRA, or the widths it was trained on are not this model's.
    """
    downs = lora_downs(read_header(path))
    if not downs:
        raise InvalidJob(
            f"{path.name} is no LoRA: no tensor of it is called lora_A or lora_down.",
            field="loras",
        )
    width = _width(read_config(card, card.home), card)
    found = {t.shape[1] for name, t in downs.items() if _SELF_ATTENTION.search(name) and t.shape}
    if width and found and not found <= set(width):
        raise InvalidJob(
            f"The LoRA {path.name} was trained for another model than '{card.name}': its layers "
            f"are {_listed(sorted(found))} channels wide, the model's {_listed(width)}.",
            field="loras",
        )


def lora_downs(header: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The narrowing half of every pair of a LoRA, by the module it changes."""
    found = {_DOWN.fullmatch(name): tensor for name, tensor in header.items()}
    return {match["module"]: tensor for match, tensor in found.items() if match is not None}


def read_config(card: ModelCard, folder: Path) -> dict[str, Any]:
    """The configuration of a model's denoiser.

    Raises:
        InvalidJob: There is none that can be read.
    """
    path = folder / FITS[card.family].part / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise InvalidJob(
            f"This is no '{card.name}': {path.parent.name}/{path.name} cannot be read. What is "
            "wanted is a folder as diffusers writes it, with model_index.json in it.",
            field="source",
        ) from why
    return found if isinstance(found, dict) else {}


def _width(config: Mapping[str, Any], card: ModelCard) -> tuple[int, ...]:
    """Channels of the denoiser's layers; of a network that narrows, of each of its levels."""
    if card.family == "animatediff":
        return tuple(config.get("block_out_channels", ()))
    heads, size = config.get("num_attention_heads"), config.get("attention_head_dim")
    return (heads * size,) if isinstance(heads, int) and isinstance(size, int) else ()


def _described(class_name: str, channels: int | None) -> str:
    return f"{class_name} of {channels} channels" if channels else class_name


def _num_weights(folder: Path) -> int:
    headers = (read_header(path) for path in folder.glob("*.safetensors"))
    return sum(math.prod(tensor.shape) for header in headers for tensor in header.values())


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
