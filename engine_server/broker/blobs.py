"""Blobs: files clients store, named by the SHA-256 of their bytes, whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from ...shared.connection import blob_path
from ...shared.errors import MalformedMessage, UserError
from ...shared.messages import MAX_CHUNK_BYTES, BlobChunk, BlobStored, FetchBlob, StoreBlob
from ..room import write_failed


class BlobStore:
    """`blobs/ab/cdef…`; unfinished ones end in `.part` beside it."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in folder.glob("*/*.part"):
            leftover.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where this blob is or would be.

        Raises:
            MalformedMessage: `sha256` is none, so no name leads out of the folder.
        """
        return blob_path(self._folder, sha256)

    def has(self, sha256: str) -> bool:
        """Whether the whole blob is there."""
        return self.path(sha256).is_file()

    def store(self, request: StoreBlob, piece: bytes) -> BlobStored:
        """Take in a piece. Pieces come in order; the answer says where to go on.

        Raises:
            UserError: Too large, or the bytes are not those of the name.
            ArtifactWriteFailed: The disk is full, or may not be written to.
            MalformedMessage: Sizes that cannot be.
        """
        path = self.path(request.sha256)
        if path.is_file():
            return BlobStored(sha256=request.sha256, received=path.stat().st_size, is_complete=True)
        self._check(request, piece)
        part = path.with_suffix(".part")
        received = part.stat().st_size if part.exists() else 0
        is_next = request.offset == received and piece
        try:
            if is_next:
                part.parent.mkdir(mode=0o700, exist_ok=True)
                with open(part, "ab") as file:
                    file.write(piece)
                received += len(piece)
            is_complete = received == request.size
            if is_complete:
                self._complete(part, path, request.sha256)
        except OSError as why:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise write_failed(
                why, self._folder, what="The file", expected_bytes=request.size
            ) from why
        return BlobStored(sha256=request.sha256, received=received, is_complete=is_complete)

    def fetch(self, request: FetchBlob) -> tuple[BlobChunk, bytes]:
        """A piece of a stored blob.

        Raises:
            UserError: There is none of this name.
            MalformedMessage: Offset or length cannot be.
        """
        path = self.path(request.sha256)
        if request.offset < 0 or not 0 < request.length <= MAX_CHUNK_BYTES:
            raise MalformedMessage(f"Ask for 1 to {MAX_CHUNK_BYTES} bytes from an offset >= 0.")
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(min(request.offset, size))
                piece = file.read(request.length)
        except FileNotFoundError as why:
            raise UserError(
                f"No file with the hash {request.sha256[:12]}… is stored here.", field="sha256"
            ) from why
        return BlobChunk(sha256=request.sha256, offset=request.offset, size=size), piece

    def _check(self, request: StoreBlob, piece: bytes) -> None:
        if request.size > self._max_bytes:
            raise UserError(
                f"The file has {request.size / 2**20:.0f} MiB; the engine takes at most "
                f"{self._max_bytes / 2**20:.0f} MiB.",
                field="size",
                largest=self._max_bytes,
            )
        if len(piece) > MAX_CHUNK_BYTES or request.offset < 0 or request.size < 1:
            raise MalformedMessage(
                f"A piece has at most {MAX_CHUNK_BYTES} bytes, a file at least 1."
            )
        if request.offset + len(piece) > request.size:
            raise MalformedMessage("The piece ends behind the end of the file.")

    def _complete(self, part: Path, path: Path, sha256: str) -> None:
        digest = hashlib.sha256()
        with open(part, "r+b") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            part.unlink(missing_ok=True)
            raise UserError(
                "The bytes that arrived are not those of the name; store the file again.",
                field="sha256",
            )
        os.replace(part, path)
