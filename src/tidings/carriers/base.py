"""What the gateway and a carrier say to each other, whatever the carrier speaks.

The gateway hands a `Submission` to a `Slot` and gets one of five answers back; the carrier hands every `Receipt`,
`InboundSegment` and `InboundMedia` to a `Sink`, and acknowledges it to its peer only once the sink returns.
A carrier only says what happened. Whether to try again, elsewhere or never is the dispatcher's to decide.
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from tidings.model import Channel
from tidings.text import Encoding


class Part(msgspec.Struct, frozen=True):
    """One picture, sound, text … of a media message."""

    content_type: str
    """"image/jpeg", with parameters where it came with any."""
    content: bytes
    name: str
    """File name, "" where it has none."""

    def __repr__(self) -> str:
        return f"Part({self.content_type!r}, {len(self.content)} bytes, {self.name!r})"


class Submission(msgspec.Struct, frozen=True):
    """One attempt to hand one segment, or one media message, to a carrier."""

    message_id: str
    """32 hex digits; the same for every segment of the message."""
    part: int
    """1-based."""
    parts: int
    sender: str
    recipient: str
    text: str
    """This segment's own text, as `Carrier.split` cut it."""
    encoding: Encoding
    validity: int | None = None
    """Seconds the carrier may go on trying; None leaves it to the carrier."""
    media: tuple[Part, ...] = ()
    """What goes with the text, in order; only carriers of `Channel.MMS` are given any."""
    receipt: bool = True
    """Whether the carrier is asked for one."""


class Accepted(msgspec.Struct, frozen=True):
    """The carrier took it and named it; an empty id means its receipts cannot be matched."""

    carrier_id: str


class Rejected(msgspec.Struct, frozen=True):
    """The carrier answered no."""

    error: int
    """Twilio error code (`tidings.errors`)."""
    permanent: bool
    """True: no carrier would take this message. False: another one might."""
    reason: str
    """What the carrier said, for people: "RSYSERR (0x08)"."""
    retries: int = 0
    """How often the same carrier may be asked again before the next one is tried."""
    after: float = 0.0
    """Seconds to wait before that."""


class Throttled(msgspec.Struct, frozen=True):
    """Too fast or too full: nothing is wrong with the message and no attempt is counted."""

    after: float
    """Seconds until the carrier may be asked again."""
    reason: str
    error: int = 30017
    """What the message ends with when its validity runs out while waiting."""


class NotSent(msgspec.Struct, frozen=True):
    """Nothing left us: safe to try again, here or elsewhere."""

    reason: str


class Uncertain(msgspec.Struct, frozen=True):
    """Bytes left and no answer came: the carrier may or may not have it."""

    evidence: str


Answer = Accepted | Rejected | Throttled | NotSent | Uncertain


class Verdict(StrEnum):
    """What a receipt claims, once the carrier's word for it has been looked up (smpp: `profile`)."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    PROGRESS = "progress"
    """Still on its way: ENROUTE, ACCEPTD, BUFFRED …"""
    UNKNOWN = "unknown"
    """The carrier itself says that it does not know."""
    UNRECOGNISED = "unrecognised"
    """A word, or no word, that no table of ours holds: never guessed at."""


class Receipt(msgspec.Struct, frozen=True):
    """What a carrier later says about a submission."""

    carrier: str
    received_at: int
    """Microseconds since 1970, our clock."""
    ids: tuple[str, ...]
    """The carrier ids it names, as spelled, the most trusted source first."""
    keys: tuple[tuple[str, str], ...]
    """(rule, key) pairs to look the segment up by, best rule first; see `smpp.message_id`."""
    verdict: Verdict
    word: str
    """The carrier's own word ("DELIVRD", "2"), "" when it gave none."""
    error: int | None
    """Twilio error code for a bad verdict, by the carrier's profile."""
    carrier_error: str
    """The carrier's own error value as spelled ("000", "0x0423:03:0022"), "" when none."""
    source: str
    """Whom the receipt is from: our recipient, in the carrier's spelling."""
    destination: str
    """Whom it is for: our sender."""
    reference: int | None
    """user_message_reference echoed by the carrier, where it does."""
    done_date: str
    """When the carrier says it happened: its own digits, zone unknown ("2302231942"); "" when none."""
    text: str
    """The receipt's text, latin-1 view."""
    raw: str
    """The whole PDU in hex (or the provider's body)."""
    notes: tuple[str, ...] = ()
    """Oddities worth keeping: contradictions between TLV and text, a damaged tail."""


class InboundSegment(msgspec.Struct, frozen=True):
    """One segment of a message from a handset."""

    carrier: str
    received_at: int
    source: str
    destination: str
    text: str
    encoding: str
    """How the text was coded on the wire: gsm7, ucs2, latin1, ascii, binary."""
    reference: int | None
    """Concatenation reference, None when the message is whole."""
    part: int
    parts: int
    raw: str
    digest: str = ""
    """SHA-256, hex, of what would be the same if the carrier delivered it again; "" where that cannot be told."""
    connection: str = ""
    """Which of the carrier's connections brought it; no two ever have the same name."""
    live: frozenset[str] = frozenset()
    """The carrier's connections that are up: what came over one of these was acknowledged there or will be."""


class InboundMedia(msgspec.Struct, frozen=True):
    """A media message from a handset, for one of its recipients."""

    carrier: str
    received_at: int
    """Microseconds since 1970, our clock."""
    source: str
    """In the carrier's spelling: "15551230000", "someone@example.com"."""
    destination: str
    text: str
    """Its text parts, one below the other; "" where it has none."""
    subject: str
    """"" where it has none."""
    parts: tuple[Part, ...]
    """All else, in the order they came; how they were to be laid out (SMIL) is left out."""
    raw: str
    """What came, in short, for people: ids and sizes, not the bytes."""
    transaction: str
    """The carrier's name for the delivery; the same for each recipient, and when it is repeated."""


class Sink(Protocol):
    """Where a carrier hands in what it receives. Returning means: kept. Raising means: say no to the peer."""

    async def receipt(self, receipt: Receipt) -> None: ...

    async def inbound(self, segment: InboundSegment) -> None: ...

    async def inbound_media(self, message: InboundMedia) -> None: ...


class Slot(Protocol):
    """Room for one unanswered submission. Use it exactly once: `submit` or `release`."""

    async def submit(self, submission: Submission) -> Answer:
        """Write the submission now and wait for its answer. Never raises for what a peer does."""
        ...

    def release(self) -> None:
        """Give the room back unused."""
        ...


class Carrier(Protocol):
    """A configured upstream."""

    name: str

    @property
    def channels(self) -> frozenset[Channel]:
        """What messages it carries."""
        ...

    @property
    def capacity(self) -> int:
        """How many submissions can be unanswered at once, over all binds."""
        ...

    @property
    def up(self) -> bool:
        """Whether at least one bind can submit now."""
        ...

    def split(self, body: str, encoding: Encoding) -> list[str]:
        """The texts of the submissions that carry a body of more than one segment, in order."""
        ...

    def key(self, carrier_id: str) -> str:
        """The spelling under which a segment's carrier id is looked up by a receipt's `keys`."""
        ...

    def slot_now(self) -> Slot | None:
        """A slot, if there is one without waiting and nobody waits for one."""
        ...

    async def slot(self) -> Slot:
        """Wait until a bind has room in its window and its throughput limit allows one more."""
        ...

    async def start(self, sink: Sink) -> None:
        """Begin connecting; returns at once, and keeps trying for good."""
        ...

    async def stop(self, drain: float) -> None:
        """Wait up to `drain` seconds for answers, unbind, close."""
        ...
