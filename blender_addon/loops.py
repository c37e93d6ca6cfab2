"""The files of a loop: which one Blender loads, and how they go along with a .blend. No Blender."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..shared.errors import PanoloomError

FRAMES = "frames"  # folder of the EXRs in that of a loop
MOVIE = "loop.mp4"
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
    """

    path: Path
    num_frames: int = 0
    first_number: int = 1

    @property
    def is_movie(self) -> bool:
        """Whether it is one file with many frames."""
        return self.path.suffix.lower() in MOVIES


def loop_file(folder: Path | str, *, prefer_movie: bool = False) -> Path:
    """The file Blender loads for the finished loop in `folder`: its first EXR, or the movie.

    Raises:
        PanoloomError: Neither is on this computer.
    """
    folder = Path(folder)
    frames = folder / FRAMES / "loop_0001.exr"
    movie = folder / MOVIE
    for path in (movie, frames) if prefer_movie else (frames, movie):
        if path.is_file():
            return path
    raise PanoloomError(
        f"The finished loop is not on this computer: {folder} is missing or has no frames.",
        folder=str(folder),
    )


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


def kept_folder(blend: Path, folder: Path) -> Path:
    """Where the loop in `folder` lies when it is kept with this .blend."""
    return blend.parent / KEPT / folder.name


class Keeping:
    """A loop on its way into the folder beside a .blend, some files at a time.

    Args:
        folder: The loop.
        target: Its new place; a file that is there with the same size is not copied again.

    Attributes:
        done, total: Bytes.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder, self.target = folder, target
        self._left = [path for path in _files(folder) if _is_missing(path, folder, target)]
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
        target = self.target / path.relative_to(self.folder)
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


def _files(folder: Path) -> Iterator[Path]:
    """The files of a loop that go along, the manifest last: with it the copy is whole."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    wanted = [path for path in found if path.suffix not in LEFT_OUT and path.name[0] != "."]
    yield from sorted(wanted, key=lambda path: path.name == MANIFEST)


def _is_missing(path: Path, folder: Path, target: Path) -> bool:
    try:
        return (target / path.relative_to(folder)).stat().st_size != path.stat().st_size
    except OSError:
        return True
