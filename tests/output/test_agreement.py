from __future__ import annotations

import numpy as np
import pytest

from panoloom.engine_server.output.agreement import MotionAgreement


def compared(frames, others) -> MotionAgreement:
    agreement = MotionAgreement(width=128)
    passed = list(agreement.watch(iter(frames), iter(others)))
    assert all(a is b for a, b in zip(passed, frames, strict=True))
    return agreement


def test_the_same_motion_at_two_sizes_and_in_other_colours_agrees(turned_texture):
    coarse = [turned_texture(64, 3.0 * k) for k in range(4)]
    fine = [0.2 + 0.6 * turned_texture(128, 3.0 * k) for k in range(4)]
    agreement = compared(fine, coarse)
    assert agreement.correlation > 0.95
    assert "is kept:" in agreement.sentence


def test_the_opposite_motion_disagrees(turned_texture):
    there = [turned_texture(64, 3.0 * k) for k in range(4)]
    back = [turned_texture(64, -3.0 * k) for k in range(4)]
    agreement = compared(there, back)
    assert agreement.correlation < -0.9
    assert "is another" in agreement.sentence


def test_what_is_still_cannot_be_compared(turned_texture):
    moving = [turned_texture(64, 3.0 * k) for k in range(3)]
    agreement = compared(moving, [moving[0]] * 3)
    assert agreement.correlation is None
    assert "cannot be compared" in agreement.sentence


def test_another_number_of_frames_is_a_mistake(turned_texture):
    frame = turned_texture(32, 0)
    with pytest.raises(ValueError, match="shorter"):
        compared([frame, frame], [frame])


def test_the_seam_counts_like_any_other_place(turned_texture):
    moving = [turned_texture(64, 4.0 * k) for k in range(3)]
    rolled = [np.roll(frame, 31, axis=1) for frame in moving]
    assert compared(rolled, rolled).correlation == pytest.approx(1.0)
