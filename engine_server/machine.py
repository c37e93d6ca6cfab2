"""What this machine has: GPUs, memory, Blender. Asked of the system, without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


def nvidia_gpus() -> list[str]:
    """Names of the GPUs that NVIDIA's driver lists; empty without a driver."""
    return [line.strip() for line in _driver_says("name").splitlines() if line.strip()]


def _driver_says(fields: str) -> str:
    """What nvidia-smi lists of these fields, a line a GPU, without units; empty where it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    words = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU and its memory, bytes."""

    name: str
    total_bytes: int
    free_bytes: int


def gpu_memory() -> list[Gpu]:
    """Every GPU that NVIDIA's driver lists, with its memory; empty without a driver."""
    return parse_gpus(_driver_says("name,memory.total,memory.free"))


def parse_gpus(text: str) -> list[Gpu]:
    """The driver's lines of name, total and free MiB; lines of another kind are left out."""
    found = re.findall(r"^(.+), *(\d+), *(\d+) *$", text, re.MULTILINE)
    return [
        Gpu(name=name.strip(), total_bytes=int(total) * 2**20, free_bytes=int(free) * 2**20)
        for name, total, free in found
    ]


def memory_bytes() -> tuple[int, int] | None:
    """(total, available) memory, or None where the system does not tell."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = {k: int(v) * 1024 for k, v in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
        return sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, KeyError):
        pass
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
        return total, total
    except (AttributeError, ValueError, OSError):
        return None


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself, where the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def blender_program() -> str:
    """Blender on PATH, in words, or an empty string."""
    program = shutil.which("blender")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return f"{lines[0].strip()} at {program}" if lines else ""


def blender_module() -> str:
    """bpy in the checkout's Blender environment, in words, or an empty string."""
    folder = Path(__file__).resolve().parents[1] / ".venv-blender"
    cards = sorted(folder.glob("[Ll]ib/**/site-packages/bpy-*.dist-info"))
    if not cards:
        return ""
    version = cards[-1].name.removeprefix("bpy-").removesuffix(".dist-info")
    return f"bpy {version} in {folder}"
