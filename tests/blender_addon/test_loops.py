"""The files of a loop: which one is loaded, and how they go along with a .blend."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoloom.blender_addon import loops
from panoloom.shared.errors import PanoloomError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_loop_is_the_first_exr_or_the_movie_by_choice_and_either_when_one_is_missing(tmp_path):
    with pytest.raises(PanoloomError, match="not on this computer"):
        loops.loop_file(tmp_path)
    touch(tmp_path, "loop.mp4")
    assert loops.loop_file(tmp_path).name == "loop.mp4"
    touch(tmp_path, "frames/loop_0001.exr")
    assert loops.loop_file(tmp_path).name == "loop_0001.exr"
    assert loops.loop_file(tmp_path, prefer_movie=True).name == "loop.mp4"
    for prefer_movie in (False, True):
        file = loops.loop_file(tmp_path, prefer_movie=prefer_movie)
        assert loops.folder_of_loop(file) == tmp_path


def test_any_picture_of_a_sequence_finds_its_unbroken_run(tmp_path):
    touch(tmp_path, *(f"sky_{n:03d}.exr" for n in (3, 4, 5, 6, 8)), "sky_0004.exr", "other_5.exr")
    for number in (3, 5, 6):
        found = loops.find_loop(tmp_path / f"sky_{number:03d}.exr")
        assert (found.path.name, found.num_frames, found.first_number) == ("sky_003.exr", 4, 3)
    assert loops.find_loop(tmp_path / "sky_008.exr").num_frames == 1


def test_sequence_may_grow_a_digit(tmp_path):
    touch(tmp_path, *(f"{n}.png" for n in range(8, 12)))
    found = loops.find_loop(tmp_path / "9.png")
    assert (found.path.name, found.num_frames) == ("8.png", 4)


def test_picture_without_a_number_is_a_still_and_a_movie_tells_by_itself(tmp_path):
    touch(tmp_path, "studio.hdr", "sky.MP4")
    still, movie = (loops.find_loop(tmp_path / name) for name in ("studio.hdr", "sky.MP4"))
    assert (still.num_frames, still.is_movie) == (1, False)
    assert (movie.num_frames, movie.is_movie) == (0, True)


@pytest.mark.parametrize("name", ["notes.txt", "missing.exr"])
def test_what_blender_cannot_show_is_refused_by_name(name, tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(PanoloomError, match=name):
        loops.find_loop(tmp_path / name)


@pytest.fixture
def keeping(tmp_path):
    folder = tmp_path / "library" / "sea-1"
    touch(folder, "loop.mp4", "frames/loop_0001.exr", "manifest.json", "latents.safetensors")
    return loops.Keeping(folder, loops.kept_folder(tmp_path / "shot" / "a.blend", folder))


def test_loop_is_copied_beside_the_file_a_little_at_a_time(keeping, tmp_path):
    assert keeping.target == tmp_path / "shot" / "panoloom" / "sea-1"
    assert [keeping.step(1) for _ in range(3)] == [False, False, True]
    found = {p.relative_to(keeping.target).as_posix() for p in keeping.target.rglob("*.*")}
    assert found == {"loop.mp4", "frames/loop_0001.exr", "manifest.json"}
    assert keeping.done == keeping.total


def test_manifest_comes_last_so_that_a_copy_with_one_is_whole(keeping):
    keeping.step(1)
    keeping.step(1)
    assert not (keeping.target / "manifest.json").exists()


def test_what_is_there_already_is_not_copied_again(keeping):
    while not keeping.step(1):
        pass
    again = loops.Keeping(keeping.folder, keeping.target)
    assert again.total == 0
    assert again.step(1)


def test_copy_that_cannot_be_written_says_so_and_leaves_no_half_file(keeping, tmp_path):
    (tmp_path / "shot").mkdir()
    (tmp_path / "shot" / "panoloom").write_text("a file where the folder should be")
    with pytest.raises(PanoloomError, match="could not be copied"):
        keeping.step(1)
