"""The renderer: one function of direction, whatever picture is drawn from it."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
import torch.nn.functional as F

from panoloom.engine_server.models.preview import dataset, families, noise, stars, worlds
from panoloom.engine_server.models.preview.rays import Rays
from panoloom.engine_server.models.preview.terrain import Shape, march

TIMES = worlds.frame_times(2, 0.3)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_family_draws_finite_colours_that_move(family):
    world = families.draw(Random(7), family)
    clip = worlds.render_view(
        world, yaw_deg=20.0, pitch_deg=10.0, fov_deg=90.0, times_s=worlds.frame_times(8), size=32
    )
    assert clip.shape == (8, 3, 32, 32)
    assert clip.isfinite().all()
    assert clip.min() >= 0.0
    assert clip.max() <= 1.0
    assert clip.std() > 0.02
    assert (clip[7] - clip[0]).abs().max() > 0.01


@pytest.mark.parametrize("family", families.FAMILIES)
def test_view_and_panorama_agree_where_their_directions_meet(family):
    world = families.draw(Random(3), family)
    height = 32
    erp = worlds.render_erp(world, height=height, times_s=TIMES)
    directions = worlds.erp_directions(height)
    some = torch.arange(0, len(directions), 37)
    again = worlds.colour(world, directions[some], TIMES, math.pi / height)
    whole = erp.flatten(2)[:, :, some].transpose(1, 2)
    torch.testing.assert_close(again, whole, atol=1e-3, rtol=0.0)


def test_view_centre_points_where_it_is_told():
    for yaw, pitch, wanted in (
        (0.0, 0.0, (1.0, 0.0, 0.0)),
        (90.0, 0.0, (0.0, 1.0, 0.0)),
        (0.0, 90.0, (0.0, 0.0, 1.0)),
    ):
        ray = worlds.view_directions(yaw, pitch, 90.0, 1)
        torch.testing.assert_close(ray[0], torch.tensor(wanted), atol=1e-6, rtol=0.0)


def test_view_has_up_above_and_right_to_the_right():
    rays = worlds.view_directions(0.0, 0.0, 90.0, 8).reshape(8, 8, 3)
    assert (rays[0, :, 2] > 0).all()
    assert (rays[:, -1, 1] > 0).all()


def test_panorama_has_the_zenith_on_top_and_yaw_zero_at_the_centre():
    rays = worlds.erp_directions(16).reshape(16, 32, 3)
    assert (rays[0, :, 2] > 0.99).all()
    assert (rays[8, 15:17, 0] > 0.98).all()
    assert rays[8, 16, 1] > 0.0


def test_same_seed_draws_the_same_world():
    assert families.draw(Random(5)) == families.draw(Random(5))


def test_a_look_is_drawn_and_rendered_to_the_same_bytes_again():
    first, second = (dataset.render(dataset.draw_look(Random(8)), 2) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_narrow_view_is_the_middle_of_the_wide_one_in_finer_detail(family):
    world = families.draw(Random(12), family)
    when = {"yaw_deg": 50.0, "times_s": worlds.frame_times(1, 0.4)}
    narrow_fov = 2 * math.degrees(math.atan(math.tan(math.radians(40.0)) / 4))
    for pitch in (12.0, -25.0):
        wide = worlds.render_view(world, pitch_deg=pitch, fov_deg=80.0, size=64, **when)
        narrow = worlds.render_view(world, pitch_deg=pitch, fov_deg=narrow_fov, size=64, **when)
        middle = wide[:, :, 24:40, 24:40]
        gap = (F.avg_pool2d(narrow, 4) - middle).abs().mean()
        assert gap < 0.04, pitch


def test_narrow_views_have_finer_detail_than_enlarged_wide_ones():
    world = families.draw(Random("detail"), "clouds")
    view = {"yaw_deg": 0.0, "pitch_deg": -20.0, "times_s": worlds.frame_times(1)}
    narrow_fov = 2 * math.degrees(math.atan(math.tan(math.radians(40.0)) / 4))
    narrow = worlds.render_view(world, fov_deg=narrow_fov, size=64, **view)
    wide = worlds.render_view(world, fov_deg=80.0, size=64, **view)[:, :, 24:40, 24:40]
    enlarged = F.interpolate(wide, size=(64, 64), mode="bilinear")

    def roughness(frames):
        return frames.diff(dim=-1).abs().mean()

    assert roughness(narrow) > 1.3 * roughness(enlarged)


def test_every_family_moves_visibly_within_a_second():
    for family in families.FAMILIES:
        change = 0.0
        for seed in range(3):
            clip = worlds.render_view(
                families.draw(Random(seed), family),
                yaw_deg=20.0,
                pitch_deg=0.0,
                fov_deg=90.0,
                times_s=torch.tensor([0.2, 1.2]),
                size=32,
            )
            change = max(change, float((clip[1] - clip[0]).abs().mean()))
        assert change > 1 / 255, family


def test_a_world_has_one_light_or_none_and_only_open_ones_have_it():
    rng = Random(4)
    for _ in range(200):
        world = families.draw(rng)
        if world.kind != "open":
            assert world.sky.sun is None
        elif world.sky.sun is not None:
            yaw, pitch = world.sky.sun
            assert -math.pi <= yaw <= math.pi
            assert 0.0 < pitch < math.pi / 2


def test_the_brightest_of_a_clear_sky_is_its_sun():
    world = families.draw(Random("sun"), "sea")
    for seed in range(50):
        world = families.draw(Random(f"sun {seed}"), "sea")
        if not world.sky.clouds and not world.sky.moon:
            break
    yaw, pitch = world.sky.sun
    view = worlds.render_view(
        world,
        yaw_deg=math.degrees(yaw),
        pitch_deg=math.degrees(pitch),
        fov_deg=60.0,
        times_s=worlds.frame_times(1),
        size=33,
    )
    at = int(view[0].mean(0).argmax())
    assert abs(at // 33 - 16) <= 2
    assert abs(at % 33 - 16) <= 2


def test_stars_keep_the_width_of_a_pixel_in_wide_and_narrow_views():
    sky = Random(1)
    for fov in (90.0, 30.0):
        directions = worlds.view_directions(sky.uniform(0, 360), 60.0, fov, 128)
        x, y, z = (directions[None, :, i] for i in range(3))
        rays = Rays(x=x, y=y, z=z, t=torch.zeros(1, 1), pixel=worlds.view_pixel(fov, 128))
        light = stars.starfield(3.0, 1.0, rays).mean(-1).reshape(128, 128)
        lit = (light > 0.35).float().mean()
        assert 0.0002 < lit < 0.03
        assert light.max() > 0.6


def test_flat_ground_is_met_where_the_ray_says():
    pitch = torch.tensor([-20.0, -45.0, -80.0]).deg2rad()
    rays = Rays(
        x=pitch.cos()[None],
        y=torch.zeros(1, 3),
        z=pitch.sin()[None],
        t=torch.zeros(1, 1),
        pixel=0.01,
    )
    hit = march(Shape(height=0.0), rays)
    torch.testing.assert_close(hit.far[0], -1.0 / pitch.tan(), atol=1e-3, rtol=1e-3)
    assert (hit.cover > 0.99).all()


def test_noise_does_not_depend_on_what_else_is_drawn():
    x = torch.linspace(-3.0, 3.0, 40)[None]
    blur = torch.linspace(0.001, 0.5, 40)[None]
    whole = noise.fbm(x, 2.0 * x, 0.3, blur=blur)
    torch.testing.assert_close(
        whole[:, 30:], noise.fbm(x[:, 30:], 2 * x[:, 30:], 0.3, blur=blur[:, 30:])
    )
    moving = torch.arange(3.0)[:, None]
    planes = noise.noise(x, x, moving)
    rows = torch.cat([noise.noise(x, x, float(t)) for t in range(3)])
    volume = noise.noise(x.expand(3, -1), x.expand(3, -1), moving.expand(3, 40).contiguous())
    torch.testing.assert_close(planes, rows, atol=1e-4, rtol=0.0)
    torch.testing.assert_close(planes, volume, atol=1e-4, rtol=0.0)


def test_nothing_is_made_on_another_device_than_the_picture():
    for family in families.FAMILIES:  # the tables of noise are kept: made before the trap is set
        world = families.draw(Random(9), family)
        view = {"yaw_deg": 0.0, "pitch_deg": 0.0, "fov_deg": 100.0, "times_s": TIMES, "size": 8}
        plain = worlds.render_view(world, **view)
        with torch.device("meta"):
            trapped = worlds.render_view(world, device="cpu", **view)
        assert torch.equal(plain, trapped)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_draws_what_the_processor_draws():
    look = dataset.draw_look(Random(2))
    near = dataset.render(look, 2, "cuda").cpu().float() - dataset.render(look, 2).float()
    assert near.abs().mean() < 1.0


def test_fields_of_view_reach_from_ten_to_a_hundred_and_ten_degrees():
    rng = Random(6)
    fovs = [dataset.draw_look(rng).fov_deg for _ in range(600)]
    assert min(fovs) >= 10.0
    assert max(fovs) <= 110.0
    assert 0.4 < sum(fov >= 80.0 for fov in fovs) / 600 < 0.6
    assert 0.15 < sum(fov < 40.0 for fov in fovs) / 600 < 0.3
