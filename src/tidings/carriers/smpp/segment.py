"""A segment on the wire: a submission as submit_sm, a deliver_sm or data_sm from a handset as an inbound segment.

Pure; called by `carrier` and `inbox`. Alphabets are `tidings.text`'s, headers `udh`'s; here is only where SMPP
puts them: addresses (3.4 §5.2.5), esm_class (§5.2.12), data_coding (§5.2.19), TLVs (§5.3.2).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import regex

from tidings import text as alphabet
from tidings.carriers.base import InboundSegment, Submission
from tidings.carriers.smpp import udh
from tidings.carriers.smpp.pdu import UDHI, DataSm, Pdu, ShortMessage, Tag, content
from tidings.carriers.smpp.settings import Charset, SmppSettings
from tidings.text import Encoding

TON_INTERNATIONAL: Final = 1
TON_ALPHANUMERIC: Final = 5
NPI_ISDN: Final = 1

LONGEST_SHORT_CODE: Final = 8
_MOST_SEPTETS: Final = 160
_MOST_OCTETS: Final = 140
"""What one SMS holds: more of it in one submit_sm has to go into message_payload."""

_NUMBER = re.compile(r"\+?[0-9]+").fullmatch
_CLUSTERS = regex.compile(r"\X")


class Address(msgspec.Struct, frozen=True, gc=False):
    ton: int
    npi: int
    digits: str


def address(spelled: str, settings: SmppSettings, *, ton: int | None = None, npi: int | None = None) -> Address:
    """The type of number, numbering plan and spelling of an address; `ton` and `npi` override what it looks like.

    "+15551230000" is international ISDN (1/1), up to eight digits are a short code, more digits of unknown type,
    anything else is an alphanumeric sender (5/0).
    """
    if not _NUMBER(spelled):
        kind = (TON_ALPHANUMERIC, 0)
    elif spelled[0] == "+":
        kind = (TON_INTERNATIONAL, NPI_ISDN)
        spelled = spelled if settings.plus else spelled[1:]
    elif len(spelled) <= LONGEST_SHORT_CODE:
        kind = (settings.short_code_ton, settings.short_code_npi)
    else:
        kind = (0, NPI_ISDN)
    return Address(kind[0] if ton is None else ton, kind[1] if npi is None else npi, spelled)


def source(spelled: str, settings: SmppSettings) -> Address:
    return address(spelled, settings, ton=settings.source_ton, npi=settings.source_npi)


def destination(spelled: str, settings: SmppSettings) -> Address:
    return address(spelled, settings, ton=settings.dest_ton, npi=settings.dest_npi)


def split(body: str, encoding: Encoding, settings: SmppSettings) -> list[str]:
    """The texts of the submissions that carry a body to this carrier."""
    if settings.long_messages == "payload":
        return [body]
    parts = alphabet.split(body, encoding)
    if len(parts) == 1 or settings.long_messages == "sar" or settings.udh_reference == 8:
        return parts
    return split_for_wide_header(body, encoding)


def split_for_wide_header(body: str, encoding: Encoding) -> list[str]:
    """A header with a 16-bit reference has 7 octets: a part holds one septet or UTF-16 unit less."""
    room = 152 if encoding is Encoding.GSM7 else 66
    measure: Callable[[str], int] = (
        (lambda part: len(alphabet.encode_gsm7(part))) if encoding is Encoding.GSM7 else alphabet.length
    )
    parts: list[str] = []
    while body:
        part = alphabet.split(body, encoding)[0]
        while measure(part) > room:
            *kept, _last = _CLUSTERS.findall(part)
            part = "".join(kept) or part[:room]
        parts.append(part)
        body = body[len(part) :]
    return parts


def reference(submission: Submission) -> int:
    """The user_message_reference of a segment: 16 bits that follow from it, so that an echo can be looked for."""
    return (int(submission.message_id[-4:], 16) + submission.part) & 0xFFFF


def compose(
    submission: Submission, settings: SmppSettings, *, tlvs_allowed: bool = True, reference_wanted: bool = False
) -> tuple[ShortMessage, dict[int, bytes]]:
    """The body and TLVs of its submit_sm. Raises ValueError for a text that this carrier's settings cannot carry.

    The concatenation reference follows from the message id: the same for all parts, in every attempt, with
    nothing to remember.
    """
    tlvs: dict[int, bytes] = {}
    header = b""
    if submission.parts > 1:
        concatenation = udh.Concatenation(int(submission.message_id[-4:], 16), submission.parts, submission.part)
        if settings.long_messages == "sar" and tlvs_allowed:
            tlvs = sar(concatenation)
        else:
            header = udh.build(concatenation, settings.udh_reference)
    data_coding, octets, most = _encode(submission, settings, header)
    message = header + octets
    if len(message) > most:
        if header or not tlvs_allowed:
            raise ValueError(f"{len(message)} octets are more than a segment holds ({most})")
        tlvs[Tag.MESSAGE_PAYLOAD] = message
        message = b""
    if reference_wanted and tlvs_allowed:
        tlvs[Tag.USER_MESSAGE_REFERENCE] = reference(submission).to_bytes(2)
    sender, recipient = source(submission.sender, settings), destination(submission.recipient, settings)
    body = ShortMessage(
        service_type=settings.service_type,
        source_addr_ton=sender.ton,
        source_addr_npi=sender.npi,
        source_addr=sender.digits,
        dest_addr_ton=recipient.ton,
        dest_addr_npi=recipient.npi,
        destination_addr=recipient.digits,
        esm_class=UDHI if header else 0,
        validity_period=_relative_time(submission.validity) if submission.validity else "",
        registered_delivery=settings.registered_delivery if submission.receipt else 0,
        data_coding=data_coding,
        short_message=message,
    )
    return body, tlvs


def _encode(submission: Submission, settings: SmppSettings, header: bytes) -> tuple[int, bytes, int]:
    """(data_coding, octets, how many octets header and text may have together)."""
    charset = settings.gsm7_charset
    if submission.encoding is Encoding.GSM7:
        if charset in _EIGHT_BIT:
            try:
                return settings.gsm7_data_coding, submission.text.encode(_EIGHT_BIT[charset]), _MOST_SEPTETS
            except UnicodeEncodeError:
                pass  # Greek capitals and the euro sign are in GSM 7-bit but not here: this segment goes as UCS-2
        else:
            septets = alphabet.encode_gsm7(submission.text)
            if charset == "gsm7":
                return settings.gsm7_data_coding, septets, _MOST_SEPTETS
            return settings.gsm7_data_coding, alphabet.pack_septets(septets, _fill(header)), _MOST_OCTETS
    return settings.ucs2_data_coding, alphabet.encode_ucs2(submission.text), _MOST_OCTETS


_EIGHT_BIT: Final[Mapping[Charset, str]] = {"latin1": "latin-1", "ascii": "ascii"}


def _fill(header: bytes) -> int:
    """Bits that bring packed text behind a header to a septet boundary."""
    return -8 * len(header) % 7


def sar(concatenation: udh.Concatenation) -> dict[int, bytes]:
    """TLVs that say which part a segment is (SMPP 3.4 §5.3.2.22 to 24)."""
    return {
        Tag.SAR_MSG_REF_NUM: concatenation.reference.to_bytes(2),
        Tag.SAR_TOTAL_SEGMENTS: bytes((concatenation.parts,)),
        Tag.SAR_SEGMENT_SEQNUM: bytes((concatenation.part,)),
    }


def _relative_time(seconds: int) -> str:
    """SMPP 3.4 §7.1.1.2: "YYMMDDhhmmss000R"; four weeks at most, since months differ."""
    minutes, second = divmod(min(seconds, 28 * 86_400), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"0000{days:02d}{hour:02d}{minute:02d}{second:02d}000R"


# --- what comes in


def read(
    pdu: Pdu,
    *,
    carrier: str,
    received_at: int,
    settings: SmppSettings,
    connection: str = "",
    live: frozenset[str] = frozenset(),
) -> InboundSegment:
    """A deliver_sm or data_sm that is no receipt; never raises for what is in it.

    `connection` and `live` are `InboundSegment`'s.
    """
    body = pdu.body
    if not isinstance(body, ShortMessage | DataSm):
        raise TypeError(f"command 0x{pdu.command:08X} carries no message")
    octets = content(pdu)
    concatenation, header_length = None, 0
    if body.esm_class & UDHI:
        concatenation, rest = udh.parse(octets)
        header_length = len(octets) - len(rest)
    concatenation = concatenation or _from_sar(pdu.tlvs) or udh.Concatenation(0, 1, 1)
    cut = concatenation.parts > 1
    words, encoding = decode(octets, header_length, body.data_coding, settings.gsm7_charset, cut=cut)
    return InboundSegment(
        carrier=carrier,
        received_at=received_at,
        source=spell(body.source_addr_ton, body.source_addr),
        destination=spell(body.dest_addr_ton, body.destination_addr),
        text=words,
        encoding=encoding,
        reference=concatenation.reference if cut else None,
        part=concatenation.part,
        parts=concatenation.parts,
        raw=pdu.raw.hex(),
        digest=_digest(body, octets, pdu.tlvs),
        connection=connection,
        live=live,
    )


def spell(ton: int, digits: str) -> str:
    """An address as the gateway writes it: an international number begins with "+"."""
    return f"+{digits}" if ton == TON_INTERNATIONAL and digits.isdecimal() else digits


def _from_sar(tlvs: Mapping[int, bytes]) -> udh.Concatenation | None:
    """All three TLVs, or it is no concatenation (SMPP 3.4 §5.3.2.22)."""
    number, total, part = (
        int.from_bytes(tlvs.get(tag, b""))
        for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if Tag.SAR_MSG_REF_NUM not in tlvs or not 1 <= part <= total:
        return None
    return udh.Concatenation(number, total, part)


_OF_THE_DELIVERY: Final = frozenset(
    {
        Tag.MESSAGE_PAYLOAD,  # in the text already
        Tag.QOS_TIME_TO_LIVE,
        Tag.MS_AVAILABILITY_STATUS,
        Tag.MORE_MESSAGES_TO_SEND,
    }
)
"""TLVs that may be others when the same message is delivered again (SMPP 3.4 §5.3.2). A carrier's own are not
among them: where one is new each time a message comes twice, and that is better than to take two for one."""


def _digest(body: ShortMessage | DataSm, octets: bytes, tlvs: Mapping[int, bytes]) -> str:
    """`InboundSegment.digest`."""
    same = (
        (body.source_addr_ton, body.source_addr_npi, body.source_addr),
        (body.dest_addr_ton, body.dest_addr_npi, body.destination_addr),
        (body.esm_class, body.data_coding, octets),
        sorted((tag, value) for tag, value in tlvs.items() if tag not in _OF_THE_DELIVERY),
    )
    return hashlib.sha256(msgspec.msgpack.encode(same)).hexdigest()


def decode(
    octets: bytes, header_length: int, data_coding: int, charset: Charset, *, cut: bool = False
) -> tuple[str, str]:
    """(text, how it was coded) of user data behind a header of so many octets. Never raises.

    `cut`: it is a part of a text, and half a character stays as it is: one of two surrogates, or an escape
    (U+001B) at the end.
    """
    encoding = _CODINGS.get(data_coding) or _by_group(data_coding)
    if encoding == "gsm7" and data_coding == 0:
        encoding = charset
    data = octets[header_length:]
    decoders = _DECODERS_OF_PARTS if cut else _DECODERS
    if encoding == "packed":
        return decoders["gsm7"](alphabet.unpack_septets(data, -8 * header_length % 7)), "gsm7"
    if encoding in ("gsm7", "ascii") and not data.isascii():
        encoding = "latin1"  # neither has an eighth bit: a carrier that sets it means this
    return decoders[encoding](data), encoding


_CODINGS: Final[Mapping[int, str]] = {
    0: "gsm7",
    1: "ascii",
    2: "binary",
    3: "latin1",
    4: "binary",
    5: "shift_jis",
    6: "iso8859_5",
    7: "iso8859_8",
    8: "ucs2",
    14: "euc_kr",
}
"""SMPP 3.4 §5.2.19; 0 is the carrier's default alphabet, GSM 7-bit unless the settings name another."""


def _by_group(data_coding: int) -> str:
    """The coding groups of 3GPP TS 23.038 §4 that SMPP passes on; what is reserved reads as octets."""
    group = data_coding >> 4
    if group < 0x4:
        return ("gsm7", "binary", "ucs2", "binary")[data_coding >> 2 & 3] if group else "binary"
    if group == 0xF:
        return "binary" if data_coding & 0x04 else "gsm7"
    return {0xC: "gsm7", 0xD: "gsm7", 0xE: "ucs2"}.get(group, "binary")


def _decoder(codec: str) -> Callable[[bytes], str]:
    return lambda data: data.decode(codec, "replace")


_DECODERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "gsm7": alphabet.decode_gsm7,
    "ucs2": alphabet.decode_ucs2,
    "latin1": _decoder("latin-1"),
    "ascii": _decoder("ascii"),
    "binary": _decoder("latin-1"),
    "shift_jis": _decoder("shift_jis"),
    "iso8859_5": _decoder("iso8859_5"),
    "iso8859_8": _decoder("iso8859_8"),
    "euc_kr": _decoder("euc_kr"),
}


def _gsm7_of_part(septets: bytes) -> str:
    escapes = len(septets) - len(septets.rstrip(_ESCAPE))
    if escapes % 2 == 0:  # two of them are a character
        return alphabet.decode_gsm7(septets)
    return alphabet.decode_gsm7(septets[:-1]) + _ESCAPE.decode()


def _ucs2_of_part(data: bytes) -> str:
    odd = len(data) % 2
    return data[: len(data) - odd].decode("utf-16-be", "surrogatepass") + "\ufffd" * odd


_ESCAPE: Final = b"\x1b"
_DECODERS_OF_PARTS: Final = {**_DECODERS, "gsm7": _gsm7_of_part, "ucs2": _ucs2_of_part}
