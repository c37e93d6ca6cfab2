"""A prompt through AnimateDiff, LTX and AnyFlow to the files of a loop, from folders of weights."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import pytest
import safetensors.torch
import tiny_pipelines
import torch
from PIL import Image

from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.card import ModelCard
from panoloom.engine_server.models.ladder import Pace, Rung
from panoloom.engine_server.models.video import rgb
from panoloom.engine_server.output.manifest import load_manifest, verify_artifact
from panoloom.engine_server.worker.generate import Job, Reporter, generate
from panoloom.engine_server.worker.models import LoadedModels
from panoloom.shared.jobs import JobSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.timeout(600),
]
WIDTH, HEIGHT, STEPS = 256, 128, 2
RUNG = Rung(
    width=WIDTH, height=HEIGHT, grid_width=WIDTH, grid_height=HEIGHT, fov_deg=90.0, views=12
)
FAMILIES = {
    # frames a latent, latents of a window, frames a second, channels, more for `build`
    "animatediff": (1, 4, 8.0, 4, {}),
    "ltx": (8, 2, 24.0, 8, {"codec": {"context": 1, "chunk": 2}}),
    "anyflow": (4, 2, 16.0, 16, {"ghosts": 1}),
}
RED = torch.tensor([1.0, -1.0, -1.0])


def weights_of(family: str, folder: Path) -> Path:
    """A folder as the diffusers library lays it out; a quick look at it is red."""
    stock = getattr(tiny_pipelines, family)()
    if family == "anyflow":
        stock.tokenizer = tiny_pipelines.word_tokenizer(512)
        stock.register_modules(tokenizer=stock.tokenizer)
    stock.save_pretrained(folder)
    if family == "animatediff":
        stock.unet.save_motion_modules(folder / "motion_adapter")
    # a model that ships is known by the weights at its root
    safetensors.torch.save_file({"none": torch.zeros(1)}, folder / "root.safetensors")
    rgb.LinearRgb(torch.zeros(3, FAMILIES[family][3]), RED).save(folder / rgb.FILE_NAME)
    return folder


def card_of(family: str, folder: Path) -> ModelCard:
    ratio_t, window_frames, fps, _, more = FAMILIES[family]
    return ModelCard(
        name="tiny",
        folder=folder,
        family=family,
        ratio_s=8,
        ratio_t=ratio_t,
        fps=fps,
        window=8,
        window_frames=window_frames,
        options={"window_hw": (8, 8), "window_frames": window_frames, "fps": fps, **more},
        methods=("fused",),
        ladder=(RUNG,),
        max_seconds=30.0,
        sigma_shift=1.0,
        pace=Pace(evaluation_s=1.0, megapixel_s=1.0, start_s=1.0),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_becomes_a_loop_in_exr_and_mp4(family, tmp_path, monkeypatch):
    card = card_of(family, weights_of(family, tmp_path / "weights"))
    monkeypatch.setitem(catalog.MODELS, "tiny", card)
    num_frames = card.window_frames * card.ratio_t
    spec = JobSpec(
        prompt="a calm sea",
        negative_prompt="blurred",
        model="tiny",
        width=WIDTH,
        height=HEIGHT,
        num_frames=num_frames,
        fps=card.fps,
        steps=STEPS,
        guidance_scale=1.0 if family == "anyflow" else 2.0,
    )
    previews: list[tuple[int, bytes, int, int]] = []
    artifact = generate(
        Job(
            job_id=uuid.uuid4().hex,
            spec=catalog.plan(spec),
            library=tmp_path / "library",
            blobs=tmp_path / "blobs",
            work_dir=tmp_path / "work",
        ),
        LoadedModels(),
        Reporter(
            progress=lambda _: None, preview=lambda *p: previews.append(p), cancelled=lambda: False
        ),
    )
    folder = Path(artifact.folder)
    assert verify_artifact(folder) == []
    assert load_manifest(folder)["loop"]["num_model_frames"] == num_frames
    assert len(list(folder.glob("frames/*.exr"))) == num_frames
    assert (folder / "loop.mp4").stat().st_size > 0
    assert [step for step, *_ in previews] == [1, 2]
    red, green, blue = Image.open(io.BytesIO(previews[0][1])).convert("RGB").getpixel((256, 128))
    assert (red > 240, green < 20, blue < 20) == (True, True, True)
