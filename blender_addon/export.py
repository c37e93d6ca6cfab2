"""An export of a loop by the user's engine program, as a process of its own. No Blender.

`panoloom export` checks, makes the file under a hidden name, and renames it; told to end, it takes
away what it had begun. Here it is started, listened to and stopped.
"""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from pathlib import Path

from ..shared.errors import PanoloomError, from_wire
from .engine_process import EngineProcess, json_lines
from .loops import FRAMES, MANIFEST

FOLDER = "exports"  # in that of the library, where no .blend says where to


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of player.

    Attributes:
        name: As the engine's command line knows it.
        title: For the menu.
        about: A sentence for whoever has to choose.
        plays_on: Whether it is a film that can be played for a wished time.
        has_light: Whether it holds estimated light, and so a sun to place.
    """

    name: str
    title: str
    about: str
    plays_on: bool = True
    has_light: bool = False


PRESETS = (
    Preset("quest3", "Quest 3", "A sharp 10-bit film for Meta Quest 3 and 3S"),
    Preset("quest2", "Quest 2", "A film that Meta Quest 2 and Pro can decode"),
    Preset("vision-pro", "Vision Pro", "A film that Apple Vision Pro shows as a sphere"),
    Preset("pico", "PICO", "A film for PICO 4 and Neo 3"),
    Preset("steamvr", "SteamVR", "A film for players on a PC: DeoVR, SKYBOX, Whirligig"),
    Preset("youtube", "YouTube", "A film to upload: rich, since YouTube encodes it anew"),
    Preset("web-safe", "Any Browser", "A film that every browser and phone plays, 4096 wide"),
    Preset("web", "Web Page", "A folder with the page and its film, for any static host", False),
    Preset(
        "blender-hdr",
        "Blender HDR",
        "A film that lights a World in Blender 5 and newer",
        has_light=True,
    ),
    Preset(
        "hdri",
        "HDRI",
        "A folder of EXR frames with estimated highlights",
        plays_on=False,
        has_light=True,
    ),
)
WIDTHS = (1024, 2048, 4096, 5760, 7680, 8192, 16384)
SIZES = (("", "As the Loop"), *((f"{w}x{w // 2}", f"{w} x {w // 2}") for w in WIDTHS))
SUNS = (("", "As Suits"), ("picture", "In the Picture"), ("lamp", "Left to a Lamp"))
CODECS = (("", "As Suits"), ("hevc", "HEVC"), ("av1", "AV1"), ("h264", "H.264"))
IN_THE_PANEL = {
    "without --force": "without the tick “Replace”",
    "with --out": "in “Folder”",
    "--fit makes it": "“Shrink to Fit” makes it",
    "Leave --seconds out": "Set “Seconds” to 0",
    "--seconds 60 plays": "“Seconds” plays",
    ": --codec": ": choose it in “Codec”, as",
    "a smaller --size": "a smaller “Size”",
}
"""What the engine's sentences say of its command line, and what is said here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWish:
    """What the panel asks for.

    Attributes:
        folder: Of the finished loop.
        preset: Name of one of `PRESETS`.
        out: Folder for what is made.
        seconds: Play the loop on for so long; 0: once.
        yaw_deg: What is turned into the middle.
        codec: One of `CODECS`; empty: the preset's first.
        size: One of `SIZES`; empty: the loop's own.
        sun: One of `SUNS`, where light is estimated; empty: as suits the preset.
        fit: Make it smaller where it is too large for the preset.
        replace: Replace what is there.
    """

    folder: Path
    preset: str
    out: Path
    seconds: float = 0.0
    yaw_deg: float = 0.0
    codec: str = ""
    size: str = ""
    sun: str = ""
    fit: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: `done` of `total` of `what`, which takes `left_s` more seconds.

    `left_s` is None before anything of it is done.
    """

    what: str
    done: int
    total: int
    left_s: float | None

    @property
    def fraction(self) -> float:
        """0..1, of what is done now."""
        return min(1.0, self.done / max(1, self.total))


@dataclass(frozen=True, slots=True)
class Said:
    """What the program has printed until now: its newest step, and how it ended, if it has."""

    step: Step | None = None
    made: Path | None = None
    notes: tuple[str, ...] = ()
    error: PanoloomError | None = None


class Export:
    """The one export that runs, and what came of the last one.

    Attributes:
        step: How far it is; None before the first is known.
        made: The file or folder that the last one made; None when it made none.
        notes: Sentences on it.
        is_cancelling: It was told to end and has not yet.
        was_cancelled: The last one was.
    """

    def __init__(self) -> None:
        self._process: EngineProcess | None = None
        self._begin()

    def _begin(self) -> None:
        self.step: Step | None = None
        self.made: Path | None = None
        self.notes: tuple[str, ...] = ()
        self.is_cancelling = self.was_cancelled = False

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended, or was not listened to since."""
        return self._process is not None

    def start(self, program: str, wish: ExportWish, log: Path) -> None:
        """Start it.

        Args:
            log: File for what the program prints; replaced.

        Raises:
            EngineUnreachable: The program does not start.
        """
        assert self._process is None, "one export at a time"
        self._begin()
        log.unlink(missing_ok=True)
        self._process = EngineProcess([program, *command_words(wish)], log)

    def poll(self) -> bool:
        """Listen; whether to go on.

        Raises:
            PanoloomError: It failed, for the reason the program gives.
        """
        process = self._process
        if process is None:
            return False
        is_running = process.is_running  # asked first: what it said last is then read too
        said = read_log(process.log)
        self.step = said.step
        if is_running:
            return True
        self._process = None
        self.made, self.notes = said.made, said.notes
        self.was_cancelled, self.is_cancelling = self.is_cancelling and said.made is None, False
        if said.made is None and not self.was_cancelled:
            if said.error is not None:
                raise said.error
            process.check()
        return False

    def let_go(self) -> None:
        """Tell it to end, and forget it."""
        self.cancel()
        self._process = None
        self._begin()

    def cancel(self) -> None:
        """Tell it to end; it takes away what it had begun."""
        if self._process is not None:
            self.is_cancelling = True
            self._process.stop()


def command_words(wish: ExportWish) -> list[str]:
    """The engine's command line, without the program."""
    preset = preset_of(wish.preset)
    words = ["export", str(wish.folder), "--preset", wish.preset, "--out", str(wish.out), "--json"]
    if wish.seconds > 0 and preset.plays_on:
        words += ["--seconds", f"{wish.seconds:g}"]
    if wish.yaw_deg:
        words.append(f"--yaw={wish.yaw_deg:g}")
    if wish.codec and preset.plays_on:
        words += ["--codec", wish.codec]
    if wish.size:
        words += ["--size", wish.size]
    if wish.sun and preset.has_light:
        words += ["--sun", wish.sun]
    if wish.fit:
        words.append("--fit")
    if wish.replace:
        words.append("--force")
    return words


def preset_of(name: str) -> Preset:
    """The preset of this name."""
    return next(preset for preset in PRESETS if preset.name == name)


def default_out(folder: Path, blend: str) -> Path:
    """Where exports go when nobody said: beside the .blend, else into the loop's library.

    Never into the loop's own folder, which is deleted with the loop.
    """
    return Path(blend).parent if blend else folder.parent / FOLDER


def why_not(folder: Path | None, *, has_program: bool, is_running: bool) -> str:
    """Why there can be no export now; empty when there can.

    Args:
        folder: Of the loop that the scene shows.
    """
    if is_running:
        return "An export is being made"
    if folder is None:
        return "Apply a finished loop first"
    if not (folder / MANIFEST).is_file() or not (folder / FRAMES).is_dir():
        return "The World shows a file of yours; exports are made of the engine's loops"
    if not has_program:
        return "The engine makes exports, and its program was not found: see the preferences"
    return ""


def read_log(log: Path) -> Said:
    """What the program has printed."""
    step, made, notes, error = None, None, (), None
    for told in json_lines(log):
        match told:
            case {"progress": {"what": w, "done": int(d), "total": int(t), "left_s": s}}:
                step = Step(str(w), d, t, None if s is None else float(s))
            case {"path": str(path)}:
                made = Path(path)
                notes = tuple(in_the_panels_words(str(note)) for note in told.get("notes", ()))
            case {"error": {"code": str(code), "message": str(message)}}:
                details = told["error"].get("details") or {}
                error = from_wire(code, in_the_panels_words(message), details)
    return Said(step, made, notes, error)


def in_the_panels_words(sentence: str) -> str:
    """A sentence of the engine's with the names of the panel's controls."""
    for engine, panel in IN_THE_PANEL.items():
        sentence = sentence.replace(engine, panel)
    return sentence


current = Export()
atexit.register(current.cancel)
