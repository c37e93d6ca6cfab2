"""The models in memory: loaded at first use, kept, and given back on request."""

from __future__ import annotations

import gc

import torch

from ...shared.errors import OutOfMemory
from ...shared.jobs import JobSpec
from ..config import Executors, cache_folder, compiles_models
from ..machine import memory_bytes
from ..models import catalog, store
from ..models.adapter import Adapter
from ..models.card import LoraFile, ModelCard
from ..models.memory import (
    HEADROOM_BYTES,
    LEVELS,
    Level,
    Room,
    find_level,
    first_level,
    shared_room,
)
from ..models.placement import build_device, park, settle
from ..models.video.families import build
from ..models.video.rgb import QuickLook, fitted_look, quick_look


def cpu_precision() -> str:
    """bfloat16 where the processor multiplies it itself (AVX512-BF16, AMX), else float32.

    Measured: 1.9 times as fast on such a core, and the estimate differs by 1 % of its spread.
    """
    facts = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if facts.get("avx512_bf16") or facts.get("amx_bf16") else "float32"


DEVICE = "cpu"
PRECISION = cpu_precision()
ALONE = Executors(count=1)


def device_of(card: ModelCard) -> str:
    """Where a model runs: the small ones on the CPU, the others on the GPU where there is one."""
    return "cuda" if card.build is not None and torch.cuda.is_available() else DEVICE


def precision_of(card: ModelCard) -> str:
    """Of a model's products."""
    return "bfloat16" if device_of(card) == "cuda" else PRECISION


def room_of(card: ModelCard) -> Room:
    """Memory that is free for a model, as torch and the system tell; nothing of ours is loaded."""
    host = (memory_bytes() or (0, 0))[1]
    if device_of(card) != "cuda":
        width = {"float32": 4, "bfloat16": 2}[PRECISION]
        return Room(
            device="CPU", device_bytes=host, host_bytes=host, shares=True, weight_bytes=width
        )
    free = torch.cuda.mem_get_info()[0]
    name = torch.cuda.get_device_name()
    return Room(device=name, device_bytes=max(0, free - HEADROOM_BYTES), host_bytes=host)


def num_evaluators(executors: Executors, card: ModelCard) -> int:
    """How many evaluate the views of a job with this model: as asked, else one a GPU."""
    gpus = torch.cuda.device_count() if device_of(card) == "cuda" else 0
    return executors.count or max(1, gpus)


def room_for(card: ModelCard, executors: Executors) -> Room:
    """The share of this machine's memory that each of those who evaluate may take."""
    room = room_of(card)
    count = 1 if executors.cluster else num_evaluators(executors, card)
    return room if count == 1 else shared_room(room, count, torch.cuda.device_count())


class LoadedModels:
    """Adapters by model name; at most one is in memory.

    Args:
        executors: With how many others, each with a model of its own, the memory is shared.

    Attributes:
        level: Of the memory ladder, at which the model in memory works.
    """

    def __init__(self, executors: Executors = ALONE) -> None:
        self._executors = executors
        self._key: tuple[object, ...] = ()
        self._adapter: Adapter | None = None
        self._spent: dict[str, str] = {}
        self.level: Level = LEVELS[0]

    def for_job(self, spec: JobSpec) -> Adapter:
        """The adapter for a planned job: its model, with its LoRAs, at a level that fits.

        Its text encoder may run now; `begin` brings the denoiser.

        Raises:
            InvalidJob: There is no such model, or a LoRA is for another.
            ModelNotInstalled: Its weights are missing.
            OutOfMemory: No level fits into this machine.
        """
        card = catalog.find(spec.model)
        if card.build is None:
            self.level = LEVELS[0]
            return self.load(spec.model)
        loras = store.lora_files(spec.loras)
        if self._adapter is None or self._key[:2] != (_named(card), loras):
            self.free()
            after = self._spent.get(card.name, "")
            self.level, _ = first_level(card, spec, self._room(card), after=after)
        adapter = self.load(spec.model, loras=loras)
        park(adapter, self.level, device_of(card))
        return adapter

    def for_evaluation(self, spec: JobSpec, level: str) -> Adapter:
        """The adapter for windows of a planned job alone, at a given level of the ladder.

        Raises:
            See `for_job`.
        """
        self.level = find_level(level)
        card = catalog.find(spec.model)
        if card.build is None:
            return self.load(spec.model)
        adapter = self.load(spec.model, loras=store.lora_files(spec.loras))
        self.begin(spec)
        return adapter

    def load(self, name: str, *, loras: tuple[LoraFile, ...] = ()) -> Adapter:
        """The adapter of model `name`.

        Raises:
            InvalidJob: There is no such model.
            ModelNotInstalled: Its weights are missing.
        """
        card = catalog.find(name)
        catalog.revision(card)
        key = (_named(card), loras, self.level.name)
        if self._adapter is not None and self._key == key:
            return self._adapter
        self.free()
        more = {} if card.build is None else {"prompt_cache": cache_folder() / "prompts"}
        device = device_of(card)
        adapter = build(
            card.family,
            card.home,
            device=device if card.build is None else build_device(self.level, device),
            precision=precision_of(card),
            **card.options,
            **more,
        )
        if loras:
            from ..models.video.lora import apply_loras  # loads the libraries of large models

            apply_loras(adapter, loras)
        self._adapter, self._key = adapter, key
        return adapter

    def begin(self, spec: JobSpec) -> None:
        """Prompts are encoded: bring the denoiser to where it works."""
        card = catalog.find(spec.model)
        if card.build is not None and self._adapter is not None:
            compiles = compiles_models()
            settle(self._adapter, self.level, device_of(card), compiles=compiles)

    def step_down(self, spec: JobSpec) -> Level:
        """After the memory ran out: the next level that fits, for this model from now on.

        Raises:
            OutOfMemory: There is none.
        """
        card, spent = catalog.find(spec.model), self.level.name
        self.free()
        if card.build is None:
            raise OutOfMemory(
                "The machine has too little memory for this job. Ask for a smaller size or a "
                "shorter loop, or close other programs.",
                model=card.name,
            )
        self._spent[card.name] = spent
        self.level, _ = first_level(card, spec, self._room(card), after=spent)
        return self.level

    def notes(self, spec: JobSpec) -> tuple[str, ...]:
        """What to say of the level, where it is not one that a person would expect."""
        if spec.model not in self._spent and self.level.same_pictures:
            return ()
        same = "The pictures are the same." * self.level.same_pictures
        return (f"To save memory {self.level.text}. {same}".strip(),)

    def quick_look(self, name: str) -> QuickLook | None:
        """How to look at latents of model `name` without decoding them; None: decoding is fast.

        For a large model that has no such way a map is fitted, once, with the adapter in memory.
        """
        card = catalog.find(name)
        look = quick_look(card.home)
        if look is None and card.build is not None and self._adapter is not None:
            file = f"{name}-{catalog.revision(card)}.json"
            look = fitted_look(self._adapter, cache_folder() / "quick-looks" / file)
        return look

    def _room(self, card: ModelCard) -> Room:
        return room_for(card, self._executors)

    def free(self) -> None:
        """Forget the weights."""
        self._adapter, self._key = None, ()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _named(card: ModelCard) -> tuple[str, str]:
    return card.name, catalog.revision(card)
