"""The open video models that panoloom runs: where they come from, what they need, what they make.

Revisions are commits of the hub, taken down from other projects that pin the same ones; where none
was known for certain it is empty, and asked for when the model is installed. Numbers of weights,
memory and arithmetic of one window were counted on networks built from the released configurations
(`bench/footprint.py`), not on a card. Times are those counts divided by what a card was published
to reach, see `docs/models.md`.
"""

from __future__ import annotations

from pathlib import Path

from ...shared.jobcheck import METHODS
from .card import GIB, Build, ModelCard, Source, Terms
from .ladder import Pace, Rung

APACHE = Terms(licence="Apache-2.0", commercial="yes")
RTX_4090_TFLOPS = 115.0
"""10**12 operations a second that video models were published to reach on an RTX 4090 (110 to 120).
Other cards: an H100 or H200 300 to 370."""
UMT5_XXL, T5_XXL, CLIP_L, CLIP_H = 5_680_910_336, 4_762_310_656, 123_060_480, 632_076_800
WAN_DECODER, WAN22_DECODER = 126_892_531, 704_688_668
_FOLDERS = ("", "scheduler", "text_encoder", "tokenizer", "transformer", "vae")
_WITH_PICTURE = (*_FOLDERS, "image_encoder", "image_processor")
_TWO = (*_FOLDERS, "transformer_2")


def _pace(tflop: float) -> Pace:
    return Pace(
        evaluation_s=tflop / RTX_4090_TFLOPS,
        megapixel_s=0.5,
        start_s=60.0,
        machine="an RTX 4090",
        source="counted operations over published throughput; not measured here",
    )


def _ladder(views: tuple[int, ...]) -> tuple[Rung, ...]:
    """Sizes of a model whose windows are 512 pixels wide, by views of a step."""
    sizes = (
        (1024, 1536, 100.0, 0.6, 0.5),
        (2048, 2048, 90.0, 0.6, 0.5),
        (4096, 4096, 53.0, 0.5, 0.375),
    )
    return tuple(
        Rung(
            width=width,
            height=width // 2,
            grid_width=grid,
            grid_height=grid // 2,
            fov_deg=fov,
            views=count,
            sigma_start=sigma,
            steps_share=share,
        )
        for (width, grid, fov, sigma, share), count in zip(sizes, views, strict=True)
    )


def _wan(
    name: str,
    family: str,
    repository: str,
    revision: str,
    build: Build,
    *,
    good_at: str,
    download_bytes: int,
    parts: tuple[str, ...] = _FOLDERS,
    terms: Terms = APACHE,
    steps: int = 30,
    guidance_scale: float = 5.0,
    sigma_shift: float = 3.0,
    takes: tuple[str, ...] = ("lora", "ring-rope"),
) -> ModelCard:
    """A model on Wan's autoencoder: windows of 512x512 pixels and 61 frames, 16 frames a second."""
    return ModelCard(
        name=name,
        folder=Path(name),
        family=family,
        good_at=good_at,
        terms=terms,
        sources=(Source(repository=repository, revision=revision, parts=parts),),
        download_bytes=download_bytes,
        build=build,
        ratio_s=8,
        ratio_t=4,
        fps=16.0,
        window=64,
        window_frames=16,
        options={"window_hw": (64, 64), "window_frames": 16},
        view_batch=1,
        methods=METHODS,
        ladder=_ladder((6, 10, 23)),
        max_seconds=30.0,
        sigma_shift=sigma_shift,
        pace=_pace(build.evaluation_tflop),
        steps=steps,
        guidance_scale=guidance_scale,
        takes=takes,
    )


def _build(params: int, gib: float, tflop: float, **more: int) -> Build:
    return Build(
        encoder_params=more.pop("encoder_params", UMT5_XXL),
        denoiser_params=params,
        decoder_params=WAN_DECODER,
        evaluation_bytes=int(gib * GIB),
        decode_bytes=int(DECODE_GIB * GIB),
        evaluation_tflop=tflop,
        **more,
    )


DECODE_GIB = 4.8

RELEASED = (
    _wan(
        "wan-1.3b",
        "wan",
        "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
        "0fad780a534b6463e45facd96134c9f345acfa5b",
        _build(1_418_996_800, 1.0, 99.7),
        good_at="the first choice: real motion and light on one consumer card",
        download_bytes=28_929_000_000,
    ),
    _wan(
        "wan-14b",
        "wan",
        "Wan-AI/Wan2.1-T2V-14B-Diffusers",
        "38ec498cb3208fb688890f8cc7e94ede2cbd7f68",
        _build(14_288_491_584, 3.6, 668.0),
        good_at="finer detail and larger motion than wan-1.3b, seven times the work",
        download_bytes=80_400_000_000,
    ),
    _wan(
        "wan-i2v-14b",
        "wan-i2v",
        "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        "b184e23a8a16b20f108f727c902e769e873ffc73",
        _build(16_394_878_784, 3.8, 669.0, encoder_params=UMT5_XXL + CLIP_H),
        good_at="bringing a reference panorama to life",
        download_bytes=91_000_000_000,
        parts=_WITH_PICTURE,
        takes=("lora", "ring-rope", "image"),
    ),
    _wan(
        "wan2.2-a14b",
        "wan",
        "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
        "5be7df9619b54f4e2667b2755bc6a756675b5cd7",
        _build(14_288_491_584, 3.6, 668.0, experts=2),
        good_at="the best pictures of all here, for 48 GB cards or 64 GB of main memory",
        download_bytes=126_000_000_000,
        parts=_TWO,
        guidance_scale=4.0,
    ),
    _wan(
        "wan2.2-i2v-a14b",
        "wan-i2v",
        "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
        "596658fd9ca6b7b71d5057529bbf319ecbc61d74",
        _build(14_288_901_184, 3.6, 668.0, experts=2),
        good_at="a reference panorama to life, with wan2.2-a14b's motion",
        download_bytes=126_000_000_000,
        parts=_TWO,
        guidance_scale=3.5,
        takes=("lora", "ring-rope", "image"),
    ),
    _wan(
        "wan-vace-1.3b",
        "wan-vace",
        "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        "ec4d2cb062b548996b179d493fdd05340de702a1",
        _build(2_153_972_032, 1.2, 152.0),
        good_at="the shape of your scene: depth, masks and references guide every view",
        download_bytes=19_040_000_000,
        takes=("lora", "ring-rope", "image", "control"),
    ),
    _wan(
        "anyflow-1.3b",
        "anyflow",
        "nvidia/AnyFlow-Wan2.1-T2V-1.3B-Diffusers",
        "4c2ec05c7fa4dbafbca131ad32430905c7ff2974",
        _build(1_418_996_800, 1.0, 99.7),
        good_at="speed: any number of steps from 4 up, without guidance",
        download_bytes=28_900_000_000,
        terms=Terms(
            licence="NVIDIA One-Way Noncommercial License",
            commercial="no",
            note="The weights are for research; the code that runs them is Apache-2.0.",
        ),
        steps=8,
        guidance_scale=1.0,
        sigma_shift=5.0,
    ),
    ModelCard(
        name="wan2.2-5b",
        folder=Path("wan2.2-5b"),
        family="wan-ti2v",
        good_at="wide views with little work a pixel; words or a reference",
        terms=APACHE,
        sources=(
            Source(
                repository="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
                revision="b8fff7315c768468a5333511427288870b2e9635",
                parts=_FOLDERS,
            ),
        ),
        download_bytes=34_203_000_000,
        build=Build(
            encoder_params=UMT5_XXL,
            denoiser_params=4_999_787_712,
            decoder_params=WAN22_DECODER,
            evaluation_bytes=int(2.3 * GIB),
            decode_bytes=int(10.0 * GIB),
            evaluation_tflop=114.0,
        ),
        ratio_s=16,
        ratio_t=4,
        fps=24.0,
        window=44,
        window_frames=16,
        options={"window_hw": (44, 44), "window_frames": 16},
        view_batch=1,
        methods=METHODS,
        ladder=(
            Rung(
                width=2048, height=1024, grid_width=2048, grid_height=1024, fov_deg=102.0, views=6
            ),
            Rung(
                width=4096,
                height=2048,
                grid_width=4096,
                grid_height=2048,
                fov_deg=69.0,
                views=14,
                sigma_start=0.5,
                steps_share=0.375,
            ),
        ),
        max_seconds=30.0,
        sigma_shift=5.0,
        pace=_pace(114.0),
        steps=30,
        guidance_scale=5.0,
        takes=("lora", "ring-rope", "image"),
    ),
    ModelCard(
        name="animatediff",
        folder=Path("animatediff"),
        family="animatediff",
        good_at="the smallest real model: 8 GB cards, thousands of styles and LoRAs of SD 1.5",
        terms=Terms(
            licence="CreativeML OpenRAIL-M (Stable Diffusion 1.5), Apache-2.0 (motion)",
            commercial="conditions",
            note="The licence forbids harmful uses, and its conditions go along with the weights.",
        ),
        sources=(
            Source(
                repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
                revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
                parts=("", "scheduler", "text_encoder", "tokenizer", "unet", "vae"),
                variant="fp16",
            ),
            Source(
                repository="guoyww/animatediff-motion-adapter-v1-5-3",
                parts=("",),
                into="motion_adapter",
            ),
        ),
        download_bytes=4_500_000_000,
        build=Build(
            encoder_params=CLIP_L,
            denoiser_params=1_276_658_564,
            decoder_params=83_653_863,
            evaluation_bytes=int(2.3 * GIB),
            decode_bytes=int(0.8 * GIB),
            evaluation_tflop=17.7,
            block_share=0.25,
        ),
        ratio_s=8,
        ratio_t=1,
        fps=8.0,
        window=64,
        window_frames=16,
        options={"window_hw": (64, 64), "window_frames": 16},
        view_batch=1,
        methods=METHODS,
        ladder=_ladder((6, 10, 23)),
        max_seconds=30.0,
        sigma_shift=1.0,
        pace=_pace(17.7),
        steps=25,
        guidance_scale=7.5,
        takes=("lora",),
    ),
    ModelCard(
        name="ltx",
        folder=Path("ltx"),
        family="ltx",
        good_at="the least work a pixel of the models with a compressed time",
        terms=Terms(
            licence="LTX-Video Open Weights License (RAIL-M)",
            commercial="conditions",
            note="Read the licence beside the weights: its conditions differ between versions.",
        ),
        sources=(
            Source(
                repository="Lightricks/LTX-Video",
                revision="8984fa25007f376c1a299016d0957a37a2f797bb",
                parts=_FOLDERS,
            ),
        ),
        download_bytes=28_400_000_000,
        build=Build(
            encoder_params=T5_XXL,
            denoiser_params=1_923_385_472,
            decoder_params=419_193_649,
            evaluation_bytes=int(0.7 * GIB),
            decode_bytes=int(3.4 * GIB),
            tile_bytes=int(7.6 * GIB),
            decoder_bytes=2,
            evaluation_tflop=12.2,
            block_share=1 / 28,
        ),
        ratio_s=32,
        ratio_t=8,
        fps=24.0,
        window=16,
        window_frames=10,
        options={"window_hw": (16, 16), "window_frames": 10},
        view_batch=1,
        methods=METHODS,
        ladder=_ladder((10, 12, 26)),
        max_seconds=30.0,
        sigma_shift=1.0,
        pace=_pace(12.2),
        steps=30,
        guidance_scale=3.0,
        takes=("lora", "ring-rope", "image"),
    ),
)
