"""Noise is a pure function of its address."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from panoloom.engine_server.denoise.noise import Purpose, normal_noise, philox, random_int

KNOWN = [
    # Random123 known-answer tests of philox4x32-10: counter, key, result
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_the_published_words(counter, key, result):
    words = philox(tuple(np.array([c], dtype=np.uint64) for c in counter), key)
    assert tuple(int(word[0]) for word in words) == result


def test_noise_of_a_smaller_panorama_is_a_corner_of_a_larger_one():
    large = normal_noise((8, 6, 16, 32), seed=7)
    assert torch.equal(normal_noise((5, 3, 8, 20), seed=7), large[:5, :3, :8, :20])


def test_same_address_gives_the_same_noise():
    assert torch.equal(normal_noise((4, 2, 8, 16), seed=3), normal_noise((4, 2, 8, 16), seed=3))


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"seed": 1 + 2**40}, {"stage": 1}, {"step": 1}, {"purpose": Purpose.RENOISE}],
)
def test_another_address_gives_unrelated_noise(other):
    base = normal_noise((4, 4, 32, 64), seed=1).flatten()
    moved = normal_noise((4, 4, 32, 64), **{"seed": 1, **other}).flatten()
    assert abs(float(torch.corrcoef(torch.stack([base, moved]))[0, 1])) < 0.02


def test_noise_is_unit_gaussian():
    noise = normal_noise((8, 8, 64, 128), seed=11).double()
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float(noise.std()) == pytest.approx(1, abs=0.005)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.05)
    assert float((noise.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.003)


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_neighbours_are_independent(dim):
    noise = normal_noise((8, 8, 64, 128), seed=11)
    assert abs(float((noise * noise.roll(1, dims=dim)).mean())) < 0.006


def test_random_int_reaches_all_numbers_of_its_range():
    drawn = [
        random_int(3, 6, seed=1, stage=0, step=s, purpose=Purpose.TIME_CUT, index=0)
        for s in range(200)
    ]
    assert set(drawn) == {3, 4, 5, 6}
    assert min(drawn.count(n) for n in (3, 4, 5, 6)) > 30
