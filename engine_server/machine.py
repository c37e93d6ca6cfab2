"""What this machine has: GPUs, memory, Blender. Asked of the system, without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path


def nvidia_gpus() -> list[str]:
    """Names of the GPUs that NVIDIA's driver lists; empty without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    words = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] * (
        done.returncode == 0
    )


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
