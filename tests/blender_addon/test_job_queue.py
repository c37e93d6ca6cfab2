"""Several jobs: their order, one at a time at the engine, and what the next run finds."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from panoloom.blender_addon import job_queue
from panoloom.blender_addon.job import Job
from panoloom.blender_addon.job_queue import JobQueue, Place, pictures
from panoloom.shared.jobs import JobSpec, JobState, Reference
from panoloom.shared.jobview import JobView

DEAD = 2**22 + 1  # above the largest process id of Linux


def job(name: str, **changes: object) -> Job:
    values = {
        "view": JobView(job_id=name * 32),
        "spec": JobSpec(prompt=name),
        "scene_uid": 1,
        "world_uid": 7,
        "heading": 0.0,
        "is_sent": False,
    }
    return Job(**(values | changes))


def names(jobs: list[Job]) -> str:
    return "".join(job.spec.prompt for job in jobs)


@pytest.fixture
def queue():
    """a is with the engine; b and c wait."""
    made = JobQueue()
    for name in "abc":
        made.add(job(name, is_sent=name == "a"))
    return made


def test_new_job_goes_behind_all_that_waits(queue):
    assert queue.add(job("d")) == []
    assert names(queue.open) == "abcd"


def test_next_goes_before_all_that_waits_and_behind_what_is_made(queue):
    assert queue.add(job("d"), Place.NEXT) == []
    assert names(queue.open) == "adbc"


def test_replace_names_all_that_is_open_for_cancelling(queue):
    assert names(queue.add(job("d"), Place.REPLACE)) == "abc"


def test_only_waiting_jobs_change_places(queue):
    queue.move("c" * 32, -1)
    assert names(queue.open) == "acb"
    queue.move("c" * 32, -1)
    queue.move("a" * 32, 1)
    queue.move("b" * 32, 1)
    assert names(queue.open) == "acb"


def test_one_job_at_a_time_goes_to_the_engine(queue):
    assert queue.to_send() is None
    queue.jobs[0].view.state = JobState.FINISHED
    assert queue.to_send() is queue.jobs[1]


def test_job_whose_reference_is_rendered_is_waited_for():
    queue = JobQueue()
    queue.add(job("a", is_prepared=False))
    queue.add(job("b"))
    assert queue.to_send() is None
    assert queue.to_prepare() is queue.jobs[0]
    queue.jobs[0].is_prepared = True
    assert queue.to_send() is queue.jobs[0]


def test_peers_are_the_jobs_of_the_same_scene_that_put_a_world_in(queue):
    queue.jobs[0].is_applied = True
    queue.add(job("d", is_applied=True, scene_uid=2))
    assert queue.peers_of(queue.jobs[1]) == {"a" * 32}


def test_only_the_last_few_that_ended_are_kept(queue):
    for number in range(job_queue.MAX_ENDED + 2):
        ended = job(f"{number:x}")
        ended.cancel_here()
        queue.add(ended)
    assert [job.job_id[0] for job in queue.tidy()] == ["0", "1"]
    assert names(queue.open) == "abc"


def left_behind(folder, jobs: JobQueue) -> None:
    """What a run of Blender that is gone wrote."""
    jobs.save(folder)
    rename(folder, DEAD)


def rename(folder, pid: int) -> None:
    """Make what this process wrote that of another."""
    for path in folder.glob(f"blender-{os.getpid()}.*"):
        path.rename(folder / path.name.replace(str(os.getpid()), str(pid)))


def test_next_run_picks_up_what_is_open_in_its_order(queue, tmp_path):
    left_behind(tmp_path, queue)
    other = JobQueue()
    found = other.adopt(tmp_path)
    assert names(found) == names(other.open) == "abc"
    assert [job.is_sent for job in found] == [True, False, False]
    assert JobQueue().adopt(tmp_path) == []


def test_run_that_is_alive_keeps_its_jobs(queue, tmp_path):
    queue.save(tmp_path)
    rename(tmp_path, os.getppid())
    assert JobQueue().adopt(tmp_path) == []


def test_nothing_open_leaves_no_file(queue, tmp_path):
    queue.save(tmp_path)
    for open_job in queue.open:
        open_job.cancel_here()
    queue.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


TAKEN = {"reference": Reference(sha256="0" * 64)}


def with_picture(folder, name: str, taken=TAKEN, **changes: object) -> Job:
    """A job whose scene was copied into the folder of pictures."""
    made = job(name, spec=JobSpec(prompt=name, **taken), **changes)
    made.folder = pictures(folder) / made.job_id
    made.folder.mkdir(parents=True)
    (made.folder / "scene.blend").write_text(name)
    return made


def test_waiting_job_with_a_picture_takes_it_into_the_next_run(tmp_path):
    queue = JobQueue()
    queue.add(with_picture(tmp_path, "a", is_prepared=True))
    queue.add(with_picture(tmp_path, "b", {"follow_sha256": "0" * 64}, is_prepared=False))
    left_behind(tmp_path, queue)
    found = JobQueue().adopt(tmp_path)
    assert [(job.spec.prompt, job.is_prepared) for job in found] == [("a", True), ("b", False)]
    assert [(job.folder / "scene.blend").read_text() for job in found] == ["a", "b"]
    assert all(job.folder.parent == pictures(tmp_path) for job in found)
    assert not pictures(tmp_path, DEAD).exists()


def test_pictures_of_jobs_that_ended_are_not_kept(tmp_path):
    queue = JobQueue()
    ended = with_picture(tmp_path, "a")
    queue.add(job("b"))
    left_behind(tmp_path, queue)
    assert pictures(tmp_path, DEAD).joinpath(ended.job_id).is_dir()
    JobQueue().adopt(tmp_path)
    assert not pictures(tmp_path, DEAD).exists()


def test_waiting_job_whose_picture_is_not_kept_is_not_written_down(tmp_path):
    queue = JobQueue()
    queue.add(job("a", spec=JobSpec(prompt="a", **TAKEN)))
    queue.add(job("b", spec=JobSpec(prompt="b", **TAKEN), is_sent=True))
    queue.add(job("c", spec=JobSpec(prompt="c", follow_sha256="0" * 64)))
    left_behind(tmp_path, queue)
    assert names(JobQueue().adopt(tmp_path)) == "b"


def test_job_whose_picture_is_gone_is_left_out(tmp_path):
    queue = JobQueue()
    lost = with_picture(tmp_path, "a")
    queue.add(lost)
    left_behind(tmp_path, queue)
    shutil.rmtree(pictures(tmp_path, DEAD))
    assert JobQueue().adopt(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{}", "[1, {}]", '[{"job_id": 3}]'])
def test_damaged_list_is_left_out(text, tmp_path):
    (tmp_path / f"blender-{DEAD}.queue.json").write_text(text)
    assert JobQueue().adopt(tmp_path) == []


def test_file_for_the_next_run_is_plain_json(queue, tmp_path):
    queue.save(tmp_path)
    (path,) = tmp_path.iterdir()
    assert [record["spec"]["prompt"] for record in json.loads(path.read_bytes())] == [*"abc"]
