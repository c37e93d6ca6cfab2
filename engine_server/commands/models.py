"""`panoloom models`: which there are; bring one here, verify it, take it away."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Lora
from ..config import hub_endpoint, models_folder
from ..models import catalog, install, planner, store
from ..models.card import ModelCard
from ..room import readable_size
from .exits import CANNOT, DONE

COMMERCIAL = {
    "yes": "commercial use allowed",
    "no": "no commercial use",
    "conditions": "conditions",
}


def add_to(commands: Any) -> None:
    """Add the command to the program."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "models",
        help="the models: list, install, verify, remove",
        description="Models lie in PANOLOOM_MODELS, else in the user's data folder. They come from "
        "the hub, or from the mirror in HF_ENDPOINT. Only safetensors are read.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="which there are and what they need")
    listing.set_defaults(run=run_list)
    bring = verbs.add_parser("install", help="bring a model or a LoRA to this machine")
    what = bring.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", metavar="NAME", help="a model of the list")
    what.add_argument("--lora", metavar="ID[@REVISION]", help="a LoRA: owner/name, or your name")
    bring.add_argument("--from", dest="origin", type=Path, metavar="PATH",
        help="a folder as diffusers writes it, or one file (safetensors, gguf)")  # fmt: skip
    bring.add_argument("--revision", default="", help="another commit than the listed one")
    bring.add_argument(
        "--file", default="", metavar="NAME", help="which file of a LoRA's repository"
    )
    bring.set_defaults(run=run_install)
    for verb, text, run in (
        ("verify", "hold a model's files against their checksums", run_verify),
        ("remove", "delete a model's files", run_remove),
    ):
        other = verbs.add_parser(verb, help=text)
        other.add_argument("name", nargs="?" if verb == "verify" else None, metavar="NAME",
            help="a model, or the id of a LoRA" + " (all)" * (verb == "verify"))  # fmt: skip
        other.set_defaults(run=run)
    for verb in verbs.choices.values():
        verb.add_argument("--json", action="store_true", help="print one JSON document")


def run_list(options: argparse.Namespace) -> int:
    """Every model of the catalog and every LoRA, with what to know before choosing."""
    cards = [facts(card) for card in catalog.MODELS.values()]
    loras = [{"id": r.name, "revision": r.revision, "bytes": r.num_bytes} for r in store.loras()]
    if options.json:
        print(json.dumps({"folder": str(models_folder()), "models": cards, "loras": loras}))
        return DONE
    for fact in cards:
        state = "ships" if fact["ships"] else "installed" if fact["installed"] else "-"
        print(f"{fact['name']:17} {state:9} {fact['good_at']}")
        print(f"{'':17} {fact['licence']} ({COMMERCIAL[fact['commercial']]}); {_sizes(fact)}")
        if fact["memory_bytes"]:
            print(f"{'':17} on a card: {_levels(fact['memory_bytes'])}")
    for lora in loras:
        print(f"{lora['id']:17} LoRA      revision {lora['revision']}")
    return DONE


def facts(card: ModelCard) -> dict[str, Any]:
    """What to know of a model before it is chosen, as plain data."""
    record = None if card.ships else store.record_of(card.home)
    return {
        **catalog.to_plain(card),
        "ships": card.ships,
        "good_at": card.good_at,
        "licence": card.terms.licence,
        "commercial": card.terms.commercial,
        "terms_note": card.terms.note,
        "download_bytes": card.download_bytes,
        "disk_bytes": record.num_bytes if record else card.download_bytes,
        "memory_bytes": planner.memory_at_each_level(card),
        "takes": list(card.takes),
        "steps": card.steps,
        "guidance_scale": card.guidance_scale,
        "sources": [{"repository": s.repository, "revision": s.revision} for s in card.sources],
    }


def run_install(options: argparse.Namespace) -> int:
    """Bring it here, with a bar; an interrupted download goes on."""
    bar = _Bar(options.json)
    if options.lora:
        lora_id, _, revision = options.lora.partition("@")
        JobSpec(prompt="-", loras=(Lora(id=lora_id),)).validate()
        record = install.install_lora(
            lora_id,
            origin=options.origin,
            revision=options.revision or revision,
            file=options.file,
            endpoint=hub_endpoint(),
            on_progress=bar.show,
        )
    else:
        card = catalog.find(options.name)
        if not options.json:
            _say_terms(card)
        record = install.install_model(
            card,
            catalog.MODELS.values(),
            origin=options.origin,
            revision=options.revision,
            endpoint=hub_endpoint(),
            on_progress=bar.show,
        )
    bar.close()
    if options.json:
        print(json.dumps({"name": record.name, "revision": record.revision,
            "sources": list(record.sources), "bytes": record.num_bytes}))  # fmt: skip
    else:
        size = readable_size(record.num_bytes)
        print(f"Installed {record.name}, revision {record.revision}, {size}, every file verified.")
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    """Read every byte; says what is wrong and how to mend it."""
    folders = _named(options.name) if options.name else _all_installed()
    problems = {name: store.verify(folder) for name, folder in folders.items()}
    if options.json:
        print(json.dumps({"problems": problems}))
    for name, found in problems.items():
        mend = f"; `panoloom models install {name}` brings what is wrong anew" if found else ""
        if not options.json:
            print(f"{name}: {'; '.join(found) or 'all files are as installed'}{mend}")
    if not problems and not options.json:
        print("No model is installed beside those that ship; `panoloom doctor` looks at these.")
    return CANNOT if any(problems.values()) else DONE


def run_remove(options: argparse.Namespace) -> int:
    """Delete it; what ships stays."""
    freed = {name: store.remove(folder) for name, folder in _named(options.name).items()}
    if options.json:
        print(json.dumps({"freed_bytes": freed}))
        return DONE
    for name, count in freed.items():
        print(f"Removed {name}: {readable_size(count)} are free again.")
    return DONE


def _named(name: str) -> dict[str, Path]:
    """The folder of an installed model or LoRA.

    Raises:
        InvalidJob: It ships.
        ModelNotInstalled: It is not here.
    """
    lora = store.lora_folder(name)
    if name not in catalog.MODELS and lora.is_dir():
        return {name: lora}
    card = catalog.find(name)
    if card.ships:
        raise InvalidJob(
            f"The model '{name}' comes with panoloom and stays; `panoloom doctor` verifies it.",
            field="name",
        )
    if not card.home.is_dir():
        raise store.not_installed(card)
    return {name: card.home}


def _all_installed() -> dict[str, Path]:
    models = {c.name: c.home for c in catalog.MODELS.values() if not c.ships and c.home.is_dir()}
    return models | {record.name: store.lora_folder(record.name) for record in store.loras()}


def _say_terms(card: ModelCard) -> None:
    words = f"{card.name}: {card.terms.licence}, {COMMERCIAL[card.terms.commercial]}."
    print(f"{words} {card.terms.note}".strip(), file=sys.stderr)


def _sizes(fact: dict[str, Any]) -> str:
    if fact["ships"]:
        return "nothing to download"
    return f"{readable_size(fact['download_bytes'])} to download and on the disk"


def _levels(memory: Mapping[str, int]) -> str:
    return ", ".join(f"{readable_size(count)} {name}" for name, count in memory.items())


class _Bar:
    """How much is there, on standard error; nothing where that is no terminal or wants JSON."""

    def __init__(self, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._bar: Any = None

    def show(self, there: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total, unit="B", unit_scale=True, disable=True if self._is_quiet else None
            )
        self._bar.update(there - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
