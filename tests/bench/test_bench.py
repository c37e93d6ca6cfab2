"""Counts, tables, and the command that makes them."""

from __future__ import annotations

import json
import math

import pytest
import torch
from oracles import CHANNELS, PlaceAdapter

from panoloom.engine_server import cli
from panoloom.engine_server.bench import cases, tables
from panoloom.engine_server.bench import run as bench_run
from panoloom.engine_server.bench.cases import METHODS, PROMPTS, Setting, share_of
from panoloom.engine_server.bench.counting import CountingAdapter, redundancy, solid_angle
from panoloom.engine_server.bench.measure import PeakMemory, times
from panoloom.engine_server.denoise.stages import denoise_stages
from panoloom.engine_server.models import catalog
from panoloom.engine_server.models.adapter import Cond, LatentSpec
from panoloom.engine_server.panorama import erp
from panoloom.shared.errors import InvalidJob
from panoloom.shared.jobs import JobSpec, Stage

SPEC = LatentSpec(channels=CHANNELS, ratio_s=8, ratio_t=1)
STEPS = 4


def counted(method, *, frames=8, width=768, steps=STEPS):
    adapter = CountingAdapter(PlaceAdapter(num_frames=frames, spec=SPEC))
    denoise_stages(
        [Stage(width=width, height=width // 2, steps=steps)],
        adapter=adapter,
        cond=Cond(),
        uncond=None,
        guidance_scale=1.0,
        num_frames=frames,
        seed=1,
        method=method,
    )
    return adapter


def view_angles(fov_deg, cells=16):
    seen = erp.view_directions(yaw_deg=30, pitch_deg=20, fov_deg=fov_deg, height=cells, width=cells)
    azimuth, elevation = erp.directions_to_angles(seen)
    return torch.from_numpy(azimuth), torch.from_numpy(elevation)


def test_solid_angle_of_a_cube_face_is_a_sixth_of_the_sphere():
    assert solid_angle(*view_angles(90.0)) == pytest.approx(4 * math.pi / 6, rel=0.01)


def test_solid_angle_of_the_whole_panorama_is_the_sphere():
    directions = erp.cell_directions(48, 96)
    azimuth, elevation = erp.directions_to_angles(directions)
    found = solid_angle(torch.from_numpy(azimuth), torch.from_numpy(elevation))
    assert found == pytest.approx(4 * math.pi, rel=0.01)


@pytest.mark.parametrize("width", [512, 768])
@pytest.mark.parametrize("frames", [8, 16])
def test_fused_takes_half_of_multidiffusion_and_a_third_of_forty_four_views(width, frames):
    """Windows in space and in time, counted where the model is asked."""
    fused = counted("fused", width=width, frames=frames, steps=2).evaluations / 2
    half_overlap = counted("multidiffusion", width=width, frames=frames, steps=1).evaluations
    projecting = counted("paper", width=width, frames=frames, steps=3)
    assert fused <= half_overlap / 2
    in_time = 4 if frames == 8 else 8
    rest = projecting.evaluations - 44 * in_time
    assert rest > 0, "one projecting step of three, 44 views in each window in time"
    assert fused <= 44 * in_time / 3


@pytest.mark.parametrize("method", METHODS)
def test_estimate_of_a_job_counts_about_the_windows_of_its_method(method):
    frames, steps = 8, 6
    spec = catalog.plan(
        JobSpec(prompt="sea", num_frames=frames, steps=steps, method=method, guidance_scale=1.0)
    )
    pace = catalog.find("preview").pace
    written = spec.width * spec.height * frames / 1e6 * pace.megapixel_s
    estimated = (catalog.estimate_s(spec) - pace.start_s - written) / pace.evaluation_s
    made = counted(method, steps=steps)
    assert estimated == pytest.approx(made.cells / (16 * 16 * 8), rel=0.3)


def test_redundancy_counts_space_and_time():
    whole = counted("whole")
    found = redundancy(whole, num_frames=8, num_steps=STEPS, passes=1)
    assert found == pytest.approx(2.0, rel=0.02), "two windows in time see all frames each"
    tiles = counted("independent")
    assert redundancy(tiles, num_frames=8, num_steps=STEPS, passes=1) == pytest.approx(1, rel=0.02)


def test_every_case_has_a_name_of_its_own_and_shares_leave_none_out():
    setting = Setting(ablation=True)
    every = setting.cases()
    assert len(every) == 8 * 2 * (len(METHODS) + 3)
    assert len({case.key for case in every}) == len(every)
    parts = [share_of(every, k, 3) for k in range(3)]
    assert {len(part) for part in parts} <= {5 * 8, 6 * 8}, "whole rows: all variants of a prompt"
    assert sorted(case.key for part in parts for case in part) == sorted(c.key for c in every)


def test_what_was_measured_differently_is_measured_anew(monkeypatch):
    before = {case.key for case in Setting().cases()}
    monkeypatch.setattr(cases, "MEASURE_VERSION", cases.MEASURE_VERSION + 1)
    assert not before & {case.key for case in Setting().cases()}


@pytest.mark.parametrize(
    ("device", "seconds", "overhead"), [("cpu", 12.0, 0.2), ("cuda", 50, 0.25)]
)
def test_seconds_are_the_processor_s_where_the_model_runs_on_it(device, seconds, overhead):
    adapter = CountingAdapter(
        PlaceAdapter(num_frames=1, spec=SPEC), wall_s=40.0, cpu_s=10.0, device=device
    )
    found = times(adapter, wall_s=50.0, cpu_s=12.0)
    assert found["seconds"] == seconds
    assert found["overhead"] == pytest.approx(overhead)
    assert found["wall_s"] == 50.0, "the clock's seconds stand beside"


def test_memory_given_back_before_is_counted_anew():
    peaks = []
    for _ in range(2):
        memory = PeakMemory()
        if memory.host_mib() is None:
            pytest.skip("the system does not tell")
        held = [torch.ones(1 << 18) for _ in range(200)]
        peaks.append(memory.host_mib())
        del held
    assert min(peaks) > 150, "200 MiB"


def test_direct_variant_makes_as_many_steps_as_both_stages():
    full, still, direct = Setting(methods=(), ablation=True).variants()
    assert sum(stage.steps for stage in full.stages) == direct.stages[0].steps
    assert len(full.stages) == 2
    assert still.stages == full.stages
    assert direct.stages[0].sigma_start == 1.0


def result(variant, seconds, sharpness, table="methods"):
    return {
        "table": table,
        "variant": variant,
        "size": [512, 256],
        "machine": "a machine",
        "device": "cpu",
        "counts": {"evaluations": 10, "evaluations_a_step": 1.0, "redundancy": 1.5},
        "cost": {
            "seconds": seconds,
            "model_seconds": 1.0,
            "overhead": 0.1,
            "wall_s": 9 * seconds,
            "host_mib": None,
        },
        "quality": {"sharpness": sharpness, "smoothness": float("nan")},
    }


def test_table_has_mean_and_spread_and_the_best_in_bold():
    results = [result("a", 1.0, 0.5), result("a", 3.0, 0.7), result("b", 4.0, 0.9)]
    rows = tables.summary(results)
    seconds = rows[0]["figures"]["seconds"]
    assert seconds["mean"] == 2.0
    assert seconds["spread"] == pytest.approx(math.sqrt(2))
    text = tables.document(rows, "panoloom bench")["methods"]
    assert "**2.0** ± 1.4" in text
    assert "**0.900**" in text
    assert "512x256 pixels, on: a machine" in text
    assert rows[0]["figures"]["smoothness"] is None, "what could not be told is left out"


def test_tables_are_put_between_their_marks_again_and_again():
    page = "top\n<!-- bench:methods -->\nold\n<!-- /bench -->\nbottom\n"
    once = tables.with_tables(page, {"methods": "new"})
    assert once == "top\n<!-- bench:methods -->\nnew\n<!-- /bench -->\nbottom\n"
    assert tables.with_tables(once, {"methods": "new"}) == once


@pytest.mark.parametrize(
    "page",
    [
        "no marks",
        "<!-- bench:methods -->\nnever closed\n",
        "<!-- bench:methods -->\n<!-- bench:ablation -->\nhers\n<!-- /bench -->\n",
    ],
)
def test_document_without_a_place_for_a_table_is_refused(page):
    with pytest.raises(ValueError, match=r"no <!-- bench:methods -->"):
        tables.with_tables(page, {"methods": "new"})


def test_more_prompts_than_there_are_is_an_error_in_a_sentence():
    assert len(Setting(num_prompts=len(PROMPTS)).prompts) == len(PROMPTS)
    with pytest.raises(InvalidJob, match=r"has 12 prompts, asked for are 13\."):
        _ = Setting(num_prompts=13).prompts


def test_run_that_was_stopped_measures_only_what_is_missing(tmp_path, monkeypatch):
    both = Setting(num_prompts=1, num_seeds=1, methods=("fused", "whole")).cases()
    made = []

    def measure(case, adapter, *, picture):
        made.append(case.variant.name)
        return result(case.variant.name, 1.0, 0.5)

    monkeypatch.setattr(bench_run, "measure", measure)
    monkeypatch.setattr(bench_run.LoadedModels, "load", lambda self, name: None)
    bench_run.run_cases(both[:1], tmp_path, say=lambda text: None)
    told = []
    bench_run.run_cases(both, tmp_path, say=told.append)
    assert made == ["fused", "whole"]
    assert len(told) == 2
    assert len(bench_run.finished(both, tmp_path)) == 2


@pytest.mark.parametrize("words", [["--share", "3/2"], ["--prompts", "0"], ["--width", "500"]])
def test_wrong_words_end_with_status_two(words, tmp_path, capsys):
    assert cli.main(["bench", "--quick", "--work", str(tmp_path), *words]) == 2
    assert "panoloom:" in capsys.readouterr().err


def test_tables_of_what_is_there_are_made_without_making_anything(tmp_path, capsys):
    case = Setting(num_prompts=1, num_seeds=1, steps=3).cases()[0]
    (tmp_path / f"{case.key}.json").write_text(json.dumps(result("fused", 1.0, 0.5)))
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:methods -->\n<!-- /bench -->\n")
    words = ["bench", "--quick", "--tables", "--json", "--work", str(tmp_path)]
    assert cli.main([*words, "--write-docs", str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == 1
    assert "| fused | 1 |" in page.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_quick_bench_of_the_shipped_model_prints_one_document(tmp_path, capsys):
    words = ["bench", "--quick", "--json", "--steps", "1", "--methods", "independent"]
    assert cli.main([*words, "--work", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["variant"] == "independent"
    assert rows[0]["figures"]["redundancy"]["mean"] == pytest.approx(1, rel=0.02)
    assert list(tmp_path.glob("*.jpg"))
