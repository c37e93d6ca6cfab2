"""Files from a hub of models: what a repository holds at a commit, and those files, byte by byte.

Listing and requests are huggingface_hub's. Files are fetched over plain HTTP into `NAME.partial`,
which an interrupted download goes on from; the library's own downloads begin a file anew. Every
file is held against the hash that the hub lists for it before it takes its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ...shared.errors import InvalidJob, ModelNotInstalled
from ..room import is_full, readable_size, write_failed
from . import checksums
from .card import Source
from .safe_files import CONVERT, is_pickle

OnBytes = Callable[[int], None]
"""Told how many bytes more are there."""
_TEXTS = (".json", ".txt", ".model")
_WEIGHTS = re.compile(
    r"(?P<stem>model|diffusion_pytorch_model)(?P<variant>\.[a-z0-9]+)?"
    r"(?P<shard>-\d+-of-\d+)?\.safetensors"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        path: Below the repository.
        size: Bytes.
        sha256: Its hash; empty for a small file, which has `blob_id`.
        blob_id: Its name in git: sha1 of a header and its bytes.
    """

    path: str
    size: int
    sha256: str = ""
    blob_id: str = ""

    def is_whole(self, path: Path) -> bool:
        """Whether the file at `path` has the hash that the hub lists."""
        if path.stat().st_size != self.size:
            return False
        if self.sha256:
            return checksums.sha256_of(path) == self.sha256
        data = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        return not self.blob_id or found == self.blob_id


def listing(repository: str, revision: str, endpoint: str) -> tuple[str, list[RemoteFile]]:
    """The commit that `revision` (empty: the newest) stands for, and all files of it.

    Raises:
        ModelNotInstalled: The hub does not answer, or has no such repository or commit.
    """
    from huggingface_hub import HfApi  # half a second, which no other command waits for

    with _sentences(repository, endpoint):
        found = HfApi(endpoint=endpoint).model_info(
            repository, revision=revision or None, files_metadata=True
        )
    files = [
        RemoteFile(
            path=file.rfilename,
            size=file.size or 0,
            sha256=(file.lfs.sha256 or "") if file.lfs else "",
            blob_id="" if file.lfs else file.blob_id or "",
        )
        for file in found.siblings or []
    ]
    return found.sha or revision, files


def wanted(source: Source, names: list[str]) -> dict[str, str]:
    """Which files of a repository are taken: their paths to ours, below the model's folder.

    Configurations, tokenizers and safetensors of the parts that are needed; no program, no pickle.

    Raises:
        InvalidJob: A part has no safetensors, or is not there.
    """
    taken = {}
    for part in source.parts:
        inside = [name for name in names if _folder(name) == part]
        weights = [name for name in inside if _is_wanted_weight(name, source.variant)]
        pickles = [name for name in inside if is_pickle(name)]
        if not inside:
            raise InvalidJob(
                f"{source.repository} has no folder '{part}', which this model needs.",
                field="source",
            )
        is_folder = bool(part) or len(source.parts) == 1
        if is_folder and pickles and not weights:
            raise InvalidJob(_only_pickles(source.repository, pickles[0]), field="source")
        texts = [name for name in inside if name.endswith(_TEXTS)]
        for name in [*texts, *weights] if is_folder else _root_texts(texts):
            taken[name] = str(PurePosixPath(source.into) / _without_variant(name, source.variant))
    return taken


def fetch(
    file: RemoteFile,
    target: Path,
    *,
    repository: str,
    commit: str,
    endpoint: str,
    on_bytes: OnBytes,
) -> None:
    """One file to `target`; goes on from `NAME.partial` where there is one.

    Raises:
        ModelNotInstalled: The connection broke, the disk is full, or the bytes are not the listed
            ones. What came so far stays, but for wrong bytes.
    """
    if target.is_file() and file.is_whole(target):
        on_bytes(file.size)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with _sentences(repository, endpoint, place=target.parent):
        _fetch_rest(file, partial, repository, commit, endpoint, on_bytes)
    if not file.is_whole(partial):
        partial.unlink()
        raise ModelNotInstalled(
            f"{file.path} of {repository} came with a hash that is not the listed one, so it was "
            "thrown away. Run the command again; if it stays so, the mirror is at fault.",
            file=file.path,
        )
    partial.replace(target)


def _fetch_rest(
    file: RemoteFile,
    partial: Path,
    repository: str,
    commit: str,
    endpoint: str,
    on_bytes: OnBytes,
) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers
    from tqdm import tqdm

    class Silent(tqdm):  # pyright: ignore[reportMissingTypeArgument]
        def __init__(self, *args: object, **words: object) -> None:
            super().__init__(*args, **{**words, "disable": True})  # pyright: ignore

    have = partial.stat().st_size if partial.is_file() else 0
    if have > file.size:
        partial.unlink()
        have = 0
    on_bytes(have)
    if file.size == 0:
        partial.touch()
        return
    with partial.open("r+b" if have else "wb") as raw:
        raw.seek(have)
        http_get(
            hf_hub_url(repository, file.path, revision=commit, endpoint=endpoint),
            _Counted(raw, on_bytes),  # pyright: ignore[reportArgumentType]
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.path,
            tqdm_class=Silent,
        )


class _Counted:
    """A file that tells of every byte written, and takes them back when it is cut."""

    def __init__(self, file: BinaryIO, on_bytes: OnBytes) -> None:
        self._file, self._on_bytes = file, on_bytes
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: bytes) -> int:
        count = self._file.write(data)
        self._on_bytes(count)
        return count

    def truncate(self) -> int:
        start = self._file.tell()
        self._on_bytes(start - self._file.seek(0, 2))
        self._file.seek(start)
        return self._file.truncate()


@contextmanager
def _sentences(repository: str, endpoint: str, *, place: Path | None = None) -> Iterator[None]:
    """What goes wrong inside, as a sentence. The one seam to the hub's library.

    The library raises classes of its own, of the HTTP client's and of the system's.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as why:
        raise ModelNotInstalled(
            f"{repository} wants its licence accepted first: open {endpoint}/{repository}, accept "
            "it, sign in with `hf auth login`, and run the command again.",
            repository=repository,
        ) from why
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as why:
        raise ModelNotInstalled(
            f"{endpoint} has no {repository} at that revision, or does not show it to everyone.",
            repository=repository,
        ) from why
    except OSError as why:
        if place is not None and is_full(why):
            full = write_failed(why, place)
            free = readable_size(int(full.details["free_bytes"]))
            raise ModelNotInstalled(
                f"The disk of {place} is full ({free} free). Make room and run the command again: "
                "it goes on where it stopped.",
                path=str(place),
            ) from why
        raise _no_answer(repository, endpoint, why) from why
    except errors.HTTPError as why:  # pyright: ignore[reportPrivateImportUsage]
        raise _no_answer(repository, endpoint, why) from why  # of the library's HTTP client


def _no_answer(repository: str, endpoint: str, why: Exception) -> ModelNotInstalled:
    line = (str(why).strip() or type(why).__name__).splitlines()[0]
    return ModelNotInstalled(
        f"{repository} could not be fetched from {endpoint}: {line}. Check the network (or the "
        "mirror in HF_ENDPOINT) and run the command again: it goes on where it stopped. A folder "
        "that was fetched elsewhere can be given with --from FOLDER.",
        repository=repository,
    )


def _only_pickles(repository: str, name: str) -> str:
    path = PurePosixPath(name)
    return (
        f"{repository} has {path.parent} as a pickle only ({path.name}): reading it would run "
        f"whatever program it holds, so it is not fetched. "
        f"{CONVERT.format(name=path.name, stem=path.stem)}"
    )


def _folder(name: str) -> str:
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent


def _root_texts(texts: list[str]) -> list[str]:
    """At the root only what tells of the parts."""
    return [name for name in texts if name == "model_index.json"]


def _is_wanted_weight(name: str, variant: str) -> bool:
    found = _WEIGHTS.fullmatch(PurePosixPath(name).name)
    return found is not None and (found["variant"] or "") == (f".{variant}" if variant else "")


def _without_variant(name: str, variant: str) -> str:
    return name.replace(f".{variant}", "") if variant else name
