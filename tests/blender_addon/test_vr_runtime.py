"""What VR needs outside Blender, and what is said before entering."""

from __future__ import annotations

import json

import pytest

from panoloom.blender_addon import vr_runtime


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"has_openxr": False}, "no VR"),
        ({"platform": "darwin", "version": (5, 0, 1)}, "5.1 or newer; this is 5.0"),
        ({"backend": "VULKAN", "version": (4, 5, 3)}, "choose OpenGL"),
    ],
)
def test_what_blender_lacks_is_said(facts, words):
    whole = {"has_openxr": True, "version": (5, 1, 0), "backend": "OPENGL", "platform": "linux"}
    assert vr_runtime.missing_in_blender(**whole) == ""
    assert words in vr_runtime.missing_in_blender(**whole | facts)


def test_runtime_is_where_the_loader_looks(tmp_path):
    nowhere = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
    mine = tmp_path / ".config" / "openxr" / "1" / "active_runtime.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    assert vr_runtime.find_runtime(nowhere, "linux") == str(mine)
    chosen = tmp_path / "runtime.json"
    assert vr_runtime.find_runtime(nowhere | {"XR_RUNTIME_JSON": str(chosen)}, "linux") is None
    chosen.write_text("{}")
    found = vr_runtime.find_runtime(nowhere | {"XR_RUNTIME_JSON": str(chosen)}, "linux")
    assert found == str(chosen)


def report(folder, *findings):
    plain = [{"about": about, "level": level, "text": text} for about, level, text in findings]
    text = json.dumps({"verdict": {"findings": plain}})
    (folder / "quality.json").write_text(text, encoding="utf-8")


def test_only_what_makes_one_sick_is_said_before_entering(tmp_path):
    report(
        tmp_path,
        ("flashes", "faulty", "4.0 flashes a second ahead."),
        ("seam", "faulty", "the seam shows."),
        ("comfort", "noticeable", "the world tilts."),
        ("comfort", "fine", "It stands level."),
    )
    assert vr_runtime.warnings(tmp_path) == ["4.0 flashes a second ahead.", "The world tilts."]


@pytest.mark.parametrize("text", ["", "[]", '{"verdict": {"findings": [3]}}'])
def test_a_report_that_cannot_be_read_warns_of_nothing(tmp_path, text):
    assert vr_runtime.warnings(None) == vr_runtime.warnings(tmp_path) == []
    (tmp_path / "quality.json").write_text(text)
    assert vr_runtime.warnings(tmp_path) == []
