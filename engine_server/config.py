"""EngineConfig: what a person may set outside a job. The only file that reads the environment.

A setting comes from the command line, else from a variable, else from the default. Nothing here
shapes the pictures: that is the JobSpec alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import platformdirs

from ..shared.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")
VARIABLES = {
    "library": "PANOLOOM_LIBRARY",
    "device": "PANOLOOM_DEVICE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of an engine, read once.

    Attributes:
        library: Absolute path of the folder for results.
        device: Where the network runs: "auto", "cpu", "cuda", "cuda:1", "mps".
    """

    library: Path
    device: str = "auto"

    @staticmethod
    def read(
        *,
        library: Path | str | None = None,
        device: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> EngineConfig:
        """The settings in force; arguments win over variables, which win over defaults.

        Raises:
            UserError: A device nobody knows; `details["known"]` lists them.
        """
        environ = os.environ if environ is None else environ
        chosen = library or environ.get(VARIABLES["library"]) or default_library()
        where = device or environ.get(VARIABLES["device"]) or "auto"
        if where.partition(":")[0] not in DEVICES:
            raise UserError(
                f"There is no device '{where}'. Known: {', '.join(DEVICES)}.",
                field="device",
                known=list(DEVICES),
            )
        return EngineConfig(library=Path(chosen).expanduser().absolute(), device=where)


def default_library() -> Path:
    """Where results go when nobody says: the user's data folder."""
    return Path(platformdirs.user_data_dir("panoloom")) / "library"


def engine_version() -> str:
    """The version of the installed distribution, or "0" in a bare tree."""
    try:
        return metadata.version("panoloom")
    except metadata.PackageNotFoundError:
        return "0"
