"""A LoRA changes what a model makes as it changes the library's pipeline, or is refused by name."""

from __future__ import annotations

import golden
import pytest
import tiny
import tiny_pipelines
import torch
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from panoloom.engine_server.models.adapter import ViewGeometry
from panoloom.engine_server.models.card import LoraFile
from panoloom.engine_server.models.video.lora import apply_loras
from panoloom.engine_server.models.video.wan import WanAdapter
from panoloom.shared.errors import InvalidJob

UNTOLD = ViewGeometry(elevation_rad=torch.zeros(1, 8, 8), fov_deg=90.0)
FAMILIES = ("animatediff", "ltx", "anyflow")


def made(family: str):
    """The stock pipeline, our adapter over it and a window."""
    stock = getattr(tiny_pipelines, family)()
    adapter = getattr(tiny_pipelines, f"{family}_adapter")(stock)
    spec = adapter.spec
    shape = (1, spec.channels, spec.window_frames, *spec.window_hw)
    return stock, adapter, torch.randn(shape, generator=torch.Generator().manual_seed(7))


def lora_file(family: str, path):
    """A LoRA of rank 2 on all queries, written as the library's trainers write them."""
    model = getattr(tiny_pipelines, family)()
    part = "unet" if family == "animatediff" else "transformer"
    network = getattr(model, part)
    torch.manual_seed(8)
    network.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
    state = get_peft_model_state_dict(network)
    save_file({f"{part}.{k}": v.contiguous() for k, v in state.items()}, path)
    return path


def window(adapter, x: torch.Tensor) -> torch.Tensor:
    return adapter.denoised(x, 0.5, adapter.encode_prompt(["a calm sea"]), UNTOLD)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_changes_the_model_as_it_changes_the_stock_pipeline(family, tmp_path):
    path = lora_file(family, tmp_path / "style.safetensors")
    stock, theirs, x = made(family)
    before = window(theirs, x)
    stock.load_lora_weights(tmp_path, weight_name=path.name, adapter_name="style")
    stock.set_adapters(["style"], [0.7])
    _, ours, _ = made(family)
    apply_loras(ours, [LoraFile(path, 0.7)])
    assert golden.difference(window(ours, x), window(theirs, x)) < 1e-6
    assert golden.difference(window(ours, x), before) > 1e-4


@pytest.mark.parametrize(("expert", "changed"), [("high", (1, 0)), ("low", (0, 1)), ("", (1, 1))])
def test_of_two_experts_the_one_that_is_named_changes_as_in_the_stock_pipeline(
    expert, changed, tmp_path
):
    lora = {f"blocks.0.attn1.to_q.lora_{half}.weight": torch.ones(shape)
            for half, shape in (("A", (2, 24)), ("B", (24, 2)))}  # fmt: skip
    path = tmp_path / "inks.safetensors"
    save_file({f"transformer.{name}": tensor for name, tensor in lora.items()}, path)

    def adapter() -> WanAdapter:
        parts = tiny.wan_parts(transformer_2=tiny.wan_transformer(9), boundary=0.6)
        return WanAdapter(parts, window_hw=(4, 6), window_frames=3)

    ours, theirs = adapter(), adapter()
    stock = WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=None,
        scheduler=None,
        transformer=theirs.transformers[0],
        transformer_2=theirs.transformers[1],
    )
    x = torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(7))
    untold = ViewGeometry(elevation_rad=torch.zeros(1, 4, 6), fov_deg=90.0)
    cond = ours.encode_prompt(["a calm sea"])

    def windows(adapter) -> list[torch.Tensor]:
        return [adapter.denoised(x, sigma, cond, untold) for sigma in (0.9, 0.3)]

    before = windows(ours)
    for is_low, is_changed in enumerate(changed):
        if is_changed:
            stock.load_lora_weights(
                tmp_path, weight_name=path.name, load_into_transformer_2=bool(is_low)
            )
    apply_loras(ours, [LoraFile(path, 1.0, expert)])
    for made, stocks, old, is_changed in zip(
        windows(ours), windows(theirs), before, changed, strict=True
    ):
        assert golden.difference(made, stocks) < 1e-6
        assert (golden.difference(made, old) > 1e-3) == bool(is_changed)


def test_two_loras_add_up(tmp_path):
    path = lora_file("ltx", tmp_path / "style.safetensors")
    _, once, x = made("ltx")
    _, twice, _ = made("ltx")
    apply_loras(once, [LoraFile(path, 0.75)])
    apply_loras(twice, [LoraFile(path, 0.5), LoraFile(path, 0.25)])
    assert golden.difference(window(once, x), window(twice, x)) < 1e-5


@pytest.mark.parametrize(("family", "other"), [("animatediff", "ltx"), ("ltx", "anyflow")])
def test_a_lora_for_another_model_is_refused_and_changes_nothing(family, other, tmp_path):
    path = lora_file(other, tmp_path / "style.safetensors")
    _, adapter, x = made(family)
    before = window(adapter, x)
    with pytest.raises(InvalidJob, match=r"style\.safetensors was made for another model"):
        apply_loras(adapter, [LoraFile(path, 1.0)])
    assert torch.equal(window(adapter, x), before)


def test_layers_of_another_size_are_named(tmp_path):
    path = lora_file("ltx", tmp_path / "style.safetensors")
    _, adapter, _ = made("ltx")
    layer = "transformer_blocks.0.attn1.to_q"
    save_file(
        {
            f"transformer.{layer}.lora_A.weight": torch.zeros(2, 48),
            f"transformer.{layer}.lora_B.weight": torch.zeros(48, 2),
        },
        path,
    )
    with pytest.raises(InvalidJob, match=rf"{layer} \(48 channels, the model has 32\)"):
        apply_loras(adapter, [LoraFile(path, 1.0)])
