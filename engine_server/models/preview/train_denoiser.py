"""Training of the denoiser on cached latents, paced by wall clock, and what is made from it."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from random import Random

import torch
import torch.distributed as dist
from torch import Tensor

from .checkpoint import load_state, note, save_state
from .denoiser import Denoiser
from .latent_cache import Pool
from .muon import Muon, split_parameters

OUTER = ("text.", "sigma.", "fov.", "enter.", "leave.")
MUON_RATE, ADAM_RATE = 0.02, 2e-3
SINGLE_PART = 0.27  # share of the training that sees single frames
DROP = 0.12  # how often the text, or the description of the view, is left out


def draw_sigma(count: int, generator: torch.Generator, shift: float = 2.0) -> Tensor:
    """Noise levels: logit-normal moved towards noise, a tenth uniform; [count]."""
    normal = torch.sigmoid(torch.randn(count, generator=generator))
    sigma = shift * normal / (1.0 + (shift - 1.0) * normal)
    uniform = torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.15, uniform, sigma)


def velocity_loss(model: Denoiser, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """Mean squared error of the velocity for a batch of clean latents."""
    clean = batch["latents"]
    count = len(clean)
    sigma = draw_sigma(count, generator)
    noise = torch.randn(clean.shape, generator=generator)
    level = sigma[:, None, None, None, None]
    noisy = (1.0 - level) * clean + level * noise
    keep_text = (torch.rand(count, generator=generator) >= DROP).long()
    told = (torch.rand(count, generator=generator) >= DROP).float()
    text = model.text(batch["tokens"] * keep_text[:, None])
    made = model(noisy, sigma, text, batch["elevation"], batch["fov_deg"], told)
    return ((made.float() - (noise - clean)) ** 2).mean()


def rate_at(part: float, step: int) -> float:
    """Learning rate factor: short warm-up, constant, linear to zero from 45 % of the time on."""
    return min(1.0, (step + 1) / 100) * min(1.0, max(0.01, (1.0 - part) / 0.55))


class Trainer:
    """Model, its moving average, optimisers and where they are kept."""

    def __init__(self, run: Path, seed: int, bf16: bool = False) -> None:
        torch.manual_seed(seed)
        self.path = run / "denoiser.safetensors"
        self.model = Denoiser()
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        inner, rest = split_parameters(self.model, OUTER)
        self.rest = rest
        self.muon = Muon(inner, lr=MUON_RATE, weight_decay=0.01, bf16=bf16)
        self.adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=0.0)
        self.step, self.done, self.passes = 0, 0.0, {1: 0, 8: 0}
        if self.path.exists():
            self.load()

    def load(self) -> None:
        """Take up the run's checkpoint."""
        saved = load_state(self.path)
        for name in ("model", "average", "muon", "adam"):
            getattr(self, name).load_state_dict(saved[name])
        self.step, self.done, self.passes = saved["step"], saved["done"], saved["passes"]

    def save(self) -> None:
        """Write a checkpoint, in one move."""
        parts = {
            name: getattr(self, name).state_dict() for name in ("model", "average", "muon", "adam")
        }
        save_state(
            self.path, {**parts, "step": self.step, "done": self.done, "passes": self.passes}
        )

    def share(self, elapsed: float) -> None:
        """Average gradients, and the share of the time that is done, over the workers."""
        grads = [w.grad for w in self.model.parameters() if w.grad is not None]
        flat = torch.cat([grad.reshape(-1) for grad in grads] + [torch.tensor([elapsed])])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        at = 0
        for grad in grads:
            grad.copy_(flat[at : at + grad.numel()].view_as(grad))
            at += grad.numel()
        self.done = float(flat[-1])

    def update(self, loss: Tensor, elapsed: float) -> None:
        """One optimiser step and one step of the moving average."""
        loss.backward()
        self.done = elapsed
        if dist.is_initialized():
            self.share(elapsed)
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        factor = rate_at(self.done, self.step)
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


def train_denoiser(
    run: Path,
    minutes: float,
    seed: int = 1,
    max_steps: int = 10**9,
    singles: int = 32,
    clips: int = 6,
    bf16: bool = False,
    rank: int = 0,
    workers: int = 1,
) -> None:
    """Train until the clock has run `minutes`, in all resumed pieces together.

    With `workers` processes, each started with its own `rank` from 0 up, every step averages the
    gradients of all: on a busy machine faster than threads, which wait for each other in every
    layer. Rank 0 keeps the checkpoint.
    """
    if workers > 1:
        meet = f"file://{run.resolve()}/meet"
        dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=workers)
    trainer, pool = Trainer(run, seed, bf16), Pool(run)
    rng, generator = (
        Random(f"{seed}-{trainer.step}-{rank}"),
        torch.Generator().manual_seed(seed * 1_000_003 + 97 * trainer.step + rank),
    )
    start, before = time.monotonic(), trainer.done
    saved_at = logged_at = refreshed_at = start
    losses: dict[int, list[float]] = {1: [], 8: []}
    while trainer.done < 1.0 and trainer.step < max_steps:
        now = time.monotonic()
        single = trainer.done < SINGLE_PART or max(pool.clips) == 1 or trainer.step % 8 == 0
        batch = pool.batch(singles if single else clips, single, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = velocity_loss(trainer.model, batch, generator)
        trainer.update(loss, before + (now - start) / (60.0 * minutes))
        kind = 1 if single else 8
        losses[kind].append(loss.item())
        trainer.passes[kind] += len(batch["latents"]) * workers
        if rank == 0 and now - logged_at > 30:
            means = {k: round(sum(v) / len(v), 4) for k, v in losses.items() if v}
            counts = {k: pool.count(k) for k in pool.clips}
            note(
                run / "denoiser.log",
                f"{time.strftime('%H:%M:%S')} step {trainer.step} part {trainer.done:.3f} "
                f"loss {means} passes {trainer.passes} pool {counts}",
            )
            losses, logged_at = {1: [], 8: []}, now
        if rank == 0 and now - saved_at > 150:
            trainer.save()
            saved_at = now
        if now - refreshed_at > 45:
            pool.refresh()
            refreshed_at = now
    if rank == 0:
        trainer.save()
    if workers > 1:
        dist.destroy_process_group()
