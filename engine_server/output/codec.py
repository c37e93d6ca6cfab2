"""How a film is coded, by its own configuration: what browsers call it, and its level.

Source: RFC 6381, 3.3; ISO/IEC 14496-15, 5.3.3 and 8.3.3, annex E; AV1 in ISOBMFF 1.2, 2.3 and 5.
"""

from __future__ import annotations

from pathlib import Path

from .boxes import Box, damaged, read_index, sample_entry, video_track

CONFIGS = (b"avcC", b"hvcC", b"av1C")


def codec_string(path: Path) -> str:
    """What browsers call the codec of a film.

    Raises:
        InvalidJob: It is no MP4 or MOV with H.264, HEVC or AV1, or says too little.
    """
    entry, config = _configured(path)
    tag, raw = entry.kind.decode("latin-1"), config.head
    match config.kind:
        case b"avcC":
            return f"{tag}.{raw[1:4].hex()}"
        case b"hvcC":
            return f"{tag}.{_hevc(raw)}"
    profile, level = raw[1] >> 5, raw[1] & 0x1F
    tier = "H" if raw[2] & 0x80 else "M"
    bits = 10 if raw[2] & 0x40 else 8
    return f"{tag}.{profile}.{level:02d}{tier}.{bits:02d}"


def coded_level(path: Path) -> str:
    """The level a film says that its decoder must hold: "5.1".

    Raises:
        InvalidJob: As `codec_string`.
    """
    _, config = _configured(path)
    raw = config.head
    match config.kind:
        case b"avcC":
            major, minor = divmod(raw[3], 10)
        case b"hvcC":
            major, minor = divmod(raw[12] // 3, 10)
        case _:
            major, minor = 2 + ((raw[1] & 0x1F) >> 2), raw[1] & 3
    return f"{major}.{minor}" if minor else f"{major}"


def _configured(path: Path) -> tuple[Box, Box]:
    """The description of a film's samples and the codec's configuration in it."""
    moov, _ = read_index(path)
    entry = sample_entry(video_track(moov, path), path)
    for kind in CONFIGS:
        config = entry.first(kind)
        if config is not None and len(config.head) >= (13 if kind == b"hvcC" else 4):
            return entry, config
    raise damaged(path, f"its samples are {entry.kind.decode('latin-1')!r} and say too little")


def _hevc(raw: bytes) -> str:
    space = ("", "A", "B", "C")[raw[1] >> 6]
    tier = "H" if raw[1] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(raw[2:6], 'big'):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in raw[6:12].rstrip(b"\0")]
    general = f"{space}{raw[1] & 0x1F}.{compatible:X}.{tier}{raw[12]}"
    return ".".join([general, *constraints])
