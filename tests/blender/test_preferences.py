"""Places in the preferences and in Connect."""

from __future__ import annotations


def test_places_may_be_relative_to_the_file(blender, tmp_path):
    program = tmp_path / "tools" / "panoloom"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = blender("places.py", tmp_path)
    assert found["program"] == str(program)
    assert found["library"] == str(tmp_path / "results")
    assert found["connected_to"] == str(tmp_path / "elsewhere")
