"""What made a result: the facts that, with the job itself, determine its bytes."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from ...shared.jobs import JobSpec
from ..models import catalog
from ..output.interpolators import FLOW, name_installed
from .models import device_of, precision_of

_METHOD_VERSION = "4"
"""Grows whenever the same job would give other pixels; older results are then not reused."""

_INTERPOLATOR = name_installed()
NUMERICS_VERSION = (
    _METHOD_VERSION if _INTERPOLATOR == FLOW else f"{_METHOD_VERSION}+{_INTERPOLATOR}"
)
"""With the name of a learned interpolator where one is installed: it makes other pixels."""

_SHAPING_PACKAGES = (
    "panoloom",
    "torch",
    "numpy",
    "opencv-python-headless",
    "OpenEXR",
    "av",
    "pillow",
)


def made_with(spec: JobSpec) -> dict[str, Any]:
    """Model, machine and package versions, as plain data for the manifest."""
    card = catalog.find(spec.model)
    return {
        "model": spec.model,
        "model_revision": spec.model_revision,
        "device": device_of(card),
        "precision": precision_of(card),
        "numerics_version": NUMERICS_VERSION,
        "packages": {name: metadata.version(name) for name in _SHAPING_PACKAGES},
    }
