"""An engine on another computer, from Blender: refused without online access, then used."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from engines import free_ports
from painting_worker import COMMAND

from panoloom.engine_server.broker import Broker, BrokerConfig
from panoloom.engine_server.broker.background import running
from panoloom.engine_server.colour import srgb_to_linear

ELSEWHERE, HERE = "127.0.0.2", "127.0.0.1"  # two addresses of this machine; one is not its usual


def has_both() -> bool:
    with socket.socket() as one:
        try:
            one.bind((ELSEWHERE, 0))
        except OSError:
            return False
    return True


pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not has_both(), reason=f"{ELSEWHERE} is no address of this machine"),
]


@pytest.fixture(scope="module")
def story(blender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    port, key, library = free_ports(), folder / "remote.key", folder / "library here"
    library.mkdir()
    config = BrokerConfig(
        library=folder / "library there",
        handles_signals=False,
        host="0.0.0.0",
        control_port=port,
        blob_port=port + 1,
        remote_key=key,
    )
    ends = [f"{host}:{port}" for host in (ELSEWHERE, HERE)]
    with running(Broker(config, lambda spec: spec, [{"name": "preview"}], COMMAND)):
        found = blender("remote.py", folder, library, *ends, key, timeout=500)
    return found | {"address": ends[0], "library": library}


def test_without_online_access_it_is_refused_in_a_sentence_with_a_way_out(story):
    refused = story["refused"]
    assert refused["link"] == "off"
    assert story["address"] in refused["errors"][0]
    assert "do not allow online access" in refused["errors"][0]
    assert refused["remedies"] == ["network"]


def test_it_is_never_reached_by_itself(story):
    assert story["by_itself"] == "off"


def test_missing_key_file_is_named(story):
    told = story["without_a_key"]
    assert "no-such.key" in told["errors"][0]
    assert told["remedies"] == ["preferences"]


def test_panel_names_the_engine_that_it_speaks_to(story):
    status, detail = story["connected"]["status"]
    assert status == "Engine ready"
    assert story["address"] in detail


def test_loop_made_there_is_fetched_and_seen_here(story):
    assert story["state"] == "finished"
    assert "fetch" in story["phases"]
    assert story["library"] in Path(story["file"]).parents
    for seen, red in zip(story["seen"], (0.2, 0.4, 0.6, 0.8), strict=True):
        assert seen == pytest.approx(list(srgb_to_linear([red, 0.5, 0.0])), abs=2e-3)


def test_tunnel_on_this_computer_needs_no_online_access(story):
    assert story["through_a_tunnel"] == "connected"
