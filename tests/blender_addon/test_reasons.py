"""A control that is off says why: only buttons are switched off, and in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import panoloom.blender_addon

FOLDER = Path(panoloom.blender_addon.__file__).parent
TREES = {path.name: ast.parse(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.py"))}


def classes() -> dict[str, list[str]]:
    """Names of the bases of every class, as they are written."""
    return {
        node.name: [ast.unparse(base) for base in node.bases]
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def test_no_panel_greys_out_anything_without_a_reason():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                is_switch = isinstance(target, ast.Attribute) and target.attr in (
                    "enabled",
                    "active",
                )
                assert not is_switch, f"{name}:{node.lineno} greys a control out without a word"


def test_every_operator_asks_for_its_reason_in_the_one_way():
    known = classes()
    for name in (name for name in known if "_OT_" in name):
        first = name
        while first in known and first != "Button":
            first = known[first][0]
        assert first == "Button", f"{name} is off or on without a word"


def test_only_the_common_button_decides_whether_one_is_off():
    found = [
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name == "poll"
        and node.args.args[0].arg == "cls"
    ]
    assert found == ["button.py"]
