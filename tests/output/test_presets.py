from __future__ import annotations

from fractions import Fraction

import pytest
from levels import LEVELS, holds

from panoloom.engine_server.output.export import encodings
from panoloom.engine_server.output.export.presets import (
    MAX_AREA,
    PRESETS,
    check_size,
    find_preset,
    fits,
    largest,
)
from panoloom.engine_server.output.export.source import file_name
from panoloom.shared.errors import InvalidJob, UserError

FILMS = [preset for preset in PRESETS if preset.kind != "stills"]


def test_the_guard_is_what_the_levels_of_three_codecs_hold():
    assert MAX_AREA == 139_264 * 256 == 35_651_584


@pytest.mark.parametrize("fps", [8, 24, 30, 60, 120])
@pytest.mark.parametrize("preset", FILMS, ids=lambda preset: preset.name)
def test_the_largest_fits_has_a_level_and_is_no_larger_than_the_guard(preset, fps):
    width, height = largest(preset, fps=Fraction(fps))
    assert width == 2 * height
    assert fits(preset, width=width, height=height, fps=Fraction(fps))
    assert width * height <= MAX_AREA
    size = {"width": width, "height": height, "fps": Fraction(fps)}
    for codec in preset.codecs:
        assert any(holds(codec, level, **size) for level in LEVELS[codec])
    if width < preset.max_width:
        assert not fits(preset, width=width + 256, height=height + 128, fps=Fraction(fps))


@pytest.mark.parametrize(
    ("name", "fps", "size"),
    [
        ("quest3", 30, (8192, 4096)),
        ("quest2", 30, (5760, 2880)),
        ("vision-pro", 30, (7680, 3840)),
        ("web-safe", 30, (4096, 2048)),
        ("quest2", 60, (4096, 2048)),
    ],
)
def test_the_largest_of_known_players(name, fps, size):
    assert largest(find_preset(name), fps=Fraction(fps)) == size


@pytest.mark.parametrize("preset", FILMS, ids=lambda preset: preset.name)
def test_a_frame_that_a_headset_shows_as_black_is_refused_with_the_largest_that_it_shows(preset):
    with pytest.raises(InvalidJob, match="--fit") as caught:
        check_size(preset, width=8448, height=4224, fps=Fraction(30))
    assert tuple(caught.value.details["largest"]) == largest(preset, fps=Fraction(30))


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(InvalidJob, match="quest3, vision-pro"):
        find_preset("quest9")


@pytest.mark.parametrize("preset", FILMS, ids=lambda preset: preset.name)
def test_every_codec_of_a_preset_can_be_written(preset):
    for codec in preset.codecs:
        assert encodings.choose_codec(preset, codec) == codec


def test_a_missing_codec_is_answered_with_one_that_is_there(monkeypatch):
    monkeypatch.setitem(encodings.ENCODERS, "hevc", "libnothing")
    with pytest.raises(UserError, match=r"cannot write HEVC.*AV1 is there: --codec av1"):
        encodings.choose_codec(find_preset("quest3"), None)
    with pytest.raises(UserError, match=r"Of the others, H\.264 is there"):
        encodings.choose_codec(find_preset("vision-pro"), None)


def test_a_codec_that_the_player_lacks_is_refused():
    with pytest.raises(UserError, match=r"web-safe takes H\.264, not AV1.*--codec h264"):
        encodings.choose_codec(find_preset("web-safe"), "av1")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A storm over the sea", "a-storm-over-the-sea"),
        ("tb or not TB, 360 degrees, 3D", "or-not-degrees"),
        ("180 LR sbs", "loop"),
    ],
)
def test_names_hold_no_word_that_a_player_takes_for_a_layout(title, name):
    assert file_name(title) == name
