"""How much memory the device has; 0 where the system does not tell."""

from __future__ import annotations

import os


def total_bytes() -> int:
    """Main memory of the machine."""
    return _pages("SC_PHYS_PAGES")


def free_bytes() -> int:
    """Main memory nobody uses now."""
    return _pages("SC_AVPHYS_PAGES")


def _pages(name: str) -> int:
    names = getattr(os, "sysconf_names", {})
    if name not in names:
        return 0
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
