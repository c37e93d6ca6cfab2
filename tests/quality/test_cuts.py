from __future__ import annotations

import numpy as np

from panoloom.engine_server.quality.cuts import reversal
from panoloom.engine_server.quality.report import evaluate_frames

FPS = 8.0


def colourful(turning, count, tint):
    return [np.rint(frame * np.array(tint)).astype(np.uint8) for frame in turning(count, 1.0, 32)]


def cuts_of(frames, loop=True):
    return evaluate_frames(frames, fps=FPS, loop=loop).metrics["cuts"]


def test_steady_motion_has_no_cuts(perfect_report):
    cuts = perfect_report.metrics["cuts"]
    assert (cuts["cuts"], cuts["cuts_rolled"], cuts["cuts_at_join"]) == (0, 0, 0)


def test_a_hard_cut_is_found_where_it_is(turning):
    frames = colourful(turning, 20, (1, 0.5, 0.2)) + colourful(turning, 20, (0.1, 0.3, 1))
    assert cuts_of(frames, loop=False)["at_frames"] == [20]


def test_a_cut_at_the_join_is_seen_only_when_rolled(turning):
    red, blue = np.array([1.0, 0.4, 0.2]), np.array([0.1, 0.3, 1.0])
    frames = [
        np.rint(frame * (red + (blue - red) * index / 39)).astype(np.uint8)
        for index, frame in enumerate(turning(40, 0.5, 32))
    ]
    cuts = cuts_of(frames)
    assert cuts["cuts"] == 0
    assert cuts["cuts_rolled"] == 1
    assert cuts["rolled_at_frames"] == [0]
    assert cuts["cuts_at_join"] == 1


def test_a_short_loop_is_played_thrice_to_find_the_cut_at_its_join(turning):
    red, blue = np.array([1.0, 0.4, 0.2]), np.array([0.1, 0.3, 1.0])
    frames = [
        np.rint(frame * (red + (blue - red) * index / 15)).astype(np.uint8)
        for index, frame in enumerate(turning(16, 0.5, 32))
    ]
    cuts = cuts_of(frames)
    assert cuts["cuts_rolled"] == 0  # within the first 15 frames none is reported
    assert cuts["cuts_at_join"] == 1


def test_a_ping_pong_is_its_own_reversal_and_a_loop_is_not(perfect_loop, turning):
    there = turning(9, 4.0)
    assert reversal(there + there[-2:0:-1]) == 0.0
    found = reversal(perfect_loop)
    assert found is not None
    assert found > 0.3


def test_of_a_still_and_of_a_very_short_video_nobody_can_tell():
    frame = np.full((32, 64, 3), 80, np.uint8)
    assert reversal([frame] * 12) is None
    assert reversal([frame, frame + 60, frame]) is None
