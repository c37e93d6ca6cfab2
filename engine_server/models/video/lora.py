"""LoRAs on an adapter's networks: read as the library's pipelines read them, refused by name.

A LoRA is a small change of some layers. One that was made for another model names layers which this
network has not, or has in another size; the library would leave these out and go on. Here such a
file is refused before anything is changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from diffusers.loaders.lora_pipeline import (
    LTXVideoLoraLoaderMixin,
    StableDiffusionLoraLoaderMixin,
    WanLoraLoaderMixin,
)
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from torch import Tensor

from ....shared.errors import InvalidJob
from ....shared.jobcheck import EXPERTS
from ..card import LoraFile
from ..fitting import lora_downs

_READERS: dict[str, tuple[str, Any]] = {
    "UNetMotionModel": ("unet", StableDiffusionLoraLoaderMixin),
    "WanTransformer3DModel": ("transformer", WanLoraLoaderMixin),
    "WanVACETransformer3DModel": ("transformer", WanLoraLoaderMixin),
    "AnyFlowTransformer3DModel": ("transformer", WanLoraLoaderMixin),
    "LTXVideoTransformer3DModel": ("transformer", LTXVideoLoraLoaderMixin),
}
"""Class of a network -> its name in a LoRA, and the library's reader of such files."""
_SHOWN = 3


def apply_loras(adapter: Any, loras: Sequence[LoraFile]) -> None:
    """Put LoRAs on the denoisers they are for, and on a text encoder if they change that too.

    Args:
        adapter: Has `transformers`, and may have a `text_encoder`.
        loras: With an expert that there is.

    Raises:
        InvalidJob: A file is for another model; the layers that do not fit are named. Nothing was
            changed.
    """
    wanted = [
        (model, [(f"lora_{i}", lora) for i, lora in enumerate(loras) if lora.expert in ("", name)])
        for model, name in zip(adapter.transformers, EXPERTS, strict=False)
    ]
    read = [[_read(model, lora.path) for _, lora in own] for model, own in wanted]
    for (model, own), states in zip(wanted, read, strict=True):
        for (_, lora), (state, _) in zip(own, states, strict=True):
            _check(model, lora.path, state)
    for (model, own), states in zip(wanted, read, strict=True):
        prefix, _ = _READERS[type(model).__name__]
        for (name, _), (state, alphas) in zip(own, states, strict=True):
            with warnings.catch_warnings():  # that there is one already is meant so
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                model.load_lora_adapter(
                    dict(state), prefix=prefix, network_alphas=alphas, adapter_name=name
                )
        if own:
            model.set_adapters([name for name, _ in own], [lora.weight for _, lora in own])
    encoder = getattr(adapter, "text_encoder", None)
    if encoder is not None:
        for (name, lora), (state, alphas) in zip(wanted[0][1], read[0], strict=True):
            StableDiffusionLoraLoaderMixin.load_lora_into_text_encoder(
                dict(state), alphas, encoder, lora_scale=lora.weight, adapter_name=name
            )


def _read(model: Any, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, float] | None]:
    """Tensors by the library's names, and alphas where the file has such beside them."""
    prefix, reader = _READERS[type(model).__name__]
    if prefix == "unet":
        return reader.lora_state_dict(
            path.parent, weight_name=path.name, unet_config=model.config, local_files_only=True
        )
    found = reader.lora_state_dict(path.parent, weight_name=path.name, local_files_only=True)
    return found, None


def _check(model: Any, path: Path, state: Mapping[str, Tensor]) -> None:
    prefix, _ = _READERS[type(model).__name__]
    own = {k.removeprefix(f"{prefix}."): v for k, v in state.items() if k.startswith(f"{prefix}.")}
    if own and not any("lora_A" in key for key in own):
        own = convert_unet_state_dict_to_peft(own)
    downs = lora_downs(cast(Any, own))  # it reads shapes alone
    modules = dict(model.named_modules())
    wrong = []
    for name, down in downs.items():
        layer = modules.get(name)
        weight = getattr(layer, "weight", None)
        if weight is None:
            wrong.append(f"{name} (there is none)")
        elif weight.shape[1] != down.shape[1]:
            wrong.append(f"{name} ({down.shape[1]} channels, the model has {weight.shape[1]})")
    if downs and not wrong:
        return
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    why = ", ".join(wrong[:_SHOWN]) + more if wrong else "it changes no layer of this model"
    raise InvalidJob(
        f"The LoRA {path.name} was made for another model: {why}. Take one for this model, or "
        "leave it out.",
        field="loras",
    )
