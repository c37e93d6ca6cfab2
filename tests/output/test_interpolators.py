"""A learned interpolator is used where a package brings one, and optical flow where none does."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest

from panoloom.engine_server.output import interpolators
from panoloom.engine_server.output.interpolate import at_rate
from panoloom.shared.errors import GenerationFailed


def mixed(before, after, phase):
    assert before.dtype == np.float32
    return (1 - phase) * before + phase * after


def broken(before, after, phase):
    raise RuntimeError("no weights")


def cropping(before, after, phase):
    return before[2:]


@pytest.fixture
def install(monkeypatch):
    """Entry points, as if packages had brought them."""

    def brought(*functions):
        found = [
            metadata.EntryPoint(f.__name__, f"{__name__}:{f.__name__}", interpolators.GROUP)
            for f in functions
        ]
        monkeypatch.setattr(interpolators.metadata, "entry_points", lambda group: found)

    return brought


def frames(count=4):
    """Dots that jump: flow and a plain mixture differ there."""
    out = np.zeros((count, 32, 64, 3), np.float32)
    for k in range(count):
        out[k, 12:20, (8 * k + 4) % 64 : (8 * k + 12) % 64] = 1.0
    return out


def brought_to(source, num_out, *, surface="sphere"):
    made = at_rate(iter(source), num_in=len(source), num_out=num_out, loop=True, surface=surface)
    return np.stack(list(made))


def test_without_a_plug_in_frames_are_made_by_flow(install):
    install()
    assert interpolators.name_installed() == "flow"
    source = frames()
    made = brought_to(source, 8)
    assert not np.allclose(made[1], (source[0] + source[1]) / 2, atol=0.05)


@pytest.mark.parametrize("surface", ["sphere", "ring", "plane"])
def test_an_installed_plug_in_makes_the_frames_between_also_over_the_join(install, surface):
    install(mixed)
    source = frames()
    made = brought_to(source, 8, surface=surface)
    assert np.array_equal(made[::2], source), "frames of the model stay untouched"
    between = (source + np.roll(source, -1, axis=0)) / 2
    np.testing.assert_allclose(made[1::2], between, atol=1e-6)


def test_the_first_by_name_of_several_is_used_and_named(install):
    install(mixed, broken)
    assert interpolators.name_installed() == "broken"


@pytest.mark.parametrize(
    ("plug_in", "why"), [(broken, "no weights"), (cropping, r"its frame is \(\d+, 80, 3\)")]
)
def test_a_plug_in_that_fails_is_named_with_the_way_out(install, plug_in, why):
    install(plug_in)
    with pytest.raises(GenerationFailed, match=why) as failure:
        brought_to(frames(), 8)
    assert f"'{plug_in.__name__}'" in str(failure.value)
    assert "Uninstall its package" in str(failure.value)
