from __future__ import annotations

import dataclasses

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ALL_MESSAGES, instances

from panoloom.shared import wire
from panoloom.shared.errors import InvalidJob, MalformedMessage, ProtocolMismatch
from panoloom.shared.messages import (
    PROTOCOL_VERSION,
    REGISTRY,
    BlobChunk,
    Hello,
    JobPreviewed,
    JobProgressed,
    Refused,
    SubmitJob,
)

HELLO = wire.encode(Hello(client="test"), message_id="m" * 32, session="s" * 32)


def with_header(parts, **changes):
    header = {**msgpack.unpackb(parts[0]), **changes}
    return [msgpack.packb(header), *parts[1:]]


@pytest.mark.parametrize("cls", REGISTRY.values(), ids=lambda cls: cls.__name__)
def test_every_message_comes_back_as_it_was_sent(cls):
    @given(message=instances(cls), raw=st.binary(max_size=20))
    @settings(max_examples=25, deadline=None)
    def check(message, raw):
        parts = wire.encode(message, [raw] * cls.num_parts, parent_id="p")
        envelope = wire.decode(parts)
        assert envelope.message == message
        assert type(envelope.message) is cls
        assert envelope.parts == (raw,) * cls.num_parts
        assert envelope.header.type == cls.__name__
        assert envelope.header.parent_id == "p"
        assert envelope.header.job_id == getattr(message, "job_id", "")

    check()


def test_every_message_carries_version_session_and_an_id_of_its_own():
    first, second = (wire.decode(wire.encode(Hello())).header for _ in range(2))
    assert first.protocol == PROTOCOL_VERSION
    assert first.session == second.session == wire.process_session()
    assert first.message_id != second.message_id


def test_unknown_fields_are_ignored_in_header_and_body():
    body = msgpack.packb({"client": "test", "mood": "good"})
    envelope = wire.decode(with_header([HELLO[0], body], colour="blue"))
    assert envelope.message == Hello(client="test")


@pytest.mark.parametrize("minor", [0, 99])
def test_an_older_and_a_newer_minor_version_are_understood(minor):
    parts = with_header(HELLO, protocol=[PROTOCOL_VERSION[0], minor])
    assert wire.decode(parts).message == Hello(client="test")


def test_an_unknown_message_type_is_told_apart_from_a_broken_one():
    envelope = wire.decode(with_header(HELLO, type="PaintFence"))
    assert envelope.message == wire.Unknown(type="PaintFence")
    assert envelope.header.message_id == "m" * 32


@pytest.mark.parametrize(
    ("theirs", "is_engine", "update"),
    [([0, 9], True, "add-on"), ([0, 9], False, "engine"), ([2, 0], True, "engine"),
     ([2, 0], False, "add-on")],
)  # fmt: skip
def test_another_major_version_names_both_versions_and_what_to_update(theirs, is_engine, update):
    with pytest.raises(ProtocolMismatch) as caught:
        wire.decode(with_header(HELLO, protocol=theirs, type="FromTheFuture"), is_engine=is_engine)
    text = str(caught.value)
    assert f"{theirs[0]}.{theirs[1]}" in text
    assert ".".join(map(str, PROTOCOL_VERSION)) in text
    assert text.endswith(f"Update the {update}.")


def test_the_header_of_another_version_can_still_be_read():
    parts = [with_header(HELLO, protocol=[7, 1], new_field=1)[0], b"\xc1 unreadable"]
    assert wire.decode_header(parts).message_id == "m" * 32


@pytest.mark.parametrize("protocol", [[], [1], [1, 0, 0], "1.0", [1, "0"], None, [True, 0]])
def test_a_version_that_is_none_is_malformed(protocol):
    with pytest.raises(MalformedMessage):
        wire.decode(with_header(HELLO, protocol=protocol))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb([1, 2]),
        msgpack.packb("sea"),
        msgpack.packb({"client": 3}),
        msgpack.packb({b"client": "x"}),
        msgpack.packb({"client": b"x"}),
        msgpack.packb({"client": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"client": "x"}) + b"\x00",
        b"\xa5\xff\xff\xff\xff\xff",
        b"\x91" * 5000,
        b"\xdd\xff\xff\xff\xff",
        msgpack.packb({"client": "x" * (wire.MAX_BODY_BYTES + 1)}),
    ],
    ids=range(13),
)
def test_a_body_that_is_none_is_malformed(body):
    with pytest.raises(MalformedMessage):
        wire.decode([HELLO[0], body])


def test_infinite_and_undefined_numbers_are_malformed():
    progress = {"phase": "x", "step": 1, "num_steps": 1, "fraction": 0.5, "elapsed_s": 1.0}
    head = wire.encode(Hello(), session="s")
    for name in ("fraction", "elapsed_s", "time_left_s"):
        for value in (float("nan"), float("inf")):
            body = {"job_id": "a", "progress": {**progress, name: value}}
            with pytest.raises(MalformedMessage):
                wire.decode(with_header([head[0], msgpack.packb(body)], type="JobProgressed"))


@given(message=ALL_MESSAGES, data=st.data())
@settings(max_examples=150, deadline=None)
def test_messages_cut_short_or_altered_are_malformed_or_whole_and_nothing_else(message, data):
    parts = wire.encode(message, [b"raw"] * message.num_parts)
    index = data.draw(st.integers(0, len(parts) - 1))
    part = bytearray(parts[index])
    if data.draw(st.booleans()):
        part = part[: data.draw(st.integers(0, len(part)))]
    elif part:
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    parts[index] = bytes(part)
    try:
        envelope = wire.decode(parts, is_engine=True)
    except (MalformedMessage, ProtocolMismatch):
        return
    assert isinstance(envelope.message, (*REGISTRY.values(), wire.Unknown))


@given(parts=st.lists(st.binary(max_size=64), max_size=10))
@settings(max_examples=300, deadline=None)
def test_noise_is_malformed(parts):
    with pytest.raises(MalformedMessage):
        wire.decode(parts)


def test_a_missing_raw_part_is_malformed_and_a_surplus_one_is_dropped():
    preview = JobPreviewed(job_id="a", step=1, width=2, height=1)
    parts = wire.encode(preview, [b"jpeg"])
    with pytest.raises(MalformedMessage, match="raw part"):
        wire.decode(parts[:2])
    assert wire.decode([*parts, b"more"]).parts == (b"jpeg",)
    with pytest.raises(MalformedMessage, match="parts"):
        wire.decode([*parts, *[b""] * wire.MAX_PARTS])


def test_what_cannot_be_carried_is_refused_before_it_is_sent():
    for spec in ({"seed": 2**70}, {"prompt": "\ud800"}, {"x": object()}):
        with pytest.raises(MalformedMessage):
            wire.encode(SubmitJob(job_id="a", spec=spec))
    with pytest.raises(MalformedMessage):
        wire.encode(BlobChunk(sha256="a", offset=0, size=1))


def test_errors_cross_as_refusals():
    error = InvalidJob("Write a prompt.", field="prompt")
    refused = wire.decode(wire.encode(wire.refusal(error))).message
    assert isinstance(refused, Refused)
    back = wire.error_of(refused)
    assert type(back) is InvalidJob
    assert (str(back), back.details) == ("Write a prompt.", {"field": "prompt"})


def test_messages_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Hello().client = "x"


def test_whole_numbers_are_taken_where_a_number_may_have_decimals():
    progress = {"phase": "x", "step": 1, "num_steps": 1, "fraction": 1, "elapsed_s": 1}
    body = msgpack.packb({"job_id": "a", "progress": progress})
    message = wire.decode(with_header([HELLO[0], body], type="JobProgressed")).message
    assert isinstance(message, JobProgressed)
    assert type(message.progress.fraction) is float
