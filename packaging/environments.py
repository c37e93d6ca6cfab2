"""The two environments of a checkout: `.venv-engine` and `.venv-blender`.

Standard library alone: this runs before anything is installed. An environment is used as it is
while its stamp (a hash of what it was made from) is unchanged, brought up to date in place when the
stamp differs, and made anew when it is broken. Where packages come from is pip's own configuration.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "logs"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
CONSTRAINTS_BLENDER = ROOT / "packaging" / "constraints-blender.txt"
BPY = {(3, 11): "4.5", (3, 13): "5.2"}  # Python -> the Blender whose bpy runs in it
PYTHON_OF = {  # every Blender whose bpy the tests can be asked for -> the Python it runs in
    "4.2": (3, 11),
    "4.3": (3, 11),
    "4.5": (3, 11),
    "5.0": (3, 11),
    "5.1": (3, 13),
    "5.2": (3, 13),
}
STAMP = "panoloom-stamp.json"
GB = 1e9


class SetupFailed(Exception):
    """A sentence that says what stopped the set-up and what to do."""


class NoBlenderPython(SetupFailed):
    """No Python that bpy exists for; what needs no Blender can still be done."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment and how it is made.

    Attributes:
        name: What people read.
        folder: Where it lies, inside the checkout.
        python: The interpreter it is made from.
        version: That interpreter's (major, minor).
        constraints: File of exact versions for pip.
        installs: Arguments of successive `pip install` calls.
        inputs: Files whose bytes decide whether it is up to date.
        imports: Modules that must be found for it to count as whole.
        size: What a person is told.
        disk_gb: Free space that making it takes.
    """

    name: str
    folder: Path
    python: tuple[str, ...]
    version: tuple[int, int]
    constraints: Path
    installs: tuple[tuple[str, ...], ...]
    inputs: tuple[Path, ...]
    imports: tuple[str, ...]
    size: str
    disk_gb: float
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", LOGS / f"setup-{self.folder.name.lstrip('.')}.log")

    @property
    def executable(self) -> Path:
        return venv_python(self.folder)

    def stamp(self) -> str:
        """Hash of everything the environment is made from, its place included."""
        digest = hashlib.sha256(json.dumps([str(self.folder), self.version]).encode())
        digest.update(json.dumps(self.installs).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether it was made from exactly this and still works."""
        try:
            written = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))["stamp"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return written == self.stamp() and self.works()

    def works(self) -> bool:
        """Whether its interpreter starts, is the right one and finds its modules."""
        code = (
            "import sys, importlib.util as u\n"
            f"ok = sys.version_info[:2] == {self.version!r}\n"
            f"sys.exit(not (ok and all(u.find_spec(m) for m in {self.imports!r})))"
        )
        return _answers([str(self.executable), "-I", "-c", code])

    def starts(self) -> bool:
        """Whether its interpreter starts, is the right version and has pip."""
        code = f"import sys, pip; sys.exit(sys.version_info[:2] != {self.version!r})"
        return _answers([str(self.executable), "-I", "-c", code])


def engine_environment() -> Environment:
    """Engine, its tests and its linters, made from the interpreter that runs this."""
    return Environment(
        name="engine environment",
        folder=ROOT / ".venv-engine",
        python=(sys.executable,),
        version=(sys.version_info[0], sys.version_info[1]),
        constraints=CONSTRAINTS,
        # torch first and by itself: what comes after cannot swap the build pip chose.
        installs=(("torch",), ("-e", f"{ROOT}[dev]")),
        inputs=(ROOT / "pyproject.toml", CONSTRAINTS),
        imports=("torch", "zmq", "numpy", "cv2", "pytest", "panoloom"),
        size="about 1.5 GB on disk with a CPU build of torch, several more with a CUDA build",
        disk_gb=4.0,
    )


def blender_environment() -> Environment:
    """Blender as a Python module, made from a Python it exists for.

    Raises:
        NoBlenderPython: There is none on this machine.
    """
    python, version = find_blender_python()
    return Environment(
        name="Blender environment",
        folder=ROOT / ".venv-blender",
        python=python,
        version=version,
        constraints=CONSTRAINTS_BLENDER,
        installs=((f"bpy=={BPY[version]}.*", "pyzmq", "msgpack", "pytest"),),
        inputs=(CONSTRAINTS_BLENDER,),
        imports=("bpy", "zmq", "msgpack", "pytest"),
        size=f"about 1.2 GB on disk, bpy {BPY[version]}",
        disk_gb=3.0,
    )


def blender_environment_of(blender: str) -> Environment:
    """The environment for one version of Blender, in a folder of its own.

    Raises:
        NoBlenderPython: There is no Python for it on this machine.
        SetupFailed: No such version is known.
    """
    if blender not in PYTHON_OF:
        raise SetupFailed(f"No Blender {blender} is known. Known: {', '.join(PYTHON_OF)}.")
    python = find_python(PYTHON_OF[blender])
    return Environment(
        name=f"environment of Blender {blender}",
        folder=ROOT / f".venv-blender-{blender}",
        python=python,
        version=PYTHON_OF[blender],
        constraints=CONSTRAINTS_BLENDER,
        installs=((f"bpy=={blender}.*", "pyzmq", "msgpack", "pytest"),),
        inputs=(CONSTRAINTS_BLENDER,),
        imports=("bpy", "zmq", "msgpack", "pytest"),
        size=f"about 1.2 GB on disk, bpy {blender}",
        disk_gb=3.0,
    )


def find_python(version: tuple[int, int]) -> tuple[str, ...]:
    """An interpreter of just this version.

    Raises:
        NoBlenderPython: There is none.
    """
    if (sys.version_info[0], sys.version_info[1]) == version:
        return (sys.executable,)
    text = f"{version[0]}.{version[1]}"
    for words in ((f"python{text}",), ("py", f"-{text}")):
        found = shutil.which(words[0])
        check = f"import sys, venv; sys.exit(sys.version_info[:2] != {version!r})"
        if found and _answers([found, *words[1:], "-c", check]):
            return (found, *words[1:])
    raise NoBlenderPython(f"There is no Python {text} on PATH, which that Blender needs.")


def find_blender_python() -> tuple[tuple[str, ...], tuple[int, int]]:
    """An interpreter that bpy exists for: the one that runs this, else one on PATH.

    Raises:
        NoBlenderPython: There is none.
    """
    own = (sys.version_info[0], sys.version_info[1])
    if own in BPY:
        return (sys.executable,), own
    for version in BPY:
        with contextlib.suppress(NoBlenderPython):
            return find_python(version), version
    wanted = " or ".join(f"{a}.{b}" for a, b in BPY)
    raise NoBlenderPython(
        f"Blender's Python module exists for Python {wanted}; this is {own[0]}.{own[1]} and "
        "neither is on PATH. Install one of them and run this again to get the Blender part."
    )


def ensure(environment: Environment) -> Path:
    """Make `environment`, or use the one that is there; returns its interpreter.

    Raises:
        SetupFailed: with what to do.
    """
    if environment.is_current():
        say(f"The {environment.name} is up to date ({environment.folder.name}).")
        return environment.executable
    LOGS.mkdir(parents=True, exist_ok=True)
    environment.log.write_text("", encoding="utf-8")
    if environment.folder.exists() and environment.starts():
        say(f"Bringing the {environment.name} up to date; log: {_shown(environment.log)}")
        try:
            _install(environment)
            return _finish(environment)
        except SetupFailed as error:
            say(f"That did not work ({error}) Making it anew.")
    _make(environment)
    _install(environment)
    return _finish(environment)


def _make(environment: Environment) -> None:
    check_disk(environment)
    folder = environment.folder
    say(f"Making the {environment.name} in {folder.name}: {environment.size}.")
    say(f"  This takes some minutes, once; log: {_shown(environment.log)}")
    if folder.exists():
        shutil.rmtree(folder)
    code = run_logged([*environment.python, "-m", "venv", str(folder)], environment.log)
    if code:
        shutil.rmtree(folder, ignore_errors=True)
        major, minor = environment.version
        raise SetupFailed(
            "Python could not make a virtual environment. On Debian and Ubuntu install "
            f"python{major}.{minor}-venv; {_read(environment.log)}."
        )


def _install(environment: Environment) -> None:
    pip = [str(environment.executable), "-m", "pip", "install", "--no-input"]
    pip += ["--disable-pip-version-check", "--progress-bar", "off"]
    for words in environment.installs:
        code = run_logged([*pip, "-c", str(environment.constraints), *words], environment.log)
        if code:
            raise SetupFailed(explain(environment))


def _finish(environment: Environment) -> Path:
    if not environment.works():
        raise SetupFailed(
            f"The {environment.name} was installed but lacks one of "
            f"{', '.join(environment.imports)}; {_read(environment.log)}."
        )
    stamp = {"stamp": environment.stamp(), "python": list(environment.version)}
    (environment.folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    say(f"The {environment.name} is ready.")
    return environment.executable


def check_disk(environment: Environment) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        SetupFailed: with both numbers.
    """
    place = environment.folder.parent
    free = shutil.disk_usage(place).free / GB
    if free < environment.disk_gb:
        raise SetupFailed(
            f"The {environment.name} needs {environment.disk_gb:.0f} GB of free disk at {place}, "
            f"and {free:.1f} GB are left. Make room and run this again."
        )


def explain(environment: Environment) -> str:
    """A sentence for why pip failed, from what it wrote to the log."""
    text = environment.log.read_text(encoding="utf-8", errors="replace")
    read = _read(environment.log)
    python = ".".join(str(number) for number in environment.version)
    if "No space left on device" in text or "Errno 28" in text:
        return (
            f"The disk filled up; {environment.disk_gb:.0f} GB are needed in all. "
            f"Make room and run this again; {read}."
        )
    missing = re.findall(r"No matching distribution found for (\S+)", text)
    if missing:
        return (
            f"pip found no {missing[-1]} for Python {python} on this machine, or could not reach "
            f"the place it takes packages from; {read}."
        )
    last = re.findall(r"^(?:Collecting|Obtaining) (\S+)", text, re.MULTILINE)
    package = f" {last[-1]}" if last else " a package"
    if re.search(r"ConnectionError|NewConnection|name resolution|Max retries|Timeout|SSL", text):
        return f"pip could not reach{package}: check the network and pip's configuration; {read}."
    if "ERROR" in text:
        return f"pip failed at{package}: {_last_error(text)} ({read})"
    return f"pip failed at{package}; {read}."


def run_logged(command: Sequence[str], log: Path) -> int:
    """Run `command` with its output in `log`; big downloads are told. Returns the exit status."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                _tell_download(line)
            return process.wait()


def _tell_download(line: str) -> None:
    found = re.match(r"\s*Downloading (\S+?)-(\d\S*?)-\S*\.whl\S* \(([\d.]+) (MB|GB)\)", line)
    if found and (found[4] == "GB" or float(found[3]) >= 20):
        say(f"  {found[1].rpartition('/')[2]} {found[2]}: {found[3]} {found[4]}")


def clean_environ() -> dict[str, str]:
    """The environment for child processes, without what would leak another Python into them."""
    leaks = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in leaks}


def venv_python(folder: Path) -> Path:
    """The interpreter inside the virtual environment `folder`."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def say(text: str) -> None:
    print(text, flush=True)


def _answers(command: list[str]) -> bool:
    """Whether `command` can be started and ends well within a minute."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, env=clean_environ())
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.lstrip().startswith("ERROR")]
    return lines[-1].strip().removeprefix("ERROR: ") if lines else ""


def _read(log: Path) -> str:
    return f"read {_shown(log)}"


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
