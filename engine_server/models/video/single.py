"""One file in place of a model's denoiser: a fine-tune, or weights quantised in a GGUF file.

The file lies in the folder `single` of the installed model, whose configurations tell its class.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch

from ....shared.errors import InvalidJob, ModelNotInstalled
from ..card import SINGLE


def single_denoiser(folder: Path, part: str, dtype: torch.dtype) -> dict[str, Any]:
    """``{part: denoiser}`` from the single file of a model; empty where there is none.

    Args:
        folder: The installed model.
        part: Name of the denoiser, and of the folder of its configuration.
        dtype: Of its products.

    Raises:
        InvalidJob: The file is for another model.
        ModelNotInstalled: A GGUF file wants a package that is not here.
    """
    files = sorted(path for path in (folder / SINGLE).glob("*") if path.is_file())
    if not files:
        return {}
    library: Any = importlib.import_module("diffusers")
    config = json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
    words: dict[str, Any] = {}
    if files[0].suffix == ".gguf":
        if importlib.util.find_spec("gguf") is None:
            raise ModelNotInstalled(
                f"{files[0].name} is a GGUF file, which needs a package: pip install gguf.",
                model=folder.name,
            )
        words["quantization_config"] = library.GGUFQuantizationConfig(compute_dtype=dtype)
    try:
        found = getattr(library, config["_class_name"]).from_single_file(
            str(files[0]),
            config=str(folder),
            subfolder=part,
            local_files_only=True,
            torch_dtype=dtype,
            **words,
        )
    except (KeyError, RuntimeError, ValueError) as why:
        raise _does_not_fit(files[0], folder, str(why).partition(". ")[0]) from why
    lacks = [name for name, weight in found.named_parameters() if weight.is_meta]
    if lacks:
        raise _does_not_fit(files[0], folder, f"{len(lacks)} weights are not in it: {lacks[0]} …")
    return {part: found.eval()}


def _does_not_fit(file: Path, folder: Path, why: str) -> InvalidJob:
    return InvalidJob(
        f"{file.name} does not fit '{folder.name}': {why}. Give another file, or put the model's "
        f"own denoiser back: panoloom models remove {folder.name}, and install it again.",
        field="model",
    )
