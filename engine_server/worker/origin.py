"""What made a result: the facts that, with the job itself, determine its bytes."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import torch

from ...shared.jobs import JobSpec
from ..config import compiles_models
from ..models import catalog
from ..models.memory import Level
from ..output.interpolators import FLOW, name_installed
from .models import device_of, precision_of

_METHOD_VERSION = "5"
"""Grows whenever the same job would give other pixels; older results are then not reused."""

_INTERPOLATOR = name_installed()
NUMERICS_VERSION = "+".join(
    [
        _METHOD_VERSION,
        *([] if _INTERPOLATOR == FLOW else [_INTERPOLATOR]),
        *(["compiled"] if compiles_models() else []),
    ]
)
"""With the name of a learned interpolator where one is installed, and whether large denoisers are
compiled: both make other pixels."""

_SHAPING_PACKAGES = (
    "panoloom",
    "torch",
    "numpy",
    "opencv-python-headless",
    "OpenEXR",
    "av",
    "pillow",
)


def made_with(spec: JobSpec, level: Level) -> dict[str, Any]:
    """Model, machine and package versions, as plain data for the manifest.

    The level of the memory ladder counts only where it changes the pictures.
    """
    card = catalog.find(spec.model)
    weights = {} if level.same_pictures else {"weights": "float8"}
    return {
        "model": spec.model,
        "model_revision": spec.model_revision,
        "device": device_of(card),
        "precision": precision_of(card),
        "numerics_version": NUMERICS_VERSION,
        "packages": {name: metadata.version(name) for name in _SHAPING_PACKAGES},
        **weights,
    }


def memory_of(spec: JobSpec, level: Level) -> dict[str, Any]:
    """The level at which a large model worked, as plain data for the manifest."""
    if catalog.find(spec.model).build is None:
        return {}
    return {"level": level.name, "same_pictures": level.same_pictures}


def device_name(model: str) -> str:
    """What a model runs on in this process, for people."""
    device = device_of(catalog.find(model))
    return f"{device} ({torch.cuda.get_device_name()})" if device == "cuda" else device


def numerics_of(model: str) -> str:
    """All that the last bits of a model call in this process depend on, in words."""
    card = catalog.find(model)
    on_gpu = device_of(card) == "cuda"
    chip = torch.cuda.get_device_name() if on_gpu else torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    return (
        f"{chip}, {precision_of(card)}, {threads} thread{'s' * (threads > 1)}, "
        f"torch {torch.__version__}, numerics {NUMERICS_VERSION}"
    )
