"""The library's pipelines of AnimateDiff, LTX and AnyFlow over tiny networks; no file is read."""

from __future__ import annotations

import tiny
import tokenizers
import torch
from diffusers import (
    AnimateDiffPipeline,
    AnyFlowPipeline,
    AnyFlowTransformer3DModel,
    AutoencoderKL,
    AutoencoderKLLTXVideo,
    DPMSolverMultistepScheduler,
    FlowMapEulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    UNetMotionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from panoloom.engine_server.models.video.animatediff import SCHEDULE, AnimateDiffAdapter
from panoloom.engine_server.models.video.anyflow import AnyFlowAdapter
from panoloom.engine_server.models.video.ltx import LtxAdapter
from panoloom.engine_server.models.video.ltx_codec import LtxCodec
from panoloom.engine_server.models.video.wan import WanParts

WORDS = "a calm sea storm over mountains at night dusk with clouds and slow waves blurred"


def word_tokenizer(max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer of a few words."""
    words = ["<pad>", "</s>", "<unk>", *WORDS.split()]
    model = tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>")
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=max_length,
    )


def animatediff(prediction: str = "epsilon") -> AnimateDiffPipeline:
    """Noise prediction, 8 pixels a cell, at most 8 frames."""
    torch.manual_seed(0)
    unet = UNetMotionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        cross_attention_dim=8,
        num_attention_heads=4,
        motion_num_attention_heads=4,
        motion_max_seq_length=8,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4,
        latent_channels=4,
        norm_num_groups=2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=8,
            intermediate_size=16,
            num_attention_heads=2,
            num_hidden_layers=2,
            vocab_size=64,
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=0,
        )
    )
    return _silent(
        AnimateDiffPipeline(
            vae=vae.eval(),
            text_encoder=text.eval(),
            tokenizer=word_tokenizer(8),
            unet=unet.eval(),
            motion_adapter=None,
            scheduler=DPMSolverMultistepScheduler(**SCHEDULE, prediction_type=prediction),
        )
    )


def animatediff_adapter(
    stock: AnimateDiffPipeline, window_hw: tuple[int, int] = (8, 8)
) -> AnimateDiffAdapter:
    """Windows of 6 frames."""
    return AnimateDiffAdapter(stock, window_hw=window_hw, window_frames=6)


def ltx() -> LTXPipeline:
    """8 pixels and 8 frames a cell."""
    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=16,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5,
        patch_size=1,
    )
    text = T5EncoderModel(
        T5Config(vocab_size=64, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    return _silent(
        LTXPipeline(
            scheduler=scheduler,
            vae=vae.eval(),
            text_encoder=text.eval(),
            tokenizer=word_tokenizer(128),
            transformer=transformer.eval(),
        )
    )


def shallow_ltx_vae(*, is_told_noise: bool = False) -> AutoencoderKLLTXVideo:
    """An autoencoder of LTX's parts with one level: 2 pixels and 2 frames a cell."""
    torch.manual_seed(0)
    return AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8,),
        down_block_types=("LTXVideoDownBlock3D",),
        decoder_block_out_channels=(8,),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        downsample_type=("conv",),
        decoder_inject_noise=(is_told_noise,) * 2,
        upsample_residual=(False,),
        upsample_factor=(1,),
        timestep_conditioning=is_told_noise,
        patch_size=1,
    ).eval()


def ltx_adapter(
    stock: LTXPipeline,
    window_hw: tuple[int, int] = (8, 8),
    *,
    kind: type[LtxAdapter] = LtxAdapter,
    **options,
) -> LtxAdapter:
    """Windows of 3 latent frames."""
    return kind(
        transformer=stock.transformer,
        scheduler=stock.scheduler,
        codec=LtxCodec(vae=stock.vae),
        load_text=lambda: stock,
        window_hw=window_hw,
        window_frames=3,
        **options,
    )


def anyflow() -> AnyFlowPipeline:
    """Wan's autoencoder and text encoder, and a flow map."""
    torch.manual_seed(0)
    transformer = AnyFlowTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=64,
    )
    return _silent(
        AnyFlowPipeline(
            tokenizer=tiny.LetterTokenizer(),
            text_encoder=tiny.umt5_encoder(),
            vae=tiny.wan_vae(),
            scheduler=FlowMapEulerDiscreteScheduler(shift=5.0),
            transformer=transformer.eval(),
        )
    )


def anyflow_adapter(
    stock: AnyFlowPipeline, window_hw: tuple[int, int] = (8, 8), **options
) -> AnyFlowAdapter:
    """Windows of 3 latent frames."""
    parts = WanParts(
        transformer=stock.transformer,
        vae=stock.vae,
        scheduler=stock.scheduler,
        text=tiny.wan_text(),
    )
    return AnyFlowAdapter(parts, window_hw=window_hw, window_frames=3, **options)


def _silent(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
