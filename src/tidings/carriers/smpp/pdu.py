"""SMPP PDUs to bytes and back: no I/O, no session, only the wire format of SMPP 3.4 §4 and §5.

Called by `link` for every PDU of both roles (our carrier, the SMSC simulator). A body struct *is* its
table of fields: their order is the wire's; `str` is a C-octet string, `int` one octet, `bytes` a length
octet and so many octets. Reading is lenient, since carriers are: what can be kept is kept, what was wrong
is named in `Pdu.problems`.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

HEADER: Final = struct.Struct(">IIII")
TLV_HEADER: Final = struct.Struct(">HH")

RESPONSE: Final = 0x80000000
"""Set in the command_id of every response (SMPP 3.4 §5.1.2.1)."""

MAX_FRAME: Final = 65_536
"""Octets of the longest PDU read: the longest TLV and the longest mandatory part together stay below."""

UDHI: Final = 0x40
"""esm_class: short_message begins with a user data header (SMPP 3.4 §5.2.12)."""

RINVCMDLEN: Final = 0x02


class Command(IntEnum):
    """command_id (SMPP 3.4 §5.1.2.1)."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    QUERY_SM = 0x03
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    REPLACE_SM = 0x07
    CANCEL_SM = 0x08
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    SUBMIT_MULTI = 0x21
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


class Tag(IntEnum):
    """The TLVs this project reads or writes (SMPP 3.4 §5.3.2); all others pass through as numbers."""

    QOS_TIME_TO_LIVE = 0x0017
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427


# gc=False: none of these can be part of a reference cycle, and there are thousands a second.


class Bind(msgspec.Struct, frozen=True, gc=False):
    """bind_transmitter, bind_receiver, bind_transceiver (SMPP 3.4 §4.1)."""

    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class BindResp(msgspec.Struct, frozen=True, gc=False):
    system_id: str = ""


class Outbind(msgspec.Struct, frozen=True, gc=False):
    system_id: str = ""
    password: str = ""


class ShortMessage(msgspec.Struct, frozen=True, gc=False):
    """submit_sm and deliver_sm (SMPP 3.4 §4.4.1, §4.6.1)."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class DataSm(msgspec.Struct, frozen=True, gc=False):
    """data_sm, in both directions (SMPP 3.4 §4.7.1); its text is in the message_payload TLV."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


class MessageIdResp(msgspec.Struct, frozen=True, gc=False):
    """submit_sm_resp, deliver_sm_resp (where it stays empty) and data_sm_resp."""

    message_id: str = ""


class QuerySm(msgspec.Struct, frozen=True, gc=False):
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(msgspec.Struct, frozen=True, gc=False):
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSm(msgspec.Struct, frozen=True, gc=False):
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class Empty(msgspec.Struct, frozen=True, gc=False):
    """enquire_link, unbind, generic_nack, and the responses that carry nothing."""


Shape = (
    Bind | BindResp | Outbind | ShortMessage | DataSm | MessageIdResp | QuerySm | QuerySmResp | CancelSm | Empty
)
Body = Shape | bytes
"""`bytes` is the unread body of a command that has no shape here."""

SHAPES: Final[Mapping[int, type[Shape]]] = {
    Command.BIND_RECEIVER: Bind,
    Command.BIND_TRANSMITTER: Bind,
    Command.BIND_TRANSCEIVER: Bind,
    Command.BIND_RECEIVER_RESP: BindResp,
    Command.BIND_TRANSMITTER_RESP: BindResp,
    Command.BIND_TRANSCEIVER_RESP: BindResp,
    Command.OUTBIND: Outbind,
    Command.SUBMIT_SM: ShortMessage,
    Command.DELIVER_SM: ShortMessage,
    Command.DATA_SM: DataSm,
    Command.SUBMIT_SM_RESP: MessageIdResp,
    Command.DELIVER_SM_RESP: MessageIdResp,
    Command.DATA_SM_RESP: MessageIdResp,
    Command.QUERY_SM: QuerySm,
    Command.QUERY_SM_RESP: QuerySmResp,
    Command.CANCEL_SM: CancelSm,
    Command.CANCEL_SM_RESP: Empty,
    Command.UNBIND: Empty,
    Command.UNBIND_RESP: Empty,
    Command.ENQUIRE_LINK: Empty,
    Command.ENQUIRE_LINK_RESP: Empty,
    Command.GENERIC_NACK: Empty,
}


class Pdu(msgspec.Struct, frozen=True, gc=False):
    command: int
    status: int
    sequence: int
    body: Body
    tlvs: dict[int, bytes]
    problems: tuple[str, ...] = ()
    """What was wrong with the bytes and has been tolerated; empty for a clean PDU."""
    raw: bytes = b""
    """The octets it was read from; empty for a PDU that was not."""


class PduError(ValueError):
    """A request whose mandatory fields cannot be read; `command_status` is what its sender is to be told."""

    def __init__(self, command_status: int, reason: str, sequence: int) -> None:
        super().__init__(reason)
        self.command_status = command_status
        self.reason = reason
        self.sequence = sequence


class FramingError(ValueError):
    """A command_length that cannot be true: where the next PDU begins is lost, and with it the connection.

    `frames` came whole before it; `rest` begins with the length that was refused.
    """

    def __init__(self, reason: str, frames: list[bytes], rest: bytes) -> None:
        super().__init__(reason)
        self.frames = frames
        self.rest = rest


def _layout(shape: type[Shape]) -> Iterator[tuple[type, int]]:
    """The wire layout of a body: (kind, count), neighbouring octets in one run."""
    for kind, run in groupby(field.type for field in msgspec.structs.fields(shape)):
        count = sum(1 for _ in run)
        if kind is int:
            yield kind, count
        else:
            yield from [(kind, 1)] * count


_LAYOUTS: Final = {shape: tuple(_layout(shape)) for shape in set(SHAPES.values())}


class _Form(NamedTuple):
    """How a shape is written, in one go: Latin-1 has the first 256 characters as the octets of their numbers."""

    text: str
    """All fields, as a %-format."""
    strings: tuple[int, ...]
    """Which of the fields are C-octet strings."""
    octets: bool
    """Whether it ends with octets: the format has only how many they are."""


_WRITTEN: Final = {str: "%s\0", int: "%c", bytes: "%c"}


def _form(shape: type[Shape]) -> _Form:
    kinds = [field.type for field in msgspec.structs.fields(shape)]
    assert bytes not in kinds[:-1], "octets come last"
    return _Form(
        "".join(_WRITTEN[kind] for kind in kinds),
        tuple(place for place, kind in enumerate(kinds) if kind is str),
        kinds[-1:] == [bytes],
    )


_FORMS: Final = {shape: _form(shape) for shape in set(SHAPES.values())}


def encode(
    command: int,
    sequence: int,
    body: Body | None = None,
    *,
    status: int = 0,
    tlvs: Mapping[int, bytes] | None = None,
) -> bytes:
    """One PDU. No body (None) is right for an error response (SMPP 3.4 §4.4.2) and for the empty shapes.

    Raises ValueError for what cannot be put on the wire: a NUL or a character beyond latin-1 in a string,
    an octet beyond 255, a short_message beyond 255 octets, a TLV beyond 65,535.
    """
    out = b"" if body is None else body if isinstance(body, bytes) else _written(body)
    if tlvs:
        for tag, value in tlvs.items():
            if len(value) > 0xFFFF:
                raise ValueError(f"TLV 0x{tag:04X} holds {len(value)} octets, at most 65535 fit")
            out += TLV_HEADER.pack(tag, len(value)) + value
    return HEADER.pack(16 + len(out), command, status, sequence) + out


def _written(body: Shape) -> bytes:
    """The mandatory fields."""
    form = _FORMS[type(body)]
    values: tuple[Any, ...] = msgspec.structs.astuple(body)
    octets = b""
    if form.octets:
        octets = values[-1]
        values = (*values[:-1], len(octets))
    strings = [values[place] for place in form.strings]
    if "\0" in "".join(strings):
        raise ValueError(f"a NUL inside a C-octet string: {next(text for text in strings if chr(0) in text)!r}")
    try:
        return (form.text % values).encode("latin-1") + octets
    except OverflowError as error:  # a number that is no character's either
        raise ValueError(str(error)) from None


def decode(frame: bytes) -> Pdu:
    """Read one PDU. Raises PduError, and nothing else, for a request without all its mandatory fields.

    A response is never refused: error responses come with or without a body (and with odd ones), so fields
    that are missing keep their defaults.
    """
    if len(frame) < 16:
        raise PduError(RINVCMDLEN, f"{len(frame)} octets are not a PDU", 0)
    _, command, status, sequence = HEADER.unpack_from(frame)
    shape = SHAPES.get(command)
    if shape is None:
        return Pdu(command, status, sequence, frame[16:], {}, (), frame)
    if len(frame) == 16 and (command & RESPONSE or shape is Empty):
        return Pdu(command, status, sequence, shape(), {}, (), frame)
    values, position, problem = _read_fields(frame, shape)
    problems: tuple[str, ...] = ()
    if problem:
        if not command & RESPONSE and len(values) < len(shape.__struct_fields__):
            raise PduError(RINVCMDLEN, problem, sequence)
        problems = (problem,)
    build: Callable[..., Shape] = shape
    tlvs: dict[int, bytes] = {}
    if position < len(frame):
        problems += _read_tlvs(frame, position, tlvs)
    return Pdu(command, status, sequence, build(*values), tlvs, problems, frame)


def _read_fields(frame: bytes, shape: type[Shape]) -> tuple[list[str | int | bytes], int, str]:
    """The fields that are there, where they end, and what ended them too early ("" if nothing did)."""
    values: list[str | int | bytes] = []
    position = 16
    size = len(frame)
    for kind, count in _LAYOUTS[shape]:
        if kind is str:
            end = frame.find(0, position)
            if end < 0:
                if position >= size:
                    return values, size, f"{_next_field(shape, values)} is missing"
                name = _next_field(shape, values)
                values.append(frame[position:].decode("latin-1"))
                return values, size, f"{name} has no NUL"
            values.append(frame[position:end].decode("latin-1"))
            position = end + 1
        elif kind is int:
            end = position + count
            if end > size:
                return values, size, f"{_next_field(shape, values)} and what follows is missing"
            values += frame[position:end]
            position = end
        else:
            if position >= size:
                return values, size, "sm_length is missing"
            start = position + 1
            position = start + frame[position]
            if position > size:
                return values, size, f"short_message has {size - start} of {position - start} octets"
            values.append(frame[start:position])
    return values, position, ""


def _next_field(shape: type[Shape], values: list[str | int | bytes]) -> str:
    return shape.__struct_fields__[len(values)]


def _read_tlvs(frame: bytes, position: int, tlvs: dict[int, bytes]) -> tuple[str, ...]:
    """Fill `tlvs` as far as the tail makes sense; the first of a repeated tag counts."""
    problems: tuple[str, ...] = ()
    size = len(frame)
    while position + 4 <= size:
        tag, length = TLV_HEADER.unpack_from(frame, position)
        start = position + 4
        position = start + length
        if position > size:
            return (*problems, f"TLV 0x{tag:04X} of {length} octets dropped: only {size - start} are left")
        if tag in tlvs:
            problems = (*problems, f"TLV 0x{tag:04X} repeated")
        else:
            tlvs[tag] = frame[start:position]
    if position < size:
        problems = (*problems, f"{size - position} octets after the last TLV dropped")
    return problems


def content(pdu: Pdu) -> bytes:
    """The user data of a submit_sm, deliver_sm or data_sm, wherever it was put (SMPP 3.4 §5.3.2.32)."""
    if isinstance(pdu.body, ShortMessage) and pdu.body.short_message:
        return pdu.body.short_message
    return pdu.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")


class Framer:
    """Cuts a byte stream into PDUs by their command_length."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The PDUs that are whole now. Raises FramingError for a length below 16 or above the limit."""
        if self._rest:
            data = self._rest + data
        frames: list[bytes] = []
        position = 0
        size = len(data)
        while position + 4 <= size:
            length = int.from_bytes(data[position : position + 4])
            if not 16 <= length <= self._limit:
                self._rest = b""
                raise FramingError(f"command_length {length}", frames, data[position:])
            end = position + length
            if end > size:
                break
            frames.append(data[position:end])
            position = end
        self._rest = data[position:]
        return frames
