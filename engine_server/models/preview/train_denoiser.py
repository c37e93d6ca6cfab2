"""Training of the denoiser on cached latents.

A run is a number of steps: every step draws its clips and noise from (seed, step, rank) alone, so a
run that was stopped and resumed sees what an undisturbed one sees.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

from .checkpoint import DENOISER, load_autoencoder, load_state, note, save_state
from .denoiser import Denoiser
from .latent_cache import UNTOLD, Pool
from .muon import Muon, split_parameters
from .sampling import contact_sheet

OUTER = ("text.", "sigma.", "fov.", "enter.", "leave.")
MUON_RATE, ADAM_RATE = 0.02, 2e-3
DROP = 0.12  # how often the text is left out


def draw_sigma(count: int, generator: torch.Generator, shift: float = 2.0) -> Tensor:
    """Noise levels: logit-normal moved towards noise, 15 % uniform; [count]."""
    normal = torch.sigmoid(torch.randn(count, generator=generator))
    sigma = shift * normal / (1.0 + (shift - 1.0) * normal)
    uniform = torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.15, uniform, sigma)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a run of the training is.

    Attributes:
        steps: All steps of the run, those of earlier pieces counted.
        stop_at: Step to stop after, to be resumed later; None goes to the end.
        seed: Of clips, noise and first weights.
        start_from: Folder of exported weights to begin with; None begins with random ones.
        singles, clips: Batch of single frames, of clips.
        rate: Factor of the learning rates; below 1 for weights that are already good.
        single_part: Share of the steps, from the first on, that see single frames only.
        untold: How often a view is not told where it looks, and its caption says so.
        clip_shift: Shift of a clip's noise levels; above that of single frames, 2, because what
            moves is decided in much noise.
        motion: Weight of the error's change from frame to frame.
        more: Families that half of the clips are of.
        bf16: Whether to multiply in bfloat16.
        device: Where to train: "cpu" or "cuda".
        refresh: Whether to take up clips that are cached while it runs; not repeatable then.
        rank, workers: This process and how many average their gradients, for a CPU.
    """

    steps: int
    stop_at: int | None = None
    seed: int = 1
    start_from: Path | None = None
    singles: int = 32
    clips: int = 6
    rate: float = 1.0
    single_part: float = 0.27
    untold: float = UNTOLD
    clip_shift: float = 3.0
    motion: float = 0.5
    more: tuple[str, ...] = ()
    bf16: bool = False
    device: str = "cpu"
    refresh: bool = False
    rank: int = 0
    workers: int = 1


def velocity_loss(
    model: Denoiser, batch: dict[str, Tensor], generator: torch.Generator, course: Course
) -> tuple[Tensor, Tensor]:
    """What a step lowers for a batch of clean latents, and the velocity's mean squared error in it.

    The rest of it is the squared change of that error from frame to frame. A plain squared error
    hardly feels motion, which is small beside the picture, and learns clips that stand too still.
    """
    clean = batch["latents"]
    count, frames, device = len(clean), clean.shape[2], clean.device
    sigma = draw_sigma(count, generator, course.clip_shift if frames > 1 else 2.0).to(device)
    noise = torch.randn(clean.shape, generator=generator).to(device)
    level = sigma[:, None, None, None, None]
    noisy = (1.0 - level) * clean + level * noise
    keep_text = (torch.rand(count, generator=generator) >= DROP).long().to(device)
    text = model.text(batch["tokens"] * keep_text[:, None])
    told = [batch[name] for name in ("elevation", "fov_deg", "told", "light_told")]
    error = model(noisy, sigma, text, *told).float() - (noise - clean)
    found = error.square().mean()
    if frames == 1:
        return found, found
    return found + course.motion * error.diff(dim=2).square().mean(), found


def rate_at(part: float, step: int) -> float:
    """Learning rate factor: short warm-up, constant, linear to zero from 45 % of the steps on."""
    return min(1.0, (step + 1) / 100) * min(1.0, max(0.01, (1.0 - part) / 0.55))


def take_over(model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights of a smaller sibling; new input channels begin at zero, new rows as they are."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            old = weights[name]
            if weight.shape != old.shape and name.startswith("enter."):
                weight.zero_()
            weight[tuple(slice(0, size) for size in old.shape)] = old


class Trainer:
    """Model, its moving average, optimisers and where they are kept."""

    def __init__(self, run: Path, course: Course) -> None:
        torch.manual_seed(course.seed)
        self.path, self.course = run / "denoiser.safetensors", course
        self.model = Denoiser().to(course.device)
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if course.start_from is not None and not self.path.exists():
            take_over(self.model, load_file(course.start_from / DENOISER))
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        inner, rest = split_parameters(self.model, OUTER)
        self.rest = rest
        self.muon = Muon(inner, lr=MUON_RATE, weight_decay=0.01, bf16=course.bf16)
        self.adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=0.0)
        self.step, self.passes = 0, {1: 0, 8: 0}
        if self.path.exists():
            self.load()

    def load(self) -> None:
        """Take up the run's checkpoint."""
        saved = load_state(self.path)
        for name in ("model", "average", "muon", "adam"):
            getattr(self, name).load_state_dict(saved[name])
        self.step, self.passes = saved["step"], saved["passes"]

    def save(self) -> None:
        """Write a checkpoint, in one move."""
        parts = {
            name: getattr(self, name).state_dict() for name in ("model", "average", "muon", "adam")
        }
        save_state(self.path, {**parts, "step": self.step, "passes": self.passes})

    def share(self) -> None:
        """Average the gradients over the workers."""
        grads = [w.grad for w in self.model.parameters() if w.grad is not None]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        at = 0
        for grad in grads:
            grad.copy_(flat[at : at + grad.numel()].view_as(grad))
            at += grad.numel()

    def update(self, loss: Tensor) -> None:
        """One optimiser step and one step of the moving average."""
        loss.backward()
        if dist.is_initialized():
            self.share()
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        factor = self.course.rate * rate_at(self.step / self.course.steps, self.step)
        self.muon.param_groups[0]["lr"] = MUON_RATE * factor
        self.adam.param_groups[0]["lr"] = ADAM_RATE * factor
        self.muon.step()
        self.adam.step()
        self.muon.zero_grad()
        self.adam.zero_grad()
        decay = min(0.998, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.model.parameters(), strict=True):
                slow.lerp_(fast, 1.0 - decay)
        self.step += 1

    def learn(self, pool: Pool) -> tuple[int, float]:
        """One step; (frames of its clips, velocity's mean squared error)."""
        course = self.course
        key = course.seed * 1_000_003 + 97 * self.step + course.rank
        rng, generator = Random(key), torch.Generator().manual_seed(key)
        single = (
            self.step < course.single_part * course.steps
            or max(pool.clips) == 1
            or self.step % 8 == 0
        )
        batch = pool.batch(course.singles if single else course.clips, single, rng)
        batch = {name: value.to(course.device) for name, value in batch.items()}
        with torch.autocast(course.device, dtype=torch.bfloat16, enabled=course.bf16):
            loss, error = velocity_loss(self.model, batch, generator, course)
        self.update(loss)
        kind = 1 if single else 8
        self.passes[kind] += len(batch["latents"]) * course.workers
        return kind, error.item()


def train_denoiser(run: Path, course: Course) -> None:
    """Train to the end of the course, from the run's checkpoint if there is one.

    With several workers, each a process started with its own rank from 0 up, every step averages
    the gradients of all. Rank 0 keeps the checkpoint, the log and, every ten minutes, a sheet of
    samples of the moving average.
    """
    if course.workers > 1:
        meet = f"file://{run.resolve()}/meet"
        dist.init_process_group(
            "gloo", init_method=meet, rank=course.rank, world_size=course.workers
        )
    trainer, pool = Trainer(run, course), Pool(run, course.untold, course.more)
    saved_at = logged_at = drawn_at = time.monotonic()
    losses: dict[int, list[float]] = {1: [], 8: []}
    last = course.steps if course.stop_at is None else min(course.steps, course.stop_at)
    while trainer.step < last:
        kind, loss = trainer.learn(pool)
        losses[kind].append(loss)
        now = time.monotonic()
        if now - logged_at > 30:
            if course.rank == 0:
                _log(run, trainer, pool, losses)
            if course.refresh:
                pool.refresh()
            losses, logged_at = {1: [], 8: []}, now
        if course.rank == 0 and now - saved_at > 150:
            trainer.save()
            saved_at = now
        if course.rank == 0 and now - drawn_at > 600:
            autoencoder = load_autoencoder(run / "autoencoder.safetensors")
            average = copy.deepcopy(trainer.average).cpu()
            contact_sheet(average, autoencoder, run / f"samples-{trainer.step:06d}.png", 1, 1)
            drawn_at = now
    if course.rank == 0:
        trainer.save()
        _log(run, trainer, pool, losses)
    if course.workers > 1:
        dist.destroy_process_group()


def _log(run: Path, trainer: Trainer, pool: Pool, losses: dict[int, list[float]]) -> None:
    """One line: time, step, mean losses since the last line, clips seen, clips there are."""
    means = {k: round(sum(v) / len(v), 4) for k, v in losses.items() if v}
    counts = {k: pool.count(k) for k in pool.clips}
    note(
        run / "denoiser.log",
        f"{time.strftime('%H:%M:%S')} step {trainer.step} of {trainer.course.steps} "
        f"loss {means} passes {trainer.passes} pool {counts}",
    )
