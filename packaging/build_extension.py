"""Build the Blender extension.

    python packaging/build_extension.py --out dist [--platform linux-x64|all]
    python packaging/build_extension.py --repository site      # every platform, and the index

Standard library and pip alone. One zip a platform, by default this machine's, with the wheels of
every Python that Blender 4.2 to 5.2 brings (3.11 and 3.13). pyzmq stays at 26.4.0: later ones ship
one wheel for several Pythons (abi3), which Blender's index then offers to Python 3.11 only.

A repository is a folder of static files: put it on any web server, and people add the address of
its index.json under Preferences, Get Extensions, Repositories.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from platform import machine, system
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ("pyzmq==26.4.0", "msgpack==1.1.2")
PYTHONS = ("3.11", "3.13")
PLATFORMS = {  # Blender's name of a platform -> the wheel tags that run there
    "linux-x64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2", "macosx_10_9_universal2"),
    "macos-x64": ("macosx_10_15_universal2", "macosx_10_13_x86_64", "macosx_10_9_x86_64"),
}
MACHINES = {  # (system, machine) as Python names them -> Blender's name of the platform
    ("Linux", "x86_64"): "linux-x64",
    ("Windows", "AMD64"): "windows-x64",
    ("Darwin", "arm64"): "macos-arm64",
    ("Darwin", "x86_64"): "macos-x64",
}
SUFFIXES = {".py", ".md"}
SAMPLE = ("sample.mp4", "sample.json")  # made by make_sample.py
MAX_SAMPLE_BYTES = 2_000_000
EPOCH = (2026, 1, 1, 0, 0, 0)  # one date for every entry: the same tree gives the same zip


class BuildError(Exception):
    """A sentence that says what stopped the build."""


def this_platform() -> str:
    """Blender's name of the platform of this machine.

    Raises:
        BuildError: Blender does not run on it.
    """
    name = MACHINES.get((system(), machine()))
    if name is None:
        raise BuildError(f"There is no Blender extension for {system()} on {machine()}.")
    return name


def fetch_wheels(platform: str, cache: Path) -> list[Path]:
    """The wheels of one platform, taken from `cache` or downloaded into it by name.

    Raises:
        BuildError: pip could not get one of them.
    """
    folder = cache / platform
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for requirement in REQUIREMENTS:
        for python in PYTHONS:
            pattern = f"{requirement.replace('==', '-')}-cp{python.replace('.', '')}-*.whl"
            if not list(folder.glob(pattern)):
                _download(requirement, python, PLATFORMS[platform], folder)
            wheels = sorted(folder.glob(pattern))
            if not wheels:
                raise BuildError(f"No wheel {pattern} in {folder} after the download.")
            found.append(wheels[0])
    return found


def _download(requirement: str, python: str, tags: tuple[str, ...], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", python, "--implementation", "cp"]
    command += [word for tag in tags for word in ("--platform", tag)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BuildError(f"pip could not download {requirement} for {tags[0]}: {lines[-1]}")


def manifest_text(platform: str, wheels: list[Path]) -> str:
    """The manifest of one zip: the source manifest with its `platforms` and `wheels`."""
    source = (ROOT / "packaging" / "blender_manifest.toml").read_text(encoding="utf-8")
    head, table, tail = source.partition("\n[permissions]")
    names = "".join(f'    "./wheels/{wheel.name}",\n' for wheel in wheels)
    return f'{head}\nplatforms = ["{platform}"]\nwheels = [\n{names}]\n{table}{tail}'


def members() -> dict[str, Path]:
    """Every source file of the extension, by its name in the zip."""
    files = {"__init__.py": ROOT / "packaging" / "package_root" / "__init__.py"}
    files["LICENSE"] = ROOT / "LICENSE"
    for folder in ("shared", "blender_addon"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                files[path.relative_to(ROOT).as_posix()] = path
    for name in SAMPLE:
        files[f"sample/{name}"] = ROOT / "packaging" / "sample" / name
    return {name: path for name, path in files.items() if path.is_file()}


def build(platform: str, out: Path, cache: Path) -> Path:
    """Write `out/panoloom-<version>-<platform>.zip` and return its path."""
    wheels = fetch_wheels(platform, cache)
    manifest = manifest_text(platform, wheels)
    version = tomllib.loads(manifest)["version"]
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"panoloom-{version}-{platform}.zip"
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        _add(archive, "blender_manifest.toml", manifest.encode())
        for name, path in sorted(members().items()):
            _add(archive, name, path.read_bytes())
        for wheel in wheels:
            _add(archive, f"wheels/{wheel.name}", wheel.read_bytes())
    partial.replace(target)
    return target


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def validator() -> Path | None:
    """Blender's own extension tool, as the bpy wheel of the checkout's environment brings it."""
    pattern = "lib/python*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    return next(iter(sorted((ROOT / ".venv-blender").glob(pattern))), None)


def validate(target: Path, tool: Path) -> None:
    """Let Blender's tool judge the unpacked zip by `validate` and by `build`, which checks more.

    Raises:
        BuildError: with what the tool said.
    """
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(target) as archive:
            archive.extractall(Path(folder) / "source")
        source = f"{folder}/source"
        for words in (
            ["validate", source],
            ["build", "--source-dir", source, "--output-dir", folder],
        ):
            done = run_tool(tool, words)
            if done.returncode or "warning" in (done.stdout + done.stderr).lower():
                raise BuildError(f"Blender refuses {target.name}:\n{done.stdout}{done.stderr}")


def run_tool(tool: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Blender's extension tool."""
    command = [sys.executable, str(tool), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make_index(folder: Path, tool: Path) -> list[dict[str, Any]]:
    """Write the repository's index.json for the zips in `folder`; returns what it lists.

    Raises:
        BuildError: The tool refused, or a zip would not be offered to every Blender it is for.
    """
    done = run_tool(tool, ["server-generate", "--repo-dir", str(folder), "--html"])
    if done.returncode:
        raise BuildError(f"Blender's tool made no index:\n{done.stdout}{done.stderr}")
    listed = json.loads((folder / "index.json").read_text(encoding="utf-8"))["data"]
    for entry in listed:
        if sorted(entry.get("python_versions", ())) != sorted(PYTHONS):
            raise BuildError(f"The index offers {entry['archive_url']} to other Pythons: {entry}")
    return listed


def main(argv: list[str] | None = None) -> int:
    """Build what the words ask for; returns the exit status of the process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the zips")
    parser.add_argument(
        "--platform", choices=[*PLATFORMS, "all"], help="default: that of this machine"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "wheels")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--repository",
        type=Path,
        help="folder to fill with the zips of every platform and an index",
    )
    options = parser.parse_args(argv)
    tool = validator()
    try:
        every = options.platform == "all" or options.repository
        platforms = list(PLATFORMS) if every else [options.platform or this_platform()]
        built = build_all(platforms, options.repository or options.out, options.cache, tool)
        if options.repository:
            if tool is None:
                raise BuildError("An index needs Blender's tool: `packaging/run.py setup` first.")
            make_index(options.repository, tool)
    except BuildError as error:
        print(f"build_extension: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"built": built}))
        return 0
    for made in built:
        checked = "checked by Blender's tool" if tool else "not checked: no bpy here"
        print(f"{made['path']}  {Path(made['path']).stat().st_size / 1e6:.1f} MB, {checked}")
    if options.repository:
        print(f"{options.repository / 'index.json'}  the repository's index")
    return 0


def build_all(
    platforms: list[str], out: Path, cache: Path, tool: Path | None
) -> list[dict[str, Any]]:
    """The zips of these platforms, each held against Blender's tool where there is one."""
    built = []
    for platform in platforms:
        target = build(platform, out, cache)
        if tool:
            validate(target, tool)
        built.append({"platform": platform, "path": str(target), "validated": tool is not None})
    return built


if __name__ == "__main__":
    sys.exit(main())
