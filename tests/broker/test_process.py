"""What the worker's process is started with."""

from __future__ import annotations

import sys

from engines import real_broker, wait_until

from panoloom.engine_server.broker.process import worker_environment


def test_threads_of_the_worker_sleep_while_they_wait_unless_somebody_chose():
    assert worker_environment({})["OMP_WAIT_POLICY"] == "PASSIVE"
    assert worker_environment({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


def test_worker_gets_the_variables_of_its_engine_but_no_access_tokens():
    given = {"PATH": "/bin", "HF_TOKEN": "secret", "HUGGING_FACE_HUB_TOKEN": "secret"}
    assert "secret" not in worker_environment(given).values()
    assert worker_environment(given)["PATH"] == "/bin"


def test_worker_is_started_with_that_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    said = tmp_path / "said"
    code = f"import os; open({str(said)!r}, 'w').write(os.environ['OMP_WAIT_POLICY'])"
    worker = [sys.executable, "-c", code]
    with real_broker(tmp_path / "library", worker=worker, starts_worker_early=True):
        wait_until(lambda: said.exists() and said.read_text() == "PASSIVE")
