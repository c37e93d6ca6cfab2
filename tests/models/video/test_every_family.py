"""What holds for every family: batches, loops, and nothing of the library's that does not wrap."""

from __future__ import annotations

import inspect
import weakref
from pathlib import Path

import golden
import pytest
import tiny
import tiny_folders
import torch
from torch import Tensor

from panoloom.engine_server.models.adapter import ViewGeometry, WindowPictures
from panoloom.engine_server.models.video import families, ltx_codec
from panoloom.engine_server.models.video.prompts import PromptCache
from panoloom.engine_server.models.video.wan_text import WanText
from panoloom.engine_server.models.video.wan_vace import WanVaceAdapter

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MAX_LINES = 300


@pytest.fixture(scope="module", params=tiny_folders.FAMILIES)
def family(request, tmp_path_factory):
    """A family's name, and its adapter over a folder of weights; windows are not square."""
    chosen = tiny_folders.FAMILIES[request.param]
    folder = tiny_folders.folder_of(chosen, tmp_path_factory.mktemp("weights"))
    options = {"window_hw": (4, 6), "window_frames": chosen.frames}
    adapter = families.build(chosen.name, folder, device="cpu", precision="float32", **options)
    if chosen.name == "ltx":
        adapter._codec.context = ltx_codec.reach(adapter.autoencoder)
    return request.param, adapter


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def shown(adapter, index: int) -> dict[str, Tensor]:
    """The control of a window with a picture of its own, where the model takes one."""
    if not hasattr(adapter, "view_control"):
        return {}
    ratio = adapter.spec.ratio_s
    picture = drawn(3, 4 * ratio, 6 * ratio).roll(5 * index, -1).clamp(-1, 1)
    is_vace = isinstance(adapter, WanVaceAdapter)
    pictures = WindowPictures(follow=picture) if is_vace else WindowPictures(picture=picture)
    return dict(adapter.view_control(pictures))


def test_a_batch_of_windows_with_pictures_is_the_windows_one_by_one(family):
    _, adapter = family
    spec, count = adapter.spec, 3
    x = drawn(count, spec.channels, spec.window_frames, *spec.window_hw)
    cond = adapter.encode_prompt(["a storm at dusk"])
    controls = [shown(adapter, index) for index in range(count)]

    def made(windows: Tensor, controls: list[dict[str, Tensor]]) -> Tensor:
        together = {key: torch.cat([one[key] for one in controls]) for key in controls[0]}
        level = torch.zeros(len(windows), *spec.window_hw)
        views = ViewGeometry(elevation_rad=level, fov_deg=90.0, control=together, sigma_next=0.3)
        return adapter.denoised(windows, 0.6, cond, views)

    alone = [made(one[None], [told]) for one, told in zip(x, controls, strict=True)]
    batch = made(x, controls)
    assert golden.difference(batch, torch.cat(alone)) < 1e-5
    assert batch.isfinite().all()
    assert golden.difference(made(x, [controls[1], *controls[1:]])[1:], batch[1:]) < 1e-5


def test_a_window_is_a_ring_only_while_it_is_told_so(family):
    name, adapter = family
    spec, control = adapter.spec, shown(family[1], 0)
    assert bool(spec.can_ring) == ("ring-rope" in tiny_folders.FAMILIES[name].takes)
    if not spec.can_ring:
        return
    x = drawn(1, spec.channels, spec.window_frames, *spec.window_hw)
    cond = adapter.encode_prompt(["a calm sea"])

    def made(*rings: str) -> Tensor:
        level = torch.zeros(1, *spec.window_hw)
        views = ViewGeometry(elevation_rad=level, fov_deg=90.0, control=control, rings=rings)
        return adapter.denoised(x, 0.6, cond, views)

    stock = made()
    assert golden.difference(made(*spec.can_ring), stock) > 1e-6
    assert torch.equal(made(), stock)


def test_a_loop_turns_with_its_latents_and_has_exactly_its_frames(family):
    _, adapter = family
    spec = adapter.spec
    latents = drawn(spec.channels, 3, 1, 2)

    def frames(latents: Tensor) -> Tensor:
        return torch.stack(list(adapter.decode(latents, wraps=False)))

    made = frames(latents)
    assert made.shape == (3 * spec.ratio_t, 3, spec.ratio_s, 2 * spec.ratio_s)
    rolled = frames(latents.roll(1, 1))
    assert golden.difference(rolled, made.roll(spec.ratio_t, 0)) < 1e-5
    assert golden.difference(rolled, made) > 1e-4


def test_caches_and_tiles_of_the_library_are_off(family):
    _, adapter = family
    for model in adapter.transformers:
        assert not getattr(model, "is_cache_enabled", False)
    assert not getattr(adapter.autoencoder, "use_tiling", False)
    assert not getattr(adapter.autoencoder, "use_slicing", False)


def test_a_family_is_one_file_of_less_than_300_lines(family):
    _, adapter = family
    source = Path(inspect.getfile(type(adapter)))
    assert len(source.read_text(encoding="utf-8").splitlines()) < MAX_LINES
    assert source.parent.name == "video"


@pytest.mark.usefixtures("garbage_goes")
def test_the_text_encoder_runs_once_and_is_let_go(tmp_path):
    seen: list[weakref.ref[torch.nn.Module]] = []

    def load():
        pipeline = tiny.wan_pipeline_of_text()
        seen.append(weakref.ref(pipeline.text_encoder))
        return pipeline

    first = WanText(load, PromptCache(tmp_path, key="tiny")).encode(["a calm sea", ""])
    assert [encoder() for encoder in seen] == [None]
    again = WanText(load, PromptCache(tmp_path, key="tiny")).encode(["a calm sea"])
    assert torch.equal(again["text"], first["text"][:1])
    assert len(seen) == 1
