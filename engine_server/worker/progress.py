"""How far a job is, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...shared.jobs import Progress

SHARES = {"load": 0.01, "condition": 0.01, "denoise": 0.83, "write": 0.15}
"""Part of a job's time each phase takes, roughly, in their order. Noise takes no time worth a word;
pictures are decoded while they are written."""


class ProgressMeter:
    """Turns "step i of n of this phase" into a `Progress` with a time left.

    Args:
        report: Receives each `Progress`.
        clock: Seconds, any origin.
    """

    def __init__(
        self, report: Callable[[Progress], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report = report
        self._clock = clock
        self._begin_s = clock()
        self._phase = ""
        self._phase_begin_s = self._begin_s
        self._first_step = 0

    def tell(self, phase: str, step: int = 0, num_steps: int = 0) -> None:
        """Report that `step` of `num_steps` of `phase` are done; 0 of 0 where nothing is counted.

        The time left is measured from the first report of the phase, so that a resumed job does
        not count steps made before.
        """
        now_s = self._clock()
        if phase != self._phase:
            self._phase, self._phase_begin_s, self._first_step = phase, now_s, step
        before = sum(share for name, share in SHARES.items() if _is_before(name, phase))
        share = SHARES[phase]
        done = step / num_steps if num_steps else 0.0
        fraction = min(before + share * done, 1.0)
        self._report(
            Progress(
                phase=phase,
                step=step,
                num_steps=num_steps,
                fraction=fraction,
                elapsed_s=now_s - self._begin_s,
                time_left_s=self._time_left_s(now_s, step, num_steps, share, 1.0 - before - share),
            )
        )

    def _time_left_s(
        self, now_s: float, step: int, num_steps: int, share: float, share_after: float
    ) -> float | None:
        made = step - self._first_step
        if made <= 0 or share <= 0:
            return None
        per_step_s = (now_s - self._phase_begin_s) / made
        after_s = per_step_s * num_steps * share_after / share
        return per_step_s * (num_steps - step) + after_s


def _is_before(name: str, phase: str) -> bool:
    names = list(SHARES)
    return names.index(name) < names.index(phase)
