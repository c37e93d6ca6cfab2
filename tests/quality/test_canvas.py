from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.panorama.erp import cell_areas
from panoloom.engine_server.quality.canvas import Canvas, make_canvas, row_weights
from panoloom.engine_server.quality.views import ANGLES, DOWN, UP, Views
from panoloom.shared.errors import InvalidJob


def test_rows_of_a_sphere_weigh_by_their_solid_angle():
    areas = cell_areas(32, 64).sum(axis=1) / (4 * np.pi)
    np.testing.assert_allclose(row_weights(32, is_sphere=True), areas, rtol=1e-5)
    assert row_weights(32, is_sphere=False).tolist() == [1 / 32] * 32


def test_what_is_twice_as_wide_as_high_is_a_sphere_unless_told_otherwise():
    assert make_canvas(128, 64, None).is_sphere
    assert make_canvas(128, 64, "ring").ring
    assert not make_canvas(128, 64, "ring").is_sphere
    assert not make_canvas(256, 64, None).ring


@pytest.mark.parametrize(("height", "surface"), [(64, "cube"), (50, "sphere")])
def test_an_impossible_surface_is_refused(height, surface):
    with pytest.raises(InvalidJob) as caught:
        make_canvas(128, height, surface)
    assert caught.value.details["field"] == "surface"


def test_large_frames_are_measured_on_copies_512_pixels_wide():
    canvas = Canvas(2048, 1024)
    assert canvas.work_size == (256, 512)
    assert canvas.work_copy(np.zeros((1024, 2048, 3), np.uint8)).shape == (256, 512, 3)
    assert Canvas(128, 64).work_size == (64, 128)


def test_what_lies_around_a_sphere_is_the_ring_and_the_far_side_of_the_poles():
    frame = np.arange(8 * 16).reshape(8, 16)
    around = Canvas(16, 8).padded(frame, rows=1, columns=1)
    assert around[1:-1, 0].tolist() == frame[:, -1].tolist()
    assert around[0, 1:-1].tolist() == np.roll(frame[0], 8).tolist()
    assert around[-1, 1:-1].tolist() == np.roll(frame[-1], 8).tolist()


def test_a_plane_that_is_no_ring_ends_at_its_edges():
    frame = np.arange(12).reshape(3, 4)
    around = Canvas(4, 3, "plane").padded(frame, rows=1, columns=1)
    assert around[1].tolist() == [0, 0, 1, 2, 3, 3]


def test_a_degree_of_arc_takes_more_pixels_near_the_poles():
    across, down = Canvas(360, 180).degrees_per_px
    assert down == 1.0
    assert across[90, 0] == pytest.approx(1.0, abs=1e-3)
    assert across[30, 0] == pytest.approx(np.cos(np.radians(59.5)), abs=1e-4)


def test_region_means_are_told_with_the_place_they_belong_to():
    canvas = Canvas(64, 32)
    field = np.zeros((32, 64), np.float32)
    field[8:16, 48:56] = 1.0  # above the horizon, between yaw 90 and 135
    means = canvas.region_means(field)
    place = canvas.regions[int(np.argmax(means))]
    assert means.max() == pytest.approx(1.0)
    assert np.count_nonzero(means) == 1
    assert (place.yaw_deg, place.pitch_deg) == (112.5, 22.5)


def test_the_mean_of_a_field_is_that_over_the_sphere():
    canvas = Canvas(128, 64)
    pitch = (0.5 - (np.arange(64) + 0.5) / 64) * np.pi
    field = np.repeat(np.square(np.sin(pitch))[:, None], 128, axis=1)
    assert canvas.mean(field) == pytest.approx(1 / 3, abs=2e-3)  # mean of z squared


def test_there_are_fourteen_views_and_each_sees_what_lies_there():
    canvas = Canvas(256, 128)
    views = Views(canvas)
    assert len(views.places) == 14
    for index, place in enumerate(views.places):
        field = np.zeros((128, 256), np.float32)
        row = min(int((0.5 - place.pitch_deg / 180) * 128), 127)
        column = int((place.yaw_deg / 360 + 0.5) * 256) % 256
        if index in (UP, DOWN):
            field[row] = 1.0
        else:
            field[row - 1 : row + 1, [column - 1, column]] = 1.0
        seen = views.cut(field)
        middle = seen[index, 31:33, 31:33]
        assert middle.max() > 0.5, ANGLES[index]
        assert seen[:, 31:33, 31:33].mean(axis=(1, 2)).argmax() == index


def test_a_plane_is_its_own_view():
    image = np.zeros((20, 60), np.float32)
    assert Views(Canvas(60, 20, "ring")).cut(image).shape == (1, 20, 60)
