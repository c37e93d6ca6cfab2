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


def apply_loras(adapter: Any, loras: Sequence[tuple[Path, float]]) -> None:
    """Put LoRAs on all denoisers of an adapter, and on its text encoder if they change that too.

    Args:
        adapter: Has `transformers`, and may have a `text_encoder`.
        loras: safetensors files and their weights, 1 as trained.

    Raises:
        InvalidJob: A file is for another model; the layers that do not fit are named. Nothing was
            changed.
    """
    models = adapter.transformers
    read = [[_read(model, path) for path, _ in loras] for model in models]
    for model, states in zip(models, read, strict=True):
        for (path, _), (state, _) in zip(loras, states, strict=True):
            _check(model, path, state)
    names = [f"lora_{index}" for index in range(len(loras))]
    weights = [weight for _, weight in loras]
    for model, states in zip(models, read, strict=True):
        prefix, _ = _READERS[type(model).__name__]
        for name, (state, alphas) in zip(names, states, strict=True):
            with warnings.catch_warnings():  # that there is one already is meant so
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                model.load_lora_adapter(
                    dict(state), prefix=prefix, network_alphas=alphas, adapter_name=name
                )
        if names:
            model.set_adapters(names, weights)
    encoder = getattr(adapter, "text_encoder", None)
    if encoder is not None:
        for name, weight, (state, alphas) in zip(names, weights, read[0], strict=True):
            StableDiffusionLoraLoaderMixin.load_lora_into_text_encoder(
                dict(state), alphas, encoder, lora_scale=weight, adapter_name=name
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
