"""One and three processes evaluate the same job in a real engine: the same files, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from engine_process import EngineProcess
from engines import stored
from results import require_same_bytes

from panoloom.shared.jobs import JobSpec
from panoloom.shared.messages import JobFinished

SPEC = JobSpec(prompt="northern lights over a calm sea", num_frames=8, steps=2, seed=3)


def finished(process: EngineProcess, *words: str) -> JobFinished:
    with process.start(*words) as engine:
        *_, last = engine.watch(engine.submit(SPEC))
    process.stop()
    assert isinstance(last.message, JobFinished), last.message
    return last.message


@pytest.mark.slow
@pytest.mark.timeout(1800)  # slow only where other work starves it
def test_one_and_three_processes_make_the_same_folder(
    engine_process: Callable[[str], EngineProcess],
) -> None:
    alone = finished(engine_process("alone"), "--executors", "1")
    three = finished(engine_process("three"), "--executors", "3")
    assert [one.place for one in alone.evaluators] == ["worker"]
    assert [one.place for one in three.evaluators] == ["worker", "process", "process"]
    assert all(one.device == "cpu" and not one.note for one in three.evaluators)
    counts = [one.evaluations for one in three.evaluators]
    assert sum(counts) == alone.evaluators[0].evaluations
    require_same_bytes(three.artifact, alone.artifact)
    assert stored(Path(three.artifact.folder)) == stored(Path(alone.artifact.folder))
