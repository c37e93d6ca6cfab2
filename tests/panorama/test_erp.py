"""Pixels, angles, directions, the seam and the poles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import moving_sphere

from panoloom.engine_server.panorama import erp

HEIGHT, WIDTH = 32, 64
PHASE = np.array([0.1])
VIEWS = [
    (0, 0, 90),
    (180, 0, 90),
    (180, 30, 60),
    (-179.7, -20, 110),
    (37, 90, 90),
    (0, -90, 90),
    (120, 75, 100),
    (-65, -70, 53),
]


def true_erp(height: int) -> torch.Tensor:
    return moving_sphere(erp.cell_directions(height, 2 * height), PHASE)[:, 0]


@given(
    row=st.floats(0.01, HEIGHT - 0.01),
    column=st.floats(0.01, WIDTH - 0.01),
    scale=st.sampled_from([1, 7]),
)
@settings(deadline=None, max_examples=60)
def test_pixel_to_angle_to_direction_and_back_is_the_pixel(row, column, scale):
    size = {"height": HEIGHT * scale, "width": WIDTH * scale}
    yaw, pitch = erp.pixels_to_angles(row * scale, column * scale, **size)
    angles = erp.directions_to_angles(erp.angles_to_directions(yaw, pitch))
    assert erp.angles_to_pixels(*angles, **size) == pytest.approx((row * scale, column * scale))


def test_centre_is_forward_and_yaw_grows_right_and_pitch_up():
    assert erp.pixels_to_angles(16, 32, height=32, width=64) == pytest.approx((0, 0))
    assert erp.angles_to_directions(0.0, 0.0) == pytest.approx([1, 0, 0])
    assert erp.angles_to_directions(np.pi / 2, 0.0) == pytest.approx([0, 1, 0], abs=1e-12)
    assert erp.angles_to_directions(0.0, np.pi / 2) == pytest.approx([0, 0, 1], abs=1e-12)
    first, last = erp.cell_directions(HEIGHT, WIDTH)[[0, -1], 0]
    assert first[2] > 0.99
    assert last[2] < -0.99


def test_row_above_the_zenith_is_the_first_row_rolled_by_half_a_turn():
    rows, columns = np.full(WIDTH, -1), np.arange(WIDTH)
    wrapped = erp.wrap_cells(rows, columns, height=HEIGHT, width=WIDTH)
    assert (wrapped[0] == 0).all()
    assert (wrapped[1] == np.roll(columns, WIDTH // 2)).all()


def test_row_below_the_nadir_is_the_last_row_rolled_by_half_a_turn():
    row, column = erp.wrap_cells(np.array([HEIGHT]), np.array([3]), height=HEIGHT, width=WIDTH)
    assert (row, column) == (HEIGHT - 1, 3 + WIDTH // 2)


def test_columns_left_of_the_seam_are_the_last_ones():
    row, column = erp.wrap_cells(np.array([4]), np.array([-1]), height=HEIGHT, width=WIDTH)
    assert (row, column) == (4, WIDTH - 1)


def test_bilinear_weights_are_a_partition_of_one():
    directions = np.random.default_rng(0).normal(size=(500, 3))
    index, weight = erp.bilinear_taps(directions, height=HEIGHT, width=WIDTH)
    assert weight.min() >= 0
    assert weight.sum(-1) == pytest.approx(np.ones(500))
    assert ((index >= 0) & (index < HEIGHT * WIDTH)).all()


def test_areas_of_all_cells_are_the_sphere():
    assert erp.cell_areas(HEIGHT, WIDTH).sum() == pytest.approx(4 * np.pi)


def test_bicubic_samples_are_truer_than_bilinear_ones_at_seam_and_poles_too():
    directions = np.concatenate(
        [
            erp.view_directions(yaw_deg=y, pitch_deg=p, fov_deg=f, height=9, width=9)
            for y, p, f in VIEWS
        ]
    )
    values, truth = true_erp(HEIGHT).flatten(1), moving_sphere(directions, PHASE)[:, 0]
    errors = []
    for taps in (erp.bilinear_taps, erp.bicubic_taps):
        index, weight = taps(directions, height=HEIGHT, width=WIDTH)
        assert weight.sum(-1) == pytest.approx(np.ones(weight.shape[:-1]))
        read = (values[:, torch.from_numpy(index)] * torch.from_numpy(weight).float()).sum(-1)
        errors.append(float((read - truth).abs().max()))
    assert errors[1] < errors[0] / 4


def test_cell_centre_reads_only_itself():
    directions = erp.cell_directions(HEIGHT, WIDTH)
    cells = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    assert (erp.nearest_cells(directions, height=HEIGHT, width=WIDTH) == cells).all()
    values = torch.arange(HEIGHT * WIDTH, dtype=torch.float64).view(HEIGHT, WIDTH)
    assert torch.allclose(erp.sample(values, directions), values, atol=1e-6)


def test_straight_up_reads_the_mean_of_opposite_cells_of_the_first_row():
    picture = torch.zeros(HEIGHT, WIDTH, dtype=torch.float64)
    picture[0] = torch.arange(WIDTH) ** 2
    index, weight = erp.bilinear_taps(np.array([[0.0, 0.0, 1.0]]), height=HEIGHT, width=WIDTH)
    assert set(index[0] // WIDTH) == {0}
    expected = float(picture[0, [31, 32, 63, 0]].mean())
    assert (picture.flatten()[index] * torch.from_numpy(weight)).sum() == pytest.approx(expected)


@pytest.mark.parametrize(("yaw", "pitch", "fov"), VIEWS)
def test_view_of_a_known_function_is_true_within_a_thousandth(yaw, pitch, fov):
    angles = {"yaw_deg": yaw, "pitch_deg": pitch, "fov_deg": fov}
    view = erp.erp_to_view(true_erp(256), **angles, size=(96, 128))
    directions = erp.view_directions(**angles, height=96, width=128)
    assert (view - moving_sphere(directions, PHASE)[:, 0]).abs().max() < 1e-3


def test_view_is_upright_and_its_columns_grow_to_the_right():
    directions = erp.view_directions(yaw_deg=0, pitch_deg=0, fov_deg=90, height=8, width=8)
    assert (np.diff(directions[..., 1], axis=1) > 0).all()
    assert (np.diff(directions[..., 2], axis=0) < 0).all()


@pytest.mark.parametrize(("yaw", "pitch", "fov"), VIEWS)
def test_view_coordinates_invert_view_directions(yaw, pitch, fov):
    angles = {"yaw_deg": yaw, "pitch_deg": pitch, "fov_deg": fov}
    directions = erp.view_directions(**angles, height=6, width=8)
    across, down = erp.view_coordinates(directions, **angles, aspect=6 / 8)
    assert across == pytest.approx(np.broadcast_to((np.arange(8) + 0.5) / 4 - 1, (6, 8)))
    assert down == pytest.approx(np.broadcast_to(((np.arange(6) + 0.5) / 3 - 1)[:, None], (6, 8)))


def test_what_lies_behind_a_view_is_not_in_it():
    behind = erp.view_coordinates(np.array([-1.0, 0, 0]), yaw_deg=0, pitch_deg=0, fov_deg=90)
    assert np.isinf(behind).all()


def test_turning_the_panorama_turns_the_view():
    picture = true_erp(32)
    angles = {"pitch_deg": 20, "fov_deg": 80, "size": (16, 16)}
    turned = erp.erp_to_view(picture.roll(5, dims=-1), yaw_deg=5 * 360 / 64, **angles)
    assert torch.allclose(turned, erp.erp_to_view(picture, yaw_deg=0, **angles), atol=1e-5)


def test_supersampled_view_of_a_checkerboard_is_grey():
    board = (torch.arange(128)[:, None] + torch.arange(256)).remainder(2).float()
    view = {"yaw_deg": 10, "pitch_deg": 5, "fov_deg": 90, "size": (8, 8)}
    assert erp.erp_to_view(board, **view, supersample=8).sub(0.5).abs().max() < 0.1


@pytest.mark.parametrize(("before", "after"), [(32, 64), (32, 48), (64, 32), (48, 20)])
def test_resized_panorama_is_the_function_at_the_other_size(before, after):
    error = erp.resize_erp(true_erp(before), size=(after, 2 * after)) - true_erp(after)
    assert error[:, 2:-2, 2:-2].abs().max() < 5e-3
    assert error[..., [0, -1]].abs().max() < 5e-3, "seam"
    assert error[:, [0, -1]].abs().max() < 5e-3, "poles"


def test_resizing_keeps_a_constant_and_turns_with_its_input():
    assert torch.allclose(erp.resize_erp(torch.ones(16, 32), size=(32, 64)), torch.ones(32, 64))
    picture = torch.randn(16, 32, generator=torch.Generator().manual_seed(0))
    doubled = erp.resize_erp(picture, size=(32, 64))
    rolled = erp.resize_erp(picture.roll(3, dims=-1), size=(32, 64))
    assert torch.allclose(rolled, doubled.roll(6, dims=-1), atol=1e-6)
