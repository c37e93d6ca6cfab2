"""What a film's configuration says, by hand-made ones and by known films."""

from __future__ import annotations

import pytest

from panoloom.engine_server.output import codec
from panoloom.engine_server.output.boxes import Box
from panoloom.shared.errors import InvalidJob

HVCC = "01 22 20000000 b00000000000 b4"
"""Main 10, high tier, level 6."""


@pytest.mark.parametrize(
    ("tag", "kind", "raw", "string", "level"),
    [
        (b"avc1", b"avcC", "01 640033", "avc1.640033", "5.1"),
        (b"avc1", b"avcC", "01 64001f", "avc1.64001f", "3.1"),
        (b"hvc1", b"hvcC", HVCC, "hvc1.2.4.H180.B0", "6"),
        (b"hvc1", b"hvcC", "01 01 60000000 900000000000 99", "hvc1.1.6.L153.90", "5.1"),
        (b"av01", b"av1C", "81 10 4c 00", "av01.0.16M.10", "6"),
        (b"av01", b"av1C", "81 05 0c 00", "av01.0.05M.08", "3.1"),
    ],
)
def test_configurations_are_read_as_their_standards_write_them(
    tag, kind, raw, string, level, monkeypatch, tmp_path
):
    entry = Box(tag, children=[Box(kind, bytes.fromhex(raw))])
    monkeypatch.setattr(codec, "read_index", lambda path: (entry, []))
    monkeypatch.setattr(codec, "video_track", lambda moov, path: moov)
    monkeypatch.setattr(codec, "sample_entry", lambda track, path: track)
    assert codec.codec_string(tmp_path) == string
    assert codec.coded_level(tmp_path) == level
    entry.children[0].head = bytes(2)
    with pytest.raises(InvalidJob, match="too little"):
        codec.coded_level(tmp_path)
