"""The loop's page for the browser of a headset, served by the user's engine on the local network.

`panoloom view` makes and serves it; here it is started, its address waited for, and it is stopped
when Blender ends.
"""

from __future__ import annotations

import atexit
from pathlib import Path

import bpy

from ..shared.errors import EngineUnreachable, PanoloomError
from . import preferences, runtime, world
from .engine_process import EngineProcess, json_lines

LOOK_S, PATIENCE_S = 0.5, 30.0


class Page:
    """The one page that is served, or none.

    Attributes:
        address: Where a headset finds it; empty while there is none.
    """

    def __init__(self) -> None:
        self.address = ""
        self._process: EngineProcess | None = None
        self._waited_s = 0.0

    @property
    def is_served(self) -> bool:
        """Whether it is served or about to be."""
        return self._process is not None

    def serve(self, folder: Path) -> None:
        """Serve the loop in `folder`; the address comes a few seconds later.

        Raises:
            EngineUnreachable: There is no engine on this computer, or it does not start.
        """
        program = preferences.program()
        if program is None:
            raise EngineUnreachable(
                "The page is served by the engine, and its program was not found on this computer. "
                "Install it, then choose it in the preferences."
            )
        self.stop()
        log = preferences.own_folder() / "page.log"
        log.unlink(missing_ok=True)
        self._process = EngineProcess([program, "view", str(folder), "--lan", "--json"], log)
        self._waited_s = 0.0
        bpy.app.timers.register(self._look, first_interval=LOOK_S)

    def stop(self) -> None:
        """Serve it no longer."""
        if self._process is not None:
            self._process.stop()
        self._process, self.address = None, ""

    def _look(self) -> float | None:
        if self._process is None:
            return None
        try:
            self.address = address_in(self._process.log)
            if not self.address:
                self._process.check()
                self._waited_s += LOOK_S
                if self._waited_s < PATIENCE_S:
                    return LOOK_S
                raise EngineUnreachable(
                    f"The page was not ready within {PATIENCE_S:.0f} seconds.",
                    log=str(self._process.log),
                )
            bpy.context.window_manager.clipboard = self.address
        except PanoloomError as error:
            self.stop()
            runtime.state().report(error)
        return None


def address_in(log: Path) -> str:
    """The address that the program has printed; empty while it has not."""
    return next((str(told["address"]) for told in json_lines(log) if "address" in told), "")


def why_not(scene: bpy.types.Scene) -> str:
    """Why there can be no page of what the scene shows; empty when there can."""
    if world.folder_of(scene.world) is None:
        return "Apply a finished loop first"
    if not bpy.app.online_access:
        return "Allow online access in Blender's preferences (System) first"
    return ""


page = Page()
atexit.register(page.stop)
