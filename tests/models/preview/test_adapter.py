"""The shipped weights behind the adapter contract."""

from __future__ import annotations

from random import Random

import pytest
import torch

from panoloom.engine_server.models import tiles
from panoloom.engine_server.models.adapter import ViewGeometry
from panoloom.engine_server.models.preview import dataset, families, worlds
from panoloom.engine_server.models.preview.adapter import SPEC, PreviewAdapter


@pytest.fixture(scope="module")
def adapter() -> PreviewAdapter:
    return PreviewAdapter()


@pytest.fixture(scope="module")
def panorama(adapter) -> torch.Tensor:
    """Latents [8, 1, 16, 32] of a true panorama."""
    world = families.draw(Random(11), "aurora")
    frames = worlds.render_erp(world, height=128, times_s=worlds.frame_times(1)) * 2.0 - 1.0
    return adapter.encode(frames, wraps=True)


def views(count: int) -> ViewGeometry:
    heights = dataset.elevation(torch.zeros(count), torch.full((count,), 90.0))
    return ViewGeometry(elevation_rad=heights, fov_deg=90.0)


def test_denoised_has_the_shape_of_its_input_and_the_same_bytes_twice(adapter):
    x = torch.randn(2, SPEC.channels, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    cond = adapter.encode_prompt(["northern lights over a calm sea"])
    first = adapter.denoised(x, 0.8, cond, views(2))
    assert first.shape == x.shape
    assert torch.equal(first, adapter.denoised(x, 0.8, cond, views(2)))


def test_denoised_without_noise_is_the_picture_itself(adapter):
    x = torch.randn(1, SPEC.channels, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    cond = adapter.encode_prompt(["sea"])
    assert torch.equal(adapter.denoised(x, 0.0, cond, views(1)), x)


def test_view_without_elevation_is_allowed(adapter):
    x = torch.randn(1, SPEC.channels, 2, 16, 16)
    untold = ViewGeometry(elevation_rad=torch.full((1, 16, 16), torch.nan), fov_deg=90.0)
    assert adapter.denoised(x, 0.5, adapter.encode_prompt(["sea"]), untold).isfinite().all()


def test_denoiser_beats_the_noise_on_a_clip_it_has_not_seen(adapter):
    look = dataset.draw_look(Random("held out"))
    clip = dataset.to_signed(dataset.render(look, 8))
    clean = adapter.encode(clip, wraps=False)[None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    heights = dataset.elevation(torch.tensor([look.pitch_deg]), torch.tensor([look.fov_deg]))
    geometry = ViewGeometry(elevation_rad=heights, fov_deg=look.fov_deg)
    noisy = 0.4 * clean + 0.6 * noise
    made = adapter.denoised(noisy, 0.6, adapter.encode_prompt([""]), geometry)
    assert (made - clean).square().mean() < 0.35 * clean.var()


def test_prompt_reports_the_words_it_does_not_know(adapter):
    cond = adapter.encode_prompt(["a dragon over the sea", ""])
    assert cond.ignored_words == ("dragon",)
    assert cond.tensors["text"].shape == (2, 256)


def test_different_prompts_make_different_pictures(adapter):
    x = torch.randn(1, SPEC.channels, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    sea, fire = (
        adapter.denoised(x, 0.95, adapter.encode_prompt([word]), views(1))
        for word in ("blue sea", "fire")
    )
    assert (sea - fire).abs().mean() > 0.3


def test_autoencoder_keeps_held_out_frames_within_32_db(adapter):
    rng = Random("held out frames")
    total = 0.0
    for _ in range(12):
        frame = dataset.to_signed(dataset.render(dataset.draw_look(rng), 1))
        made = next(iter(adapter.decode(adapter.encode(frame, wraps=False), wraps=False)))
        total += float(10.0 * torch.log10(4.0 / (made - frame[0]).square().mean().clamp(min=1e-8)))
    assert total / 12 > 32.0


def test_decoding_rolls_with_its_input(adapter, panorama):
    straight = next(iter(adapter.decode(panorama, wraps=True)))
    turned = next(iter(adapter.decode(panorama.roll(7, dims=-1), wraps=True)))
    assert straight.shape == (3, 128, 256)
    torch.testing.assert_close(turned, straight.roll(56, dims=-1), atol=1e-4, rtol=0.0)


def test_encoding_rolls_with_its_input(adapter):
    frame = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(5)) * 2.0 - 1.0
    straight = adapter.encode(frame, wraps=True)
    turned = adapter.encode(frame.roll(40, dims=-1), wraps=True)
    assert straight.shape == (8, 1, 8, 16)
    torch.testing.assert_close(turned, straight.roll(5, dims=-1), atol=1e-4, rtol=0.0)


def test_tiles_change_nothing_but_what_is_held(adapter, panorama, monkeypatch):
    picture = next(iter(adapter.decode(panorama, wraps=True)))
    latents = adapter.encode(picture[None], wraps=True)
    monkeypatch.setattr(tiles, "TILE_HW", (8, 16))
    torch.testing.assert_close(
        next(iter(adapter.decode(panorama, wraps=True))), picture, atol=1e-4, rtol=0.0
    )
    torch.testing.assert_close(
        adapter.encode(picture[None], wraps=True), latents, atol=1e-4, rtol=0.0
    )


def test_frames_decode_one_by_one_and_independently(adapter, panorama):
    two = torch.cat((panorama, panorama.flip(-1)), dim=1)
    frames = list(adapter.decode(two, wraps=True))
    assert len(frames) == 2
    alone = next(iter(adapter.decode(panorama, wraps=True)))
    torch.testing.assert_close(frames[0], alone, atol=1e-5, rtol=0.0)


def test_margins_cross_the_poles_half_a_turn_away():
    grid = torch.arange(8.0).reshape(1, 2, 4)
    wide = tiles.with_margin(grid, range(2), range(4), 1)
    assert wide[0, 1].tolist() == [3, 0, 1, 2, 3, 0]
    assert wide[0, 0].tolist() == [1, 2, 3, 0, 1, 2]


def test_bfloat16_products_change_the_estimate_by_little(adapter):
    exact = PreviewAdapter()
    fast = PreviewAdapter(precision="bfloat16")
    x = torch.randn(2, 8, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    cond = exact.encode_prompt(["clouds over the sea"])
    one, other = (a.denoised(x, 0.7, cond, views(2)) for a in (exact, fast))
    assert other.dtype == torch.float32
    assert 0 < (one - other).abs().mean() < 0.05 * one.std()


def test_turning_the_view_away_from_the_sun_changes_the_picture_and_untold_is_neither(adapter):
    x = torch.randn(1, 8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    cond = adapter.encode_prompt(["sunset over the sea"])
    heights = views(1).elevation_rad
    made = [
        adapter.denoised(
            x, 0.9, cond, ViewGeometry(elevation_rad=heights, fov_deg=90.0, azimuth_rad=azimuth)
        )
        for azimuth in (torch.zeros_like(heights), torch.full_like(heights, 3.0), None)
    ]
    assert (made[0] - made[1]).abs().mean() > 0.02
    assert (made[0] - made[2]).abs().mean() > 0.005
