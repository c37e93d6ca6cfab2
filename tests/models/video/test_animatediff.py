"""AnimateDiff in our loop is the library's own pipeline, on weights made from a configuration."""

from __future__ import annotations

import golden
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    UNetMotionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from panoloom.engine_server.models.adapter import ViewGeometry
from panoloom.engine_server.models.video.animatediff import (
    SCHEDULE,
    AnimateDiffAdapter,
    build,
)
from panoloom.shared.errors import InvalidJob

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FRAMES, CELLS = 6, 8
UNTOLD = ViewGeometry(elevation_rad=torch.zeros(1, CELLS, CELLS), fov_deg=90.0)
SCHEDULERS = {
    "ddim": DDIMScheduler(**SCHEDULE, clip_sample=False),
    "ddim-leading": DDIMScheduler(
        **{**SCHEDULE, "timestep_spacing": "leading", "steps_offset": 1}, clip_sample=False
    ),
    "euler": EulerDiscreteScheduler(**SCHEDULE),
    "euler-linspace": EulerDiscreteScheduler(**{**SCHEDULE, "timestep_spacing": "linspace"}),
    "dpm++": DPMSolverMultistepScheduler(**SCHEDULE),
    "dpm++ of order 1": DPMSolverMultistepScheduler(**SCHEDULE, solver_order=1),
}


def pipeline(prediction: str = "epsilon") -> AnimateDiffPipeline:
    """52 thousand weights in place of 1.3 billion; 8 pixels a cell."""
    torch.manual_seed(0)
    unet = UNetMotionModel(
        sample_size=CELLS,
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
    stock = AnimateDiffPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=golden.tokenizer(8),
        unet=unet.eval(),
        motion_adapter=None,
        scheduler=DDIMScheduler(**SCHEDULE, clip_sample=False, prediction_type=prediction),
    )
    stock.set_progress_bar_config(disable=True)
    return stock


@pytest.fixture(scope="module")
def stock() -> AnimateDiffPipeline:
    return pipeline()


def adapter_of(stock: AnimateDiffPipeline) -> AnimateDiffAdapter:
    return AnimateDiffAdapter(stock, window_hw=(CELLS, CELLS), window_frames=FRAMES)


def stock_window(stock: AnimateDiffPipeline, adapter: AnimateDiffAdapter, steps: int, **words):
    """What the pipeline makes of the state that our loop starts from: noise at the first level.

    The pipeline starts DDIM from noise of spread 1, which is sqrt(1 - A) / sqrt(1 - A_max) of ours.
    """
    levels = adapter.spec.schedule.levels
    assert levels is not None
    first = levels(steps)[0]
    share = first / ((1 - first) ** 2 + first**2) ** 0.5
    stock.scheduler.set_timesteps(steps)
    sigma = getattr(stock.scheduler, "sigmas", None)
    is_exploding = isinstance(stock.scheduler, EulerDiscreteScheduler)
    spread = float(sigma[0] / stock.scheduler.init_noise_sigma) if is_exploding else share
    return stock(
        num_frames=FRAMES,
        height=CELLS * 8,
        width=CELLS * 8,
        num_inference_steps=steps,
        latents=golden.noise_of(adapter) * spread,
        output_type="latent",
        **words,
    ).frames


@pytest.mark.parametrize("name", SCHEDULERS)
def test_one_window_in_our_loop_is_the_stock_pipeline(stock, name):
    stock.scheduler = SCHEDULERS[name]
    adapter = adapter_of(stock)
    ours = golden.one_window(
        adapter, "a calm sea", steps=5, guidance_scale=3.0, negative="storm clouds"
    )
    theirs = stock_window(
        stock, adapter, 5, prompt="a calm sea", negative_prompt="storm clouds", guidance_scale=3.0
    )
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_a_network_that_predicts_velocity_is_the_stock_pipeline_too():
    stock = pipeline("v_prediction")
    adapter = adapter_of(stock)
    ours = golden.one_window(adapter, "a calm sea", steps=4)
    theirs = stock_window(stock, adapter, 4, prompt="a calm sea", guidance_scale=1.0)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_windows_in_a_batch_are_the_windows_one_by_one(stock):
    adapter = adapter_of(stock)
    cond = adapter.encode_prompt(["a storm at dusk"])
    x = torch.randn(3, *golden.shape_of(adapter), generator=torch.Generator().manual_seed(1))
    together = adapter.denoised(x, 0.5, cond, UNTOLD)
    alone = torch.cat([adapter.denoised(part[None], 0.5, cond, UNTOLD) for part in x])
    assert (together - alone).abs().max() < 1e-5 * alone.abs().max()


def test_prompts_are_encoded_as_the_pipeline_encodes_them(stock):
    texts = ["a calm sea", ""]
    expected, empty = stock.encode_prompt("a calm sea", "cpu", 1, True)
    encoded = adapter_of(stock).encode_prompt(texts).tensors["text"]
    assert torch.equal(encoded, torch.cat((expected, empty)))


def test_words_beyond_the_text_encoder_are_told(stock):
    (note,) = adapter_of(stock).encode_prompt(["a calm sea at night with clouds and waves"]).notes
    assert note.endswith("left out: and waves.")


def test_a_scheduler_that_draws_noise_or_asks_twice_is_refused_with_the_reason(stock):
    stock.scheduler = PNDMScheduler()
    with pytest.raises(InvalidJob, match="asks the model twice"):
        adapter_of(stock)
    stock.scheduler = SCHEDULERS["ddim"]


def test_a_window_longer_than_the_motion_layers_is_refused(stock):
    with pytest.raises(InvalidJob, match="12 frames is longer than the 8"):
        AnimateDiffAdapter(stock, window_frames=12)


def test_weights_in_a_folder_make_the_same_model(stock, tmp_path):
    unet = pipeline().unet
    stock.save_pretrained(tmp_path)
    unet.save_motion_modules(tmp_path / "motion_adapter")
    built = build(tmp_path, device="cpu", precision="float32", window_hw=(CELLS, CELLS))
    cond = built.encode_prompt(["a calm sea"])
    x = torch.randn(1, *golden.shape_of(built), generator=torch.Generator().manual_seed(1))
    expected = adapter_of(stock).denoised(x, 0.5, cond, UNTOLD)
    assert torch.equal(built.denoised(x, 0.5, cond, UNTOLD), expected)


def test_frames_decode_one_by_one_and_rolling_a_panorama_rolls_its_pictures(stock):
    adapter = adapter_of(stock)
    latents = torch.randn(4, 2, 8, 16, generator=torch.Generator().manual_seed(2))
    frames = list(adapter.decode(latents, wraps=True))
    assert [tuple(frame.shape) for frame in frames] == [(3, 64, 128)] * 2
    alone = next(adapter.decode(latents[:, 1:], wraps=True))
    assert torch.equal(alone, frames[1])
    rolled = next(adapter.decode(latents.roll(8, -1), wraps=True))
    assert (rolled - frames[0].roll(64, -1)).abs().max() < 0.05  # attention sees the whole tile


def test_encoding_scales_like_the_pipeline_decodes(stock):
    adapter = adapter_of(stock)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latents = adapter.encode(pixels, wraps=False)
    ours = torch.stack(list(adapter.decode(latents, wraps=False)), dim=1)
    with torch.inference_mode():
        theirs = stock.decode_latents(latents[None])[0]
    assert (ours - theirs.clamp(-1, 1)).abs().max() < 1e-5
