"""The table of what a real architecture costs, on a tiny one and the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from panoloom.engine_server.bench import gpu_table
from panoloom.engine_server.bench.gpu_table import TINY, Run, Table

SMALL = replace(TINY, window=4, frames=2, sizes=((128, 90.0), (256, 53.0)))


def of(runs: dict[str, float]) -> dict[int, Run]:
    return {int(width): Run(seconds=1.0, device_mib=mib) for width, mib in runs.items()}


def test_gains_and_ratios_follow_from_what_was_measured():
    ours = Run(seconds=2.0, evaluations=10.0, device_mib=100.0)
    table = Table(
        batches={1: 3.0, 4: 2.0},
        compiled_s=1.5,
        fused={512: ours, 1024: Run(seconds=8.0, evaluations=40.0, device_mib=104.0)},
        decoded=of({"512": 50.0, "1024": 50.0}),
        others={
            "paper": Run(seconds=7.0, evaluations=44.0),
            "multidiffusion": Run(seconds=5.0, evaluations=20.0),
        },
        compared=512,
    )
    assert dict(table.ratios()) == {
        "gain of 4 windows at a time": "1.50",
        "gain of compiling": "2.00",
        "memory on the card of a step, 1024 over 512 wide": "1.040",
        "memory on the card of decoding, 1024 over 512 wide": "1.000",
        "44 views over ours, 512 wide": "4.40 times the evaluations, 3.50 times the seconds",
        "MultiDiffusion over ours, 512 wide": "2.00 times the evaluations, 2.50 times the seconds",
    }


@pytest.mark.timeout(600)  # slow only where other work starves it
def test_the_table_of_a_tiny_model_has_every_row(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_table, "TINY", SMALL)
    monkeypatch.setattr(gpu_table, "BATCHES", (1, 2))
    gpu_table.main(["--tiny", "--steps", "1"])
    printed = capsys.readouterr().out
    cells = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| ")]
    assert cells == [
        "",
        "1 windows at a time",
        "2 windows at a time",
        "ours, 128x64",
        "ours, 256x128",
        "44 views, 128x64",
        "MultiDiffusion, 128x64",
        "decoding 128x64",
        "decoding 256x128",
        "gain of 2 windows at a time",
        "44 views over ours, 128 wide",
        "MultiDiffusion over ours, 128 wide",
    ]
    assert "overhead" in printed
    assert "s a step" in printed
