"""What jobs take, on which level of the ladder they begin, and what is refused before work."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from panoloom.engine_server import cli, machine
from panoloom.engine_server.models import catalog, planner
from panoloom.engine_server.models.card import GIB
from panoloom.engine_server.models.memory import (
    HEADROOM_BYTES,
    LEVELS,
    Level,
    Room,
    first_level,
    needs,
)
from panoloom.engine_server.panorama.views import plan_views
from panoloom.shared.errors import OutOfMemory
from panoloom.shared.jobs import JobSpec, Reference

RELEASED = [card for card in catalog.MODELS.values() if card.build is not None]


def gpu(gib: float, *, host_gib: float = 32) -> Room:
    """A card of so many GiB as the planner sees it: what its driver calls free, less headroom."""
    free = int((gib - 0.4) * GIB) - HEADROOM_BYTES
    return Room(device=f"{gib:g} GiB card", device_bytes=free, host_bytes=int(host_gib * GIB))


def job(model: str = "wan-1.3b", width: int = 2048, **changes) -> JobSpec:
    spec = JobSpec(prompt="a sea", model=model, width=width, height=width // 2, num_frames=120,
                   fps=24.0)  # fmt: skip
    return catalog.outline(replace(spec, **changes))


def level_on(room: Room, model: str = "wan-1.3b", width: int = 2048) -> Level:
    return first_level(catalog.find(model), job(model, width), room)[0]


@pytest.fixture(autouse=True)
def no_models_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOLOOM_MODELS", str(tmp_path / "models"))


# The promises


def test_a_24_gb_card_does_2048x1024_with_wan_1_3b_and_every_part_stays():
    assert level_on(gpu(24)).name == "resident"


def test_a_12_gb_card_previews_with_wan_1_3b_without_changing_a_picture():
    level = level_on(gpu(12, host_gib=16), width=1024)
    assert level.same_pictures
    assert not level.is_offloaded


def test_an_8_gb_card_does_animatediff_with_every_part_staying():
    assert level_on(gpu(8, host_gib=16), "animatediff", 1024).name == "resident"


def test_14_billion_weights_on_24_gb_come_block_by_block_or_in_8_bits_by_what_main_memory_holds():
    assert level_on(gpu(24, host_gib=64), "wan-14b").name == "offloaded"
    assert level_on(gpu(24, host_gib=20), "wan-14b").name == "float8"
    assert level_on(gpu(80, host_gib=128), "wan-14b").name == "resident"


# The arithmetic


def test_the_parts_add_up_to_hand_computed_figures():
    card = catalog.find("wan-1.3b")
    first = needs(card, job(), LEVELS[1], gpu(24))
    assert first.moment == "prompts"
    assert first.device["text encoder"] == 2 * 5_680_910_336
    assert "denoiser" not in first.device
    resident = needs(card, job(), LEVELS[0], gpu(24))
    assert resident.device["denoiser"] == 2 * 1_418_996_800
    offloaded = needs(card, job(), LEVELS[3], gpu(24))
    assert offloaded.device["denoiser"] == int(2 * 2 * 1_418_996_800 / 30)
    assert offloaded.host["text encoder"] == 2 * 5_680_910_336
    eight_bits = needs(card, job(), LEVELS[4], gpu(24))
    assert eight_bits.device["denoiser"] == 1_418_996_800


@pytest.mark.parametrize("card", RELEASED, ids=lambda card: card.name)
def test_a_lower_level_never_takes_more_of_the_device(card):
    spec = job(card.name)
    exact = [needs(card, spec, level, gpu(24)).device_bytes for level in LEVELS[:4]]
    assert exact == sorted(exact, reverse=True)
    coarse = [needs(card, spec, level, gpu(24)).device_bytes for level in LEVELS[4:]]
    assert coarse == sorted(coarse, reverse=True)
    assert coarse[-1] <= exact[-1]


@pytest.mark.parametrize("card", RELEASED, ids=lambda card: card.name)
def test_the_device_holds_windows_and_never_a_panorama(card):
    sizes = [rung.width for rung in card.ladder]
    taken = [needs(card, job(card.name, width), LEVELS[1], gpu(24)) for width in sizes]
    assert len({need.device_bytes for need in taken}) == 1
    for small, large in pairwise(taken):
        assert small.host["latents"] < large.host["latents"]


def test_of_two_experts_one_lies_on_the_device_and_both_count_in_main_memory():
    card = catalog.find("wan2.2-a14b")
    one = 2 * card.build.denoiser_params
    resident, first, blocks = (
        needs(card, job(card.name), LEVELS[index], gpu(80)) for index in (0, 1, 3)
    )
    assert resident.device["denoiser"] == first.device["denoiser"] == one
    assert blocks.device["denoiser"] < one / 10
    assert resident.host["denoiser"] == one
    assert first.host["denoiser"] == blocks.host["denoiser"] == 2 * one


def test_a_panorama_in_one_piece_and_a_reference_take_tiles_and_views_take_windows():
    card = catalog.find("ltx")
    level, room = LEVELS[1], gpu(24)
    by_views, whole = (needs(card, job("ltx", method=m), level, room) for m in ("fused", "whole"))
    assert whole.moment == "decode"
    assert whole.device["decoding"] == int(7.6 * GIB)
    assert by_views.device.get("decoding", int(3.4 * GIB)) == int(3.4 * GIB)
    given = job("wan2.2-5b", reference=Reference(sha256="0" * 64, strength=0.5))
    room_for_picture = needs(catalog.find("wan2.2-5b"), given, LEVELS[4], room)
    assert room_for_picture.moment in ("decode", "reference")


def test_known_cards_hold_known_jobs():
    """What is written in docs/models.md; GiB on the card at the level where a job begins."""
    known = {
        ("animatediff", 8, 1024): "resident",
        ("wan-1.3b", 12, 1024): "encoder-on-cpu",
        ("wan-1.3b", 16, 2048): "encoder-first",
        ("wan-1.3b", 24, 2048): "resident",
        ("ltx", 12, 2048): "encoder-first",
        ("wan2.2-5b", 24, 2048): "encoder-first",
        ("wan2.2-a14b", 24, 2048): "offloaded",
        ("wan2.2-a14b", 48, 2048): "resident",
    }
    found = {
        (name, gib, width): level_on(gpu(gib, host_gib=128), name, width).name
        for name, gib, width in known
    }
    assert found == known


def test_a_processor_without_bfloat16_takes_twice_the_weights():
    card, cpu = catalog.find("wan-1.3b"), replace(gpu(64), shares=True)
    two, four = (
        needs(card, job(), LEVELS[2], replace(cpu, weight_bytes=width)) for width in (2, 4)
    )
    assert four.device["denoiser"] == 2 * two.device["denoiser"]


# The ladder


def test_out_of_memory_goes_to_the_next_level_that_fits():
    card, room = catalog.find("wan-1.3b"), gpu(24)
    names = ["resident"]
    while names[-1] != LEVELS[-1].name:
        names.append(first_level(card, job(), room, after=names[-1])[0].name)
    assert names == [level.name for level in LEVELS]
    with pytest.raises(OutOfMemory, match="last level"):
        first_level(card, job(), room, after=names[-1])


def test_too_little_for_the_last_level_is_refused_with_both_figures():
    with pytest.raises(OutOfMemory, match="GiB free") as caught:
        first_level(catalog.find("wan-14b"), job("wan-14b"), gpu(4, host_gib=4))
    details = caught.value.details
    assert details["needed_device_bytes"] > details["free_device_bytes"]
    assert details["needed_host_bytes"] > details["free_host_bytes"]


def test_without_a_gpu_both_come_out_of_main_memory_and_the_refusal_says_their_sum():
    whole = Room(device="CPU", device_bytes=15 * GIB, host_bytes=15 * GIB, shares=True)
    with pytest.raises(OutOfMemory) as caught:
        first_level(catalog.find("wan-vace-1.3b"), job("wan-vace-1.3b"), whole)
    details = caught.value.details
    least = details["needed_device_bytes"] + details["needed_host_bytes"]
    assert least > 15 * GIB
    assert f"needs at least {least / GIB:.1f} GiB of main memory" in str(caught.value)
    assert "this machine has 15.0 GiB free" in str(caught.value)


def test_only_the_levels_with_8_bits_change_pictures():
    assert [level.name for level in LEVELS if not level.same_pictures] == [
        "float8",
        "float8-offloaded",
    ]


# The dry run


def forecast(room: Room, tmp_path: Path, **changes) -> planner.Forecast:
    return planner.forecast(job(**changes), room, library=tmp_path)


def test_a_forecast_says_what_is_needed_and_what_is_there(tmp_path):
    found = forecast(gpu(24), tmp_path)
    said = "\n".join(found.lines())
    assert "1536x768 (16 steps) -> 2048x1024 (8 steps)" in said
    assert "24 GiB card" in said
    assert "RTX 4090" in said
    assert "panoloom models install wan-1.3b" in said
    plain = json.loads(json.dumps(found.to_plain()))
    assert plain["level"] == "resident"
    assert sum(plain["device"]["parts"].values()) == plain["device"]["needed_bytes"]
    assert plain["fits"]


def test_a_forecast_that_does_not_fit_says_why(tmp_path):
    found = forecast(gpu(2, host_gib=2), tmp_path)
    assert found.level is None
    assert "refused" in "\n".join(found.lines())
    assert not found.to_plain()["fits"]


def test_dry_run_prints_and_makes_nothing(tmp_path, monkeypatch, capsys):
    library = tmp_path / "library"
    words = ["generate", "a sea", "--model", "wan-1.3b", "--dry-run", "--out", str(library)]
    monkeypatch.setattr(planner, "room_here", lambda card: gpu(24))
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["level"] == "resident"
    monkeypatch.setattr(planner, "room_here", lambda card: gpu(2, host_gib=2))
    assert cli.main(words) == 3
    assert "refused" in capsys.readouterr().out
    assert not library.exists()


def test_a_forecast_for_several_says_what_each_of_them_has(tmp_path, monkeypatch, capsys):
    """Two share a card of 48 GB, and four share two of them: each has 24."""
    for count, num_gpus in ((2, 1), (4, 2)):
        found = planner.forecast(
            job(),
            gpu(48, host_gib=64 * count),
            library=tmp_path,
            executors=count,
            num_gpus=num_gpus,
        )
        assert found.room.device_bytes == gpu(48).device_bytes // 2
        assert found.room.host_bytes == gpu(24, host_gib=64).host_bytes
        assert f"shared   by {count}" in "\n".join(found.lines())
    monkeypatch.setattr(planner, "room_here", lambda card: gpu(48))
    words = ["generate", "a sea", "--model", "wan-1.3b", "--dry-run", "--executors", "2"]
    assert cli.main([*words, "--json", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["executors"] == 2


def test_the_table_of_the_gpus_driver_is_read():
    text = "NVIDIA GeForce RTX 4090, 24564, 23028\nFailed to initialize, N/A, N/A\n"
    assert machine.parse_gpus(text) == [
        machine.Gpu(
            name="NVIDIA GeForce RTX 4090",
            total_bytes=24564 * 2**20,
            free_bytes=23028 * 2**20,
        )
    ]


# The cards


@pytest.mark.parametrize("name", ["wan-1.3b", "wan2.2-5b", "ltx"])
def test_the_views_of_a_released_models_first_rung_are_those_of_its_layout(name):
    card = catalog.find(name)
    rung = card.ladder[0]
    plan = plan_views(
        latent_width=rung.grid_width // card.ratio_s,
        latent_height=rung.grid_height // card.ratio_s,
        window_hw=(card.window, card.window),
        fov_deg=rung.fov_deg,
    )
    assert plan.fixed.count == rung.views


@pytest.mark.parametrize("card", RELEASED, ids=lambda card: card.name)
def test_a_released_card_says_where_it_is_from_and_what_one_may_do(card):
    assert card.terms.licence
    assert card.terms.commercial in ("yes", "no", "conditions")
    assert card.good_at
    assert card.download_bytes > 10**9
    for source in card.sources:
        assert source.revision == "" or len(source.revision) == 40


def test_the_plan_lowers_the_batch_of_a_large_model_and_leaves_that_of_a_small_one():
    assert job("wan-1.3b", view_batch=6).view_batch == 1
    assert job("preview", view_batch=12).view_batch == 12
