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

LIBRARY_VARIABLE = "PANOLOOM_LIBRARY"
MODELS_VARIABLE = "PANOLOOM_MODELS"
HUB_VARIABLE = "HF_ENDPOINT"
"""The mirror that models are fetched from, as the hub's own library names it."""
HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of an engine, read once.

    Attributes:
        library: Absolute path of the folder for results.
    """

    library: Path

    @staticmethod
    def read(
        *, library: Path | str | None = None, environ: Mapping[str, str] | None = None
    ) -> EngineConfig:
        """The settings in force: arguments win over variables, which win over defaults."""
        environ = os.environ if environ is None else environ
        chosen = library or environ.get(LIBRARY_VARIABLE) or default_library()
        return EngineConfig(library=Path(chosen).expanduser().absolute())


def default_library() -> Path:
    """Where results go when nobody says: the user's data folder."""
    return Path(platformdirs.user_data_dir("panoloom")) / "library"


def models_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where installed models lie: PANOLOOM_MODELS, else the user's data folder."""
    environ = os.environ if environ is None else environ
    chosen = environ.get(MODELS_VARIABLE) or Path(platformdirs.user_data_dir("panoloom")) / "models"
    return Path(chosen).expanduser().absolute()


def hub_endpoint(environ: Mapping[str, str] | None = None) -> str:
    """The address that models are fetched from: HF_ENDPOINT, else the hub."""
    environ = os.environ if environ is None else environ
    return (environ.get(HUB_VARIABLE) or HUB).rstrip("/")


def cache_folder() -> Path:
    """Where what can be made again is kept: the user's cache folder."""
    return Path(platformdirs.user_cache_dir("panoloom"))


def engine_version() -> str:
    """The version of the installed distribution, or "0" in a bare tree."""
    try:
        return metadata.version("panoloom")
    except metadata.PackageNotFoundError:
        return "0"
