"""What the panel shows in each state, and why a button is off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from panoloom.blender_addon import panel_model
from panoloom.blender_addon.engine_process import install_command
from panoloom.blender_addon.job import Job
from panoloom.blender_addon.panel_model import Facts
from panoloom.blender_addon.session import LinkState
from panoloom.shared.errors import OutOfMemory
from panoloom.shared.jobs import ArtifactRef, JobSpec, JobState, Progress
from panoloom.shared.jobview import JobView
from panoloom.shared.messages import StatusReported, WorkerStatus

CONNECTED = Facts(link=LinkState.CONNECTED)
BUTTONS = (
    panel_model.why_not_start,
    panel_model.why_not_connect,
    panel_model.why_not_disconnect,
    panel_model.why_not_generate,
    panel_model.why_not_jump,
    panel_model.why_not_cancel,
    panel_model.why_not_apply,
    panel_model.why_not_change,
    panel_model.why_not_back,
    panel_model.why_not_restore,
)


def job(state: JobState = JobState.RUNNING, **view: object) -> Job:
    return Job(
        view=JobView(job_id="a" * 32, state=state, **view),
        spec=JobSpec(prompt="sea"),
        scene_uid=1,
        world_uid=1,
        heading=0.0,
    )


def progress(**changes: object) -> Progress:
    values = {"phase": "denoise", "step": 3, "num_steps": 16, "fraction": 0.25, "elapsed_s": 9.0}
    return Progress(**(values | changes))


def test_reasons_are_short_sentences_without_a_full_stop():
    for why in BUTTONS:
        for facts in (
            Facts(),
            CONNECTED,
            replace(CONNECTED, jobs=(job(),)),
            Facts(is_starting=True),
            Facts(elsewhere="studio.example.org:47600"),
            Facts(link=LinkState.LOST, is_rendering=True),
        ):
            text = why(facts)
            assert not text.endswith(".")
            assert len(text) < 100


def test_without_an_engine_it_can_be_started_or_connected_and_nothing_generated():
    assert panel_model.why_not_start(Facts()) == ""
    assert panel_model.why_not_connect(Facts()) == ""
    assert "press Start" in panel_model.why_not_generate(Facts())
    assert "press Start" not in panel_model.why_not_generate(Facts(has_program=False))


def test_engine_elsewhere_is_connected_and_not_started():
    facts = Facts(elsewhere="studio:47600", has_program=False)
    assert "studio:47600" in panel_model.why_not_start(facts)
    assert panel_model.why_not_connect(facts) == ""
    assert "press Connect" in panel_model.why_not_generate(facts)
    assert panel_model.panel_model(facts).hint == ()  # nothing to install here


def test_engine_elsewhere_is_named_beside_its_device():
    worker = WorkerStatus(state="idle", device="cuda:0 H200", memory_free_bytes=8 * 2**30)
    status = StatusReported(
        engine_version="1", session="s", library="/far", uptime_s=1.0, worker=worker
    )
    facts = replace(CONNECTED, elsewhere="studio:47600", status=status)
    assert panel_model.panel_model(facts).status_detail == (
        "studio:47600, cuda:0 H200, 8.0 GiB free"
    )


def test_engine_is_let_go_when_it_makes_nothing_of_ours():
    assert panel_model.why_not_disconnect(Facts()) == "No engine is connected"
    assert panel_model.why_not_disconnect(CONNECTED) == ""
    assert "cancel it" in panel_model.why_not_disconnect(replace(CONNECTED, jobs=(job(),)))
    lost = Facts(link=LinkState.LOST, jobs=(job(),))
    assert panel_model.why_not_disconnect(lost) == ""


def test_files_on_their_way_have_a_bar():
    fetching = progress(phase="fetch", step=2, num_steps=9, message="12.0 MiB in all")
    row = panel_model.panel_model(replace(CONNECTED, jobs=(job(progress=fetching),))).progress
    assert row.text == "Fetching the files 2/9"
    assert row.detail == "12.0 MiB in all"


def test_missing_program_is_installed_by_a_line_that_is_told():
    model = panel_model.panel_model(Facts(has_program=False))
    assert install_command() in model.hint
    assert (Path(__file__).parents[2] / install_command().split()[-1].replace("\\", "/")).is_file()


def test_missing_program_sends_to_the_preferences():
    assert "preferences" in panel_model.why_not_start(Facts(has_program=False))


def test_connected_panel_can_generate_and_nothing_else_of_the_engine():
    assert panel_model.why_not_generate(CONNECTED) == ""
    assert panel_model.why_not_start(CONNECTED)
    assert panel_model.panel_model(CONNECTED).status == "Engine ready"


def test_further_loops_wait_behind_the_first():
    busy = replace(CONNECTED, jobs=(job(),))
    assert panel_model.why_not_generate(busy) == ""
    assert panel_model.why_not_jump(busy) == ""
    assert "No other loop" in panel_model.why_not_jump(CONNECTED)


def test_queue_shows_a_bar_for_what_is_made_and_words_for_what_waits():
    made, next_one, third = job(progress=progress()), job(), job()
    next_one.is_sent = third.is_sent = False
    model = panel_model.panel_model(replace(CONNECTED, jobs=(made, next_one, third)))
    assert [row.bar is not None for row in model.queue] == [True, False, False]
    assert [row.words for row in model.queue] == ["", "Waits, 1 before it", "Waits, 2 before it"]
    assert model.progress == model.queue[0].bar


def test_scene_that_is_rendered_for_a_job_has_a_bar():
    preparing = job()
    preparing.is_sent = preparing.is_prepared = False
    row = panel_model.panel_model(replace(CONNECTED, jobs=(preparing,))).progress
    assert row is not None
    assert row.text == "Rendering your scene all around"


def test_reference_needs_a_camera_and_replaces_the_words():
    facts = replace(CONNECTED, wants_reference=True, has_words=False)
    assert panel_model.why_not_generate(facts) == ""
    assert "camera" in panel_model.why_not_generate(replace(facts, has_camera=False))
    assert "prompt" in panel_model.why_not_generate(replace(facts, wants_reference=False))


def test_running_job_shows_phase_step_and_time_left():
    facts = replace(CONNECTED, jobs=(job(progress=progress(time_left_s=40.0)),))
    row = panel_model.panel_model(facts).progress
    assert row == panel_model.ProgressRow("Making the loop 3/16", "about 40 s left", 0.25)


def test_progress_stays_between_nothing_and_all():
    row = panel_model.panel_model(replace(CONNECTED, jobs=(job(progress=progress(fraction=1.5)),)))
    assert row.progress is not None
    assert row.progress.fraction == 1.0


def test_unknown_phase_of_a_newer_engine_is_shown_as_it_is():
    facts = replace(CONNECTED, jobs=(job(progress=progress(phase="polish", num_steps=0)),))
    row = panel_model.panel_model(facts).progress
    assert row is not None
    assert row.text == "Polish"


def test_resumed_job_says_why_it_was_interrupted():
    facts = replace(CONNECTED, jobs=(job(progress=progress(), notice="The worker died."),))
    row = panel_model.panel_model(facts).progress
    assert row is not None
    assert "The worker died." in row.detail


def test_cancelled_once_is_enough():
    cancelling = job()
    cancelling.is_cancelling = True
    assert panel_model.why_not_cancel(replace(CONNECTED, jobs=(cancelling,)))


def test_notes_of_the_result_are_shown():
    artifact = ArtifactRef(
        job_id="a" * 32,
        folder="loop",
        manifest_sha256="0" * 64,
        width=512,
        height=256,
        num_frames=4,
        fps=24.0,
        loop=True,
        notes=("Ignored words: zebra.",),
    )
    facts = replace(CONNECTED, job=job(JobState.FINISHED, artifact=artifact))
    finished = "Finished: 4 frames, round and round."
    assert panel_model.panel_model(facts).notes == (finished, "Ignored words: zebra.")
    assert panel_model.why_not_apply(facts) == ""


def test_remark_is_shown_while_the_job_runs_and_after():
    for state in (JobState.RUNNING, JobState.FAILED):
        made = job(state)
        made.remark = "The scene fills the view."
        notes = panel_model.panel_model(replace(CONNECTED, job=made)).notes
        assert notes == ("The scene fills the view.",)


def test_rendering_switches_off_what_would_change_the_world():
    facts = Facts(is_rendering=True, can_restore=True)
    assert panel_model.why_not_apply(facts) == "Blender is rendering"
    assert panel_model.why_not_restore(facts) == "Blender is rendering"


def test_errors_are_whole_sentences():
    model = panel_model.panel_model(Facts(problems=(OutOfMemory("Too big; try 512x256."),)))
    (row,) = model.errors
    assert row.text == "Too big; try 512x256."
    assert row.remedy is not None


def test_device_and_memory_are_told_once_a_worker_knows_them():
    status = StatusReported(engine_version="1", session="s", library="l", uptime_s=1.0)
    assert panel_model.panel_model(replace(CONNECTED, status=status)).status_detail == ""
    worker = WorkerStatus(state="busy", device="cuda:0", memory_free_bytes=3 * 2**30)
    model = panel_model.panel_model(replace(CONNECTED, status=replace(status, worker=worker)))
    assert (model.status, model.status_detail) == ("Engine at work", "cuda:0, 3.0 GiB free")


def test_world_that_waits_for_a_mode_is_told_until_it_came_in():
    told = panel_model.HELD.format(mode="Sculpt Mode")
    cancelled, shown = job(JobState.CANCELLED), job()
    shown.is_done = True
    for made, is_told in ((job(), True), (cancelled, False), (shown, False)):
        facts = replace(CONNECTED, held_by="Sculpt Mode", job=made)
        assert (told in panel_model.panel_model(facts).notes) is is_told


def test_a_scene_is_not_copied_while_blender_renders():
    rendering = replace(CONNECTED, is_rendering=True)
    assert panel_model.why_not_generate(rendering) == ""
    for asked in ({"wants_reference": True}, {"wants_depth": True}):
        assert "rendering" in panel_model.why_not_generate(replace(rendering, **asked))
