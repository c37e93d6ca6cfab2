"""Find, start, watch and stop the engine in use, here or elsewhere, and speak to it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import bpy

from ..shared.connection import STATE_FOLDER, connection_path
from ..shared.errors import EngineUnreachable
from ..shared.remote import RemoteEngine, connection_of
from . import preferences
from .engine_process import EngineProcess, serve_words
from .session import LinkState, Session

START_S = 60.0
LOOK_S = 2.0


class EngineCare:
    """The engine as this Blender knows it.

    Attributes:
        session: What speaks to it.
        process: The engine that was started here, if there is one.
        place: Library folder or connection file in use, or the engine elsewhere.
        starting_since: When it was started, while it does not answer yet.
        is_unwanted: The artist stopped it; it is not looked for until Start or Connect.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.process: EngineProcess | None = None
        self.place: Path | RemoteEngine | None = None
        self.starting_since: float | None = None
        self.is_unwanted = False
        self._looked_at = 0.0

    @property
    def library(self) -> Path | None:
        """The library folder in use, None while there is none on this computer."""
        if isinstance(self.place, RemoteEngine):
            return preferences.library()
        if self.place is None:
            return None
        folder = self.place.parents[1] if self.place.suffix == ".json" else self.place
        return folder if folder.is_dir() else None

    @property
    def state_folder(self) -> Path | None:
        """Where what concerns this engine's jobs is kept for the next run of Blender."""
        library = self.library
        if library is None:
            return None
        folder = library / STATE_FOLDER
        if isinstance(self.place, RemoteEngine):
            return folder / re.sub(r"[^\w.\-]", "_", f"remote-{self.place.address}")
        return folder

    def connect(self, place: Path | None = None) -> None:
        """Reach the engine that the preferences name, or that of a library or connection file.

        Raises:
            EngineUnreachable: It is on another computer, and online access is off.
            InvalidJob: Its address is none.
        """
        self.place = place or preferences.remote_engine() or preferences.library()
        self.is_unwanted = False
        if isinstance(self.place, RemoteEngine):
            _check_access(self.place)
            self.session.connect(self.place, preferences.library())
        else:
            self.session.connect(self.place)

    def disconnect(self) -> None:
        """Let the engine go; it and its jobs run on."""
        self.is_unwanted = True
        self.session.disconnect()

    def start(self) -> None:
        """Start the user's engine; `watch` connects as soon as it listens.

        Raises:
            EngineUnreachable: There is no program, or it does not start.
        """
        program = preferences.program()
        if program is None:
            raise EngineUnreachable(
                "The engine's program was not found. Install it, then choose it in the preferences."
            )
        self.session.disconnect()
        library = preferences.library()
        self.process = EngineProcess(serve_words(program, library), log_path())
        self.place = library
        self.is_unwanted = False
        self.starting_since = time.monotonic()

    def stop(self) -> None:
        """End the engine that was started here."""
        if self.process is not None:
            self.process.stop()
        self.process = None
        self.starting_since = None
        self.is_unwanted = True
        self.session.disconnect()

    def watch(self) -> None:
        """See to an engine that starts, or look for one that runs already. Never waits.

        Raises:
            EngineUnreachable: The one that was started here ended, or does not answer.
        """
        if self.starting_since is None:
            self._look_around()
            return
        assert self.process is not None
        assert isinstance(self.place, Path)
        try:
            self.process.check()
            connection_of(self.place)
        except EngineUnreachable:
            if self.process.is_running and time.monotonic() - self.starting_since < START_S:
                return
            self.starting_since = None
            raise
        self.starting_since = None
        self.session.connect(self.place)

    def _look_around(self) -> None:
        """Connect to an engine of the library in use that someone else started. Starts none."""
        now = time.monotonic()
        session = self.session
        if session.state is not LinkState.OFF or session.trouble is not None or self.is_unwanted:
            return
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        if preferences.remote_engine() is not None:
            return  # another computer is reached by a button alone
        if not connection_path(preferences.library()).is_file():
            return
        try:
            connection_of(preferences.library())
        except EngineUnreachable:
            return  # a file that was left behind; Connect says so
        self.connect()


def log_path() -> Path:
    """File that gets what an engine prints that was started here."""
    return preferences.own_folder() / "engine.log"


def _check_access(engine: RemoteEngine) -> None:
    """A tunnel that begins on this computer needs no online access.

    Raises:
        EngineUnreachable: Blender's preferences do not allow it.
    """
    if not engine.is_loopback and not bpy.app.online_access:
        raise EngineUnreachable(
            f"The engine at {engine.address} is on another computer, and Blender's preferences do "
            "not allow online access. Allow it under System, Network.",
            online_access=False,
        )
