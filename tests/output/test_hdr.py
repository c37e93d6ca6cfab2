from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from panoloom.engine_server.output import lights
from panoloom.engine_server.output.hdr import (
    PQ_PEAK,
    REC709_TO_REC2020,
    Curve,
    expand,
    expanded_luminance,
    pq_encode,
    sky_illuminance,
    write_radiance,
)
from panoloom.engine_server.output.hdr10 import LightLevel, hdr10_words
from panoloom.engine_server.output.lights import LightFinder, SunFinder, add_light
from panoloom.engine_server.panorama.erp import cell_areas, cell_directions

CURVE = Curve()


def spot(height, *, yaw_deg, pitch_deg, radius_deg, value=0.98, around=0.2):
    """A grey panorama with a round white spot."""
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    at = [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)]
    away = np.degrees(np.arccos(np.clip(cell_directions(height, 2 * height) @ at, -1, 1)))
    frame = np.full((height, 2 * height, 3), around, np.float32)
    frame[away < radius_deg] = value
    return frame


def shed(frame, direction):
    """Illuminance of a luminance picture on a surface that faces `direction`."""
    facing = np.maximum(cell_directions(*frame.shape[:2]) @ direction, 0)
    return float((frame[..., 1] * facing * cell_areas(*frame.shape[:2])).sum())


def found(frames, sky=1.0):
    finder = LightFinder()
    for frame in frames:
        finder.add(frame)
    return finder.lights(sky)


def test_below_the_knee_nothing_changes_and_white_becomes_the_peak():
    y = np.array([0.0, 0.1, 0.5, 1.0], np.float32)
    assert expanded_luminance(y, CURVE) == pytest.approx([0.0, 0.1, 0.5, 8.0], rel=1e-5)


def test_the_curve_undoes_the_documented_shoulder_and_only_grows():
    y = np.linspace(0.5, 1.0, 101)
    x = expanded_luminance(y, CURVE).astype(float)
    top = (CURVE.peak - CURVE.knee) / (1 - CURVE.knee)
    t = (x - CURVE.knee) / (1 - CURVE.knee)
    back = CURVE.knee + (1 - CURVE.knee) * t * (1 + t / top**2) / (1 + t)
    assert back == pytest.approx(y, abs=1e-5)
    assert (np.diff(x) > 0).all()
    assert (x[1] - x[0]) / (y[1] - y[0]) == pytest.approx(1, abs=0.05)  # smooth at the knee


def test_expanding_keeps_the_hue():
    colour = np.array([[0.9, 0.8, 0.6]], np.float32)
    bright = expand(colour, CURVE)
    assert bright.sum() > 1.2 * colour.sum()
    assert bright / bright.max() == pytest.approx(colour / colour.max(), rel=1e-5)


@pytest.mark.parametrize(
    ("nits", "code"), [(0.0, 0.0), (100.0, 0.508078), (1000.0, 0.751827), (10_000.0, 1.0)]
)
def test_pq_of_known_light(nits, code):
    grey = np.full((1, 3), nits / 100.0, np.float32)
    assert pq_encode(grey) == pytest.approx(np.full((1, 3), code), abs=2e-5)


def test_white_stays_white_in_rec2020():
    assert REC709_TO_REC2020.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_light_beyond_pq_is_clipped_and_told():
    level = LightLevel()
    level.add(np.full((2, 2, 3), 500.0, np.float32))
    assert level.nits == (10_000, 10_000)
    assert hdr10_words(level)["max-cll"] == "10000,10000"


def test_a_grey_sky_sheds_pi():
    assert sky_illuminance(np.ones((64, 128, 3), np.float32)) == pytest.approx(math.pi, rel=1e-3)


def test_radiance_pictures_come_back_and_say_that_they_are_expanded(tmp_path):
    light = spot(32, yaw_deg=30, pitch_deg=10, radius_deg=10, value=50.0)
    path = tmp_path / "a.hdr"
    write_radiance(path, light)
    back = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert back == pytest.approx(light, rel=0.01)
    assert b"HDR (expanded)" in path.read_bytes()[:120]


@pytest.mark.parametrize("yaw_deg", [0, 90, 179.5, -135])
def test_the_sun_is_found_where_it_stands_also_on_the_seam(yaw_deg):
    (sun,) = found([spot(128, yaw_deg=yaw_deg, pitch_deg=30, radius_deg=4)] * 3)
    x, y, z = sun.direction
    assert sun.is_sun
    assert abs((math.degrees(math.atan2(y, x)) - yaw_deg + 180) % 360 - 180) < 0.7
    assert math.degrees(math.asin(z)) == pytest.approx(30, abs=0.7)  # a cell has 1.4
    assert len(sun.spots) == 3


@pytest.mark.parametrize("height", [64, 128])
@pytest.mark.parametrize("ceiling", [30.0, 65504.0])
def test_what_the_sun_sheds_is_conserved_at_every_size_and_ceiling(height, ceiling):
    before = spot(height, yaw_deg=40, pitch_deg=35, radius_deg=8)
    (sun,) = found([before] * 2, sky=0.6)
    frame = expand(before, CURVE)
    bare = shed(frame, sun.direction)
    told = add_light(frame, before, sun, 0, ceiling=ceiling)
    assert frame.max() <= ceiling * 1.001
    assert shed(frame, sun.direction) - bare == pytest.approx(told, rel=0.01)
    room = 1.1 * (ceiling - 8) * 2 * math.pi * (1 - math.cos(math.radians(8)))
    if room > 1.3 * sun.illuminance:
        assert told == pytest.approx(sun.illuminance, rel=0.01)


def test_a_low_sun_sheds_less_than_a_high_one():
    low, high = (
        found([spot(128, yaw_deg=0, pitch_deg=pitch, radius_deg=3)])[0] for pitch in (6, 60)
    )
    on_the_ground = [light.illuminance * light.direction[2] for light in (low, high)]
    assert on_the_ground[0] < 0.3 * on_the_ground[1]
    assert on_the_ground[1] == pytest.approx(4 * math.exp(-0.25 * (1 / math.sin(1.0472) - 1)), 0.02)


def test_clouds_streaks_and_flashes_are_no_lights():
    cloud = spot(128, yaw_deg=0, pitch_deg=40, radius_deg=30)
    streak = np.full((128, 256, 3), 0.2, np.float32)
    streak[90:92, 20:80] = 0.98
    flash = [spot(128, yaw_deg=0, pitch_deg=40, radius_deg=4)] + [np.zeros_like(cloud)] * 5
    assert found([cloud] * 3) == []
    assert found([streak] * 3) == []
    assert found(flash) == []


def test_a_moving_sun_is_one_light_and_the_join_of_the_loop_is_none():
    frames = [spot(128, yaw_deg=yaw, pitch_deg=30, radius_deg=5) for yaw in (0, 3, 6, 6, 3, 0)]
    (sun,) = found(frames)
    assert sorted(sun.spots) == list(range(6))
    rolled = found(frames[3:] + frames[:3])
    assert len(rolled) == 1
    assert rolled[0].illuminance == pytest.approx(sun.illuminance, rel=1e-3)


def test_light_is_steady_over_a_loop_whose_sun_flickers_for_a_frame():
    frames = [spot(64, yaw_deg=0, pitch_deg=30, radius_deg=8) for _ in range(12)]
    frames[5] = spot(64, yaw_deg=0, pitch_deg=30, radius_deg=5)
    (sun,) = found(frames)
    assert min(sun.visible) > 0.75
    steps = np.abs(np.diff([*sun.visible, sun.visible[0]]))
    assert steps.max() < 0.15


@pytest.mark.parametrize("height", [128, 320])
def test_stored_frames_suggest_a_sun_lamp_that_outshines_their_own_sky_as_documented(
    height, monkeypatch
):
    monkeypatch.setattr(lights, "LOOKED_AT_WIDTH", 256)
    finder = SunFinder()
    frame = spot(height, yaw_deg=60, pitch_deg=50, radius_deg=4, around=0.2).astype(np.float16)
    for _ in range(2):
        finder.add(frame)
    sun = finder.told()
    assert (sun["yaw_deg"], sun["pitch_deg"]) == pytest.approx((60, 50), abs=0.6)
    assert sun["colour"] == pytest.approx([1, 1, 1], abs=1e-3)
    assert sun["lamp_strength"] == sun["illuminance"]
    level = sun["illuminance"] * math.sin(math.radians(50))
    assert level == pytest.approx(4 * math.exp(-0.25 * 0.304) * 0.2 * math.pi, rel=0.05)
    assert "estimated" in sun["label"]


def test_a_sky_without_a_sun_suggests_none():
    assert SunFinder().told() is None
    finder = SunFinder()
    finder.add(np.full((32, 64, 3), 0.5, np.float32))
    assert finder.told() is None


def test_a_lamp_below_the_horizon_is_no_sun():
    (lamp,) = found([spot(128, yaw_deg=0, pitch_deg=-20, radius_deg=3)] * 2)
    assert not lamp.is_sun
    assert PQ_PEAK == 100.0
