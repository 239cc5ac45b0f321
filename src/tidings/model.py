"""The nouns everything else is made of: plain data, no behaviour, no I/O.

Structs marked `array_like` are also the rows that a store keeps, in the order of their fields: a batch of
them becomes one JSON array without a line of Python per row (docs/performance.md tells why that matters).
Times are whole microseconds since 1970; ids are 32 hex digits (`tidings.ids`).
"""

from enum import StrEnum
from typing import Any

import msgspec

from tidings.lifecycle import Kind, SegmentState, Status
from tidings.text import Encoding


class Direction(StrEnum):
    """Twilio's words for who started it."""

    INBOUND = "inbound"
    OUTBOUND_API = "outbound-api"
    OUTBOUND_REPLY = "outbound-reply"


class Order(msgspec.Struct, frozen=True):
    """What an application asks for, in no dialect's words. Addresses are as given; nothing is checked yet."""

    dialect: str
    sender: str
    recipient: str
    body: str
    callback_url: str | None = None
    validity: int | None = None
    """Seconds it may wait to be sent; None: for ever."""
    smart_encoded: bool = False
    idempotency_key: str | None = None
    digest: str = ""
    """SHA-256 over the order's parameters, hex: what tells a retry from another request with the same key."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One text message, as it was asked for or received. Never changes; where it stands is its `Standing`."""

    id: str
    account: str
    dialect: str
    """The dialect it was made in, which its callbacks keep: `twilio` …"""
    direction: Direction
    sender: str
    recipient: str
    body: str
    encoding: Encoding
    segments: int
    callback_url: str | None
    validity: int | None
    """Seconds it may wait here before it is sent; None: for ever."""
    created_at: int


class Standing(msgspec.Struct, array_like=True):
    """Where a message stands, and what is to be done with it next."""

    id: str
    status: Status
    events: int
    """How many events it has; the next one's number is one more."""
    updated_at: int
    error: int | None = None
    """Twilio error code of a failed or undelivered message."""
    sent_at: int | None = None
    carrier: str | None = None
    """The carrier it waits for or went to."""
    due_at: int | None = None
    """When it is to be handed to that carrier; None when there is nothing to hand over."""
    tries: int = 0
    """Refusals by this carrier that counted as attempts."""


class Segment(msgspec.Struct, array_like=True):
    """One SMS-sized part of an outbound message, with its own truth."""

    message_id: str
    part: int
    state: SegmentState
    carrier: str
    carrier_id: str | None = None
    """As the carrier spelled it; "" when it accepted without naming it."""
    carrier_key: str | None = None
    """The spelling receipts are looked up by (`Carrier.key`)."""
    error: int | None = None
    submitted_at: int | None = None
    answered_at: int | None = None
    settled_at: int | None = None


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One dated step in a message's history. Append-only."""

    message_id: str
    number: int
    """1-based, per message, without gaps."""
    account: str
    at: int
    kind: Kind
    status: Status
    """Where the message stood once this was known."""
    moved: bool
    """Whether this event changed the status: the ones an application may be told of."""
    applied: bool
    """False: the evidence came too late, twice, or contradicts what is settled; kept, and nothing changed."""
    part: int
    """The segment it speaks of, 0 for the whole message."""
    error: int | None
    detail: dict[str, Any]
    """The evidence: who said what."""


class CallbackState(StrEnum):
    OWED = "owed"
    RETRYING = "retrying"
    DONE = "done"
    GIVEN_UP = "given_up"


class Callback(msgspec.Struct, array_like=True):
    """One event to be told to one URL."""

    message_id: str
    number: int
    """The event's."""
    account: str
    host: str
    """scheme://host:port of the URL: what is slow or dead, is so per host."""
    state: CallbackState
    created_at: int
    due_at: int
    attempts: int = 0
    response: int | None = None
    """HTTP status of the last answer."""
    error: int | None = None
    """Twilio debugger code of the last failure (11200 …)."""
    done_at: int | None = None


class KeptReceipt(msgspec.Struct, frozen=True, array_like=True):
    """A receipt as it was kept before it was acknowledged."""

    id: str
    carrier: str
    received_at: int
    message_id: str | None
    """None while it is parked: nothing matches it yet."""
    part: int
    raw: str
    receipt: dict[str, Any]
    """`carriers.base.Receipt`, less `raw`."""


class OptOut(msgspec.Struct, frozen=True, array_like=True):
    """A recipient's word that it wants nothing more from a sender."""

    account: str
    sender: str
    recipient: str
    at: int
    keyword: str


class IdempotencyKey(msgspec.Struct, frozen=True, array_like=True):
    """What makes a create safe to repeat."""

    account: str
    key: str
    digest: str
    """SHA-256 of the parameters it came with, hex."""
    message_id: str
    created_at: int


class Account(msgspec.Struct, frozen=True):
    """Who sends. `auth_token` is both the Basic password and the key of Twilio's callback signatures."""

    id: str
    name: str
    auth_token: str
    created_at: int
    active: bool = True
    countries: tuple[str, ...] | None = None
    """ISO 3166 codes it may send to; None: everywhere."""

    def __repr__(self) -> str:
        return f"Account(id={self.id!r}, name={self.name!r})"


class ApiKey(msgspec.Struct, frozen=True):
    """A second pair of credentials for an account; only a hash of its secret is kept."""

    id: str
    account: str
    name: str
    secret_hash: str
    created_at: int


class Sender(msgspec.Struct, frozen=True):
    """What messages of an account may be from: number, short code or alphanumeric id."""

    address: str
    account: str
    queue_limit: int = 0
    """Most segments that may wait for this sender; 0: no limit."""
