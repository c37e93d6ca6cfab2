"""A job's pictures into its folder: written under a temporary name, renamed when whole.

    <library>/<slug>-<id>/  manifest.json  loop.mp4  frames/loop_0001.exr …
                            preview.mp4 (2048 wide, of a wider loop)  poster.png
                            contact-sheet.png  latents.safetensors

The id is a hash of the resolved job and of what made it, so that the same job on the same machine
lands in the same folder. A folder that is there is never touched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...shared.errors import GenerationFailed, InvalidJob
from ...shared.jobs import ArtifactRef, JobSpec, is_job_id
from ...shared.latents import NAME as LATENTS_NAME
from ...shared.latents import LatentsHead
from ..colour import linear_to_srgb
from ..room import PREVIEW_WIDTH, check_room, estimate_bytes, write_failed
from . import manifest
from .exr import half_light, write_exr
from .inspector import Inspection, Inspector
from .interpolate import at_rate
from .latents import write_latents
from .lights import SunFinder
from .pictures import contact_sheet, shrunk, write_poster
from .repaint import SHEET_NAME, BeforeAfterSheet, OldFrames
from .video import VideoWriter, exact_fps

SLUG_CHARS = 40
FRAME_NAME = "loop_{:04d}.exr"

OnFrame = Callable[[int, int], None]


class ArtifactWriter:
    """Writes one job's folder; a context manager that leaves it whole or not at all.

    Args:
        library: Folder of all results; made when missing.
        spec: The resolved job.
        job_id: 32 hex digits; names the temporary folder only.
        made_with: What else shapes the bytes, plain data: model, revision, device, precision,
            numerics version, package versions.
        notes: Sentences for the user.
        memory: See `manifest.manifest_bytes`.
        inspector: Sees the finished frames; its files, its notes and its summary become part of
            the result.

    Raises:
        ArtifactWriteFailed: On entering and from every method: no room, or no permission.
        InvalidJob: On entering: an odd size, or a frame rate no video can have.
    """

    def __init__(
        self,
        library: Path,
        spec: JobSpec,
        job_id: str,
        *,
        made_with: dict[str, Any],
        notes: tuple[str, ...] = (),
        memory: dict[str, Any] | None = None,
        inspector: Inspector | None = None,
    ) -> None:
        if not is_job_id(job_id):
            raise InvalidJob("A job id is 32 lower-case hex digits.", field="job_id")
        self._library = Path(library).absolute()
        self._spec = spec
        self._job_id = job_id
        self._made_with = made_with
        self._notes = notes
        self._memory = memory
        self._measured: dict[str, float] = {}
        self._inspector = inspector
        self._quality: dict[str, Any] = {}
        self._sun = SunFinder()
        self._fps = exact_fps(spec.fps)
        self._num_model_frames = 0
        self._name = f"{slug(spec.title)}-{_identity(spec, made_with)[:8]}"
        self._partial = self._library / f".{self._name}{_partial_suffix(job_id)}"

    def __enter__(self) -> ArtifactWriter:
        with self._disk_errors():
            for abandoned in _partials_of(self._library, self._job_id):
                shutil.rmtree(abandoned)
        check_room(self._library, self._spec)
        with self._disk_errors():
            (self._partial / "frames").mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)  # nothing is there after `finish`

    def write(
        self,
        frames: Iterator[np.ndarray],
        *,
        num_model_frames: int | None = None,
        on_frame: OnFrame | None = None,
        old: OldFrames | None = None,
    ) -> None:
        """Write all frames, one by one; a few are in memory at any time.

        Args:
            frames: ERPs [H, W, 3] float32, display-referred sRGB, 0..1, at the model's rate.
            num_model_frames: How many there are; None: as many as the loop has.
            on_frame: Called with (frames written, frames in all).
            old: The result that is repainted: outside of the part its pixels stay, bit by bit.

        Raises:
            InvalidJob: A frame of `old` cannot be read.
            GenerationFailed: Another number of frames, a wrong shape, or values that are no
                numbers.
        """
        spec = self._spec
        self._num_model_frames = num_model_frames or spec.num_frames
        finished = at_rate(
            (self._checked(index, frame) for index, frame in enumerate(frames)),
            num_in=self._num_model_frames,
            num_out=spec.num_frames,
            loop=spec.loop,
            surface=spec.surface,
        )
        sheet = contact_sheet(spec)
        with self._movie("loop.mp4", spec.width, spec.height) as video, self._preview() as small:
            for index, (light, frame) in enumerate(self._joined(finished, old)):
                with self._disk_errors():
                    write_exr(self._frame_path(index), light, fps=self._fps, surface=spec.surface)
                    video.add(frame)
                    if small is not None:
                        small.add(shrunk(frame, *self._preview_size))
                    if index == 0:
                        write_poster(self._partial / "poster.png", frame)
                sheet.add(index, frame)
                if spec.surface == "sphere":
                    self._sun.add(light)
                if self._inspector is not None:
                    self._inspector.add(frame)
                if on_frame is not None:
                    on_frame(index + 1, spec.num_frames)
        with self._disk_errors():
            sheet.save(self._partial / "contact-sheet.png")
        if self._inspector is not None:
            self._keep(self._inspector.finish())

    def _keep(self, inspection: Inspection) -> None:
        """Make what an inspector found part of the result."""
        with self._disk_errors():
            for name, data in inspection.files.items():
                (self._partial / name).write_bytes(data)
        self._quality = inspection.summary
        self._notes = (*self._notes, *inspection.notes)

    def write_latents(self, latents: np.ndarray, head: LatentsHead) -> None:
        """Keep the finished latents [C, F, H, W], so that the result can be refined later."""
        with self._disk_errors():
            write_latents(self._partial / LATENTS_NAME, latents, head)

    def measured(self, name: str, value: float | None, *, note: str) -> None:
        """Put a figure into the manifest, if there is one, and what it means among the notes."""
        if value is not None:
            self._measured[name] = round(value, 4)
        self._notes = (*self._notes, note)

    def finish(self) -> ArtifactRef:
        """Write the manifest and give the folder its name."""
        with self._disk_errors():
            raw = manifest.manifest_bytes(
                self._partial,
                self._spec,
                fps=self._fps,
                num_model_frames=self._num_model_frames,
                made_with=self._made_with,
                notes=self._notes,
                measured=self._measured,
                quality=self._quality,
                sun=self._sun.told(),
                memory=self._memory,
            )
            (self._partial / manifest.NAME).write_bytes(raw)
            _sync(self._partial)
            folder = self._settle(raw)
            _sync_folder(self._library)
        return ArtifactRef(
            job_id=self._job_id,
            folder=str(folder),
            manifest_sha256=hashlib.sha256(raw).hexdigest(),
            width=self._spec.width,
            height=self._spec.height,
            num_frames=self._spec.num_frames,
            fps=float(self._spec.fps),
            loop=self._spec.loop,
            notes=self._notes,
        )

    def _settle(self, raw: bytes) -> Path:
        """Rename to the first free name; a whole folder of the same bytes is used as it is."""
        number = 1
        while True:
            folder = self._library / (self._name if number == 1 else f"{self._name}-{number}")
            if _is_same_result(folder, raw):
                return folder
            if not os.path.lexists(folder):
                try:
                    self._partial.rename(folder)
                    return folder
                except OSError as why:
                    if why.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                        raise  # else somebody took the name just now
            number += 1

    def _joined(
        self, frames: Iterator[np.ndarray], old: OldFrames | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every frame as stored (linear light, float16) and as shown (sRGB, 0..1, float32)."""
        if old is None:
            yield from ((half_light(frame), frame) for frame in frames)
            return
        assert self._spec.base is not None
        assert self._spec.base.part is not None
        sheet = BeforeAfterSheet(self._spec.base.part, num_frames=self._spec.num_frames)
        for index, frame in enumerate(frames):
            before = old.light(index)
            light = old.join(before, half_light(frame))
            sheet.add(index, before, light)
            yield light, np.minimum(linear_to_srgb(light), 1.0)
        with self._disk_errors():
            sheet.save(self._partial / SHEET_NAME)

    def _checked(self, index: int, frame: np.ndarray) -> np.ndarray:
        shape = (self._spec.height, self._spec.width, 3)
        if frame.shape != shape:
            raise GenerationFailed(
                f"Frame {index} of the model has the shape {frame.shape}, not {shape}.", frame=index
            )
        if not np.isfinite(frame).all():
            raise GenerationFailed(
                f"Frame {index} of the model holds values that are no numbers. Another seed or a "
                "lower guidance may help.",
                frame=index,
            )
        return np.clip(frame, 0.0, 1.0, dtype=np.float32)

    def _frame_path(self, index: int) -> Path:
        return self._partial / "frames" / FRAME_NAME.format(index + 1)

    def _preview(self) -> AbstractContextManager[VideoWriter | None]:
        """A movie that Blender plays lightly, of a loop that is wider; as short groups as any."""
        if self._spec.width <= PREVIEW_WIDTH:
            return nullcontext()
        height, width = self._preview_size
        return self._movie(manifest.PREVIEW_NAME, width, height)

    @property
    def _preview_size(self) -> tuple[int, int]:
        rows = self._spec.height * PREVIEW_WIDTH / self._spec.width
        return 2 * max(1, round(rows / 2)), PREVIEW_WIDTH

    @contextmanager
    def _movie(self, name: str, width: int, height: int) -> Iterator[VideoWriter]:
        with self._disk_errors():
            path = self._partial / name
            video = VideoWriter(path, width=width, height=height, fps=self._fps)
        try:
            yield video
        except BaseException:
            video.abandon()
            raise
        with self._disk_errors():
            video.close()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """The one place where an OSError becomes a sentence."""
        try:
            yield
        except OSError as why:
            raise write_failed(
                why,
                self._library,
                expected_bytes=estimate_bytes(self._spec),
                written_bytes=_size(self._partial),
            ) from why


def slug(prompt: str) -> str:
    """A folder name of the prompt's words: a-z, 0-9 and '-', at most 40 characters."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode("ascii").lower()
    words = re.findall(r"[a-z0-9]+", plain.replace("'", ""))
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:SLUG_CHARS]
        if len(longer) > SLUG_CHARS:
            break
        name = longer
    return name or "loop"


def _identity(spec: JobSpec, made_with: dict[str, Any]) -> str:
    whole = {"job": spec.to_plain(), "made_with": made_with}
    return hashlib.sha256(manifest.canonical_json(whole)).hexdigest()


def _partial_suffix(job_id: str) -> str:
    return f".partial-{job_id}"


def _partials_of(library: Path, job_id: str) -> list[Path]:
    if not library.is_dir():
        return []
    ending = _partial_suffix(job_id)
    return [path for path in library.iterdir() if path.name.endswith(ending)]


def _is_same_result(folder: Path, raw: bytes) -> bool:
    """Whether `folder` is whole and has the manifest `raw`."""
    path = folder / manifest.NAME
    if not path.is_file() or path.read_bytes() != raw:
        return False
    return not manifest.verify_artifact(folder)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue  # it only makes the sentence about a full disk less exact
    return total


def _sync(folder: Path) -> None:
    """Make the disk hold every file below `folder`, and their names."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            _sync_folder(path)
        else:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle of a folder to flush
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
