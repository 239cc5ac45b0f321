"""The nouns everything else is made of: plain data, no behaviour, no I/O.

Structs marked `array_like` are also the rows that a store keeps, in the order of their fields: a batch of
them becomes one JSON array without a line of Python per row (docs/performance.md tells why that matters).
Times are whole microseconds since 1970; ids are 32 hex digits (`tidings.ids`).
"""

from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from tidings.lifecycle import Kind, SegmentState, Status
from tidings.text import Encoding

ALWAYS: Final = 2**62
"""A time that does not come."""


class Direction(StrEnum):
    """Twilio's words for who started it."""

    INBOUND = "inbound"
    OUTBOUND_API = "outbound-api"
    OUTBOUND_REPLY = "outbound-reply"


class Channel(StrEnum):
    """What a message travels as; SignalWire's word for it is `kind`."""

    SMS = "sms"
    MMS = "mms"


class Order(msgspec.Struct, frozen=True):
    """What an application asks for, in no dialect's words. Addresses are as given; nothing is checked yet."""

    dialect: str
    sender: str
    """"" where a service is to choose."""
    recipient: str
    body: str
    callback_url: str | None = None
    validity: int | None = None
    """Seconds it may wait to be sent; None: for ever."""
    send_at: int | None = None
    """When it is to be sent, microseconds since 1970; None: now."""
    smart_encoded: bool = False
    idempotency_key: str | None = None
    digest: str = ""
    """SHA-256 over the order's parameters, hex: what tells a retry from another request with the same key."""
    media: tuple[str, ...] = ()
    """http(s) URLs of what is to go with it."""
    as_mms: bool = False
    """Whether it is to travel as a media message though it has no media."""
    service: str | None = None
    """The service whose senders it may be from, 32 hex digits."""
    deferred: bool = False
    """Whether it is taken before its service has chosen (Twilio: `accepted`): what then speaks against it is told
    by its status. Otherwise the order is refused."""
    max_price: int | None = None
    """Micro-USD that it may cost at most."""
    direction: Direction = Direction.OUTBOUND_API
    extras: dict[str, Any] = {}
    """`Message.extras`."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message, as it was asked for or received; where it stands is its `Standing`. Two things of it change,
    once each: a service gives it its sender, and its text is taken away."""

    id: str
    account: str
    dialect: str
    """The dialect it was made in, which its callbacks keep: `twilio` …"""
    direction: Direction
    sender: str
    """"" until its service has chosen one."""
    recipient: str
    body: str
    encoding: Encoding
    segments: int
    callback_url: str | None
    validity: int | None
    """Seconds it may wait here before it is sent; None: for ever."""
    created_at: int
    channel: Channel = Channel.SMS
    media: int = 0
    """How many media came with it."""
    service: str | None = None
    """The service that chose its sender."""
    price: int | None = None
    """Micro-USD that it costs once it has left, all segments; None: its route has no price."""
    send_at: int | None = None
    """When it is to be sent, where it was scheduled."""
    extras: dict[str, Any] = {}
    """What only one dialect speaks of, and what it gives back: `custom_variables` (REST), `context` and `tags`
    (RELAY), `webhook` (the `Handling` that an inbound message is told by), `opt_out` (STOP, START or HELP, as an
    inbound one was read), `feedback` (it may be given), `intent` (what it is sent for, in Twilio's words: `otp`),
    `receipts` (False: nothing is heard of it once it is sent), `confirms` (it answers a handset that opts out, and
    goes to it all the same)."""

    @property
    def ready_at(self) -> int:
        """Since when it may be sent: its validity runs from there."""
        return self.send_at or self.created_at


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
    redacted_at: int | None = None
    """When its text was taken away."""
    deleted_at: int | None = None
    """When its application had it deleted: no list shows it any more, and its text is gone."""


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


class Target(StrEnum):
    """Whose URL a callback goes to."""

    MESSAGE = "message"
    """The one its message was made with."""
    ACCOUNT = "account"
    """The account-wide one, which is told of every event."""
    WEBHOOK = "webhook"
    """That of the number that an inbound message came to; its answer is a document."""
    RELAY = "relay"
    """No URL: the RELAY sessions that listen to the message's context."""


class Callback(msgspec.Struct, array_like=True):
    """One event to be told to one URL."""

    message_id: str
    number: int
    """The event's."""
    target: Target
    account: str
    host: str
    """scheme://host:port of the URL: what is slow or dead, is so per host. `webhook:` stands before
    it where it is asked who answers a message; RELAY has `relay:ACCOUNT:CONTEXT`, SWML without a URL `script:`."""
    state: CallbackState
    created_at: int
    owed_since: int
    """Since when it is tried: its creation, or its last replay."""
    due_at: int
    attempts: int = 0
    response: int | None = None
    """HTTP status of the last answer."""
    error: int | None = None
    """Twilio debugger code of the last failure (11200 …)."""
    done_at: int | None = None
    """When it was done or given up."""
    replay: str | None = None
    """The replay that it was last owed by."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One request that was made for a callback, and what came of it: kept for `[callbacks] retention`."""

    id: str
    message_id: str
    number: int
    """The event's."""
    target: Target
    account: str
    ordinal: int
    """1-based, per callback; counts on over replays."""
    at: int
    connected: int | None
    """Microseconds until there was a connection; None where there never was one."""
    first_byte: int | None
    """Microseconds until the response began."""
    elapsed: int
    """Microseconds until it was over."""
    method: str
    url: str
    """As it was signed and requested: without fragment, with `bodySHA256` where it has one, with its password."""
    headers: str
    """Those that are the request's own, "Name: value" a line."""
    body: str
    response: int | None
    """HTTP status of the answer, the last one where there were redirects."""
    response_headers: str
    """"Name: value" a line."""
    response_body: str
    """Its first characters."""
    error: int | None
    """Twilio debugger code; None: it was taken."""
    detail: str
    """What went wrong, and what was done on the way (redirects, credentials), for people."""


class Replay(msgspec.Struct, array_like=True):
    """Callbacks that somebody wants told again: all that a filter finds, message by message."""

    id: str
    account: str
    made_at: int
    requeued: int = 0
    """How many are owed again so far."""
    cursor: str = ""
    """Message ids up to here are through."""
    ended_at: int | None = None
    """When all that was found was owed again; None while it is under way."""
    where: dict[str, Any] = {}
    """`store.base.CallbackFilter`."""


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
    """A recipient's word that it wants nothing more from a sender, or from any sender of a service."""

    account: str
    scope: str
    """The sender's address, or the service's id."""
    recipient: str
    at: int
    keyword: str
    """As it was sent; "" where it came on the list otherwise."""
    origin: Literal["keyword", "api", "import"] = "keyword"
    """How it came on the list."""


class InboundPart(msgspec.Struct, frozen=True, array_like=True):
    """A segment of a long message from a handset, kept until the others have come."""

    carrier: str
    account: str
    source: str
    """The handset, as the carrier spells it."""
    destination: str
    """The sender it was sent to, as its account has it."""
    reference: int
    parts: int
    part: int
    """1-based."""
    received_at: int
    text: str
    """UTF-16 (big-endian) in hex: a character may be cut in two."""
    encoding: str
    raw: str

    @property
    def group(self) -> tuple[str, str, str, int, int]:
        """What the segments of one message have in common."""
        return self.carrier, self.source, self.destination, self.reference, self.parts


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """What a carrier brought, by which it is known again if it brings it twice."""

    carrier: str
    digest: str
    """SHA-256 of what was brought, less what is new with each delivery, hex."""
    connection: str
    """`InboundSegment.connection`."""
    at: int


class IdempotencyKey(msgspec.Struct, frozen=True, array_like=True):
    """What makes a create safe to repeat."""

    account: str
    key: str
    digest: str
    """SHA-256 of the parameters it came with, hex."""
    message_id: str
    created_at: int


class SharedKey(msgspec.Struct, frozen=True):
    """A secret under a name, for signatures with SHA-256: the receiver finds it by that name."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"SharedKey(id={self.id!r})"


class CallbackOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an account wants to be told. The defaults are Twilio's ways and nothing beyond them."""

    method: Literal["POST", "GET"] = "POST"
    format: Literal["form", "json"] = "form"
    """Of what is posted."""
    shared_keys: tuple[SharedKey, ...] = ()
    """With any, callbacks are signed with the first one and SHA-256, in place of the auth token and SHA-1."""
    numbered: bool = False
    """Whether callbacks carry the event's number and time (`TidingsSequence`, `TidingsTimestamp`)."""
    url: str | None = None
    """The account-wide URL, told of every event of every message by Standard Webhooks."""
    secrets: tuple[str, ...] = ()
    """Of the account-wide callbacks: `whsec_` and base64. All of them sign, so that one can replace another."""

    def __repr__(self) -> str:
        return f"CallbackOptions(url={self.url!r})"


class Account(msgspec.Struct, frozen=True):
    """Who sends. `auth_token` is both the Basic password and the key of Twilio's callback signatures."""

    id: str
    name: str
    auth_token: str
    created_at: int
    active: bool = True
    countries: tuple[str, ...] | None = None
    """ISO 3166 codes it may send to; None: everywhere."""
    previous_token: str | None = None
    """The auth token that was rotated away, good until `previous_until`."""
    previous_until: int = 0
    callbacks: CallbackOptions = CallbackOptions()
    signing_key: str | None = None
    """Signs what SignalWire's dialects send; None: the auth token does."""
    dialects: tuple[str, ...] | None = None
    """Those it speaks; None: all."""
    test: bool = False
    """Whether its credentials are for rehearsals: requests are checked, and nothing is kept or sent."""
    short_code_country: str = "US"
    """ISO 3166 code of the country that its short codes are good in."""

    def __repr__(self) -> str:
        return f"Account(id={self.id!r}, name={self.name!r})"

    def speaks(self, dialect: str) -> bool:
        return self.dialects is None or dialect in self.dialects

    def overlapping(self, now: int) -> bool:
        """Whether the previous auth token is still good."""
        return self.previous_token is not None and now < self.previous_until


class ApiKey(msgspec.Struct, frozen=True):
    """A second pair of credentials for an account; only a hash of its secret is kept."""

    id: str
    account: str
    name: str
    secret_hash: str
    created_at: int


class Medium(msgspec.Struct, frozen=True, array_like=True):
    """One picture, sound, text … of a media message. Its content is kept apart."""

    id: str
    """Random: who knows it may fetch the content."""
    message_id: str
    account: str
    place: int
    """0-based, within its message."""
    url: str | None
    """Where it is to be fetched from; None for what came in."""
    content_type: str | None
    """None until it was fetched."""
    size: int | None
    """Bytes; None until it was fetched."""
    created_at: int
    updated_at: int
