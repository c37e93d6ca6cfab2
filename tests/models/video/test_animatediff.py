"""AnimateDiff in our loop is the library's own pipeline, on weights made from a configuration."""

from __future__ import annotations

import golden
import pytest
import tiny_pipelines
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
)

from panoloom.engine_server.models.adapter import ViewGeometry
from panoloom.engine_server.models.video.animatediff import SCHEDULE, AnimateDiffAdapter, build
from panoloom.shared.errors import InvalidJob

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
UNTOLD = ViewGeometry(elevation_rad=torch.zeros(1, 8, 8), fov_deg=90.0)
LEADING = {**SCHEDULE, "timestep_spacing": "leading", "steps_offset": 1}
SCHEDULERS = {
    "ddim": lambda: DDIMScheduler(**SCHEDULE, clip_sample=False),
    "ddim-leading": lambda: DDIMScheduler(**LEADING, clip_sample=False),
    "euler": lambda: EulerDiscreteScheduler(**SCHEDULE),
    "lms": lambda: LMSDiscreteScheduler(**SCHEDULE),
    "pndm": lambda: PNDMScheduler(**SCHEDULE, skip_prk_steps=True, set_alpha_to_one=True),
    "pndm-leading": lambda: PNDMScheduler(**LEADING, skip_prk_steps=True, set_alpha_to_one=True),
    "dpm++": lambda: DPMSolverMultistepScheduler(**SCHEDULE),
    "dpm++ of order 1": lambda: DPMSolverMultistepScheduler(**SCHEDULE, solver_order=1),
}


@pytest.fixture(scope="module")
def stock():
    return tiny_pipelines.animatediff()


def stock_window(stock, start: torch.Tensor, sigma: float, **words) -> torch.Tensor:
    """What the pipeline makes of our start at noise level `sigma`, in its own scale."""
    scale = 1 / ((1 - sigma) ** 2 + sigma**2) ** 0.5
    if isinstance(stock.scheduler, EulerDiscreteScheduler | LMSDiscreteScheduler):
        scale = 1 / (1 - sigma) / float(stock.scheduler.init_noise_sigma)
    return stock(
        num_frames=6,
        height=start.shape[2] * 8,
        width=start.shape[3] * 8,
        latents=start[None] * scale,
        output_type="latent",
        **words,
    ).frames[0]


def windows(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 6, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_one_window_in_our_loop_is_the_stock_pipeline(stock, name):
    stock.scheduler = SCHEDULERS[name]()
    adapter = tiny_pipelines.animatediff_adapter(stock, (8, 12))
    start, ours = golden.our_latents(adapter, "a calm sea", "blurred", guidance=3.0, steps=5)
    first = adapter.spec.schedule.levels(5)[0]
    stock.scheduler.set_timesteps(5)
    theirs = stock_window(
        stock,
        start,
        first,
        prompt="a calm sea",
        negative_prompt="blurred",
        guidance_scale=3.0,
        num_inference_steps=5,
    )
    assert golden.difference(ours, theirs) < 1e-5 * float(theirs.abs().max())


def test_a_network_that_predicts_velocity_is_the_stock_pipeline_too():
    stock = tiny_pipelines.animatediff("v_prediction")
    adapter = tiny_pipelines.animatediff_adapter(stock)
    start, ours = golden.our_latents(adapter, "a calm sea", "", guidance=1.0, steps=4)
    first = adapter.spec.schedule.levels(4)[0]
    theirs = stock_window(
        stock, start, first, prompt="a calm sea", guidance_scale=1.0, num_inference_steps=4
    )
    assert golden.difference(ours, theirs) < 1e-5 * float(theirs.abs().max())


def test_prompts_are_encoded_as_the_pipeline_encodes_them(stock):
    with torch.no_grad():
        expected, empty = stock.encode_prompt("a calm sea", "cpu", 1, True)
    encoded = tiny_pipelines.animatediff_adapter(stock).encode_prompt(["a calm sea", ""])
    both = torch.cat((expected, empty))
    assert golden.difference(encoded.tensors["text"], both) < 1e-5


def test_words_beyond_the_text_encoder_are_told(stock):
    adapter = tiny_pipelines.animatediff_adapter(stock)
    (note,) = adapter.encode_prompt(["a calm sea at night with clouds and waves"]).notes
    assert note.endswith("left out: and waves.")


@pytest.mark.parametrize(
    ("kind", "config", "why"),
    [
        (EulerAncestralDiscreteScheduler, {}, "EulerDiscreteScheduler is the same without it"),
        (PNDMScheduler, {"skip_prk_steps": True}, "Take set_alpha_to_one True"),
        (PNDMScheduler, {"set_alpha_to_one": True}, "Take skip_prk_steps True"),
        (DDIMScheduler, {"timestep_spacing": "linspace"}, "Take timestep_spacing leading or"),
    ],
    ids=["ancestral", "ends above zero", "Runge-Kutta", "linspace"],
)
def test_a_scheduler_that_cannot_step_a_panorama_is_refused_with_the_nearest(kind, config, why):
    stock = tiny_pipelines.animatediff()
    stock.scheduler = kind(**config)
    with pytest.raises(InvalidJob, match=why):
        tiny_pipelines.animatediff_adapter(stock)


def test_a_window_longer_than_the_motion_layers_is_refused(stock):
    with pytest.raises(InvalidJob, match="12 frames is longer than the 8"):
        AnimateDiffAdapter(stock, window_frames=12)


def test_weights_in_a_folder_make_the_same_model(stock, tmp_path):
    stock.save_pretrained(tmp_path)
    stock.unet.save_motion_modules(tmp_path / "motion_adapter")
    built = build(tmp_path, device="cpu", precision="float32", window_hw=(8, 8), window_frames=6)
    cond = built.encode_prompt(["a calm sea"])
    expected = tiny_pipelines.animatediff_adapter(stock).denoised(windows(1), 0.5, cond, UNTOLD)
    assert torch.equal(built.denoised(windows(1), 0.5, cond, UNTOLD), expected)


def test_frames_decode_one_by_one_and_rolling_a_panorama_rolls_its_pictures(stock):
    adapter = tiny_pipelines.animatediff_adapter(stock)
    latents = torch.randn(4, 2, 8, 16, generator=torch.Generator().manual_seed(2))
    frames = list(adapter.decode(latents, wraps=True))
    assert [tuple(frame.shape) for frame in frames] == [(3, 64, 128)] * 2
    assert torch.equal(next(adapter.decode(latents[:, 1:], wraps=True)), frames[1])
    rolled = next(adapter.decode(latents.roll(8, -1), wraps=True))
    assert golden.difference(rolled, frames[0].roll(64, -1)) < 0.05  # attention sees a whole tile


def test_latents_have_the_scale_in_which_the_pipeline_decodes(stock):
    adapter = tiny_pipelines.animatediff_adapter(stock)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latents = adapter.encode(pixels, wraps=False)
    ours = torch.stack(list(adapter.decode(latents, wraps=False)), dim=1)
    with torch.inference_mode():
        theirs = stock.decode_latents(latents[None])[0]
    assert golden.difference(ours, theirs.clamp(-1, 1)) < 1e-5
    assert adapter.encode(pixels[..., :32, :], wraps=True).shape == (4, 2, 4, 8)


def test_a_panorama_is_coded_in_tiles_that_are_as_large_as_a_window(stock, monkeypatch):
    adapter = tiny_pipelines.animatediff_adapter(stock, (32, 32))
    sides: set[tuple[int, ...]] = set()
    for name in ("encode", "decode"):
        work = getattr(stock.vae, name)

        def counted(x: torch.Tensor, *more, work=work, px=8 if name == "encode" else 1):
            sides.add(tuple(side // px for side in x.shape[-2:]))
            return work(x, *more)

        monkeypatch.setattr(stock.vae, name, counted)
    pixels = torch.rand(1, 3, 256, 512, generator=torch.Generator().manual_seed(3)) * 2 - 1
    latents = adapter.encode(pixels, wraps=True)
    assert latents.shape == (4, 1, 32, 64)
    assert next(adapter.decode(latents, wraps=True)).shape == (3, 256, 512)
    assert sides == {(32, 32)}
