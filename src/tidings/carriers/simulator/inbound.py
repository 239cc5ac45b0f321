"""What a handset sends, as deliver_sm bodies: one for a short text, several with headers for a long one.

`server.inject` hands them to a client of the simulated carrier.
"""

from tidings.carriers.smpp import udh
from tidings.carriers.smpp.pdu import UDHI, Command, ShortMessage, encode
from tidings.carriers.smpp.segment import LONGEST_SHORT_CODE, NPI_ISDN, TON_ALPHANUMERIC, TON_INTERNATIONAL
from tidings.text import Encoding, encode_gsm7, encode_ucs2, measure, split

_UCS2 = 0x08


def bodies(source: str, destination: str, text: str, reference: int) -> list[bytes]:
    """Encoded deliver_sm bodies, in order. `reference` (0-255) ties the parts of a long text together."""
    encoding = measure(text).encoding
    parts = split(text, encoding)
    encode_text, data_coding = (encode_ucs2, _UCS2) if encoding is Encoding.UCS2 else (encode_gsm7, 0)
    return [
        _body(
            source,
            destination,
            _header(reference, len(parts), number) + encode_text(part),
            data_coding,
            UDHI if len(parts) > 1 else 0,
        )
        for number, part in enumerate(parts, 1)
    ]


def _header(reference: int, parts: int, part: int) -> bytes:
    return udh.build(udh.Concatenation(reference, parts, part)) if parts > 1 else b""


def _body(source: str, destination: str, content: bytes, data_coding: int, esm_class: int) -> bytes:
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
    return encode(Command.DELIVER_SM, 0, message)[16:]


def _address(address: str) -> tuple[int, int, str]:
    """(type of number, numbering plan, address): numbers travel without "+" (SMPP 3.4 §5.2.5, §5.2.6)."""
    number = address.removeprefix("+")
    if not number.isdecimal():
        return TON_ALPHANUMERIC, 0, address
    return (TON_INTERNATIONAL if len(number) > LONGEST_SHORT_CODE else 0), NPI_ISDN, number
