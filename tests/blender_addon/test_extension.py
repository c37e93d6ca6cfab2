"""The zip that is shipped: what is in it, and what must not be."""

from __future__ import annotations

import ast
import importlib.util
import json
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN_IMPORTS = {"threading", "_thread", "concurrent", "multiprocessing", "pip", "ensurepip"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "compile", "os.system"}


def load_builder():
    spec = importlib.util.spec_from_file_location(
        "build_extension", ROOT / "packaging" / "build_extension.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()


def shipped() -> list[Path]:
    return [path for path in builder.members().values() if path.suffix == ".py"]


@pytest.mark.parametrize("path", shipped(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_shipped_file_has_nothing_a_moderator_refuses(path):
    text = path.read_text(encoding="utf-8")
    assert "sys.path" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & FORBIDDEN_IMPORTS
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.partition(".")[0] not in FORBIDDEN_IMPORTS
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in FORBIDDEN_CALLS


def test_every_public_name_of_the_add_on_says_what_it_is():
    # the class of a button says it
    callbacks = {"draw", "poll", "execute", "why_not", "why_not_here", "act", "act_on"}
    packaging = [ROOT / "packaging" / name for name in ("build_extension.py", "demo_scene.py")]
    silent = [
        f"{path.name}: {node.name}"
        for path in [*(ROOT / "blender_addon").glob("*.py"), *packaging]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        if not node.name.startswith("_") and node.name not in callbacks
        if ast.get_docstring(node) is None
    ]
    assert silent == []


def test_engine_stays_out_of_the_zip_and_what_the_add_on_needs_is_in():
    names = set(builder.members())
    assert {"__init__.py", "LICENSE", "shared/wire.py", "blender_addon/world.py"} <= names
    assert not any(name.startswith("engine_server") for name in names)


@pytest.mark.parametrize("place", builder.MACHINES)
def test_zip_is_for_the_machine_it_is_built_on(place, tmp_path, monkeypatch, capsys):
    built = []

    def build(platform: str, out: Path, cache: Path) -> Path:
        built.append(platform)
        return tmp_path / "none.zip"

    monkeypatch.setattr(builder, "system", lambda: place[0])
    monkeypatch.setattr(builder, "machine", lambda: place[1])
    monkeypatch.setattr(builder, "build", build)
    monkeypatch.setattr(builder, "validator", lambda: None)
    assert builder.main(["--json"]) == 0
    assert built == [builder.MACHINES[place]]
    assert set(builder.MACHINES.values()) == set(builder.PLATFORMS)


def test_machine_without_a_blender_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr(builder, "machine", lambda: "riscv64")
    assert builder.main([]) == 1
    assert "riscv64" in capsys.readouterr().err


def test_manifest_names_its_wheels_before_the_first_table():
    wheels = [Path("pyzmq-26.4.0-cp311-x.whl"), Path("pyzmq-26.4.0-cp313-x.whl")]
    manifest = tomllib.loads(builder.manifest_text("linux-x64", wheels))
    assert manifest["platforms"] == ["linux-x64"]
    assert manifest["wheels"] == [f"./wheels/{wheel.name}" for wheel in wheels]
    assert set(manifest["permissions"]) == {"network", "files", "clipboard"}


def test_manifest_has_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    manifest = tomllib.loads(
        (ROOT / "packaging" / "blender_manifest.toml").read_text(encoding="utf-8")
    )
    assert manifest["version"] == project["version"]
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert len(manifest["tagline"]) <= 64


def test_zip_holds_the_wheels_of_both_pythons_and_is_the_same_twice(tmp_path, monkeypatch):
    def wheels(platform: str, cache: Path) -> list[Path]:
        made = [cache / f"pyzmq-26.4.0-{tag}-{tag}-any.whl" for tag in ("cp311", "cp313")]
        for path in made:
            path.write_bytes(b"wheel")
        return made

    monkeypatch.setattr(builder, "fetch_wheels", wheels)
    first = builder.build("linux-x64", tmp_path / "a", tmp_path)
    second = builder.build("linux-x64", tmp_path / "b", tmp_path)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert sum(name.startswith("wheels/") for name in archive.namelist()) == 2
        assert "blender_manifest.toml" in archive.namelist()


def test_sample_is_in_the_zip_and_small():
    members = builder.members()
    assert {f"sample/{name}" for name in builder.SAMPLE} <= set(members)
    movie = members["sample/sample.mp4"]
    assert movie.stat().st_size <= builder.MAX_SAMPLE_BYTES
    facts = json.loads(members["sample/sample.json"].read_text(encoding="utf-8"))
    assert set(facts) == {"prompt", "width", "height", "num_frames", "fps"}
    assert facts["width"] == 2 * facts["height"]


def test_repository_offers_each_zip_to_both_pythons(tmp_path, monkeypatch):
    if builder.validator() is None:
        pytest.skip("needs Blender's own tool, which comes with its environment")

    def wheels(platform: str, cache: Path) -> list[Path]:
        tag = builder.PLATFORMS[platform][0]
        cache.mkdir(exist_ok=True)
        names = [
            f"{name}-{version}-cp{python}-cp{python}-{tag}.whl"
            for name, version in (("pyzmq", "26.4.0"), ("msgpack", "1.1.2"))
            for python in ("311", "313")
        ]
        for name in names:
            (cache / name).write_bytes(b"wheel")
        return [cache / name for name in names]

    monkeypatch.setattr(builder, "fetch_wheels", wheels)
    site = tmp_path / "site"
    words = ["--repository", str(site), "--cache", str(tmp_path / "wheels")]
    assert builder.main(words) == 0
    index = json.loads((site / "index.json").read_text(encoding="utf-8"))
    assert {name for entry in index["data"] for name in entry["platforms"]} == set(
        builder.PLATFORMS
    )
    for entry in index["data"]:
        assert sorted(entry["python_versions"]) == ["3.11", "3.13"]
        assert entry["blender_version_min"] == "4.2.0"
        assert (site / entry["archive_url"]).is_file()
