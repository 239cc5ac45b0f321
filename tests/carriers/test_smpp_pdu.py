"""The codec against field PDUs, round trips and noise."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp import udh
from tidings.carriers.smpp.pdu import Command, Framer, FramingError, Pdu, PduError, ShortMessage, Tag

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "smpp_pdus.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["pdus"], ids=lambda vector: vector["name"])
def test_field_pdu_is_read(vector: dict[str, Any]) -> None:
    pdu = codec.decode(bytes.fromhex(vector["hex"]))

    assert (pdu.command, pdu.status, pdu.sequence) == (vector["command"], vector["status"], vector["sequence"])
    assert {f"0x{tag:04X}": value.hex() for tag, value in pdu.tlvs.items()} == vector["tlvs"]
    assert list(pdu.problems) == vector["problems"]
    for name, value in vector.get("fields", {}).items():
        assert getattr(pdu.body, name) == value, name
    if "content" in vector:
        assert codec.content(pdu).decode("latin-1") == vector["content"]


CLEAN = [vector for vector in VECTORS["pdus"] if not vector["problems"]]


@pytest.mark.parametrize("vector", CLEAN, ids=lambda vector: vector["name"])
def test_clean_field_pdu_is_written_as_it_came(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["hex"])
    pdu = codec.decode(frame)
    body = None if len(frame) == 16 else pdu.body
    assert codec.encode(pdu.command, pdu.sequence, body, status=pdu.status, tlvs=pdu.tlvs) == frame


@pytest.mark.parametrize("vector", VECTORS["malformed"], ids=lambda vector: vector["name"])
def test_request_without_all_mandatory_fields_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(PduError) as refused:
        codec.decode(bytes.fromhex(vector["hex"]))
    assert (refused.value.command_status, refused.value.sequence) == (0x02, vector["sequence"])


@pytest.mark.parametrize("length", range(16, 58))
def test_cut_request_is_refused_and_cut_response_is_read(length: int) -> None:
    body = ShortMessage(source_addr="40404", destination_addr="15551230000", short_message=b"12345678")
    whole = codec.encode(Command.DELIVER_SM, 7, body)
    assert len(whole) == 57
    if length < 57:
        with pytest.raises(PduError):
            codec.decode(whole[:length])
    assert codec.decode(codec.encode(Command.QUERY_SM_RESP, 7, whole[16:length])).sequence == 7


def test_unknown_command_keeps_its_body() -> None:
    frame = codec.encode(0x00010203, 9, b"whatever")
    assert codec.decode(frame) == Pdu(0x00010203, 0, 9, b"whatever", {}, raw=frame)


def test_first_of_a_repeated_tlv_counts() -> None:
    tail = bytes.fromhex("0427000102042700010500")
    pdu = codec.decode(codec.encode(Command.ENQUIRE_LINK, 1, tail))
    assert pdu.tlvs == {Tag.MESSAGE_STATE: b"\2"}
    assert pdu.problems == ("TLV 0x0427 repeated", "1 octets after the last TLV dropped")


@pytest.mark.parametrize(
    "body",
    [
        ShortMessage(source_addr="a\0b"),
        ShortMessage(source_addr="\u20ac"),
        ShortMessage(data_coding=256),
        ShortMessage(data_coding=2**21),
        ShortMessage(data_coding=-1),
        ShortMessage(short_message=bytes(256)),
    ],
)
def test_what_the_wire_cannot_carry_is_not_written(body: ShortMessage) -> None:
    with pytest.raises(ValueError):
        codec.encode(Command.SUBMIT_SM, 1, body)


def test_tlv_of_65536_octets_is_not_written() -> None:
    with pytest.raises(ValueError, match="TLV 0x0424"):
        codec.encode(Command.DATA_SM, 1, codec.DataSm(), tlvs={Tag.MESSAGE_PAYLOAD: bytes(65_536)})


STRATEGY: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=70),
    int: st.integers(0, 255),
    bytes: st.binary(max_size=255),
}


@st.composite
def pdus(draw: st.DrawFn) -> Pdu:
    command, shape = draw(st.sampled_from(sorted(codec.SHAPES.items())))
    values = [draw(STRATEGY[field.type]) for field in msgspec.structs.fields(shape)]
    build: Any = shape
    return Pdu(
        command,
        draw(st.integers(0, 0xFFFFFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
        build(*values),
        draw(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=4)),
    )


@given(pdus())
def test_every_pdu_reads_back_as_it_was_written(pdu: Pdu) -> None:
    frame = codec.encode(pdu.command, pdu.sequence, pdu.body, status=pdu.status, tlvs=pdu.tlvs)
    assert codec.decode(frame) == msgspec.structs.replace(pdu, raw=frame)


@given(st.sampled_from(sorted(codec.SHAPES)), st.binary(max_size=200))
@example(Command.SUBMIT_SM, b"")
@example(Command.SUBMIT_SM, bytes(16) + b"\xff")
def test_noise_raises_nothing_but_pdu_error(command: int, noise: bytes) -> None:
    frame = codec.encode(command, 5, noise)
    try:
        assert codec.decode(frame).sequence == 5
    except PduError as error:
        assert error.sequence == 5
        assert not command & codec.RESPONSE


@given(st.binary(max_size=40))
def test_arbitrary_octets_raise_nothing_but_pdu_error(frame: bytes) -> None:
    try:
        codec.decode(frame)
    except PduError as error:
        assert error.reason


@given(st.lists(st.integers(16, 80), max_size=6), st.lists(st.integers(1, 30), max_size=30))
def test_framer_gives_the_same_pdus_however_the_stream_is_cut(lengths: list[int], cuts: list[int]) -> None:
    frames = [length.to_bytes(4) + bytes(length - 4) for length in lengths]
    stream = b"".join(frames)
    framer = Framer()
    found: list[bytes] = []
    for cut in cuts:
        found += framer.feed(stream[:cut])
        stream = stream[cut:]
    assert found + framer.feed(stream) == frames


@pytest.mark.parametrize("length", [0, 4, 15, codec.MAX_FRAME + 1, 0x80000000])
def test_framer_refuses_a_length_that_cannot_be(length: int) -> None:
    good = codec.encode(Command.ENQUIRE_LINK, 1)
    with pytest.raises(FramingError) as refused:
        Framer().feed(good + length.to_bytes(4) + b"abcd")
    assert refused.value.frames == [good]
    assert refused.value.rest == length.to_bytes(4) + b"abcd"


@given(st.integers(0, 0xFFFF), st.integers(1, 255), st.sampled_from([8, 16]), st.binary(max_size=20), st.data())
def test_concatenation_reads_back(reference: int, parts: int, bits: Any, text: bytes, data: st.DataObject) -> None:
    part = data.draw(st.integers(1, parts))
    header = udh.build(udh.Concatenation(reference, parts, part), bits)
    expected = udh.Concatenation(reference & ((1 << bits) - 1), parts, part)
    assert udh.parse(header + text) == (expected, text)


@pytest.mark.parametrize(
    ("octets", "concatenation", "text"),
    [
        ("050003cc02016869", udh.Concatenation(0xCC, 2, 1), b"hi"),
        ("060804123403026869", udh.Concatenation(0x1234, 3, 2), b"hi"),
        ("0b0504158200000003cc020268", udh.Concatenation(0xCC, 2, 2), b"h"),  # after a port element
        ("060504158200006869", None, b"hi"),  # ports only
        ("050003cc020068", None, b"h"),  # part 0
        ("050003cc020368", None, b"h"),  # part 3 of 2
        ("050009cc020368", None, b"h"),  # element longer than the header
        ("4068656c6c6f", None, b"@hello"),  # header longer than the data
        ("", None, b""),
    ],
)
def test_odd_header(octets: str, concatenation: udh.Concatenation | None, text: bytes) -> None:
    assert udh.parse(bytes.fromhex(octets)) == (concatenation, text)


@given(st.binary(max_size=40))
def test_any_octets_parse_as_a_header_or_as_none(data: bytes) -> None:
    _, text = udh.parse(data)
    assert data.endswith(text)
