"""What of a handset's segment is known again, and what becomes of characters that are cut in two."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tidings.carriers.base import InboundSegment
from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp import segment, udh
from tidings.carriers.smpp.pdu import UDHI, Command, DataSm, ShortMessage, Tag
from tidings.carriers.smpp.settings import SmppSettings
from tidings.text import pack_septets

UCS2 = 0x08
PLAIN = ShortMessage(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="15551230000",
    destination_addr="15005550006",
    short_message=b"yes",
)


def read(
    body: ShortMessage | DataSm, tlvs: Mapping[int, bytes] | None = None, sequence: int = 1, **options: Any
) -> InboundSegment:
    command = Command.DELIVER_SM if isinstance(body, ShortMessage) else Command.DATA_SM
    pdu = codec.decode(codec.encode(command, sequence, body, tlvs=tlvs))
    settings = SmppSettings(name="main", host="127.0.0.1", system_id="us", **options)
    return segment.read(pdu, carrier="main", received_at=0, settings=settings)


def part(octets: bytes, data_coding: int = 0, **options: Any) -> str:
    """The text of the first of two parts."""
    header = udh.build(udh.Concatenation(7, 2, 1))
    body = ShortMessage(esm_class=UDHI, data_coding=data_coding, short_message=header + octets)
    return read(body, **options).text


# --- what is the same when it is delivered again
def test_the_same_delivered_again_is_known_by_its_digest() -> None:
    first, again = read(PLAIN), read(PLAIN, sequence=77)
    assert first.raw != again.raw
    assert first.digest == again.digest
    assert len(bytes.fromhex(first.digest)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"source_addr": "15551230001"},
        {"source_addr_ton": 0},
        {"destination_addr": "15005550007"},
        {"dest_addr_npi": 1},
        {"esm_class": 0x80},
        {"data_coding": 3},
        {"short_message": b"Yes"},
        {"short_message": b""},
    ],
    ids=str,
)
def test_another_message_has_another_digest(change: dict[str, Any]) -> None:
    assert read(msgspec.structs.replace(PLAIN, **change)).digest != read(PLAIN).digest


NAMED: dict[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: b"4711\0"}


@pytest.mark.parametrize(
    "tlvs", [{}, {Tag.RECEIPTED_MESSAGE_ID: b"4712\0"}, NAMED | {Tag.USER_MESSAGE_REFERENCE: b"\0\1"}]
)
def test_a_tlv_that_is_the_message_s_own_tells_it_from_others(tlvs: dict[int, bytes]) -> None:
    assert read(PLAIN, NAMED).digest != read(PLAIN, tlvs).digest


def test_a_tlv_that_is_the_delivery_s_does_not() -> None:
    again = NAMED | {
        Tag.QOS_TIME_TO_LIVE: b"\0\0\0\x3c",
        Tag.MS_AVAILABILITY_STATUS: b"\0",
        Tag.MORE_MESSAGES_TO_SEND: b"\1",
    }
    assert read(PLAIN, NAMED).digest == read(PLAIN, again).digest


def test_the_order_of_tlvs_does_not_matter() -> None:
    tlvs = NAMED | {Tag.USER_MESSAGE_REFERENCE: b"\0\1"}
    assert read(PLAIN, tlvs).digest == read(PLAIN, dict(reversed(tlvs.items()))).digest


def test_parts_of_one_text_that_read_the_same_are_different() -> None:
    def digest(number: int) -> str:
        header = udh.build(udh.Concatenation(7, 2, number))
        return read(ShortMessage(esm_class=UDHI, short_message=header + b"ha")).digest

    assert digest(1) != digest(2)


def test_a_text_in_the_payload_has_a_digest_of_its_own() -> None:
    body = DataSm(source_addr="15551230000", destination_addr="15005550006")
    one: dict[int, bytes] = {Tag.MESSAGE_PAYLOAD: b"yes"}
    other: dict[int, bytes] = {Tag.MESSAGE_PAYLOAD: b"no"}
    assert read(body, one).digest == read(body, one, sequence=2).digest
    assert read(body, one).digest != read(body, other).digest


# --- what is cut in two
@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        ("0061d83d", UCS2, "a\ud83d"),  # the first half of an emoji
        ("de000061", UCS2, "\ude00a"),  # the second
        ("d83dde00", UCS2, "😀"),
        ("006100", UCS2, "a\ufffd"),  # half a unit is nothing
        ("611b", 0, "a\x1b"),
        ("1b65", 0, "€"),
        ("1b1b", 0, " "),  # a reserved pair, which shows as a space
        ("1b1b1b", 0, " \x1b"),
        ("65", 0, "e"),
    ],
)
def test_a_part_keeps_what_is_cut_as_it_is(octets: str, data_coding: int, text: str) -> None:
    assert part(bytes.fromhex(octets), data_coding) == text


def test_a_part_of_packed_septets_keeps_its_escape() -> None:
    packed = pack_septets(b"a\x1b", fill_bits=1)
    assert part(packed, gsm7_charset="packed") == "a\x1b"


@pytest.mark.parametrize(("octets", "data_coding", "text"), [("0061d83d", UCS2, "a\ufffd"), ("611b", 0, "a ")])
def test_a_text_that_is_whole_has_nothing_more_to_come(octets: str, data_coding: int, text: str) -> None:
    body = ShortMessage(data_coding=data_coding, short_message=bytes.fromhex(octets))
    assert read(body).text == text


def test_an_escape_of_another_alphabet_is_a_character() -> None:
    assert part(b"a\x1b", data_coding=3) == "a\x1b"
