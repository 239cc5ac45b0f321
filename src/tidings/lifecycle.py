"""Which evidence moves a message where: the only place that decides a status.

A message is the fold of its segments. Evidence speaks of one segment (or of all that have not left yet);
`SEGMENTS` says which state it leads to, and a pair that is not in the table changes nothing: the evidence came
late, came twice, or contradicts what is settled. `fold` reads the message's status off its segments' states,
and `FORWARD` keeps it from ever moving back. Everything here is a pure function; the ledger calls it.

    waiting ──intent──> submitting ──accepted──> accepted ──delivered────> delivered
       ^                  │ │  └───uncertain──> uncertain └──undelivered──> undelivered ──delivered──> delivered
       └─────deferred─────┘ └──────refused────> refused
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a message stands: the canonical set, which each dialect translates."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    READ = "read"
    RECEIVING = "receiving"
    RECEIVED = "received"


class SegmentState(StrEnum):
    WAITING = "waiting"
    """Not with a carrier: not handed over yet, or handed back."""
    SUBMITTING = "submitting"
    """The intent is kept; bytes may have left; no answer yet."""
    UNCERTAIN = "uncertain"
    """Bytes left and no answer will come on that connection: the carrier may or may not have it."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


class Kind(StrEnum):
    """What an event says."""

    CREATED = "created"
    QUEUED = "queued"
    """It is time, and it is known whom the message is from: it waits for its turn."""
    INTENT = "intent"
    """A segment is about to be written to a carrier."""
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    """It did not leave, or was handed back: it will be tried again."""
    REFUSED = "refused"
    """No carrier took it, and none will be asked again."""
    UNCERTAIN = "uncertain"
    ABANDONED = "abandoned"
    """Policy gave an uncertain submission up (30410)."""
    EXPIRED = "expired"
    """Its validity ended while it waited here (30036)."""
    CANCELED = "canceled"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    PROGRESS = "progress"
    UNKNOWN = "unknown"
    """The carrier said that it does not know."""
    UNRECOGNISED = "unrecognised"
    """The carrier's word is in no table."""
    RECEIVED = "received"
    REDACTED = "redacted"
    """Its application had its text taken away."""
    DELETED = "deleted"
    """Its application had it deleted."""
    FEEDBACK = "feedback"
    """Its application says whether the recipient did what it was sent for."""


_W, _S, _U = SegmentState.WAITING, SegmentState.SUBMITTING, SegmentState.UNCERTAIN
_A, _R = SegmentState.ACCEPTED, SegmentState.REFUSED
_D, _N = SegmentState.DELIVERED, SegmentState.UNDELIVERED

SEGMENTS: Final[dict[tuple[SegmentState, Kind], SegmentState]] = {
    (_W, Kind.INTENT): _S,
    (_W, Kind.DEFERRED): _W,
    (_W, Kind.REFUSED): _R,
    (_W, Kind.EXPIRED): _R,
    (_W, Kind.CANCELED): _R,
    (_S, Kind.ACCEPTED): _A,
    (_S, Kind.DEFERRED): _W,
    (_S, Kind.REFUSED): _R,
    (_S, Kind.UNCERTAIN): _U,
    # An answer may still come after we stopped waiting for it, and settles the doubt whatever it says.
    (_U, Kind.ACCEPTED): _A,
    (_U, Kind.DEFERRED): _W,
    (_U, Kind.REFUSED): _R,
    (_U, Kind.UNCERTAIN): _U,
    (_U, Kind.ABANDONED): _R,
    (_A, Kind.PROGRESS): _A,
    (_A, Kind.UNKNOWN): _A,
    (_A, Kind.UNRECOGNISED): _A,
    (_A, Kind.DELIVERED): _D,
    (_A, Kind.UNDELIVERED): _N,
    # Handset evidence wins over an earlier no; the other way round is a contradiction and refused.
    (_N, Kind.DELIVERED): _D,
}

WHOLE: Final[dict[tuple[Status, Kind], Status]] = {
    (Status.ACCEPTED, Kind.QUEUED): Status.QUEUED,
    (Status.ACCEPTED, Kind.REFUSED): Status.FAILED,
    (Status.SCHEDULED, Kind.QUEUED): Status.QUEUED,
    (Status.SCHEDULED, Kind.REFUSED): Status.FAILED,
    (Status.SCHEDULED, Kind.CANCELED): Status.CANCELED,
    (Status.QUEUED, Kind.REFUSED): Status.FAILED,
    (Status.QUEUED, Kind.EXPIRED): Status.FAILED,
    (Status.RECEIVING, Kind.RECEIVED): Status.RECEIVED,
    (Status.RECEIVING, Kind.EXPIRED): Status.FAILED,
}
"""What moves a message that has no segments of its own: one that comes in, or has not been laid out yet."""

FORWARD: Final[dict[Status, frozenset[Status]]] = {
    Status.ACCEPTED: frozenset({Status.QUEUED, Status.FAILED, Status.CANCELED}),
    Status.SCHEDULED: frozenset({Status.QUEUED, Status.FAILED, Status.CANCELED}),
    Status.QUEUED: frozenset({Status.SENDING, Status.FAILED, Status.CANCELED}),
    Status.SENDING: frozenset({Status.SENT, Status.UNDELIVERED, Status.FAILED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.UNDELIVERED, Status.READ}),
    Status.UNDELIVERED: frozenset({Status.DELIVERED}),
    Status.DELIVERED: frozenset({Status.READ}),
    Status.RECEIVING: frozenset({Status.RECEIVED, Status.FAILED}),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
    Status.READ: frozenset(),
    Status.RECEIVED: frozenset(),
}

FINAL: Final = frozenset(
    {
        Status.DELIVERED,
        Status.UNDELIVERED,
        Status.FAILED,
        Status.CANCELED,
        Status.READ,
        Status.RECEIVED,
    }
)
"""Nothing more is expected of the message. `sent` is not here, though it may be where a message stays."""

UNDER_WAY: Final = frozenset({Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED, Status.SENDING, Status.RECEIVING})
"""While a message stands there its text is needed: it can be neither redacted nor deleted."""

_WITH_CARRIER: Final = frozenset({_A, _D, _N})
_IN_DOUBT: Final = frozenset({_S, _U})


def advance(state: SegmentState, kind: Kind) -> SegmentState | None:
    """The state a segment comes to by this evidence; None when it changes nothing and is only kept."""
    return SEGMENTS.get((state, kind))


def fold(status: Status, states: Sequence[SegmentState]) -> Status:
    """The status of a message at `status` whose segments are in `states`; never one that lies behind it."""
    told = _read(states) if len(states) > 1 else _SINGLE[states[0]]
    return told if told in FORWARD[status] else status


def _read(states: Sequence[SegmentState]) -> Status:
    present = set(states)
    if _N in present:
        return Status.UNDELIVERED
    if _R in present:
        # What is still in doubt decides between "it never left" and "a part of it did".
        if present & _IN_DOUBT:
            return Status.SENDING
        return Status.UNDELIVERED if present & _WITH_CARRIER else Status.FAILED
    if present == {_D}:
        return Status.DELIVERED
    if present <= _WITH_CARRIER:
        return Status.SENT
    return Status.QUEUED if present == {_W} else Status.SENDING


_SINGLE: Final = {state: _read([state]) for state in SegmentState}
