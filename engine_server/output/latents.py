"""The finished latents of a job as a file, and back.

What is decoded can only be shown; from the latents the same loop can be refined to a larger size or
repainted in a part. The layout of the file is `shared/latents.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...shared.errors import InvalidJob
from ...shared.latents import LatentsHead, read_head


def write_latents(path: Path, latents: np.ndarray, head: LatentsHead) -> None:
    """Write latents [C, F, H, W] float32; equal latents and facts give equal bytes.

    Raises:
        OSError: The file could not be written.
    """
    assert latents.shape == head.shape, (latents.shape, head.shape)
    with path.open("wb") as file:
        file.write(head.to_bytes())
        for channel in latents:
            file.write(np.ascontiguousarray(channel, dtype="<f4").tobytes())


def read_latents(path: Path) -> tuple[np.ndarray, LatentsHead]:
    """Latents [C, F, H, W] float32 and what the file says of them.

    Raises:
        InvalidJob: The file is missing, foreign or damaged.
    """
    try:
        with path.open("rb") as file:
            head = read_head(file)
            raw = file.read(head.data_bytes + 1)
    except OSError as why:
        raise InvalidJob(
            f"The stored latents cannot be read: {why.strerror or why}.", field="base"
        ) from why
    if len(raw) != head.data_bytes:
        raise InvalidJob("The stored latents are cut short, or hold too much.", field="base")
    latents = np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(head.shape)
    if not np.isfinite(latents).all():
        raise InvalidJob("The stored latents hold values that are no numbers.", field="base")
    return latents, head
