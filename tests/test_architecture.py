"""The rules a reviewer would otherwise have to remember."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from allowed_imports import ALLOWED

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("shared", "engine_server", "blender_addon")
MAX_LINES = 500
MAX_FUNCTION_LINES = 50

HEAVY = {"torch", "diffusers", "einops", "safetensors"}
# Parts that start fast, or live in Blender, and therefore never load a network's libraries.
LIGHT = (
    "shared",
    "blender_addon",
    "engine_server/__init__.py",
    "engine_server/__main__.py",
    "engine_server/broker",
    "engine_server/cli.py",
    "engine_server/client.py",
    "engine_server/commands",
    "engine_server/config.py",
    "engine_server/doctor.py",
    "engine_server/doctor_network.py",
    "engine_server/machine.py",
    "engine_server/output/__init__.py",
    "engine_server/output/manifest.py",
    "engine_server/room.py",
    "engine_server/models/__init__.py",
    "engine_server/models/card.py",
    "engine_server/models/catalog.py",
    "engine_server/models/checksums.py",
    "engine_server/models/fitting.py",
    "engine_server/models/hub.py",
    "engine_server/models/install.py",
    "engine_server/models/ladder.py",
    "engine_server/models/memory.py",
    "engine_server/models/planner.py",
    "engine_server/models/released.py",
    "engine_server/models/safe_files.py",
    "engine_server/models/store.py",
)
# The middle of the add-on, which a test can run anywhere; the rest of that folder is its bpy rim.
WITHOUT_BPY = {
    "core.py",
    "engine_process.py",
    "estimate.py",
    "history.py",
    "job.py",
    "job_queue.py",
    "link.py",
    "loops.py",
    "panel_model.py",
    "remedies.py",
    "session.py",
}
BANNED_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
BANNED_CALLS = {"eval", "exec", "torch.load", "yaml.load"}
ENVIRON_READERS = {"engine_server/config.py"}


def sources(folder: str = "") -> list[Path]:
    """Our Python files below `folder`, or of all three code folders."""
    folders = (folder,) if folder else FOLDERS
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(name: str) -> str:
    """The entry of ALLOWED that a file or folder, by its name, belongs to."""
    found = [part for part in ALLOWED if name == part or name.startswith(f"{part}/")]
    return max(found, key=len, default="")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def absolute_imports(path: Path) -> set[str]:
    """First names of the absolute imports, wherever in the file they stand."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def relative_imports(path: Path) -> Iterator[str]:
    """Names, from the root, of the files and packages of ours that a file imports."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = path.parent
        for _ in range(node.level - 1):
            base = base.parent
        if node.module:
            base = base.joinpath(*node.module.split("."))
        if base.with_suffix(".py").is_file():
            yield name_of(base.with_suffix(".py"))
            continue
        for alias in node.names:
            inner = base / alias.name
            if inner.with_suffix(".py").is_file():
                yield name_of(inner.with_suffix(".py"))
            elif inner.is_dir():
                yield name_of(inner / "__init__.py")
            else:
                yield name_of(base / "__init__.py")


def test_every_file_belongs_to_a_part_that_says_what_it_may_import():
    assert [name_of(p) for p in sources() if not part_of(name_of(p))] == []


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_downwards(part):
    wrong = [
        f"{name_of(path)} imports {target}"
        for path in sources(part.partition("/")[0])
        if part_of(name_of(path)) == part
        for target in relative_imports(path)
        if part_of(target) not in ALLOWED[part] and target != "engine_server/__init__.py"
    ]
    assert wrong == []


def test_shared_needs_only_the_standard_library_and_msgpack():
    for path in sources("shared"):
        assert absolute_imports(path) <= sys.stdlib_module_names | {"msgpack"}, path


@pytest.mark.parametrize("part", LIGHT)
def test_light_parts_load_no_network_libraries(part):
    for path in sources(part.partition("/")[0]):
        if name_of(path) == part or name_of(path).startswith(f"{part}/"):
            assert not absolute_imports(path) & HEAVY, path


def test_bpy_is_imported_only_at_the_rim_of_the_add_on():
    users = {path for path in sources() if absolute_imports(path) & {"bpy", "bmesh", "gpu"}}
    assert {p for p in users if p.parent != ROOT / "blender_addon"} == set()
    assert {p.name for p in users} & WITHOUT_BPY == set()


@pytest.mark.parametrize("folder", [*FOLDERS, "tests", "packaging"])
def test_no_folder_is_imported_by_its_bare_name(folder):
    for path in sources(folder):
        assert not absolute_imports(path) & set(FOLDERS), f"{path}: a second class of every class"


@pytest.mark.parametrize("folder", FOLDERS)
def test_product_code_imports_itself_relatively(folder):
    for path in sources(folder):
        assert "panoloom" not in absolute_imports(path), f"{path}: breaks inside Blender"


def test_pyproject_lists_every_package_folder():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setup = table["tool"]["setuptools"]
    inits = [init for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py")]
    found = {".".join(("panoloom", *init.parent.relative_to(ROOT).parts)) for init in inits}
    assert set(setup["packages"]) == {"panoloom", *found}
    for name, folder in setup["package-dir"].items():
        assert (ROOT / folder / "__init__.py").is_file(), f"{name} is mapped to {folder}"
    assert set(setup["package-dir"]) == set(setup["packages"])


def test_every_data_file_beside_the_code_is_shipped():
    """What lies in a package folder and is no Python has to be in `package-data`."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setup = table["tool"]["setuptools"]
    shipped = {
        found
        for name, patterns in setup["package-data"].items()
        for pattern in patterns
        for found in (ROOT / setup["package-dir"][name]).glob(pattern)
    }
    beside = {p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file()}
    data = {p for p in beside if p.suffix not in (".py", ".pyc") and "/." not in name_of(p)}
    assert data - shipped == set()


def test_every_folder_with_sources_is_a_package():
    for path in sources():
        assert (path.parent / "__init__.py").is_file(), path.parent


def test_packaging_folder_does_not_shadow_the_pypi_package():
    assert not (ROOT / "packaging" / "__init__.py").exists()


def test_no_file_is_longer_than_the_ceiling():
    files = [*sources(), *sources("packaging"), *sources("tests")]
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert {name: count for name, count in lengths.items() if count > MAX_LINES} == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_is_longer_than_the_ceiling():
    functions = [
        (name_of(path), node)
        for path in [*sources(), *sources("packaging")]
        for node in ast.walk(tree_of(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = {f"{name}: {node.name}": body_lines(node) for name, node in functions}
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_every_file_says_what_it_owns():
    assert [name_of(p) for p in [*sources(), *sources("packaging")] if not docstring(p)] == []


def docstring(path: Path) -> str:
    return ast.get_docstring(tree_of(path)) or ""


def test_no_file_is_named_after_nothing():
    vague = {"utils", "helpers", "common", "manager", "misc"}
    assert [name_of(p) for p in sources() if p.stem in vague] == []


def test_nothing_is_unpickled_or_evaluated():
    for path in [*sources(), *sources("packaging")]:
        assert not absolute_imports(path) & BANNED_MODULES, path
        calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        assert not {ast.unparse(call.func) for call in calls} & BANNED_CALLS, path
        words = {ast.unparse(word) for call in calls for word in call.keywords}
        assert "allow_pickle=True" not in words, path


def reads_a_setting(node: ast.AST) -> bool:
    """Asking the environment for a name; copying all of it for a child process is no setting."""
    if isinstance(node, ast.Subscript):
        return ast.unparse(node.value) == "os.environ"
    calls = ("os.environ.get", "os.getenv")
    return isinstance(node, ast.Call) and ast.unparse(node.func) in calls


def test_settings_come_from_the_environment_in_one_file_only():
    for path in sources("engine_server") + sources("shared"):
        found = [n.lineno for n in ast.walk(tree_of(path)) if reads_a_setting(n)]
        assert found == [] or name_of(path) in ENVIRON_READERS, path


def test_the_add_on_starts_no_threads():
    for path in sources("blender_addon"):
        assert not absolute_imports(path) & {"threading", "_thread", "concurrent"}, path


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_has_nothing_to_say(words):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "--no-cache", "--output-format=concise", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_types_hold():
    """The command that CONTRIBUTING.md gives; pyright fetches its own program at the first run."""
    pytest.importorskip("pyright", reason="pyright is not installed; it comes with `dev`")
    done = subprocess.run(
        [sys.executable, "-m", "pyright"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "error:" not in done.stdout and done.returncode:
        pytest.skip(f"pyright cannot run here: {(done.stderr or done.stdout).strip()[-200:]}")
    assert done.returncode == 0, done.stdout


def test_run_py_can_be_read_by_an_old_python():
    text = (ROOT / "packaging" / "run.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 8))
    assert absolute_imports(ROOT / "packaging" / "run.py") <= sys.stdlib_module_names | {"tasks"}


@pytest.mark.parametrize("name", ["run.py", "tasks.py", "environments.py"])
def test_set_up_needs_only_the_standard_library(name):
    neighbours = {"tasks", "environments", "bench_addon"}
    found = absolute_imports(ROOT / "packaging" / name)
    assert found <= sys.stdlib_module_names | neighbours
