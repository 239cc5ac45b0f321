"""A submitted segment as the simulated carrier reads it: what rules look at, receipts answer to and the log keeps.

`server` makes one of every submit_sm.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from tidings.carriers.smpp import udh
from tidings.carriers.smpp.pdu import UDHI, Pdu, ShortMessage, Tag, content
from tidings.carriers.smpp.udh import Concatenation
from tidings.text import decode_gsm7, decode_ucs2

_DECODERS: Final[Mapping[int, Callable[[bytes], str]]] = {
    0x00: decode_gsm7,
    0x01: lambda data: data.decode("ascii", "replace"),
    0x03: lambda data: data.decode("latin-1"),
    0x08: decode_ucs2,
}
"""By data_coding (SMPP 3.4 §5.2.19); the SMSC's default alphabet is GSM 7-bit, one septet an octet."""

_WHOLE: Final = Concatenation(reference=0, parts=1, part=1)


class Segment(msgspec.Struct, frozen=True, gc=False):
    at: int
    """When it was read, microseconds since 1970."""
    message: ShortMessage
    content: bytes
    """Its user data, header included."""
    payload: bytes
    """... and without the header."""
    concatenation: Concatenation = _WHOLE

    @property
    def text(self) -> str:
        """Hexadecimal where data_coding tells of no text."""
        decode = _DECODERS.get(self.message.data_coding)
        return decode(self.payload) if decode else self.payload.hex()


def read(pdu: Pdu, message: ShortMessage, at: int) -> Segment:
    """The segment in a submit_sm, concatenated by a user data header or by the sar_* TLVs."""
    data = content(pdu)
    if message.esm_class & UDHI:
        concatenation, payload = udh.parse(data)
        return Segment(at, message, data, payload, concatenation or _WHOLE)
    if pdu.tlvs and Tag.SAR_SEGMENT_SEQNUM in pdu.tlvs:
        sar = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
        return Segment(
            at, message, data, data, Concatenation(*(int.from_bytes(pdu.tlvs.get(tag, b"\1")) for tag in sar))
        )
    return Segment(at, message, data, data)
