"""Bringing a model or a LoRA to this machine: from a hub, a folder, or a single file.

Everything is checked before it counts: the disk has room, the files are safetensors and whole, they
belong to the model, and each has the hash that is listed for it. What was interrupted goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...shared.errors import InvalidJob, ModelNotInstalled
from ..config import models_folder
from ..room import is_full, readable_size
from . import checksums, hub, store
from .card import SINGLE, ModelCard, Source
from .fitting import check_denoiser_file, check_folder, lora_downs
from .hub import RemoteFile
from .safe_files import SAFE, is_pickle, read_header, refuse_pickle

OnProgress = Callable[[int, int], None]
"""(bytes there, bytes in all)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One file that is to come."""

    remote: RemoteFile
    target: str
    repository: str
    commit: str


def install_model(
    card: ModelCard,
    catalog: Iterable[ModelCard],
    *,
    origin: Path | None = None,
    revision: str = "",
    endpoint: str = "",
    on_progress: OnProgress = lambda there, total: None,
) -> store.Record:
    """Install a model of the catalog.

    Args:
        card: The model.
        catalog: All models, to tell what else a folder may be.
        origin: A folder as diffusers writes it, or one file that takes the place of the denoiser of
            the model, which is installed already. None takes the hub.
        revision: Commit of the (first) repository, in place of the pinned one.
        endpoint: Address of the hub.

    Raises:
        InvalidJob: The model ships, or what was given is not that model.
        ModelNotInstalled: It could not be brought here.
    """
    if card.ships:
        raise InvalidJob(
            f"The model '{card.name}' comes with panoloom; there is nothing to install.",
            field="name",
        )
    if origin is None:
        wanted = _from_hub(card.sources, revision, endpoint)
        hashes = _fetch(wanted, card.home, endpoint, on_progress, check=_Checks(card, catalog))
        sources = tuple(dict.fromkeys(f"{w.repository}@{w.commit}" for w in wanted))
    elif origin.is_dir():
        hashes, sources = _from_folder(card, catalog, origin, on_progress), (str(origin),)
    else:
        hashes, sources = _single(card, origin), _sources_with(card, origin)
    for path in card.weight_files:
        read_header(path)
    record = store.Record(
        name=card.name, revision="", sources=sources, num_bytes=0, licence=card.terms.licence
    )
    return store.finish(card.home, record, hashes)


def install_lora(
    lora_id: str,
    *,
    origin: Path | None = None,
    revision: str = "",
    file: str = "",
    endpoint: str = "",
    on_progress: OnProgress = lambda there, total: None,
) -> store.Record:
    """Install a LoRA: one safetensors file of a repository, or one from this machine.

    Args:
        lora_id: "owner/name", or any name for a file from this machine.
        file: Which file of the repository, where it has several.

    Raises:
        InvalidJob: It is no LoRA, or it is not said which file.
        ModelNotInstalled: It could not be brought here.
    """
    folder = store.lora_folder(lora_id)
    if origin is not None:
        _check_lora_file(origin)
        _put(origin, folder / origin.name)
        sources = (str(origin),)
        hashes: dict[str, str] = {}
    else:
        commit, files = hub.listing(lora_id, revision, endpoint)
        chosen = _lora_of(lora_id, files, file)
        name = Path(chosen.path).name
        wanted = [_Wanted(remote=chosen, target=name, repository=lora_id, commit=commit)]
        hashes = _fetch(wanted, folder, endpoint, on_progress)
        _check_lora_file(folder / name)
        sources = (f"{lora_id}@{commit}",)
    record = store.Record(name=lora_id, revision="", sources=sources, num_bytes=0)
    return store.finish(folder, record, hashes)


# From a hub


def _from_hub(sources: Iterable[Source], revision: str, endpoint: str) -> list[_Wanted]:
    found = []
    for index, source in enumerate(sources):
        asked = revision if revision and index == 0 else source.revision
        commit, files = hub.listing(source.repository, asked, endpoint)
        by_path = {file.path: file for file in files}
        for path, target in hub.wanted(source, list(by_path)).items():
            found.append(
                _Wanted(
                    remote=by_path[path],
                    target=target,
                    repository=source.repository,
                    commit=commit,
                )
            )
    return sorted(found, key=lambda wanted: (wanted.remote.size, wanted.target))


@dataclass(frozen=True, slots=True)
class _Checks:
    """What is looked at as soon as the configurations are there, before the weights come."""

    card: ModelCard
    catalog: Iterable[ModelCard]

    def look(self, folder: Path) -> None:
        check_folder(self.card, folder, self.catalog)


def _fetch(
    wanted: list[_Wanted],
    folder: Path,
    endpoint: str,
    on_progress: OnProgress,
    check: _Checks | None = None,
) -> dict[str, str]:
    """Bring all files, the small ones first; returns the hashes that the hub lists."""
    total = sum(item.remote.size for item in wanted)
    _check_room(folder, total - _bytes_there(wanted, folder))
    (folder / store.RECORD).unlink(missing_ok=True)
    there = 0

    def on_bytes(count: int) -> None:
        nonlocal there
        there += count
        on_progress(there, total)

    for item in wanted:
        if check is not None and item.target.endswith(SAFE):
            check.look(folder)
            check = None
        target = folder / item.target
        if not target.is_file():
            _take_from_another(item.remote, target)
        hub.fetch(
            item.remote,
            target,
            repository=item.repository,
            commit=item.commit,
            endpoint=endpoint,
            on_bytes=on_bytes,
        )
    return {item.target: item.remote.sha256 for item in wanted if item.remote.sha256}


def _take_from_another(file: RemoteFile, target: Path) -> None:
    """The same bytes may lie in another installed model: its text encoder, its autoencoder."""
    if not file.sha256:
        return
    for listing in sorted(models_folder().glob(f"*/{checksums.LIST}")):
        for line in listing.read_text(encoding="utf-8").splitlines():
            sha256, _, name = line.partition("  ")
            same = listing.parent / name
            if sha256 == file.sha256 and same.is_file() and same.stat().st_size == file.size:
                _put(same, target)
                return


def _bytes_there(wanted: list[_Wanted], folder: Path) -> int:
    there = 0
    for item in wanted:
        for path in (folder / item.target, folder / f"{item.target}.partial"):
            if path.is_file():
                there += min(path.stat().st_size, item.remote.size)
                break
    return there


def _check_room(folder: Path, needed: int) -> None:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ModelNotInstalled(
            f"The disk of {folder} is too full: {readable_size(needed)} are to come and "
            f"{readable_size(free)} are free. Free {readable_size(needed - free)}, or put models "
            "on another disk with the variable PANOLOOM_MODELS.",
            path=str(folder),
            needed_bytes=needed,
            free_bytes=free,
        )


def _lora_of(lora_id: str, files: list[RemoteFile], name: str) -> RemoteFile:
    safe = [file for file in files if file.path.endswith(".safetensors")]
    if name:
        found = [file for file in files if file.path == name]
        if found and not is_pickle(name):
            return found[0]
    elif len(safe) == 1:
        return safe[0]
    pickles = [file.path for file in files if is_pickle(file.path)]
    if is_pickle(name) or (not safe and pickles):
        raise InvalidJob(
            f"{lora_id} has its LoRA as a pickle ({name or pickles[0]}), which is a program that "
            "runs when it is read: it is not fetched. Convert it to safetensors where you trust "
            "it, and install that file with --from.",
            field="source",
        )
    listed = ", ".join(file.path for file in safe[:12]) or "none"
    raise InvalidJob(
        f"Say which file of {lora_id} is meant with --file; its safetensors: {listed}.",
        field="file",
        known=[file.path for file in safe],
    )


# From this machine


def _from_folder(
    card: ModelCard, catalog: Iterable[ModelCard], origin: Path, on_progress: OnProgress
) -> dict[str, str]:
    names = [path.relative_to(origin).as_posix() for path in origin.rglob("*") if path.is_file()]
    taken = {}
    for source in card.sources:
        below = f"{source.into}/" if source.into else ""
        inside = [name.removeprefix(below) for name in names if name.startswith(below)]
        plain = Source(repository=str(origin / source.into), parts=source.parts)
        taken |= {
            f"{below}{name}": str(Path(source.into) / target)
            for name, target in hub.wanted(plain, inside).items()
        }
    check_folder(card, origin, catalog)
    total = sum((origin / name).stat().st_size for name in taken)
    _check_room(card.home, 0 if _same_disk(origin, card.home) else total)
    there = 0
    for name, target in taken.items():
        refuse_pickle(origin / name)
        _put(origin / name, card.home / target)
        there += (origin / name).stat().st_size
        on_progress(there, total)
    return {}


def _single(card: ModelCard, path: Path) -> dict[str, str]:
    if not path.is_file():
        raise InvalidJob(f"There is no file or folder {path}.", field="source")
    if not path.name.endswith(SAFE):
        refuse_pickle(path)
        raise InvalidJob(
            f"{path.name} is neither a folder nor a file of weights ({', '.join(SAFE)}).",
            field="source",
        )
    if not store.is_installed(card):
        why = store.not_installed(card)
        raise ModelNotInstalled(
            f"One file holds a denoiser; text encoder and autoencoder come with the model. {why}",
            **why.details,
        )
    check_denoiser_file(card, path)
    if card.single_file is not None:
        card.single_file.unlink()
    _put(path, card.home / SINGLE / path.name)
    return {}


def _sources_with(card: ModelCard, path: Path) -> tuple[str, ...]:
    known = store.record_of(card.home)
    kept = [source for source in (known.sources if known else ()) if not source.endswith(SAFE)]
    return (*kept, str(path))


def _check_lora_file(path: Path) -> None:
    if not path.is_file():
        raise InvalidJob(f"There is no file {path}.", field="source")
    if not lora_downs(read_header(path)):
        raise InvalidJob(
            f"{path.name} is no LoRA: no tensor of it is called lora_A or lora_down.",
            field="source",
        )


def _same_disk(origin: Path, target: Path) -> bool:
    place = next(path for path in (target, *target.parents) if path.exists())
    return origin.stat().st_dev == place.stat().st_dev


def _put(origin: Path, target: Path) -> None:
    """A file to its place: without a copy where the disk is the same, else copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        try:
            os.link(origin, partial)
        except OSError:
            shutil.copyfile(origin, partial)
        partial.replace(target)
    except OSError as why:
        partial.unlink(missing_ok=True)
        if is_full(why):
            _check_room(target.parent, origin.stat().st_size)
        raise ModelNotInstalled(
            f"{origin} could not be copied to {target.parent}: {why.strerror}. Make room or give "
            "the right to write there, and run the command again.",
            path=str(target),
        ) from why
