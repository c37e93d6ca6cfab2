"""The zip as users get it, installed into a fresh profile."""

from __future__ import annotations


def test_zip_installs_and_is_enabled_with_its_own_wheels(extension_zip, tmp_path, blender_alone):
    found = blender_alone("install.py", tmp_path, extension_zip)
    assert found["enabled"]
    assert found["has_settings"]
    assert found["pyzmq"].startswith("26.4")
    assert {"msgpack", "zmq"} <= set(found["wheels"])


def test_nothing_of_ours_is_a_module_of_its_own_name(extension_zip, tmp_path, blender_alone):
    assert blender_alone("install.py", tmp_path, extension_zip)["top_level"] == []


def test_extension_can_be_switched_off_and_on_again(blender):
    assert blender("switch.py") == {"off": True, "classes_left": [], "on": True}
