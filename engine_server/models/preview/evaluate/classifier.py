"""A small network that names the family of a clip and tells how high it looks.

It learns from the renderer alone, anew whenever the renderer changes: its weights are kept under a
name made of the seed, the size of its training and the renderer's source. One thread, one seed, the
same weights.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .. import families, worlds
from ..dataset import Look, draw_look
from .examples import level_look

SIZE = 64  # pixels it looks at
SPAN = 3  # frames between the two pictures it compares
WIDTHS = (24, 40, 64, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How the classifier is trained.

    Attributes:
        level: Level views a family, with its name.
        free: Views in every direction, for the pitch alone.
        epochs: Passes over all of them.
    """

    level: int = 120
    free: int = 1000
    epochs: int = 10
    seed: int = 0


class FamilyNet(nn.Module):
    """Two pictures of a clip to the scores of the families and the view's pitch."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        layers: list[nn.Module] = []
        before = 6
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.GroupNorm(8, width)]
            layers += [nn.SiLU()]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(4 * before, len(names) + 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """pictures: [N, 6, 64, 64] of `pictures_of`. Returns scores [N, families], pitch/90 [N]."""
        rows = self.body(pictures).mean(dim=-1)  # what stands where, up and down, matters
        out = self.head(rows.flatten(1))
        return out[:, :-1], out[:, -1]

    @torch.inference_mode()
    def family(self, clip: Tensor) -> str:
        """The family of a clip [F, 3, H, W] in 0..1, at least `SPAN` + 1 frames."""
        return self.names[int(self(pictures_of(clip)[None])[0].argmax())]

    @torch.inference_mode()
    def pitch_deg(self, clip: Tensor) -> float:
        """How high a clip looks, degrees."""
        return float(self(pictures_of(clip)[None])[1]) * 90.0


def pictures_of(clip: Tensor) -> Tensor:
    """The first frame and how it changes, [6, 64, 64], about -1..1."""
    two = F.adaptive_avg_pool2d(clip[[0, min(SPAN, len(clip) - 1)]], SIZE)
    return torch.cat((two[0] * 2.0 - 1.0, 4.0 * (two[1] - two[0])))


def shown(look: Look) -> Tensor:
    """The two pictures of a look at a world, [6, 64, 64], drawn at the size they are looked at."""
    times = worlds.frame_times(SPAN + 1, look.start_s)[[0, SPAN]]
    clip = worlds.render_view(
        look.world,
        yaw_deg=look.yaw_deg,
        pitch_deg=look.pitch_deg,
        fov_deg=look.fov_deg,
        times_s=times,
        size=SIZE,
    )
    return pictures_of(clip)


def _examples(lesson: Lesson, names: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures as halves, family numbers (-1: not asked), pitches / 90."""
    looks: list[tuple[Look, int]] = []
    for number, name in enumerate(names):
        rng = Random(f"classifier-{lesson.seed}-{name}")
        looks += [(level_look(rng, name), number) for _ in range(lesson.level)]
    rng = Random(f"classifier-{lesson.seed}")
    looks += [(draw_look(rng), -1) for _ in range(lesson.free)]
    pictures = torch.stack([shown(look).half() for look, _ in looks])
    pitches = torch.tensor([look.pitch_deg / 90.0 for look, _ in looks])
    return pictures, torch.tensor([number for _, number in looks]), pitches


def _varied(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrored, softened, brightened and grained at random: what decoding may do, and more."""
    count = len(pictures)
    draw = torch.rand(count, 3, generator=generator)[:, :, None, None, None]
    out = torch.where(draw[:, 0] < 0.5, pictures.flip(-1), pictures)
    soft = F.avg_pool2d(F.pad(out, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    out = torch.where(draw[:, 1] < 0.4, soft, out)
    gain = 1.0 + 0.2 * (draw[:, 2] - 0.5)
    light = (out[:, :3] + 1.0) * gain - 1.0
    out = torch.cat((light, out[:, 3:] * gain), dim=1)
    return out + 0.02 * torch.randn(out.shape, generator=generator)


def train(lesson: Lesson, note: Callable[[str], None] = lambda line: None) -> FamilyNet:
    """The classifier that this lesson makes; the same for the same lesson and renderer."""
    names = tuple(families.FAMILIES)
    note(f"rendering {lesson.level * len(names) + lesson.free} views for the classifier")
    pictures, numbers, pitches = _examples(lesson, names)
    generator = torch.Generator().manual_seed(lesson.seed)
    with torch.random.fork_rng():
        torch.manual_seed(lesson.seed)
        model = FamilyNet(names)
    batch = 64
    steps = lesson.epochs * math.ceil(len(pictures) / batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for epoch in range(lesson.epochs):
        seen = 0.0
        for picked in torch.randperm(len(pictures), generator=generator).split(batch):
            scores, heights = model(_varied(pictures[picked].float(), generator))
            named = F.cross_entropy(scores, numbers[picked], ignore_index=-1, label_smoothing=0.05)
            loss = named.nan_to_num(0.0) + 2.0 * F.mse_loss(heights, pitches[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            seen += float(loss.detach()) * len(picked)
        note(f"classifier: pass {epoch + 1} of {lesson.epochs}, loss {seen / len(pictures):.3f}")
    return model.eval().requires_grad_(False)


def renderer_hash() -> str:
    """First 16 hex digits of the sha256 over the renderer's source, whatever files it has."""
    home = families.__name__.rpartition(".")[0] + "."
    found = {families.__name__: families, worlds.__name__: worlds}
    waiting = list(found.values())
    while waiting:
        for value in list(vars(waiting.pop()).values()):
            name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
            if isinstance(name, str) and name.startswith(home) and name not in found:
                found[name] = sys.modules[name]
                waiting.append(found[name])
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + inspect.getsource(found[name]).encode())
    return digest.hexdigest()[:16]


def key_of(lesson: Lesson) -> str:
    """What the weights depend on, as hex digits: lesson, renderer, and how it is taught."""
    taught = (FamilyNet, pictures_of, shown, _examples, _varied, train)
    source = "".join(inspect.getsource(part) for part in taught)
    facts = f"{lesson} {renderer_hash()} {SIZE} {SPAN} {WIDTHS} {source}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def kept(lesson: Lesson, folder: Path) -> Path:
    """Where the classifier of this lesson is kept, whether it is there yet or not."""
    return folder / f"classifier-{key_of(lesson)}.safetensors"


def save(model: FamilyNet, path: Path) -> None:
    """Write a classifier in half precision, in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, part, metadata={"families": " ".join(model.names)})
    part.chmod(0o644)
    part.replace(path)


def load(path: Path) -> FamilyNet:
    """What `save` wrote."""
    with safe_open(path, framework="pt") as file:
        model = FamilyNet(tuple(file.metadata()["families"].split()))
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def trained(
    lesson: Lesson, folder: Path, note: Callable[[str], None] = lambda line: None
) -> FamilyNet:
    """The classifier of this lesson: from `folder` if it was made before, else made and kept."""
    path = kept(lesson, folder)
    if not path.is_file():
        save(train(lesson, note), path)
    return load(path)
