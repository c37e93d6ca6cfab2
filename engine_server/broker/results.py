"""Pieces of the files of finished jobs, for clients on other machines."""

from __future__ import annotations

import os
from pathlib import Path

from ...shared.errors import InvalidJob, MalformedMessage
from ...shared.fetching import is_inside
from ...shared.jobs import ArtifactRef
from ...shared.messages import MAX_CHUNK_BYTES, FetchFile, FileChunk


def read_piece(artifact: ArtifactRef, request: FetchFile) -> tuple[FileChunk, bytes]:
    """A piece of a file in the folder of a result.

    Raises:
        MalformedMessage: The path leads out of the folder, or offset or length cannot be.
        InvalidJob: There is no such file any more.
    """
    if request.offset < 0 or not 0 < request.length <= MAX_CHUNK_BYTES:
        raise MalformedMessage(f"Ask for 1 to {MAX_CHUNK_BYTES} bytes from an offset >= 0.")
    folder = Path(artifact.folder)
    path = folder / request.path
    if not is_inside(request.path) or not path.resolve().is_relative_to(folder.resolve()):
        raise MalformedMessage("A file of a result is named by its path inside the folder.")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(min(request.offset, size))
            piece = file.read(request.length)
    except OSError as why:
        raise InvalidJob(
            f"The finished loop has no file {request.path} any more: it was deleted or moved on "
            "the engine's machine. Ask for the loop once more.",
            field="path",
        ) from why
    chunk = FileChunk(job_id=request.job_id, path=request.path, offset=request.offset, size=size)
    return chunk, piece
