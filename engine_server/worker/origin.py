"""What made a result: the facts that, with the job itself, determine its bytes."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from ...shared.jobs import JobSpec
from .models import DEVICE, PRECISION

NUMERICS_VERSION = "4"
"""Grows whenever the same job would give other pixels; older results are then not reused."""

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
    return {
        "model": spec.model,
        "model_revision": spec.model_revision,
        "device": DEVICE,
        "precision": PRECISION,
        "numerics_version": NUMERICS_VERSION,
        "packages": {name: metadata.version(name) for name in _SHAPING_PACKAGES},
    }
