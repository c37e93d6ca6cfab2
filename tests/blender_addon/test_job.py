"""The rules of ownership: what a job may do to the World of its scene."""

from __future__ import annotations

import pytest

from panoloom.blender_addon.job import Job, Standing, WorldNow, from_record, standing, to_record
from panoloom.shared.errors import PanoloomError
from panoloom.shared.jobs import JobSpec, JobState
from panoloom.shared.jobview import JobView

OTHER = "b" * 32


def job(**changes: object) -> Job:
    values = {
        "view": JobView(job_id="a" * 32),
        "spec": JobSpec(prompt="sea"),
        "scene_uid": 1,
        "world_uid": 7,
        "heading": 0.5,
    }
    return Job(**(values | changes))


def test_job_makes_its_world_while_the_scene_has_the_one_of_generate():
    assert standing(job(), WorldNow(7, None)) is Standing.CREATE


def test_job_makes_its_world_in_a_scene_without_one():
    assert standing(job(world_uid=None), WorldNow()) is Standing.CREATE


def test_job_swaps_pictures_in_its_own_world():
    assert standing(job(is_applied=True), WorldNow(9, "a" * 32)) is Standing.SWAP


@pytest.mark.parametrize("now", [WorldNow(8, None), WorldNow(8, OTHER), WorldNow(8, "loop:sea-1")])
def test_job_leaves_a_world_chosen_since_alone(now):
    assert standing(job(), now) is Standing.LEAVE


def test_job_whose_world_was_undone_or_restored_leaves_the_scene_alone():
    assert standing(job(is_applied=True), WorldNow(7, None)) is Standing.LEAVE


def test_job_follows_another_of_its_scene_whose_world_was_put_in_meanwhile():
    assert standing(job(), WorldNow(8, OTHER), {OTHER}) is Standing.CREATE


def test_job_that_had_its_turn_takes_nothing_from_the_next_one():
    assert standing(job(is_applied=True), WorldNow(8, OTHER), {OTHER}) is Standing.LEAVE


def test_record_of_a_job_gives_the_same_request_and_never_a_new_world():
    found = from_record(to_record(job(scene_name="Night", is_sent=False)))
    assert (found.job_id, found.spec, found.heading) == ("a" * 32, JobSpec(prompt="sea"), 0.5)
    assert (found.scene_name, found.is_sent) == ("Night", False)
    assert standing(found, WorldNow()) is Standing.LEAVE
    assert standing(found, WorldNow(3, "a" * 32)) is Standing.SWAP


@pytest.mark.parametrize("record", [{}, {"job_id": "x", "heading": 0.0}, {"job_id": "a" * 32}])
def test_record_of_something_else_is_refused(record):
    with pytest.raises(PanoloomError):
        from_record(record)


def test_job_that_never_left_is_cancelled_here():
    waiting = job(is_sent=False)
    assert waiting.is_waiting
    waiting.cancel_here()
    assert waiting.view.state is JobState.CANCELLED
    assert not waiting.is_active


def test_title_is_what_the_words_say():
    assert job().title == "sea"
    assert job(spec=JobSpec(prompt="")).title == "your scene"
