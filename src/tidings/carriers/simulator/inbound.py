"""What a handset sends, as deliver_sm bodies: one for a short text, several for a long one, cut in any usual way.

`server.inject` hands them to a client of the simulated carrier.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tidings.carriers.smpp import udh
from tidings.carriers.smpp.pdu import UDHI, Command, ShortMessage, Tag, encode
from tidings.carriers.smpp.segment import (
    LONGEST_SHORT_CODE,
    NPI_ISDN,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    sar,
    split_for_wide_header,
)
from tidings.carriers.smpp.udh import Concatenation
from tidings.text import Encoding, encode_gsm7, encode_ucs2, measure, split

MOST_DELIVERIES: Final = 100

_UCS2 = 0x08


class Segmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a text of several segments comes in."""

    by: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    """User data headers with a reference of 8 or 16 bits, sar_* TLVs, or one deliver_sm with message_payload."""
    order: Annotated[tuple[int, ...], Meta(max_length=MOST_DELIVERIES)] = ()
    """1-based numbers of the segments in the order in which they come: one that is left out never does, one that
    is named twice comes twice; (): all of them, in theirs."""


class NoSuchSegment(ValueError):
    """The order names a segment that the text does not have."""


def bodies(source: str, destination: str, text: str, reference: int, how: Segmentation) -> list[bytes]:
    """Encoded deliver_sm bodies with their TLVs, in order. `reference` ties the segments of a long text together.

    Raises NoSuchSegment.
    """
    encoding = measure(text).encoding
    encode_text, data_coding = (encode_ucs2, _UCS2) if encoding is Encoding.UCS2 else (encode_gsm7, 0)
    parts = _split(text, encoding, how)
    made = []
    for number in how.order or range(1, len(parts) + 1):
        if not 1 <= number <= len(parts):
            raise NoSuchSegment(f"the text has {len(parts)} segments, and no number {number}")
        content = encode_text(parts[number - 1])
        header, tlvs = b"", dict[int, bytes]()
        if how.by == "payload":
            content, tlvs = b"", {Tag.MESSAGE_PAYLOAD: content}
        elif len(parts) > 1:
            header, tlvs = _concatenated(Concatenation(reference, len(parts), number), how)
        made.append(_body(source, destination, header + content, data_coding, UDHI if header else 0, tlvs))
    return made


def _split(text: str, encoding: Encoding, how: Segmentation) -> list[str]:
    if how.by == "payload":
        return [text]
    if how.by == "udh16" and measure(text).segments > 1:
        return split_for_wide_header(text, encoding)
    return split(text, encoding)


def _concatenated(which: Concatenation, how: Segmentation) -> tuple[bytes, dict[int, bytes]]:
    """(user data header, TLVs) of a segment."""
    if how.by == "sar":
        return b"", sar(which)
    return udh.build(which, 16 if how.by == "udh16" else 8), {}


def _body(
    source: str, destination: str, content: bytes, data_coding: int, esm_class: int, tlvs: Mapping[int, bytes]
) -> bytes:
    source_ton, source_npi, source = _address(source)
    destination_ton, destination_npi, destination = _address(destination)
    message = ShortMessage(
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=destination_ton,
        dest_addr_npi=destination_npi,
        destination_addr=destination,
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=content,
    )
    return encode(Command.DELIVER_SM, 0, message, tlvs=tlvs)[16:]


def _address(address: str) -> tuple[int, int, str]:
    """(type of number, numbering plan, address): numbers travel without "+" (SMPP 3.4 §5.2.5, §5.2.6)."""
    number = address.removeprefix("+")
    if not number.isdecimal():
        return TON_ALPHANUMERIC, 0, address
    return (TON_INTERNATIONAL if len(number) > LONGEST_SHORT_CODE else 0), NPI_ISDN, number
