"""The text of segments: whole characters wherever they were cut, and what there is where some are missing."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.arranged import Sender
from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp import segment, udh
from tidings.carriers.smpp.pdu import UDHI, Command, ShortMessage
from tidings.carriers.smpp.settings import SmppSettings
from tidings.gateway.parts import missing, part_of, text_of
from tidings.model import InboundPart
from tidings.text import decode_gsm7, encode_gsm7, encode_ucs2

GSM7, UCS2 = 0, 0x08
SETTINGS = SmppSettings(name="main", host="127.0.0.1", system_id="us")
OWNER = Sender("+15005550006", "0a" * 16)


def parts(pieces: Sequence[bytes | None], data_coding: int) -> list[InboundPart]:
    """The parts that have such user data, as SMPP brings them; None: it never came."""
    return [
        read(udh.Concatenation(7, len(pieces), number), data, data_coding)
        for number, data in enumerate(pieces, 1)
        if data is not None
    ]


def read(which: udh.Concatenation, data: bytes, data_coding: int) -> InboundPart:
    body = ShortMessage(esm_class=UDHI, data_coding=data_coding, short_message=udh.build(which) + data)
    pdu = codec.decode(codec.encode(Command.DELIVER_SM, 1, body))
    return part_of(segment.read(pdu, carrier="main", received_at=1, settings=SETTINGS), OWNER)


def cut(octets: bytes, places: Sequence[int], unit: int) -> list[bytes]:
    bounds = [0, *sorted(place * unit for place in places), len(octets)]
    return [octets[start:end] for start, end in pairwise(bounds)]


PLACES = st.lists(st.integers(0, 60), min_size=1, max_size=4)


@given(st.text(st.sampled_from("ab😀👩é\ufe0f\u200d漢"), max_size=60), PLACES)
def test_text_of_two_octets_a_unit_is_whole_wherever_it_was_cut(text: str, places: list[int]) -> None:
    octets = encode_ucs2(text)
    places = [min(place, len(octets) // 2) for place in places]
    assert text_of(parts(cut(octets, places, 2), UCS2)) == text


@given(st.text(st.sampled_from("a(){}€[@£\n e^"), max_size=60), PLACES)
def test_septets_are_text_wherever_they_were_cut(text: str, places: list[int]) -> None:
    octets = encode_gsm7(text)
    places = [min(place, len(octets)) for place in places]
    assert text_of(parts(cut(octets, places, 1), GSM7)) == text


@given(st.binary(max_size=60).map(lambda octets: bytes(octet & 0x7F for octet in octets)), PLACES)
def test_any_septets_read_as_they_would_in_one_piece_but_for_escapes_of_escapes(
    octets: bytes, places: list[int]
) -> None:
    octets = octets.replace(b"\x1b\x1b", b"")
    places = [min(place, len(octets)) for place in places]
    assert text_of(parts(cut(octets, places, 1), GSM7)) == decode_gsm7(octets)


HIGH, LOW = "d83d", "de00"


@pytest.mark.parametrize(
    ("pieces", "data_coding", "text"),
    [
        (["0061" + HIGH, None, LOW + "0062"], UCS2, "a\ufffd\ufffdb"),
        (["0061" + HIGH, None], UCS2, "a\ufffd"),
        ([None, LOW + "0062"], UCS2, "\ufffdb"),
        (["611b", None, "65"], GSM7, "a e"),
        (["611b", None], GSM7, "a "),
        ([None, "65", "66"], GSM7, "ef"),
    ],
)
def test_across_a_gap_nothing_is_put_together(pieces: list[str | None], data_coding: int, text: str) -> None:
    octets = [None if piece is None else bytes.fromhex(piece) for piece in pieces]
    assert text_of(parts(octets, data_coding)) == text


def test_parts_may_be_coded_in_several_ways() -> None:
    kinds = [(b"a\x1b", GSM7), (encode_ucs2("漢"), UCS2), (b"\xe9\x1b", 3), (b"(", GSM7)]
    coded = [
        read(udh.Concatenation(7, len(kinds), number), octets, data_coding)
        for number, (octets, data_coding) in enumerate(kinds, 1)
    ]
    assert text_of(coded) == "a 漢é\x1b("


def test_each_part_may_end_as_c_strings_do() -> None:
    assert text_of(parts([encode_ucs2("ab\0"), encode_ucs2("cd\0\0")], UCS2)) == "abcd"


def test_what_is_missing_is_known_by_number() -> None:
    assert missing(parts([None, b"b", None, b"d", None], GSM7)) == [1, 3, 5]
    assert missing(parts([b"a", b"b"], GSM7)) == []
