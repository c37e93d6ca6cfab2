"""What the parts of a job cost in time, as whoever waits for it sees them."""

from __future__ import annotations

import time
from collections.abc import Callable


class PhaseClock:
    """Adds up the seconds of each phase; time before the first is "start", waiting and loading.

    Args:
        clock: Seconds, any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase, self._since = "start", clock()
        self._seconds: dict[str, float] = {}

    def enter(self, phase: str) -> None:
        """The job is in this phase now; entering the phase it is in already changes nothing."""
        now = self._clock()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase so far, and their "total", to the millisecond."""
        self.enter(self._phase)
        total = sum(self._seconds.values())
        return {name: round(value, 3) for name, value in (*self._seconds.items(), ("total", total))}
