"""The families of models by name, and how an adapter is built from a folder of weights.

A family's code is imported when one of its models is loaded: the preview model starts without
transformers, and a machine without the `models` extra runs it.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from ....shared.errors import InvalidJob, ModelNotInstalled
from ..adapter import Adapter

FAMILIES: dict[str, str] = {
    "preview": "..preview.adapter",
    "wan": ".wan",
    "wan-i2v": ".wan_i2v",
    "wan-ti2v": ".wan_ti2v",
    "wan-vace": ".wan_vace",
    "anyflow": ".anyflow",
    "animatediff": ".animatediff",
    "ltx": ".ltx",
}
"""Name -> module with a function `build(folder, *, device, precision, **options) -> Adapter`."""

_NEEDS_EXTRA = tuple(name for name in FAMILIES if name != "preview")


def build(family: str, folder: Path, *, device: str, precision: str, **options: Any) -> Adapter:
    """The adapter of a model.

    Args:
        family: A name in `FAMILIES`.
        folder: Its weights, as the diffusers library lays them out.
        device: Where it runs, as torch names it.
        precision: "float32" or "bfloat16", of the denoiser's products.
        options: What the family takes beside these, such as `window_hw`.

    Raises:
        InvalidJob: There is no such family.
        ModelNotInstalled: The packages that it needs are missing, or files of its weights.
    """
    if family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise InvalidJob(f"There is no model family '{family}'. Known: {known}.", field="model")
    if family in _NEEDS_EXTRA and importlib.util.find_spec("transformers") is None:
        raise ModelNotInstalled(
            f"Models of the family '{family}' need packages that are not installed: "
            "pip install 'panoloom[models]'.",
            model=family,
        )
    if family in _NEEDS_EXTRA and not (folder / "model_index.json").is_file():
        raise ModelNotInstalled(
            f"{folder} holds no model_index.json: it is no folder of weights as the diffusers "
            "library lays them out. Install the model anew: panoloom models install NAME.",
            model=family,
        )
    module = importlib.import_module(FAMILIES[family], package=__package__)
    return module.build(folder, device=device, precision=precision, **options)
