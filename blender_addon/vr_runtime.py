"""What a VR session needs outside Blender's data, and what a person should know first. No Blender.

The headset's software makes itself known to programs by one file, the active runtime's manifest.
Source: OpenXR loader specification 1.1, "OpenXR Runtime Discovery".
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

QUALITY = "quality.json"
RUNTIME_VARIABLE = "XR_RUNTIME_JSON"  # the loader's own
MAC_FROM, VULKAN_FROM = (5, 1, 0), (5, 0, 0)
ABOUT = ("comfort", "flashes")  # groups of findings that make people sick, or worse
NO_RUNTIME = (
    "No headset software (OpenXR runtime) is set up on this computer, so Blender cannot reach a "
    "headset. Install and start that of your headset - SteamVR, Meta Quest Link, WiVRn or Monado - "
    "and make it the active OpenXR runtime; then press Enter VR again. Nothing was changed. "
    "Without it, Page for a Headset below shows the loop in the headset's own browser"
)


def missing_in_blender(
    *, has_openxr: bool, version: tuple[int, ...], backend: str, platform: str = sys.platform
) -> str:
    """What this Blender lacks for VR, as a sentence without its full stop; empty when nothing.

    Args:
        has_openxr: Whether it was built with OpenXR.
        version: Of Blender.
        backend: "OPENGL", "VULKAN" or "METAL"; empty where it is not known.
        platform: As `sys.platform` names it.
    """
    shown = ".".join(map(str, version[:2]))
    if not has_openxr:
        return "This build of Blender has no VR (OpenXR); that of blender.org has"
    if platform == "darwin" and version < MAC_FROM:
        return f"VR on macOS needs Blender 5.1 or newer; this is {shown}"
    if backend == "VULKAN" and version < VULKAN_FROM:
        return (
            f"Blender {shown} has no VR with Vulkan: choose OpenGL under Preferences > System and "
            "start Blender again"
        )
    return ""


def find_runtime(
    environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> str | None:
    """Where the active OpenXR runtime says that it lies, None when there is none."""
    environment = os.environ if environment is None else environment
    if chosen := environment.get(RUNTIME_VARIABLE):
        return chosen if Path(chosen).is_file() else None
    if platform == "win32":
        return _in_registry()
    home = Path(environment.get("HOME") or Path.home())
    folders = [Path(environment.get("XDG_CONFIG_HOME") or home / ".config")]
    folders += [Path(p) for p in (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    folders += [Path("/usr/local/etc"), Path("/etc"), Path("/usr/local/share")]
    for folder in folders:
        path = folder / "openxr" / "1" / "active_runtime.json"
        if path.is_file():
            return str(path)
    return None


def _in_registry() -> str | None:
    import winreg  # pyright: ignore[reportMissingModuleSource]

    try:
        with winreg.OpenKey(  # type: ignore[attr-defined]
            winreg.HKEY_LOCAL_MACHINE,  # type: ignore[attr-defined]
            r"SOFTWARE\Khronos\OpenXR\1",
        ) as key:
            path = str(winreg.QueryValueEx(key, "ActiveRuntime")[0])  # type: ignore[attr-defined]
    except OSError:
        return None
    return path if Path(path).is_file() else None


def warnings(folder: Path | None) -> list[str]:
    """What the quality report of a loop says that matters inside it: sentences, worst first.

    A loop without a readable report has none.
    """
    if folder is None:
        return []
    try:
        report: Any = json.loads((folder / QUALITY).read_text(encoding="utf-8"))
        findings = report["verdict"]["findings"]
        texts = [
            str(each["text"])
            for each in findings
            if each["about"] in ABOUT and each["level"] != "fine"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [text[:1].upper() + text[1:] for text in texts]
