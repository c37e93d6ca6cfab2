"""What one window of a large denoiser takes, counted without a card and without weights.

    python -m panoloom.engine_server.bench.footprint [NAME ...]

The real architecture is built from its released configuration on tensors that have shapes and no
memory; every operator adds what it makes and takes away what is let go, and the highest sum is the
peak. Two blocks are run: a peak does not grow with their number, and operations grow evenly.
Attention is counted by its formula, 4 n^2 d a layer, because fused kernels hide it from counters.
What a card takes on top: the driver's share, and what its kernels use for themselves.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

GIB = 2**30
COUNTED_LAYERS = 2
_WAN = {"patch_size": (1, 2, 2), "attention_head_dim": 128, "in_channels": 16, "out_channels": 16,
        "text_dim": 4096, "freq_dim": 256, "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads"}  # fmt: skip
_SMALL = {**_WAN, "num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
_LARGE = {**_WAN, "num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}
CONFIGS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "wan-1.3b": ("WanTransformer3DModel", _SMALL, (17, 64, 64)),
    "wan-14b": ("WanTransformer3DModel", _LARGE, (17, 64, 64)),
    "wan2.2-5b": (
        "WanTransformer3DModel",
        {**_WAN, "num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30,
         "in_channels": 48, "out_channels": 48},
        (17, 44, 44),
    ),
}  # fmt: skip
"""Model -> class, released configuration, and latents (frames, height, width) of a window with the
ghost latent in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Counted for one window in bfloat16.

    Attributes:
        params: Weights of the whole denoiser.
        peak_bytes: Most that is held at once, besides the weights.
        tflop: 10**12 multiplications and additions of the whole denoiser.
    """

    params: int
    peak_bytes: int
    tflop: float


class Held(TorchDispatchMode):
    """Bytes of all tensors that operators made and nobody has let go of."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage not in self._seen:
                    self._seen[storage] = storage.nbytes()
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._let_go, storage.nbytes())
        return made

    def _let_go(self, count: int) -> None:
        self.now -= count


def footprint(
    kind: str, config: Mapping[str, Any], window: tuple[int, int, int], *, text_tokens: int = 512
) -> Footprint:
    """Counts one window of a Wan denoiser.

    Args:
        kind: Its class in the diffusers library.
        config: Of the whole network.
        window: Latent (frames, height, width).
    """
    import diffusers

    build = getattr(diffusers, kind)
    with torch.device("meta"):
        params = sum(p.numel() for p in build(**config).parameters())
    frames, height, width = window
    tokens = frames * (height // 2) * (width // 2)
    before = torch.get_default_dtype()
    with FakeTensorMode(), torch.no_grad():
        torch.set_default_dtype(torch.bfloat16)
        try:
            model = build(**{**config, "num_layers": COUNTED_LAYERS}).eval()
            inputs = {
                "hidden_states": torch.empty(1, config["in_channels"], *window),
                "encoder_hidden_states": torch.empty(1, text_tokens, config["text_dim"]),
            }
        finally:
            torch.set_default_dtype(before)
        inputs["timestep"] = torch.ones(1)
        with Held() as held:
            model(**inputs, return_dict=False)
        with FlopCounterMode(display=False) as counter:
            model(**inputs, return_dict=False)
    inner = config["num_attention_heads"] * config["attention_head_dim"]
    layers = config["num_layers"]
    linear = counter.get_total_flops() * layers / COUNTED_LAYERS
    attention = 4 * tokens**2 * inner * layers
    return Footprint(params=params, peak_bytes=held.peak, tflop=(linear + attention) / 1e12)


if __name__ == "__main__":
    for name in sys.argv[1:] or CONFIGS:
        found = footprint(*CONFIGS[name])
        print(
            f"{name}: {found.params / 1e9:.3f} billion weights, "
            f"{found.peak_bytes / GIB:.2f} GiB, {found.tflop:.0f} TFLOP"
        )
