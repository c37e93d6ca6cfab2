"""Which axes a model is told to take for rings: those the job wants and every window goes round."""

from __future__ import annotations

from ..models.adapter import LatentSpec


def rings_of_windows(
    spec: LatentSpec, *, num_frames: int, loop: bool, goes_round: bool
) -> tuple[str, ...]:
    """Axes of `spec.rings` on which a window is the whole ring.

    Args:
        spec: The model's latents, with what the job asks for.
        num_frames: Latent frames of the panorama.
        loop: Whether time is a ring.
        goes_round: Whether a window is as wide as the panorama, whose width is a ring.
    """
    whole = {"time": loop and num_frames == spec.window_frames, "width": goes_round}
    return tuple(axis for axis in spec.rings if whole[axis])
