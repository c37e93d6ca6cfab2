"""What is wrong with this machine, if anything, and what to do about it.

Each check answers one question and never raises. torch is asked in a process of its own, so that a
broken driver cannot take the doctor with it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ..shared.connection import ELSEWHERE, connection_path, read_connection
from ..shared.errors import EngineUnreachable
from . import doctor_network, machine
from .models import catalog, checksums, store

OK, WARN, FAIL = "ok", "warn", "fail"
GIB = 2**30
MIN_MEMORY_GIB, GOOD_MEMORY_GIB = 2.0, 4.0
MIN_DISK_GIB, GOOD_DISK_GIB = 0.5, 5.0
TORCH_PATIENCE_S = 180
ON_THE_CPU = "The preview model runs on the CPU"
ASK_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
mps = bool(getattr(torch.backends, "mps", None) and torch.backends.mps.is_available())
print(json.dumps({"version": torch.__version__, "cuda_build": torch.version.cuda or "",
                  "cuda": cuda, "devices": names, "mps": mps, "threads": torch.get_num_threads()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to one question.

    Attributes:
        level: "ok", "warn" (works, but) or "fail" (does not work).
        remedy: What to do, a sentence; empty where nothing is to do.
        data: Plain numbers and names behind the sentence.
    """

    name: str
    level: str
    text: str
    remedy: str = ""
    data: dict[str, Any] = field(default_factory=dict)


Check = Callable[[Path], Iterator[Finding]]


def examine(library: Path) -> Iterator[Finding]:
    """Every check in turn; a check that breaks is itself a failure."""
    for check in CHECKS:
        try:
            yield from check(library)
        except Exception as why:
            name = check.__name__.removeprefix("check_")
            yield Finding(
                name=name,
                level=FAIL,
                text=f"The check itself broke: {type(why).__name__}: {why}",
                remedy="Report this as a bug, with this line.",
            )


def check_python(library: Path) -> Iterator[Finding]:
    """Whether this Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(
        name="python",
        level=OK if good else FAIL,
        text=f"Python {version} at {sys.executable}",
        remedy="" if good else "Install Python 3.11 or newer.",
        data={"version": version},
    )


def check_packages(library: Path) -> Iterator[Finding]:
    """Whether everything panoloom needs is installed, new enough."""
    try:
        wanted = metadata.requires("panoloom") or []
    except metadata.PackageNotFoundError:
        yield Finding(
            name="packages",
            level=FAIL,
            text="panoloom itself is not installed here; this is a bare tree.",
            remedy="Run `python3 packaging/run.py setup`, or `pip install .` in the checkout.",
        )
        return
    found, missing, old = {}, [], []
    for requirement in (line for line in wanted if "extra ==" not in line):
        name, least = parse_requirement(requirement)
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if numbers(found[name]) < numbers(least):
            old.append(f"{name} {found[name]} (at least {least})")
    words = [f"missing: {', '.join(missing)}"] * bool(missing)
    words += [f"too old: {', '.join(old)}"] * bool(old)
    bad = "; ".join(words)
    yield Finding(
        name="packages",
        level=FAIL if bad else OK,
        text=bad or ", ".join(f"{name} {version}" for name, version in found.items()),
        remedy="Install panoloom again in this environment; pip brings what is missing."
        * bool(bad),
        data=found,
    )


def check_torch(library: Path) -> Iterator[Finding]:
    """Whether torch loads, and whether it can use the GPU that is here."""
    gpus = machine.nvidia_gpus()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=TORCH_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(
            name="torch",
            level=FAIL,
            text=f"torch did not answer within {TORCH_PATIENCE_S} s.",
            remedy="A hanging GPU driver does that; restart the machine.",
        )
        return
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        yield Finding(
            name="torch",
            level=FAIL,
            text=f"torch cannot be loaded: {lines[-1]}",
            remedy="Install torch again in this environment.",
        )
        return
    yield judge_torch(json.loads(done.stdout.strip().splitlines()[-1]), gpus)


def judge_torch(torch: dict[str, Any], gpus: list[str]) -> Finding:
    """What torch said, held against the GPUs that the driver lists.

    A GPU that torch cannot use is a failure, whatever the reason. The preview model runs on the CPU
    either way, and every sentence says so.
    """
    text = f"torch {torch['version']}"
    data = {**torch, "gpus": gpus}
    threads = f"{torch['threads']} threads"
    if torch["cuda"] or torch["mps"]:
        gpu = torch["devices"][0] if torch["cuda"] else "Apple's GPU"
        text = f"{text} can use {gpu}. {ON_THE_CPU}, in {threads}"
        return Finding(name="torch", level=OK, text=text, data=data)
    if gpus and torch["cuda_build"]:
        return Finding(
            name="torch",
            level=FAIL,
            text=f"{text} was built for CUDA {torch['cuda_build']} and cannot use the {gpus[0]} "
            f"that is here; the driver may be too old for it. {ON_THE_CPU} all the "
            "same.",
            remedy="Update the driver, or install the build of torch that fits it (pytorch.org "
            "says which).",
            data=data,
        )
    if gpus:
        return Finding(
            name="torch",
            level=FAIL,
            text=f"{text} is a build without CUDA and cannot use the {gpus[0]} that is here. "
            f"{ON_THE_CPU} and needs no other; larger models will.",
            remedy="Run packaging/install.sh again, which chooses the build for the card, or "
            "install the CUDA build of torch that fits the driver (pytorch.org says which).",
            data=data,
        )
    return Finding(
        name="torch", level=OK, text=f"{text} on the CPU, {threads}; no GPU here", data=data
    )


def check_memory(library: Path) -> Iterator[Finding]:
    """Whether the preview model fits into the memory."""
    sizes = machine.memory_bytes()
    if sizes is None:
        yield Finding(name="memory", level=WARN, text="This system does not tell its memory.")
        return
    total, available = (size / GIB for size in sizes)
    level = FAIL if total < MIN_MEMORY_GIB else WARN if available < GOOD_MEMORY_GIB else OK
    yield Finding(
        name="memory",
        level=level,
        text=f"{available:.1f} GiB of {total:.1f} GiB free",
        remedy=f"The preview model wants {GOOD_MEMORY_GIB:.0f} GiB; close other programs."
        * (level != OK),
        data={"total_bytes": sizes[0], "available_bytes": sizes[1]},
    )


def check_disk(library: Path) -> Iterator[Finding]:
    """Whether the library can be written to and has room; makes nothing."""
    place = next(p for p in (library, *library.parents) if p.exists())
    free = shutil.disk_usage(place).free
    data = {"library": str(library), "free_bytes": free}
    text = f"{free / GIB:.1f} GiB free for the library {library}"
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        yield Finding(
            name="disk",
            level=FAIL,
            text=f"The library {library} cannot be written to.",
            remedy="Choose another with --library or the variable PANOLOOM_LIBRARY.",
            data=data,
        )
        return
    level = FAIL if free < MIN_DISK_GIB * GIB else WARN if free < GOOD_DISK_GIB * GIB else OK
    remedy = "Make room, or choose a library on another disk." * (level != OK)
    yield Finding(name="disk", level=level, text=text, remedy=remedy, data=data)


def check_models(library: Path) -> Iterator[Finding]:
    """Whether the weights of each model are here, and whether those that ship are as listed.

    Installed models are only looked at: `panoloom models verify` reads their many bytes.
    """
    for card in catalog.MODELS.values():
        name = f"model {card.name}"
        if not store.is_installed(card):
            if card.ships:
                yield Finding(
                    name=name,
                    level=FAIL,
                    text=f"Its weights are missing from {card.home}.",
                    remedy="Install panoloom again; the preview model comes with it.",
                )
            continue
        size = sum(path.stat().st_size for path in card.weight_files)
        problems = checksums.verify(card.home) if card.ships else []
        revision = catalog.revision(card)
        good = f"{len(card.weight_files)} files, {size / 1e6:.1f} MB, revision {revision}"
        yield Finding(
            name=name,
            level=FAIL if problems else OK,
            text="; ".join(problems) or f"{good}, as listed" * card.ships or good,
            remedy="Install panoloom again: these are not the files it was made with."
            * bool(problems),
            data={"revision": revision, "bytes": size},
        )


def check_more_models(library: Path) -> Iterator[Finding]:
    """Which models are not here."""
    more = [card.name for card in catalog.MODELS.values() if not store.is_installed(card)]
    if more:
        text = f"{len(more)} models for a GPU can be installed: {', '.join(more)}"
        yield Finding(name="models", level=OK, text=f"{text} (`panoloom models list`)")


def check_files(library: Path) -> Iterator[Finding]:
    """Whether the libraries that write pictures and video load here."""
    import av.codec

    importlib.import_module("OpenEXR")  # that it loads is the question
    try:
        av.codec.Codec("libx264", "w")
    except av.codec.codec.UnknownCodecError:
        yield Finding(
            name="video",
            level=FAIL,
            text="PyAV has no H.264 encoder (libx264) here.",
            remedy="Install PyAV from its wheel: pip install --force-reinstall --only-binary av av",
        )
        return
    yield Finding(name="video", level=OK, text="H.264 and OpenEXR can be written")


def check_network(library: Path) -> Iterator[Finding]:
    """Whether programs on this machine reach each other, encrypted."""
    problem = doctor_network.round_trip()
    yield Finding(
        name="loopback",
        level=FAIL if problem else OK,
        text=problem or "An encrypted message went out and came back on 127.0.0.1",
        remedy="Allow programs to talk to themselves on 127.0.0.1; a firewall forbids it."
        * bool(problem),
    )


def check_engine(library: Path) -> Iterator[Finding]:
    """Whether the engine that says it serves the library answers."""
    path = connection_path(library)
    try:
        found = read_connection(path)
    except EngineUnreachable as why:
        if not path.exists():
            text = f"No engine serves {library}; `panoloom serve` or a job starts one"
            yield Finding(name="engine", level=OK, text=text)
            return
        yield Finding(
            name="engine",
            level=WARN,
            text=str(why),
            remedy="Start one with `panoloom serve`; it replaces the old file.",
        )
        return
    who = f"Process {found.pid}" if found.pid != ELSEWHERE else "An engine on another machine"
    problem = doctor_network.greet(path)
    loose = os.name == "posix" and path.stat().st_mode & 0o077
    if loose:
        problem = problem or f"Others can read {path}, which holds the key to the engine."
    yield Finding(
        name="engine",
        level=FAIL if problem else OK,
        text=problem or f"{who} answers at {found.control}",
        remedy=(f"Run: chmod 600 {path}" if loose else "Stop that process and start it again.")
        * bool(problem),
        data={"pid": found.pid, "control": found.control},
    )


def check_blender(library: Path) -> Iterator[Finding]:
    """Where Blender is."""
    found = machine.blender_program() or machine.blender_module()
    yield Finding(
        name="blender",
        level=OK if found else WARN,
        text=found or "No Blender on PATH and no Blender environment beside the engine.",
        remedy="The engine works without; to see worlds in Blender install Blender 4.2 or newer."
        * (not found),
    )


def parse_requirement(line: str) -> tuple[str, str]:
    """Name and lower bound of "numpy>=2.0"."""
    name = re.match(r"[A-Za-z0-9._-]+", line)
    least = re.search(r">=\s*([\d.]+)", line)
    return name[0] if name else line, least[1] if least else "0"


def numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version: (2, 13, 0) of "2.13.0+cpu"."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


CHECKS: tuple[Check, ...] = (
    check_python,
    check_packages,
    check_torch,
    check_memory,
    check_disk,
    check_models,
    check_more_models,
    check_files,
    check_network,
    check_engine,
    check_blender,
)
