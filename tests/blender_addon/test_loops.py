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
    bundle = loops.Bundle(folder)
    return loops.Keeping(bundle, bundle.target(tmp_path / "shot" / "a.blend"))


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
    again = loops.Keeping(keeping.bundle, keeping.target)
    assert again.total == 0
    assert again.step(1)


def test_copy_that_cannot_be_written_says_so_and_leaves_no_half_file(keeping, tmp_path):
    (tmp_path / "shot").mkdir()
    (tmp_path / "shot" / "panoloom").write_text("a file where the folder should be")
    with pytest.raises(PanoloomError, match="could not be copied"):
        keeping.step(1)


def test_wide_loop_is_looked_at_by_its_small_movie_and_rendered_from_its_frames(tmp_path):
    touch(tmp_path, "loop.mp4", "preview.mp4", "frames/loop_0001.exr")
    assert loops.loop_file(tmp_path, prefer_movie=True).name == "preview.mp4"
    assert loops.loop_file(tmp_path).name == "loop_0001.exr"
    (tmp_path / "frames" / "loop_0001.exr").unlink()
    assert loops.loop_file(tmp_path).name == "loop.mp4"


def loaded(path: Path) -> loops.Bundle:
    return loops.Bundle(path.parent, loops.find_loop(path))


def test_of_a_loaded_file_only_the_movie_or_the_run_of_pictures_goes_along(tmp_path):
    touch(tmp_path, "city.mp4", "diary.txt", *(f"sky_{n:03d}.exr" for n in (7, 8, 9, 11)))
    movie, sequence = loaded(tmp_path / "city.mp4"), loaded(tmp_path / "sky_008.exr")
    assert (movie.name, [path.name for path in movie.files()]) == ("city", ["city.mp4"])
    assert sequence.name == "sky"
    assert [path.name for path in sequence.files()] == [f"sky_00{n}.exr" for n in (7, 8, 9)]


def test_another_file_of_the_same_name_beside_the_blend_is_left_alone(tmp_path):
    blend = tmp_path / "shot.blend"
    touch(tmp_path, "a/city.mp4", "b/city.mp4")
    (tmp_path / "b" / "city.mp4").write_bytes(b"city.mp4 of another town")
    targets = []
    for place in ("a", "b", "a"):
        bundle = loaded(tmp_path / place / "city.mp4")
        targets.append(bundle.target(blend))
        loops.Keeping(bundle, targets[-1]).step(2**30)
    assert [target.name for target in targets] == ["city", "city-2", "city"]
    assert (targets[0] / "city.mp4").read_bytes() != (targets[1] / "city.mp4").read_bytes()


def test_loaded_file_that_is_gone_is_named(tmp_path):
    touch(tmp_path, "city.mp4")
    bundle = loaded(tmp_path / "city.mp4")
    (tmp_path / "city.mp4").unlink()
    with pytest.raises(PanoloomError, match=r"city\.mp4 is missing"):
        loops.Keeping(bundle, bundle.target(tmp_path / "shot" / "a.blend"))


def test_rate_of_a_loop_is_in_its_manifest_or_unknown(tmp_path):
    assert loops.fps_of(tmp_path) == 0.0
    (tmp_path / "manifest.json").write_text('{"loop": {"fps": 29.97}}')
    assert loops.fps_of(tmp_path) == 29.97
