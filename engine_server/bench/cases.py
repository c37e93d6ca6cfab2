"""What is measured: variants of the method times prompts times seeds, each with a name of its own.

Plain data: the name of a case is the hash of everything that shapes its result, so that a finished
one is found again and a changed one is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from ...shared.errors import InvalidJob
from ...shared.jobs import JobSpec, Stage
from ..models import catalog
from ..models.example_prompts import EXAMPLE_PROMPTS
from ..worker.origin import NUMERICS_VERSION

MEASURE_VERSION = 4
"""Grows when a case is measured differently: what is cached under another number is made anew."""
PROMPTS = EXAMPLE_PROMPTS
METHODS = ("fused", "paper", "whole", "multidiffusion", "independent")
FULL, STILL, DIRECT = "full", "without shifting", "without coarse to fine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to make a panorama.

    Attributes:
        table: "methods" or "ablation".
        name: What the table calls it.
        method: Name in `denoise.methods.METHODS`.
        stages: Its ladder.
    """

    table: str
    name: str
    method: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One result: a variant with a prompt and a seed.

    Attributes:
        variant: How it is made.
        prompt, seed: Of what.
        model, model_revision: By what.
        num_frames: Frames of the loop, at the model's rate.
        guidance_scale: As in a job.
    """

    variant: Variant
    prompt: str
    seed: int
    model: str
    model_revision: str
    num_frames: int
    guidance_scale: float

    @property
    def key(self) -> str:
        """24 hex digits over everything that shapes the result and how it is measured."""
        versions = {"measure": MEASURE_VERSION, "numerics": NUMERICS_VERSION}
        text = json.dumps(asdict(self) | versions, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all cases of a run have in common.

    Attributes:
        methods: Names for the table of methods; empty leaves it out.
        ablation: Whether the parts of `fused` are taken away one by one, at twice the size.
        num_prompts, num_seeds: The first of `PROMPTS`, and seeds from 0.
        width: Pixels across the panoramas of the first table.
        num_frames, steps, guidance_scale: As in a job.
        model: Name of the model.
    """

    methods: tuple[str, ...] = METHODS
    ablation: bool = False
    num_prompts: int = 8
    num_seeds: int = 2
    width: int = 512
    num_frames: int = 8
    steps: int = 12
    guidance_scale: float = 4.0
    model: str = "preview"

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of the run.

        Raises:
            InvalidJob: More are asked for than there are.
        """
        if self.num_prompts > len(PROMPTS):
            raise InvalidJob(
                f"The bench has {len(PROMPTS)} prompts, asked for are {self.num_prompts}.",
                field="num_prompts",
            )
        return PROMPTS[: self.num_prompts]

    def variants(self) -> tuple[Variant, ...]:
        """The rows of both tables.

        Raises:
            InvalidJob: The model cannot make this size.
        """
        first = self._stages(self.width)
        rows = [
            Variant(table="methods", name=name, method=name, stages=first) for name in self.methods
        ]
        return (*rows, *(self._ablation() if self.ablation else ()))

    def _ablation(self) -> tuple[Variant, ...]:
        """Table 3 of DynamicScaler, at twice the size: both parts, and each taken away."""
        ladder = self._stages(2 * self.width)
        steps = sum(stage.steps for stage in ladder)
        direct = (replace(ladder[-1], steps=steps, sigma_start=1.0),)
        return (
            Variant(table="ablation", name=FULL, method="fused", stages=ladder),
            Variant(table="ablation", name=STILL, method="still", stages=ladder),
            Variant(table="ablation", name=DIRECT, method="fused", stages=direct),
        )

    def _stages(self, width: int) -> tuple[Stage, ...]:
        card = catalog.find(self.model)
        return catalog.plan(
            JobSpec(
                prompt="sea",
                width=width,
                height=width // 2,
                num_frames=self.num_frames,
                fps=card.fps,
                steps=self.steps,
                guidance_scale=self.guidance_scale,
                model=self.model,
            )
        ).stages

    def cases(self) -> list[Case]:
        """All cases; those of one prompt and seed follow one another, so tables fill evenly."""
        return [
            Case(
                variant=variant,
                prompt=prompt,
                seed=seed,
                model=self.model,
                model_revision=catalog.revision(catalog.find(self.model)),
                num_frames=self.num_frames,
                guidance_scale=self.guidance_scale,
            )
            for seed in range(self.num_seeds)
            for prompt in self.prompts
            for variant in self.variants()
        ]


def share_of(cases: Sequence[Case], index: int, count: int) -> list[Case]:
    """The `index`-th of `count` shares, for several processes with one work folder.

    All variants of one prompt and seed are in one share: they are made beside the same other work.
    """
    rows = list(dict.fromkeys((case.prompt, case.seed) for case in cases))
    own = set(rows[index::count])
    return [case for case in cases if (case.prompt, case.seed) in own]
