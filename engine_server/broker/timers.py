"""Named timers: arming one again replaces it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timers:
    """Timers of one owner, in the running event loop."""

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._handles

    def arm(self, name: str, delay_s: float, action: Callable[[], None]) -> None:
        """Call `action` once, `delay_s` seconds from now, unless disarmed before."""
        self.disarm(name)

        def fire() -> None:
            self._handles.pop(name, None)
            action()

        self._handles[name] = asyncio.get_running_loop().call_later(delay_s, fire)

    def disarm(self, *names: str) -> None:
        """Forget these, or all of them; harmless for those that are not armed."""
        for name in names or tuple(self._handles):
            handle = self._handles.pop(name, None)
            if handle is not None:
                handle.cancel()
