"""Find, start, watch and stop the engine of the library in use, and speak to it."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import bpy

from ..shared.connection import Connection, connection_path, read_connection
from ..shared.errors import EngineUnreachable, PanoloomError
from . import preferences
from .engine_process import EngineProcess, serve_words
from .session import LinkState, Session

START_S = 60.0
LOOK_S = 2.0
LOCAL = ("127.0.0.1", "localhost", "::1")


class EngineCare:
    """The engine as this Blender knows it.

    Attributes:
        session: What speaks to it.
        process: The engine that was started here, if there is one.
        place: Library folder or connection file in use.
        starting_since: When it was started, while it does not answer yet.
        is_unwanted: The artist stopped it; it is not looked for until Start or Connect.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.process: EngineProcess | None = None
        self.place: Path | None = None
        self.starting_since: float | None = None
        self.is_unwanted = False
        self._looked_at = 0.0

    @property
    def library(self) -> Path | None:
        """The library folder in use, None while there is none on this computer."""
        if self.place is None:
            return None
        folder = self.place.parents[1] if self.place.suffix == ".json" else self.place
        return folder if folder.is_dir() else None

    def connect(self, place: Path | None = None) -> None:
        """Reach the engine of the library in use, or the one a connection file names.

        Raises:
            EngineUnreachable: It is on another computer, and online access is off.
        """
        self.place = place or preferences.library()
        self.is_unwanted = False
        _check_access(self.place)
        self.session.connect(self.place)

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
        assert self.place is not None
        try:
            self.process.check()
            read_connection(self.place)
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
        library = preferences.library()
        if not connection_path(library).is_file():
            return
        try:
            if is_elsewhere(read_connection(library)):
                return  # another computer is reached by a button alone
        except PanoloomError:
            return  # a file that was left behind; Connect says so
        self.connect()


def log_path() -> Path:
    """File that gets what an engine prints that was started here."""
    return preferences.own_folder() / "engine.log"


def is_elsewhere(connection: Connection) -> bool:
    """Whether an engine listens on another computer."""
    return urlsplit(connection.control).hostname not in LOCAL


def _check_access(place: Path) -> None:
    if getattr(bpy.app, "online_access", True):
        return
    try:
        found = read_connection(place)
    except PanoloomError:
        return  # the session says it
    if is_elsewhere(found):
        raise EngineUnreachable(
            "That engine is on another computer, and Blender's preferences do not allow online "
            "access. Allow it under System, Network.",
            online_access=False,
        )
