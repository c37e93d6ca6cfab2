"""PROTOCOL.md and messages.py say the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import panoloom.shared
from panoloom.shared import jobs, messages

TEXT = (Path(panoloom.shared.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")
STRUCTURES = (
    messages.JobSummary,
    messages.WorkerStatus,
    messages.Evaluator,
    jobs.JobSpec,
    jobs.Reference,
    jobs.Place,
    jobs.Lora,
    jobs.Base,
    jobs.Part,
    jobs.Stage,
    jobs.Progress,
    jobs.ArtifactRef,
)


def sections() -> dict[str, str]:
    """Text under each third-level heading."""
    pieces = re.split(r"^### (\w+)\n", TEXT, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default).replace("'", '"')
    return "empty" if field.default_factory is not dataclasses.MISSING else "required"


def test_protocol_lists_exactly_the_messages_and_structures():
    assert set(sections()) == {cls.__name__ for cls in (*messages.REGISTRY.values(), *STRUCTURES)}


def test_protocol_lists_exactly_their_fields_types_and_defaults():
    for cls in (*messages.REGISTRY.values(), *STRUCTURES):
        section = sections()[cls.__name__]
        rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) \|$", section, flags=re.MULTILINE)
        fields = [
            (f.name, str(f.type).replace("|", "or"), default(f)) for f in dataclasses.fields(cls)
        ]
        assert rows == fields, cls.__name__


def test_protocol_says_which_messages_have_raw_parts():
    for name, cls in messages.REGISTRY.items():
        assert ("Raw parts: 1." in sections()[name]) == (cls.num_parts == 1), name


def test_protocol_names_its_version():
    assert f"Version {messages.PROTOCOL_VERSION[0]}.{messages.PROTOCOL_VERSION[1]}." in TEXT


def test_internal_messages_are_marked():
    internal = TEXT.partition("## Internal")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", internal, flags=re.MULTILINE) == [
        cls.__name__ for cls in messages.INTERNAL
    ]
