"""Tiny models of every family, built from configuration with random weights; no file is read."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
    WanVACETransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from panoloom.engine_server.models.video.prompts import PromptCache
from panoloom.engine_server.models.video.wan import WanParts
from panoloom.engine_server.models.video.wan_text import WanText

SCHEDULERS = {
    "euler": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
    "unipc": lambda: UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    ),
}


WAN_CONFIG = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 256,
    "ffn_dim": 32,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 64,
}


def wan_transformer(seed: int = 0, **changes) -> WanTransformer3DModel:
    """Two blocks of a Wan transformer."""
    torch.manual_seed(seed)
    return WanTransformer3DModel(**{**WAN_CONFIG, **changes}).eval()


def wan_vace_transformer(seed: int = 0) -> WanVACETransformer3DModel:
    """Three blocks, two of them with control."""
    torch.manual_seed(seed)
    config = {**WAN_CONFIG, "num_layers": 3, "vace_layers": [0, 2], "vace_in_channels": 96}
    made = WanVACETransformer3DModel(**config).eval()
    for block in made.vace_blocks:  # fresh ones are zero: nothing would come of control
        torch.nn.init.normal_(block.proj_out.weight, std=0.2)
    return made


def clip_vision(seed: int = 3) -> CLIPVisionModel:
    """Four tokens of four numbers for a picture."""
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=4,
        projection_dim=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=16,
    )
    return CLIPVisionModel(config).eval()


def clip_processor() -> CLIPImageProcessor:
    """Cuts pictures to 32x32."""
    return CLIPImageProcessor(crop_size=32, size=32)


def wan_vae(seed: int = 1, **changes) -> AutoencoderKLWan:
    """The causal autoencoder: 8x8 pixels and 4 frames a cell, 16 channels."""
    torch.manual_seed(seed)
    config = {
        "base_dim": 3,
        "z_dim": 16,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    }
    return AutoencoderKLWan(**{**config, **changes}).eval()


def umt5_encoder(seed: int = 2) -> UMT5EncoderModel:
    """A text encoder with vectors of 32 numbers."""
    torch.manual_seed(seed)
    config = UMT5Config(vocab_size=256, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return UMT5EncoderModel(config).eval()


class LetterTokenizer:
    """Letters as tokens, called as the library's tokenizers are; 1 ends a text, 0 fills it up."""

    def __call__(self, texts: list[str], *, max_length: int, **_: object) -> LetterTokens:
        ids = torch.zeros(len(texts), max_length, dtype=torch.long)
        for row, text in enumerate(texts):
            letters = [*(2 + ord(letter) % 250 for letter in text[: max_length - 1]), 1]
            ids[row, : len(letters)] = torch.tensor(letters)
        return LetterTokens(ids, (ids > 0).long())


class LetterTokens(dict):
    """Token ids and mask, as attributes and by name."""

    def __init__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> None:
        super().__init__(input_ids=input_ids, attention_mask=attention_mask)
        self.input_ids, self.attention_mask = input_ids, attention_mask


def wan_vae_22(seed: int = 1) -> AutoencoderKLWan:
    """The causal autoencoder of the 5B model: 16x16 pixels a cell, 48 channels."""
    return wan_vae(
        seed,
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
    )


def wan_pipeline_of_text() -> WanPipeline:
    """The tiny text encoder behind the library's own prompt handling."""
    return WanPipeline(
        tokenizer=LetterTokenizer(),
        text_encoder=umt5_encoder(),
        vae=None,
        scheduler=None,
        transformer=None,
    )


def wan_text() -> WanText:
    """Encodes prompts with it."""
    return WanText(wan_pipeline_of_text, PromptCache(None, key="tiny"))


def wan_parts(kind: str = "euler", **changes) -> WanParts:
    """All of a tiny Wan."""
    parts = {
        "transformer": wan_transformer(),
        "vae": wan_vae(),
        "scheduler": SCHEDULERS[kind](),
        "text": wan_text(),
    }
    return WanParts(**{**parts, **changes})
