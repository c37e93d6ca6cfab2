"""The files of a loop: which one Blender loads, and how they go along with a .blend. No Blender."""

from __future__ import annotations

import contextlib
import filecmp
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..shared.errors import PanoloomError

FRAMES = "frames"  # folder of the EXRs in that of a loop
MOVIE = "loop.mp4"
SMALL_MOVIE = "preview.mp4"  # beside the movie of a loop that is wider than 2048
POSTER = "poster.png"
MANIFEST = "manifest.json"
KEPT = "panoloom"  # folder beside the .blend
MOVIES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
PICTURES = (".exr", ".hdr", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
LEFT_OUT = (".safetensors",)  # an engine's affair; a World does not need it
MAX_SEQUENCE = 20_000
_NUMBER = re.compile(r"^(?P<stem>.*?)(?P<number>\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFile:
    """What Blender loads.

    Attributes:
        path: The movie, or the first picture of a sequence, or a still.
        num_frames: Of a sequence; 1 for a still, 0 for a movie, which tells by itself.
        first_number: The number in the name of a sequence's first picture.
        fps: Frames a second that it was made for; 0 where that is not known here.
    """

    path: Path
    num_frames: int = 0
    first_number: int = 1
    fps: float = 0.0

    @property
    def is_movie(self) -> bool:
        """Whether it is one file with many frames."""
        return self.path.suffix.lower() in MOVIES


def loop_file(folder: Path | str, *, prefer_movie: bool = False) -> Path:
    """The file Blender loads for the finished loop in `folder`: its first EXR, or a movie.

    Args:
        prefer_movie: For looking: the small movie where there is one, else the movie.

    Raises:
        PanoloomError: Neither is on this computer.
    """
    folder = Path(folder)
    frames = folder / FRAMES / "loop_0001.exr"
    movies = (folder / SMALL_MOVIE, folder / MOVIE)
    for path in (*movies, frames) if prefer_movie else (frames, *reversed(movies)):
        if path.is_file():
            return path
    raise PanoloomError(
        f"The finished loop is not on this computer: {folder} is missing or has no frames.",
        folder=str(folder),
    )


def fps_of(folder: Path) -> float:
    """Frames a second of the loop in `folder`, as its manifest says; 0 when it says nothing."""
    try:
        plain = json.loads((folder / MANIFEST).read_bytes())
        return float(plain["loop"]["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def folder_of_loop(file: Path) -> Path:
    """The folder of the finished loop that `file`, as `loop_file` gives it, belongs to."""
    return file.parents[1] if file.parent.name == FRAMES else file.parent


def find_loop(chosen: Path) -> LoopFile:
    """What to load for a file that an artist chose: a movie, a numbered sequence, or a still.

    Raises:
        PanoloomError: It is not there, or of no kind that Blender shows.
    """
    suffix = chosen.suffix.lower()
    if not chosen.is_file():
        raise PanoloomError(f"There is no file {chosen}.", file=str(chosen))
    if suffix in MOVIES:
        return LoopFile(path=chosen)
    if suffix not in PICTURES:
        raise PanoloomError(
            f"{chosen.name} is neither a movie ({', '.join(MOVIES)}) nor a picture "
            f"({', '.join(PICTURES)}).",
            file=str(chosen),
        )
    return _sequence(chosen)


def _sequence(chosen: Path) -> LoopFile:
    """The unbroken run of numbered pictures that `chosen` is in; alone, it is a still."""
    found = _NUMBER.match(chosen.stem)
    if found is None:
        return LoopFile(path=chosen, num_frames=1)
    stem, digits = found["stem"], len(found["number"])
    here = int(found["number"])

    def _name(number: int) -> str:
        return f"{stem}{number:0{digits}d}{chosen.suffix}"

    try:
        present = {path.name for path in chosen.parent.iterdir()}
    except OSError:
        present = {chosen.name}
    first = last = here
    while first > 0 and _name(first - 1) in present and here - first < MAX_SEQUENCE:
        first -= 1
    while _name(last + 1) in present and last - first < MAX_SEQUENCE:
        last += 1
    path = chosen.with_name(_name(first))
    return LoopFile(path=path, num_frames=last - first + 1, first_number=first)


# Keeping a loop with a .blend -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that a World shows, and that go along with a .blend together.

    Attributes:
        folder: They lie in.
        loaded: What an artist loaded from it; None for a loop of the engine, which is all of it.
    """

    folder: Path
    loaded: LoopFile | None = None

    @property
    def name(self) -> str:
        """Of the folder beside the .blend."""
        if self.loaded is None or self.folder.parent.name == KEPT:
            return self.folder.name
        return _NUMBER.sub(r"\g<stem>", self.loaded.path.stem).rstrip(" ._-") or "sequence"

    def files(self) -> list[Path]:
        """All of them; of a loop the manifest last, so that a copy with one is whole."""
        if self.loaded is not None:
            return self._run(self.loaded)
        found = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        wanted = [path for path in found if path.suffix not in LEFT_OUT and path.name[0] != "."]
        return sorted(wanted, key=lambda path: path.name == MANIFEST)

    def target(self, blend: Path) -> Path:
        """Where they lie, or are to lie, when they are kept with this .blend.

        A folder that holds other files of these names is somebody else's: the next name is taken.
        """
        kept = blend.parent / KEPT
        number = 1
        while True:
            folder = kept / (self.name if number == 1 else f"{self.name}-{number}")
            if self.loaded is None or folder == self.folder or not _differs(self, folder):
                return folder
            number += 1

    @staticmethod
    def _run(loop: LoopFile) -> list[Path]:
        """A movie or a still alone, or the pictures of a sequence."""
        found = _NUMBER.match(loop.path.stem)
        if loop.is_movie or loop.num_frames < 2 or found is None:
            return [loop.path]
        digits = len(found["number"])
        numbers = range(loop.first_number, loop.first_number + loop.num_frames)
        names = (f"{found['stem']}{number:0{digits}d}{loop.path.suffix}" for number in numbers)
        return [loop.path.with_name(name) for name in names]


def _differs(bundle: Bundle, folder: Path) -> bool:
    """Whether a file in `folder` has the name of one of these, and is another."""
    for path in bundle.files():
        other = folder / path.name
        if other.is_file() and (not path.is_file() or not filecmp.cmp(path, other, shallow=False)):
            return True
    return False


class Keeping:
    """Files on their way into the folder beside a .blend, some at a time.

    Args:
        bundle: The files.
        target: Their new place; a file that is there with the same size is not copied again.

    Attributes:
        done, total: Bytes.

    Raises:
        PanoloomError: A file is missing.
    """

    def __init__(self, bundle: Bundle, target: Path) -> None:
        self.bundle, self.target = bundle, target
        folder = bundle.folder
        self._left = [path for path in bundle.files() if _is_missing(path, folder, target)]
        gone = next((path for path in self._left if not path.is_file()), None)
        if gone is not None:
            raise PanoloomError(f"{gone} is missing: it cannot be kept.", file=str(gone))
        self.total = sum(path.stat().st_size for path in self._left)
        self.done = 0

    def step(self, most_bytes: int) -> bool:
        """Copy files until about `most_bytes` were, at least one; whether all is there.

        Raises:
            PanoloomError: A file could not be written.
        """
        spent = 0
        while self._left and (spent == 0 or spent < most_bytes):
            path = self._left.pop(0)
            size = path.stat().st_size
            self._copy(path)
            spent += max(size, 1)
            self.done += size
        return not self._left

    def _copy(self, path: Path) -> None:
        target = self.target / path.relative_to(self.bundle.folder)
        partial = target.with_name(f".{target.name}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial)
            partial.replace(target)
        except OSError as why:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                partial.unlink(missing_ok=True)
            raise PanoloomError(
                f"{path.name} could not be copied to {target.parent}: {why.strerror or why}. "
                "Make room there, or save the file elsewhere.",
                file=str(target),
            ) from why


def _is_missing(path: Path, folder: Path, target: Path) -> bool:
    try:
        return (target / path.relative_to(folder)).stat().st_size != path.stat().st_size
    except OSError:
        return True
