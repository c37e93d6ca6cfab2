"""Loops through causal autoencoders: exact, streamed, and closed over the seam."""

from __future__ import annotations

import pytest
import tiny
import torch

from panoloom.engine_server.models.tiles import with_margin
from panoloom.engine_server.models.video import ring_vae
from panoloom.engine_server.models.video.ring_vae import CausalCodec, loop_order, reach
from panoloom.engine_server.models.video.tiled import TiledPicture, plan_tiles

FRAMES = 3


@pytest.fixture(scope="module")
def codec() -> CausalCodec:
    return CausalCodec(tiny.wan_vae())


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    return torch.randn(16, FRAMES, 2, 3, generator=torch.Generator().manual_seed(3))


def decode(codec: CausalCodec, latents: torch.Tensor, **how: bool) -> torch.Tensor:
    return torch.stack(list(codec.decode(latents, **{"wraps": False, "loop": True, **how})), dim=1)


def test_ghosts_stand_before_the_loop_in_the_order_of_time() -> None:
    assert loop_order(3, 4) == [2, 0, 1, 2, 0, 1, 2]
    assert loop_order(3, 0) == [2, 0, 1, 2]


@torch.no_grad()
def test_a_loop_is_the_librarys_own_decoding_of_ghosts_and_loop(codec, latents) -> None:
    order = loop_order(FRAMES, codec.ghosts)
    stock = codec.vae.decode(latents[None, :, order]).sample[0]
    made = decode(codec, latents)
    assert made.shape == (3, 4 * FRAMES, 16, 24)
    # The library's first convolution sees all latents at once: other last bits on some machines.
    torch.testing.assert_close(made, stock[:, -4 * FRAMES :], rtol=0, atol=1e-4)


def test_rolling_the_latents_rolls_the_frames_exactly(codec, latents) -> None:
    rolled = decode(codec, latents.roll(1, dims=1))
    assert torch.equal(rolled, decode(codec, latents).roll(4, dims=1))


def test_fewer_ghosts_than_the_decoder_looks_back_do_not_close_the_loop(codec, latents) -> None:
    short = CausalCodec(codec.vae, ghosts=1)
    rolled = decode(short, latents.roll(1, dims=1))
    assert (rolled - decode(short, latents).roll(4, dims=1)).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("blocks", [1, 2])
def test_reach_is_enough_and_not_far_from_the_least(blocks) -> None:
    vae = tiny.wan_vae(num_res_blocks=blocks)
    far = reach(vae)
    video = torch.randn(1, 16, far + 2, 2, 2, generator=torch.Generator().manual_seed(4))
    changed = video.clone()
    changed[:, :, 0] += 1
    differs = (vae.decode(video).sample - vae.decode(changed).sample).abs().amax(dim=(0, 1, 3, 4))
    last = int(differs.nonzero().max())
    assert last < 1 + 4 * far  # the frames of latent `far + 1` and later are free of latent 0
    assert last > 2 * far


def test_encoding_a_rolled_loop_rolls_the_latents_and_four_frames_are_one_latent(codec) -> None:
    frames = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1
    made = codec.encode(frames, wraps=False)
    assert made.shape == (16, 2, 2, 2)
    assert torch.equal(codec.encode(frames.roll(4, dims=0), wraps=False), made.roll(1, dims=1))


@torch.no_grad()
def test_encoding_is_the_librarys_own_behind_the_ghosts(codec) -> None:
    frames = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1
    before = 1 + 4 * (codec.ghosts - 1)
    order = [(index - before) % 8 for index in range(8 + before)]
    stock = codec.vae.encode(frames[order].movedim(0, 1)[None]).latent_dist.mode()[0]
    assert torch.allclose(codec.encode(frames, wraps=False), stock[:, codec.ghosts :], atol=1e-6)


def test_one_picture_is_a_loop_that_stands_still(codec) -> None:
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(6)) * 2 - 1
    still = codec.encode(picture, wraps=False)
    assert torch.equal(still, codec.encode(picture.repeat(4, 1, 1, 1), wraps=False))


def test_a_video_that_is_no_loop_has_four_frames_a_latent_too(codec, latents) -> None:
    made = decode(codec, latents, loop=False)
    changed = latents.clone()
    changed[:, -1] += 1
    assert made.shape[1] == 4 * FRAMES
    assert torch.equal(decode(codec, changed, loop=False)[:, :-4], made[:, :-4])


def test_two_videos_decoded_in_turn_do_not_disturb_each_other(codec, latents) -> None:
    other = latents.flip(1)
    pairs = zip(
        codec.decode(latents, wraps=False, loop=True),
        codec.decode(other, wraps=False, loop=True),
        strict=True,
    )
    both = [torch.stack(frames, dim=1) for frames in zip(*pairs, strict=True)]
    assert torch.equal(both[0], decode(codec, latents))
    assert torch.equal(both[1], decode(codec, other))


def test_the_five_billion_models_patches_come_back_as_pixels() -> None:
    vae = tiny.wan_vae_22()
    codec = CausalCodec(vae)
    latents = torch.randn(48, 2, 2, 3, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        stock = vae.decode(latents[None, :, loop_order(2, codec.ghosts)]).sample[0, :, -8:]
    made = decode(codec, latents)
    assert made.shape == (3, 8, 32, 48)
    assert torch.allclose(made, stock, atol=1e-6)
    again = codec.encode(made.movedim(0, 1), wraps=False)
    assert again.shape == latents.shape


def test_a_panorama_turned_by_a_tile_turns_its_picture(codec) -> None:
    panorama = torch.randn(16, 1, 4, 8, generator=torch.Generator().manual_seed(8))
    tiles = CausalCodec(codec.vae, ghosts=2, tile_hw=(4, 4), margin=2)
    straight = decode(tiles, panorama, wraps=True)
    turned = decode(tiles, panorama.roll(4, dims=-1), wraps=True)
    assert torch.allclose(turned, straight.roll(32, dims=-1), atol=1e-6)
    assert straight.shape == (3, 4, 32, 64)
    assert 0 < tiles.disagreement < 0.5


def test_a_panorama_in_one_tile_meets_itself_over_the_seam(codec) -> None:
    panorama = torch.randn(16, 1, 4, 8, generator=torch.Generator().manual_seed(8))
    whole = CausalCodec(codec.vae, ghosts=2, margin=2)
    seam = decode(whole, panorama, wraps=True)
    seam = (seam[..., 0] - seam[..., -1]).abs().mean()
    flat = decode(whole, panorama)
    assert seam < (flat[..., 0] - flat[..., -1]).abs().mean()
    assert whole.encode(torch.rand(4, 3, 32, 64), wraps=True).shape == (16, 1, 4, 8)


@pytest.mark.parametrize("tile_hw", [(4, 8), (2, 8), (4, 3), (2, 2)])
def test_tiles_of_one_picture_come_back_as_that_picture(tile_hw) -> None:
    tiles = plan_tiles(4, 8, tile_hw=tile_hw, margin=1)
    picture = TiledPicture(tiles, height=4, width=8, ratio=2)
    whole = torch.rand(3, 1, 8, 16)
    parts = [
        with_margin(
            whole,
            range(2 * tile.rows.start, 2 * tile.rows.stop),
            range(2 * tile.columns.start, 2 * tile.columns.stop),
            2,
        )
        for tile in tiles
    ]
    assert torch.allclose(picture.blend(parts), whole, atol=1e-6)
    assert picture.disagreement == pytest.approx(0, abs=1e-6)


def test_decoding_holds_one_latent_at_a_time_and_no_more_than_it_was_asked_for(
    codec, latents, monkeypatch
) -> None:
    seen: list[int] = []
    decoder = codec.vae.decoder
    forward = decoder.forward

    def counted(x: torch.Tensor, **caches: object) -> torch.Tensor:
        seen.append(x.shape[2])
        return forward(x, **caches)

    monkeypatch.setattr(decoder, "forward", counted)
    frames = codec.decode(latents, wraps=False, loop=True)
    next(frames)
    assert seen == [1] * (codec.ghosts + 1)
    for _ in range(4):
        next(frames)
    assert seen == [1] * (codec.ghosts + 2)


def test_tiling_switched_on_in_the_library_changes_nothing(codec, latents) -> None:
    made = decode(codec, latents)
    codec.vae.enable_tiling(tile_sample_min_height=16, tile_sample_min_width=16)
    try:
        assert torch.equal(decode(codec, latents), made)
    finally:
        codec.vae.disable_tiling()


def test_of_many_views_decoded_in_turn_one_has_its_caches_beside_the_decoder(
    codec, latents, monkeypatch
) -> None:
    """As a panorama's views are decoded: frame after frame, all of them."""
    at_work: list[object] = []
    most = 0
    stream = type(ring_vae._DecoderStream(codec))
    push, move = stream.push, stream._move

    def moved(self, device: torch.device) -> None:
        came = device == codec.vae.device and codec._resident is not self
        # the last to come has sent the other away before
        at_work.append(self) if came else at_work.remove(self)
        move(self, device)

    def pushed(self, latent: torch.Tensor) -> torch.Tensor:
        nonlocal most
        out = push(self, latent)
        most = max(most, len(at_work))
        assert at_work == [self]
        return out

    monkeypatch.setattr(stream, "_move", moved)
    monkeypatch.setattr(stream, "push", pushed)
    codec._resident = None
    views = [codec.decode(latents, wraps=False, loop=True) for _ in range(3)]
    together = [torch.stack(frames) for frames in zip(*views, strict=True)]
    assert len(together) == 4 * FRAMES
    assert most == 1
    for frames in together:
        assert torch.equal(frames[0], frames[1])
        assert torch.equal(frames[0], frames[2])
