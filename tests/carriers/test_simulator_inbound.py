"""What the simulated carrier's handsets send, in each way that a long text can come in."""

import msgspec
import pytest

from tidings.carriers.base import InboundSegment
from tidings.carriers.simulator.inbound import NoSuchSegment, Segmentation, bodies
from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp import segment
from tidings.carriers.smpp.pdu import HEADER, Command, ShortMessage, Tag, content
from tidings.carriers.smpp.settings import SmppSettings

SETTINGS = SmppSettings(name="main", host="127.0.0.1", system_id="us")
LATIN, CYRILLIC = "long [text] " * 40, "длинный текст " * 20
REFERENCE = 0x1234


def cut(by: str, *order: int) -> Segmentation:
    return msgspec.convert({"by": by, "order": order}, Segmentation)


def pdus(text: str, how: Segmentation) -> list[codec.Pdu]:
    made = bodies("+15557654321", "+15005550006", text, REFERENCE, how)
    return [
        codec.decode(HEADER.pack(16 + len(body), Command.DELIVER_SM, 0, number) + body)
        for number, body in enumerate(made, 1)
    ]


def read(text: str, how: Segmentation) -> list[InboundSegment]:
    """As our own carrier reads them."""
    return [segment.read(pdu, carrier="main", received_at=0, settings=SETTINGS) for pdu in pdus(text, how)]


@pytest.mark.parametrize("text", [LATIN, CYRILLIC])
@pytest.mark.parametrize(("by", "reference"), [("udh8", 0x34), ("udh16", 0x1234), ("sar", 0x1234)])
def test_a_long_text_comes_in_segments(by: str, reference: int, text: str) -> None:
    how = cut(by)
    came = read(text, how)
    assert "".join(one.text for one in came) == text
    assert {one.reference for one in came} == {reference}
    assert [(one.part, one.parts) for one in came] == [(number, len(came)) for number in range(1, len(came) + 1)]
    assert (came[0].source, came[0].destination) == ("+15557654321", "+15005550006")
    for pdu in pdus(text, how):
        assert isinstance(pdu.body, ShortMessage)
        wide = pdu.body.data_coding == 8
        assert len(content(pdu)) <= (140 if wide else 160), "no more than an SMS holds"


@pytest.mark.parametrize("text", ["short", LATIN])
def test_a_text_in_the_payload_comes_whole(text: str) -> None:
    (pdu,) = pdus(text, Segmentation("payload"))
    assert isinstance(pdu.body, ShortMessage)
    assert (pdu.body.short_message, Tag.MESSAGE_PAYLOAD in pdu.tlvs) == (b"", True)
    (came,) = read(text, Segmentation("payload"))
    assert (came.text, came.parts) == (text, 1)


@pytest.mark.parametrize("by", ["udh8", "udh16", "sar"])
def test_a_short_text_needs_nothing_of_that(by: str) -> None:
    (pdu,) = pdus("short", cut(by))
    assert isinstance(pdu.body, ShortMessage)
    assert (pdu.body.short_message, pdu.body.esm_class, pdu.tlvs) == (b"short", 0, {})


def test_segments_come_in_the_order_that_is_asked_for() -> None:
    assert [one.part for one in read(LATIN, Segmentation(order=(3, 1, 3)))] == [3, 1, 3]


@pytest.mark.parametrize(("text", "by", "number"), [(LATIN, "udh8", 9), (LATIN, "udh8", 0), (LATIN, "payload", 2)])
def test_a_segment_that_there_is_not_cannot_come(text: str, by: str, number: int) -> None:
    with pytest.raises(NoSuchSegment, match=f"and no number {number}"):
        pdus(text, cut(by, 1, number))
