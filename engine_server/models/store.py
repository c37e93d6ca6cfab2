"""The models and LoRAs that are installed: where they lie, what is known of them, and their end.

A model lies in a folder of its own with its record (`panoloom-model.json`) and `SHA256SUMS`. The
record is written last: a folder without one is an installation that was interrupted.
Standard library only: the broker asks for revisions too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob, ModelNotInstalled
from ...shared.jobs import Lora
from ..config import models_folder
from ..room import readable_size
from . import checksums
from .card import LoraFile, ModelCard

RECORD = "panoloom-model.json"
LORAS = "loras"
REVISION_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of an installed model or LoRA.

    Attributes:
        name: The word a person types; of a LoRA its id.
        revision: First digits of the sha256 over its list of checksums: names its bytes.
        sources: Where they came from, "owner/name@commit" or a path, in words.
        num_bytes: Of all its files.
        licence: As the catalog has it.
    """

    name: str
    revision: str
    sources: tuple[str, ...]
    num_bytes: int
    licence: str = ""


def record_of(folder: Path) -> Record | None:
    """The record in `folder`; None where nothing is installed, or not to the end."""
    try:
        plain: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Record(**{**plain, "sources": tuple(plain["sources"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def finish(folder: Path, record: Record, hashes: Mapping[str, str]) -> Record:
    """List the checksums of `folder` and write its record: from now on it is installed.

    Args:
        hashes: Those that are known already, by name below the folder.
    """
    (folder / RECORD).unlink(missing_ok=True)
    listing = checksums.write(folder, pattern=checksums.EVERY, known=hashes)
    revision = hashlib.sha256(listing.read_bytes()).hexdigest()[:REVISION_DIGITS]
    record = replace(record, revision=revision, num_bytes=folder_bytes(folder))
    partial = folder / f"{RECORD}.partial"
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / RECORD)
    return record


def folder_bytes(folder: Path) -> int:
    """Size of all files in `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def is_installed(card: ModelCard) -> bool:
    """Whether the model can be used."""
    return bool(card.weight_files) and (card.ships or record_of(card.home) is not None)


def not_installed(card: ModelCard) -> ModelNotInstalled:
    """The sentence for a model that is not here: the command that brings it, and its size."""
    if card.ships:
        return ModelNotInstalled(
            f"The weights of model '{card.name}' are missing from {card.home}; reinstall panoloom.",
            model=card.name,
        )
    command = f"panoloom models install {card.name}"
    again = " An installation of it was interrupted and goes on." * card.home.is_dir()
    return ModelNotInstalled(
        f"Model '{card.name}' is not installed. Install it with `{command}`: about "
        f"{readable_size(card.download_bytes)} to download.{again}",
        model=card.name,
        command=command,
        download_bytes=card.download_bytes,
    )


def installed_revision(card: ModelCard) -> str:
    """The revision of an installed model that does not ship.

    Raises:
        ModelNotInstalled: It is not here, or not to the end.
    """
    record = record_of(card.home)
    if record is None or not card.weight_files:
        raise not_installed(card)
    return record.revision


def verify(folder: Path) -> list[str]:
    """What is wrong with an installed model or LoRA, a sentence each; reads every byte of it."""
    if record_of(folder) is None:
        return ["It was not installed to the end"]
    found = checksums.verify(folder, pattern=checksums.EVERY)
    return [problem for problem in found if not problem.startswith(RECORD)]


def remove(folder: Path) -> int:
    """Delete an installed model or LoRA; returns the bytes that were freed."""
    freed = folder_bytes(folder)
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)
    return freed


# LoRAs


def lora_folder(lora_id: str) -> Path:
    """Where the LoRA of this id lies, there or not."""
    return models_folder() / LORAS / lora_id.replace("/", "--")


def loras() -> Iterator[Record]:
    """The installed LoRAs."""
    for path in sorted((models_folder() / LORAS).glob(f"*/{RECORD}")):
        record = record_of(path.parent)
        if record is not None:
            yield record


def resolved(lora: Lora) -> Lora:
    """`lora` with the revision that is installed.

    Raises:
        ModelNotInstalled: It is not here; the sentence names the command.
        InvalidJob: Another revision of it is here.
    """
    record = record_of(lora_folder(lora.id))
    if record is None:
        asked = f"@{lora.revision}" if lora.revision else ""
        command = f"panoloom models install --lora {lora.id}{asked}"
        raise ModelNotInstalled(
            f"The LoRA '{lora.id}' is not installed. Install it with `{command}`, or from a file "
            f"with `{command} --from FILE.safetensors`.",
            model=lora.id,
            command=command,
        )
    commits = {source.rpartition("@")[2] for source in record.sources}
    if lora.revision in ("", record.revision) or lora.revision in commits:
        return replace(lora, revision=record.revision)
    raise InvalidJob(
        f"Revision {lora.revision} of the LoRA '{lora.id}' is not here; installed is "
        f"{record.revision}. Leave the revision empty to use that, or install the other.",
        field="loras",
        nearest=record.revision,
    )


def lora_files(loras: Iterable[Lora]) -> tuple[LoraFile, ...]:
    """Installed LoRAs as a model takes them.

    Raises:
        ModelNotInstalled, InvalidJob: See `resolved`.
    """
    return tuple(LoraFile(lora_file(lora), lora.weight, lora.expert) for lora in loras)


def lora_file(lora: Lora) -> Path:
    """The weights of an installed LoRA.

    Raises:
        ModelNotInstalled, InvalidJob: See `resolved`.
    """
    resolved(lora)
    return next(iter(sorted(lora_folder(lora.id).glob("*.safetensors"))))
