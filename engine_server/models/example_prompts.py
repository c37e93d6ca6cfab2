"""Prompts that show what the preview model can paint: for the bench and for looking at samples."""

from __future__ import annotations

EXAMPLE_PROMPTS = (
    "northern lights over a calm sea",
    "fluffy clouds over a green meadow",
    "orange sunset over the sea",
    "purple aurora over snow and mountains",
    "starry night with the milky way",
    "storm with lightning over the sea",
    "golden desert dunes",
    "fire and embers",
    "snowfall in a forest",
    "purple nebula in space",
    "mountains in the mist at sunrise",
    "under water, turquoise",
)
