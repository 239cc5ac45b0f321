"""What the simulated carrier can do with one submitted segment, as data.

`numbers` and scenario files write these down, `scenario` chooses one for each submission, `server` carries it out.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0)]
CommandStatus = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]

Word = Annotated[str, msgspec.Meta(pattern="^[!-~]{0,16}$")]
"""What fits into a receipt's text as one value."""

DELIVERED_AFTER: Final = 0.1
"""Seconds between a submission and its receipt where nothing else is said."""


class Answer(StrEnum):
    """How a submit_sm is answered."""

    RESPOND = "respond"
    """With submit_sm_resp."""
    NACK = "nack"
    """With generic_nack that carries the request's sequence number."""
    NACK_UNNUMBERED = "nack_unnumbered"
    """With generic_nack and sequence number 0: nobody can tell what it is about."""
    NONE = "none"
    """Never."""
    CLOSE = "close"
    """Not at all: the connection is closed once the submission has been read."""
    UNBIND = "unbind"
    """Not at all: unbind is sent, and then the connection closed."""
    RECONNECT = "reconnect"
    """The connection is closed; submit_sm_resp follows on the next bind of the same system_id."""


class Spelling(StrEnum):
    """How the number of a message is written as its id. Each is some carrier's habit."""

    DECIMAL = "decimal"
    HEX = "hex"
    UPPER_HEX = "upper_hex"
    PADDED = "padded"
    """Decimal with leading zeros."""
    UUID = "uuid"
    EMPTY = "empty"
    SAME = "same"
    """In receipts: as the answer spelled it. So do the following."""
    UPPER = "upper"
    TRUNCATED10 = "truncated10"
    TAIL = "tail"
    """With "@" and the recipient behind it."""
    UNKNOWN = "unknown"
    """An id that was never given to any message."""


class Where(StrEnum):
    """Which part of a receipt carries what it says."""

    BOTH = "both"
    TLV = "tlv"
    TEXT = "text"
    PAYLOAD = "message_payload"
    """Text in the message_payload TLV, beside the other TLVs."""
    DATA_SM = "data_sm"
    """TLVs of a data_sm."""


class Via(StrEnum):
    """Which bind a receipt goes to."""

    ORIGIN = "origin"
    """The one the submission came on, if it receives; else another of the same system_id."""
    OTHER = "other"
    """Another one of the same system_id, if there is one that receives."""


class ReceiptPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receipt to come. It precedes the answer where it is due earlier."""

    after: Seconds = DELIVERED_AFTER
    """Counted from when the submission was read."""
    stat: Word = "DELIVRD"
    """The word in its text; the message_state TLV follows it."""
    err: Word = "000"
    copies: Annotated[int, msgspec.Meta(ge=0)] = 1
    parts: tuple[int, ...] = ()
    """Only for these parts of a concatenated message, 1-based; empty: for all."""
    id: Spelling = Spelling.SAME
    where: Where = Where.BOTH
    via: Via = Via.ORIGIN
    esm_class: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0x04
    tlv_overrun: bool = False
    """The last TLV claims more octets than the PDU has left."""


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that happens to one submitted segment."""

    answer: Answer = Answer.RESPOND
    status: CommandStatus = 0
    """command_status of the answer; with any but 0 the message is refused, and no receipt follows."""
    delay: Seconds = 0.0
    """Until the answer. Longer than the client waits makes it an answer after the window timer."""
    times: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The first so many submissions of a segment meet the above, the next one is accepted; 0: all meet it."""
    id: Spelling = Spelling.DECIMAL
    command_length: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)] = 0
    """What submit_sm_resp says its length is; 0: the truth."""
    tlv_overrun: bool = False
    """submit_sm_resp ends in a TLV that claims more octets than are left."""
    receipts: tuple[ReceiptPlan, ...] = ()
    """None unless listed."""


def accepted(behaviour: Behaviour) -> Behaviour:
    """The same without what `times` limits: accepted at once, with the receipts listed."""
    return Behaviour(id=behaviour.id, receipts=behaviour.receipts)


def spell(spelling: Spelling, number: int, said: str, recipient: str) -> str:
    """The id of message `number`, whose answer said `said`."""
    match spelling:
        case Spelling.DECIMAL:
            return str(number)
        case Spelling.SAME:
            return said
        case Spelling.HEX:
            return f"{number:x}"
        case Spelling.UPPER_HEX:
            return f"{number:X}"
        case Spelling.PADDED:
            return f"{number:020d}"
        case Spelling.UUID:
            # Digits that change fastest come first, so that a truncated id still tells messages apart.
            digits = f"{number:032x}"[::-1]
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        case Spelling.EMPTY:
            return ""
        case Spelling.UPPER:
            return said.upper()
        case Spelling.TRUNCATED10:
            return said[:10]
        case Spelling.TAIL:
            return f"{said}@{recipient}"
        case Spelling.UNKNOWN:
            return f"unknown-{number}"
