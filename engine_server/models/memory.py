"""What a job takes of a machine's memory, and the ladder down which it goes where that is too much.

Plain arithmetic over a model's `Build`. The first levels of the ladder only change where weights
lie and leave every number as it is; the last two keep the denoiser's weights in eight bits, which
changes the pictures a little.

Source: the order of the remedies is that of the diffusers library's notes on memory; sizes are
counted, see `card.Build`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...shared.errors import OutOfMemory
from ...shared.jobcheck import METHODS
from ...shared.jobs import JobSpec
from .card import GIB, Build, ModelCard

CONTEXT_BYTES = int(0.6 * GIB)
"""What a GPU's driver and libraries take in a process that uses it."""
HEADROOM_BYTES = int(0.75 * GIB)
"""Left free: the screen, other programs, and what an allocator loses between its blocks."""
BASE_BYTES = int(1.0 * GIB)
"""Main memory of the process before any model: Python, torch, libraries."""
BLOCKS_IN_FLIGHT = 2
"""Blocks of an offloaded denoiser on the device: the one at work and the one that comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of the ladder.

    Attributes:
        name: A word for it.
        text: What happens, a sentence's half.
        encoder: "stays" on the device, goes "first" and leaves, or runs on the "cpu".
        is_offloaded: The denoiser's blocks come from main memory one by one.
        is_float8: Its weights are kept in 8 bits and widened when they are used.
    """

    name: str
    text: str
    encoder: str = "first"
    is_offloaded: bool = False
    is_float8: bool = False

    @property
    def same_pictures(self) -> bool:
        """Whether the pictures are those of the first level, but for the last bits of a prompt."""
        return not self.is_float8


LEVELS = (
    Level(name="resident", text="every part stays on the device", encoder="stays"),
    Level(name="encoder-first", text="the text encoder runs first and leaves"),
    Level(name="encoder-on-cpu", text="the text encoder runs on the CPU", encoder="cpu"),
    Level(
        name="offloaded",
        text="the denoiser comes block by block from main memory; text encoder on the CPU",
        encoder="cpu",
        is_offloaded=True,
    ),
    Level(
        name="float8",
        text="the denoiser's weights have 8 bits, which changes the pictures a little; text "
        "encoder on the CPU",
        encoder="cpu",
        is_float8=True,
    ),
    Level(
        name="float8-offloaded",
        text="the denoiser's weights have 8 bits, which changes the pictures a little, and come "
        "block by block from main memory; text encoder on the CPU",
        encoder="cpu",
        is_offloaded=True,
        is_float8=True,
    ),
)


def find_level(name: str) -> Level:
    """The level of that name."""
    return next(level for level in LEVELS if level.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Memory that is free for us.

    Attributes:
        device: What computes, in words: a GPU's name, or "CPU".
        device_bytes: Of the device; of a CPU the main memory.
        host_bytes: Main memory.
        shares: Whether the two are one: there is no GPU.
        weight_bytes: Of a weight of encoder and denoiser: 2, or 4 where a CPU has no bfloat16.
    """

    device: str
    device_bytes: int
    host_bytes: int
    shares: bool = False
    weight_bytes: int = 2


def shared_room(room: Room, count: int, num_gpus: int = 0) -> Room:
    """The share of each of `count` processes that hold a model of their own.

    Main memory is cut evenly, a GPU among those that sit on it.

    Args:
        num_gpus: GPUs, of which `room` has one; 0: there is none.
    """
    host = room.host_bytes // count
    on_a_gpu = -(-count // max(1, num_gpus))
    device = host if room.shares else room.device_bytes // on_a_gpu
    return replace(room, host_bytes=host, device_bytes=device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a job takes at its worst moment, part by part.

    Attributes:
        device: Part -> bytes on the device at the moment that takes most.
        host: Part -> bytes of main memory.
        moment: Which moment that is: "prompts", "reference", "denoise" or "decode".
    """

    device: dict[str, int] = field(default_factory=dict)
    host: dict[str, int] = field(default_factory=dict)
    moment: str = "denoise"

    @property
    def device_bytes(self) -> int:
        return sum(self.device.values())

    @property
    def host_bytes(self) -> int:
        return sum(self.host.values())

    def fit(self, room: Room) -> bool:
        """Whether there is room for it."""
        if room.shares:
            return self.device_bytes + self.host_bytes <= room.host_bytes
        return self.device_bytes <= room.device_bytes and self.host_bytes <= room.host_bytes


def panorama_bytes(card: ModelCard, spec: JobSpec) -> int:
    """Main memory of the latents: state, noise, last and new picture, in float32."""
    frames = card.model_frames(spec.num_frames / spec.fps) // card.ratio_t
    channels = 48 if card.ratio_s == 16 else 128 if card.ratio_s == 32 else 16
    largest = max((stage.width * stage.height for stage in spec.stages), default=0)
    return 4 * 4 * channels * frames * largest // card.ratio_s**2


def needs(card: ModelCard, spec: JobSpec, level: Level, room: Room) -> Needs:
    """What a planned job takes at a level."""
    build, weight_bytes = card.build, room.weight_bytes
    latents = panorama_bytes(card, spec)
    if build is None:
        return Needs(
            device={"model": int(0.4 * GIB)}, host={"process": BASE_BYTES, "latents": latents}
        )
    encoder = build.encoder_params * weight_bytes
    denoiser = _denoiser_bytes(build, level, weight_bytes)
    context = {} if room.shares else {"driver": CONTEXT_BYTES}
    staying = {"text encoder": encoder} if level.encoder == "stays" else {}
    working = {**context, **staying, "denoiser": denoiser}
    decoder = build.decoder_params * build.decoder_bytes
    moments = {
        "denoise": {
            **working,
            "autoencoder": decoder,
            "evaluation": spec.view_batch * build.evaluation_bytes * weight_bytes // 2,
        },
        "decode": {**working, "autoencoder": decoder, "decoding": _decoding_bytes(build, spec)},
    }
    if spec.reference is not None:
        resident = {} if level.encoder != "stays" else working
        tile = max(build.decode_bytes, build.tile_bytes)
        moments["reference"] = {**context, **resident, "autoencoder": decoder, "encoding": tile}
    if level.encoder == "first":
        moments["prompts"] = {**context, "text encoder": encoder}
    moment = max(moments, key=lambda name: sum(moments[name].values()))
    return Needs(
        device=moments[moment],
        host=_host_parts(build, level, encoder, latents, weight_bytes),
        moment=moment,
    )


def _decoding_bytes(build: Build, spec: JobSpec) -> int:
    """Of decoding: view by view, or by tiles of what a method leaves as one picture."""
    by_views = spec.method == METHODS[0]
    return build.decode_bytes if by_views else max(build.decode_bytes, build.tile_bytes)


def _denoiser_bytes(build: Build, level: Level, weight_bytes: int) -> int:
    """Of the denoiser on the device; of several that take turns, the one at work."""
    whole = build.denoiser_params * (1 if level.is_float8 else weight_bytes)
    return int(BLOCKS_IN_FLIGHT * build.block_share * whole) if level.is_offloaded else whole


def _host_parts(
    build: Build, level: Level, encoder: int, latents: int, weight_bytes: int
) -> dict[str, int]:
    """Main memory: a text encoder on the CPU, and the denoisers that wait there.

    Experts wait for their turn; a lone denoiser only where it is offloaded, or lets the encoder
    pass. The encoder is gone before a denoiser comes, so the larger of the two counts.
    """
    parts = {"process": BASE_BYTES, "latents": latents}
    each = build.denoiser_params * (1 if level.is_float8 else weight_bytes)
    waits = level.is_offloaded or level.encoder == "first"
    held = {
        "denoiser": each * (build.experts if waits else build.experts - 1),
        "text encoder": encoder if level.encoder == "cpu" else 0,
    }
    largest = max(held, key=lambda name: held[name])
    if held[largest]:
        parts[largest] = held[largest]
    return parts


def first_level(
    card: ModelCard, spec: JobSpec, room: Room, *, after: str = ""
) -> tuple[Level, Needs]:
    """The first level of the ladder that fits, and what it takes.

    Args:
        after: Name of a level that ran out of memory all the same: only those below it count.

    Raises:
        OutOfMemory: None fits; `details` has the figures of the least.
    """
    names = [level.name for level in LEVELS]
    below = LEVELS[names.index(after) + 1 :] if after else LEVELS
    if card.build is None:
        below = below[:1]
    taken = [(level, needs(card, spec, level, room)) for level in below]
    for level, need in taken:
        if need.fit(room):
            return level, need
    raise _too_small(card, spec, room, taken)


def _too_small(
    card: ModelCard, spec: JobSpec, room: Room, taken: list[tuple[Level, Needs]]
) -> OutOfMemory:
    if not taken:
        return OutOfMemory(
            f"Model '{card.name}' ran out of memory at the last level of the ladder. Close other "
            "programs, or choose a smaller model.",
            model=card.name,
        )

    def taken_by(need: Needs) -> int:
        return need.device_bytes + need.host_bytes * room.shares

    least = min((need for _, need in taken), key=taken_by)
    if room.shares:
        needed = f"{taken_by(least) / GIB:.1f} GiB of main memory"
        free = f"this machine has {room.host_bytes / GIB:.1f} GiB free"
    else:
        needed = (
            f"{least.device_bytes / GIB:.1f} GiB on the device and {least.host_bytes / GIB:.1f} "
            "GiB of main memory"
        )
        free = (
            f"{room.device} has {room.device_bytes / GIB:.1f} GiB free and this machine "
            f"{room.host_bytes / GIB:.1f} GiB"
        )
    return OutOfMemory(
        f"Model '{card.name}' needs at least {needed} for {spec.width}x{spec.height}; {free}. "
        "Close other programs, choose a smaller model (`panoloom models list`), or use the "
        "preview model.",
        model=card.name,
        needed_device_bytes=least.device_bytes,
        free_device_bytes=room.device_bytes,
        needed_host_bytes=least.host_bytes,
        free_host_bytes=room.host_bytes,
    )
