"""Finds the motion gains: `python -m panoloom.engine_server.models.preview.evaluate.fit_motion`.

For each family, clips are made for worlds that neither training nor the evaluation draws, and their
optical flow is held against that of the rendered worlds through the autoencoder. Where the ratio
lies outside `GOAL`, the family's words get a larger or smaller gain; a few rounds of that.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch

from ... import catalog
from ...checksums import write
from .. import families, motion
from ..adapter import PreviewAdapter
from .examples import Sampling, generated, held_out, rendered, round_trip, view_of
from .measure import LEAST_MOTION, mean_of
from .statistics import motion as flow_px

WORLDS = 917  # another seed than the evaluation's
GOAL = (0.65, 1.3)  # of generated over rendered motion: well inside the limits
WORDS = {"meadow": ("meadow", "forest"), "sunset": ("sunset", "sunrise")}  # else the family's own


def correction(ratio: float) -> float:
    """What to add to the logarithm of a gain when motion is `ratio` times what is wanted.

    Motion grows about as the gain does.
    """
    low, high = GOAL
    nearest = min(max(ratio, low), high)
    return math.log(nearest / max(ratio, 1e-3))


class Bench:
    """The rendered worlds of one family, and what the model moves for their captions."""

    def __init__(self, adapter: PreviewAdapter, family: str, count: int) -> None:
        self.family, self.looks = family, held_out(family, count, seed=WORLDS)
        frames = Sampling().frames
        clips = [round_trip(adapter, rendered(look, frames)) for look in self.looks]
        self.wanted_px = mean_of(flow_px, clips)

    def ratio(self, adapter: PreviewAdapter) -> float:
        """Generated over rendered motion."""
        clips = [
            generated(adapter, view_of(look, number), Sampling())
            for number, look in enumerate(self.looks)
        ]
        return (mean_of(flow_px, clips) + LEAST_MOTION) / (self.wanted_px + LEAST_MOTION)


def fit(folder: Path, names: list[str], *, worlds: int, rounds: int) -> dict[str, float]:
    """Logarithms of the gains for the weights in `folder`, from those that lie there on.

    Tells on standard error how it goes.
    """
    log_gains = {word: 0.0 for name in names for word in WORDS.get(name, (name,))}
    log_gains |= motion.load(folder)
    adapter = PreviewAdapter(folder, precision="bfloat16")
    benches = [Bench(adapter, name, worlds) for name in names]
    for number in range(rounds):
        adapter.log_gains = dict(log_gains)
        for bench in benches:
            found = bench.ratio(adapter)
            words = WORDS.get(bench.family, (bench.family,))
            gain = math.exp(log_gains[words[0]])
            line = f"round {number + 1}: {bench.family}: gain {gain:.2f}, motion {found:.2f}"
            print(line, file=sys.stderr, flush=True)
            for word in words:
                log_gains[word] = motion.within(log_gains[word] + correction(found))
    return {word: value for word, value in log_gains.items() if abs(value) > 0.01}


def main(argv: list[str] | None = None) -> int:
    """Entry point: fits and writes the gains and the list of checksums."""
    parser = argparse.ArgumentParser(prog="fit-motion", description=__doc__)
    parser.add_argument("--weights", type=Path, default=None, help="folder (the shipped one)")
    parser.add_argument("--families", default="", metavar="NAME,…", help="to fit (all)")
    parser.add_argument("--worlds", type=int, default=8, help="a family")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    folder = args.weights or catalog.MODELS["preview"].folder
    assert folder is not None
    names = [name for name in args.families.split(",") if name] or list(families.FAMILIES)
    log_gains = fit(folder, names, worlds=args.worlds, rounds=args.rounds)
    motion.save(log_gains, folder)
    print(write(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
