"""Processes that evaluate for a worker: killed in the middle of a step, and never left behind."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engines import wait_until_gone
from evaluators import crew_of, made_by, process_line

from panoloom.engine_server.worker.crew import Crew
from panoloom.engine_server.worker.pipe import read_parts, write_parts
from panoloom.engine_server.worker.process_line import ProcessLine
from panoloom.shared.errors import GenerationFailed, MalformedMessage

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are told from exits there")
LEADER = """
from evaluators import crew_of, made_by, process_line
line = process_line("hang=1")
print(line.pid, flush=True)
made_by(crew_of([line], leads=False))
"""


@posix
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_killed_in_the_middle_of_a_step_changes_no_byte() -> None:
    crew = crew_of([process_line("die_at=0")])
    shared = made_by(crew).latents
    worker, process = crew.evaluators()
    assert process.note == (
        "lost after 0 evaluations: killed by signal 9, as happens too when the machine runs out of "
        "memory"
    )
    assert worker.evaluations > 1
    assert torch.equal(shared, made_by(Crew()).latents)


@posix
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_end_with_their_leader_in_the_middle_of_a_call() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEADER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as leader:
        assert leader.stdout is not None
        assert leader.stderr is not None
        pid = int(leader.stdout.readline())
        assert b"standard output" in leader.stderr.readline(), "said by the model, in its call"
        leader.send_signal(signal.SIGKILL)
    wait_until_gone(pid)


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(GenerationFailed, match="cannot be started"):
        ProcessLine(["/nowhere/evaluator"])


def test_parts_come_back_from_a_pipe_and_what_is_cut_short_is_the_end() -> None:
    stream = io.BytesIO()
    write_parts(stream, [b"head", b"", bytes(300)])
    whole = stream.getvalue()
    assert read_parts(io.BytesIO(whole)) == [b"head", b"", bytes(300)]
    for length in (0, 3, 40, len(whole) - 1):
        with pytest.raises(EOFError):
            read_parts(io.BytesIO(whole[:length]))
    with pytest.raises(MalformedMessage):
        read_parts(io.BytesIO(bytes([255] * 64)))
