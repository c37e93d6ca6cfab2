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

from ..shared.errors import InvalidJob

LIBRARY_VARIABLE = "PANOLOOM_LIBRARY"
MODELS_VARIABLE = "PANOLOOM_MODELS"
COMPILE_VARIABLE = "PANOLOOM_COMPILE"
EXECUTORS_VARIABLE = "PANOLOOM_EXECUTORS"
GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Which GPUs a process sees, as the driver's library names it."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Executors:
    """Who evaluates the views of a job; changes nothing in the pictures.

    Attributes:
        count: How many at once; 0 is one a GPU for models that run on GPUs, else one.
        cluster: Address of a Ray cluster whose actors evaluate: "auto" for the one this machine
            belongs to, "local" for one that is started here. Empty: this machine's processes.
    """

    count: int = 0
    cluster: str = ""

    @staticmethod
    def read(
        *, count: int | None = None, cluster: str = "", environ: Mapping[str, str] | None = None
    ) -> Executors:
        """What is in force: arguments win over PANOLOOM_EXECUTORS, which wins over the default.

        Raises:
            InvalidJob: The variable is no number.
        """
        environ = os.environ if environ is None else environ
        said = environ.get(EXECUTORS_VARIABLE, "").strip()
        if count is None and said and not said.isdecimal():
            raise InvalidJob(
                f"{EXECUTORS_VARIABLE} is {said!r}; it should be a number of executors, 0 for one "
                "a GPU.",
                field="executors",
            )
        return Executors(count=int(said or 0) if count is None else count, cluster=cluster)

    def words(self) -> tuple[str, ...]:
        """As the worker's command takes them."""
        counted = ("--executors", str(self.count)) if self.count else ()
        return (*counted, *(("--cluster", self.cluster) if self.cluster else ()))


def seeing_gpu(index: int, count: int, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process for one that is to see a single GPU.

    Args:
        index: Which of those that this process sees; after the last comes the first again.
        count: How many it sees; 0 changes nothing.
    """
    environ = dict(os.environ if environ is None else environ)
    if count:
        listed = [name for name in environ.get(GPUS_VARIABLE, "").split(",") if name.strip()]
        seen = listed or [str(number) for number in range(count)]
        environ[GPUS_VARIABLE] = seen[index % len(seen)].strip()
    return environ


def default_library() -> Path:
    """Where results go when nobody says: the user's data folder."""
    return Path(platformdirs.user_data_dir("panoloom")) / "library"


def models_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where installed models lie: PANOLOOM_MODELS, else the user's data folder."""
    environ = os.environ if environ is None else environ
    chosen = environ.get(MODELS_VARIABLE) or Path(platformdirs.user_data_dir("panoloom")) / "models"
    return Path(chosen).expanduser().absolute()


def compiles_models(environ: Mapping[str, str] | None = None) -> bool:
    """Whether large denoisers are compiled: PANOLOOM_COMPILE is 1."""
    environ = os.environ if environ is None else environ
    return environ.get(COMPILE_VARIABLE, "").strip() == "1"


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
