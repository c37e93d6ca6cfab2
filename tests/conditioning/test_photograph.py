"""A perspective photograph on the sphere, against views read out of panoramas."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from panoloom.engine_server.conditioning.photograph import Hanging, on_sphere
from panoloom.engine_server.conditioning.reference import read_reference
from panoloom.engine_server.panorama import erp

AT = Hanging(yaw_deg=40.0, pitch_deg=20.0, fov_deg=70.0)


def smooth(directions: np.ndarray) -> np.ndarray:
    """A smooth colour of every direction, [..., 3], 0..1."""
    return 0.5 + 0.4 * np.sin(2 * directions + np.array([0.0, 1.0, 2.0]))


def photograph(hanging: Hanging, height: int, width: int) -> np.ndarray:
    """What a camera sees there, [height, width, 3]."""
    directions = erp.view_directions(
        yaw_deg=hanging.yaw_deg,
        pitch_deg=hanging.pitch_deg,
        fov_deg=hanging.fov_deg,
        height=height,
        width=width,
    )
    return smooth(directions).astype(np.float32)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    "hanging",
    [
        AT,
        Hanging(yaw_deg=180.0, pitch_deg=0.0, fov_deg=60.0),
        Hanging(yaw_deg=-20.0, pitch_deg=90.0, fov_deg=100.0),
        Hanging(yaw_deg=0.0, pitch_deg=-80.0, fov_deg=120.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(40, 60), (300, 400)])
def test_a_photograph_of_the_world_lies_where_the_world_is(hanging, size):
    out, covers = on_sphere(photograph(hanging, *size), hanging, width=256, height=128)
    truth = smooth(erp.cell_directions(128, 256))
    inside = covers > 0.9
    assert inside.sum() > 100
    assert np.abs(out - truth)[inside].max() < 0.03


def test_it_covers_its_frustum_and_nothing_else():
    _, covers = on_sphere(photograph(AT, 60, 90), AT, width=256, height=128)
    across, down = erp.view_coordinates(
        erp.cell_directions(128, 256),
        yaw_deg=AT.yaw_deg,
        pitch_deg=AT.pitch_deg,
        fov_deg=AT.fov_deg,
        aspect=60 / 90,
    )
    depth = 1 - np.maximum(np.abs(across), np.abs(down))
    assert (covers[depth < -0.05] == 0).all()
    assert (covers[depth > 0.2] == 1).all()
    assert ((covers > 0) & (covers < 1)).any()
    assert covers.min() >= 0
    assert covers.max() <= 1


def test_turning_the_photograph_turns_the_result():
    pixels = photograph(AT, 60, 90)
    turned = Hanging(yaw_deg=AT.yaw_deg + 90, pitch_deg=AT.pitch_deg, fov_deg=AT.fov_deg)
    for one, other in zip(
        on_sphere(pixels, AT, width=128, height=64),
        on_sphere(pixels, turned, width=128, height=64),
        strict=True,
    ):
        assert np.roll(one, 32, axis=1) == pytest.approx(other, abs=1e-3)


def test_detail_finer_than_the_panorama_is_averaged():
    checks = np.indices((800, 1200)).sum(0) % 2
    pixels = np.repeat(checks[..., None], 3, axis=2).astype(np.float32)
    out, covers = on_sphere(pixels, AT, width=128, height=64)
    assert out[covers > 0.99] == pytest.approx(0.5, abs=0.05)


def test_a_photograph_of_any_sides_is_read_and_kept_as_far_as_it_reaches():
    read = read_reference(png(photograph(AT, 60, 90)), None, 128, 64, hanging=AT)
    assert read.mask is not None
    assert np.array_equal(read.mask, read.covers)
    truth = smooth(erp.cell_directions(64, 128))
    assert np.abs(read.erp - truth)[read.mask > 0.9].max() < 0.05


def test_a_mask_of_a_photograph_hangs_with_it():
    pixels = photograph(AT, 60, 90)
    left = np.zeros((60, 90, 3))
    left[:, :45] = 1.0
    read = read_reference(png(pixels), png(left), 256, 128, hanging=AT)
    assert read.mask is not None
    yaw = np.degrees(erp.directions_to_angles(erp.cell_directions(128, 256))[0])
    assert read.mask[yaw > AT.yaw_deg + 3].max() < 0.01
    assert read.mask.max() == pytest.approx(1.0, abs=1e-3)
    assert read.covers is not None
    assert read.covers[yaw > AT.yaw_deg + 3].max() == 1.0


def test_transparent_parts_of_a_photograph_are_not_covered():
    rgba = np.concatenate((photograph(AT, 60, 90), np.ones((60, 90, 1))), axis=2)
    rgba[:, 45:, 3] = 0
    read = read_reference(png(rgba), None, 256, 128, hanging=AT)
    yaw = np.degrees(erp.directions_to_angles(erp.cell_directions(128, 256))[0])
    assert read.covers is not None
    assert read.covers[yaw > AT.yaw_deg + 3].max() < 0.01


def test_a_flat_picture_takes_a_reference_of_any_sides():
    pixels = torch.linspace(0, 1, 96)[None, :, None].expand(24, 96, 3).numpy()
    for width, height in ((384, 96), (48, 12)):
        read = read_reference(png(pixels), None, width, height, is_flat=True)
        assert read.erp.shape == (height, width, 3)
        assert read.mask is None
        assert np.diff(read.erp[height // 2, :, 0]).min() > -0.01
