"""What the gateway asks of a store: acts, named; rows in, rows out.

Every write goes through `commit`, which is all or nothing and durable once its future is done: a 2xx, a
`deliver_sm_resp`, a byte on a carrier's wire wait for it. Reads see whatever has been committed.
`tests/store/` holds the conformance suite that every store passes; the gateway knows no other way in.
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from tidings.arranged import Resource, Sender
from tidings.lifecycle import Status
from tidings.model import (
    Account,
    ApiKey,
    Arrival,
    Attempt,
    Callback,
    CallbackState,
    Event,
    IdempotencyKey,
    InboundPart,
    KeptReceipt,
    Medium,
    Message,
    OptOut,
    Replay,
    Segment,
    Standing,
    Target,
)

R = TypeVar("R", bound=Resource)


class StoreError(Exception):
    """The store could not keep or read something: nothing of that commit is kept."""


class Contradiction(StoreError):
    """A commit that cannot be kept beside what is kept: its own fault, and no other's of the same batch."""


class KeyTaken(Contradiction):
    """The idempotency key of this commit belongs to an earlier message."""


def _kind(name: str) -> Any:
    """A kind of row that a change can hold; its list is made on first use."""
    return property(lambda change: change.rows.setdefault(name, []))


class Change:
    """One unit of writing: all of it is kept, or nothing."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {}
        """Kind → rows."""

    messages: list[Message] = _kind("messages")
    """New ones; each comes with its standing."""
    chosen: list[tuple[str, str]] = _kind("chosen")
    """(message id, sender): whom a message is from, that was kept without."""
    standings: list[Standing] = _kind("standings")
    """New or changed; the last one of a message wins. What was redacted or deleted stays so, whatever it says."""
    segments: list[Segment] = _kind("segments")
    """New or changed; the last one of a part wins."""
    recut: list[tuple[str, int]] = _kind("recut")
    """(message id, parts): segments beyond that many are no longer; another carrier cuts differently."""
    events: list[Event] = _kind("events")
    callbacks: list[Callback] = _kind("callbacks")
    """Newly owed."""
    outcomes: list[Callback] = _kind("outcomes")
    """Told, or to be tried again, or given up, or owed again; the last one of a callback wins."""
    attempts: list[Attempt] = _kind("attempts")
    replays: list[Replay] = _kind("replays")
    """New or changed; the last one of an id wins."""
    receipts: list[KeptReceipt] = _kind("receipts")
    parked: list[tuple[str, str, str, int]] = _kind("parked")
    """(carrier, key, receipt id, received_at) for each receipt that nothing matches yet."""
    matched: list[tuple[str, str, int]] = _kind("matched")
    """(receipt id, message id, part): no longer parked."""
    keys: list[IdempotencyKey] = _kind("keys")
    opt_outs: list[OptOut] = _kind("opt_outs")
    opt_ins: list[OptOut] = _kind("opt_ins")
    """Opt-outs that are lifted, by account, scope and recipient."""
    parts: list[InboundPart] = _kind("parts")
    """New; one that is there already stays as it is."""
    joined: list[tuple[str, str, str, int, int]] = _kind("joined")
    """`InboundPart.group` of the parts that go."""
    arrivals: list[Arrival] = _kind("arrivals")
    """New or changed; the last one of a carrier and digest wins."""
    media: list[Medium] = _kind("media")
    """New or changed; the last one of an id wins."""
    dropped_media: list[tuple[str]] = _kind("dropped_media")
    """(id,) of media that go, with their content."""
    redacted: list[tuple[str]] = _kind("redacted")
    """(message id,): its text goes, from the message and from whatever was kept about it: what carriers wrote and
    what applications were sent and answered. Receipts and attempts that come once its standing has a `redacted_at`
    are kept without it as well."""
    stickies: list[tuple[str, str, str]] = _kind("stickies")
    """(service, recipient, sender): whom a recipient hears from; the last one of a pair wins."""


class MessageFilter(msgspec.Struct, frozen=True):
    """Which messages of an account to list. Times are microseconds since 1970."""

    sender: str | None = None
    recipient: str | None = None
    sent_from: int | None = None
    """sent_at at or after."""
    sent_until: int | None = None
    """sent_at before."""
    statuses: tuple[Status, ...] | None = None
    """None: any."""
    created_from: int | None = None
    """created_at at or after."""
    created_until: int | None = None
    """created_at before."""
    deleted: bool = False
    """Whether deleted ones are listed as well."""


class CallbackFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which callbacks of an account. Times are microseconds since 1970, and those of the events told."""

    states: tuple[CallbackState, ...] = tuple(CallbackState)
    host: str | None = None
    error: int | None = None
    """Code of the last failure."""
    message_id: str | None = None
    target: Target | None = None
    since: int | None = None
    """created_at at or after."""
    until: int | None = None
    """created_at before."""


class CallbackKey(NamedTuple):
    """What names a callback, and its place in lists: message by message, as these were made."""

    message_id: str
    number: int
    target: Target


class Kept(msgspec.Struct, weakref=True):
    """A message and all that is settled about it: what the ledger works on."""

    message: Message
    standing: Standing
    segments: list[Segment]


class FeedEvent(msgspec.Struct, frozen=True):
    cursor: int
    """Greater than that of every event committed before it."""
    event: Event


class OwedCallback(msgspec.Struct, frozen=True):
    """A callback with all that its request is made of."""

    callback: Callback
    message: Message
    event: Event


class Store(Protocol):
    """A place that keeps. Its reads may be slow; its commits are grouped, and settle in the order they came."""

    async def open(self) -> None:
        """Connect and bring the schema to this version."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, then let go."""
        ...

    def commit(self, change: Change) -> "Future[None]":
        """Keep `change`, whole and on disk, together with others that arrive at the same time.

        Raises, through the future: KeyTaken where its idempotency key exists; StoreError otherwise.
        """
        ...

    # --- messages
    async def message(self, account: str, id: str, *, deleted: bool = False) -> tuple[Message, Standing] | None:
        """None where there is none, or where it was deleted; with `deleted`, also that one."""
        ...

    async def messages(
        self, account: str, where: MessageFilter, limit: int, before: str | None = None
    ) -> list[tuple[Message, Standing]]:
        """Newest first; `before` is the id that a page continues below."""
        ...

    async def kept(self, message_ids: Sequence[str]) -> dict[str, Kept]: ...

    async def segments(self, message_id: str) -> list[Segment]: ...

    async def media(self, message_id: str) -> list[Medium]:
        """In their places."""
        ...

    async def medium(self, id: str) -> Medium | None: ...

    async def put_content(self, medium_id: str, content: bytes) -> None:
        """Keep the content of a medium, whose row comes with a later commit."""
        ...

    async def content(self, medium_id: str) -> bytes | None: ...

    async def events(self, message_id: str) -> list[Event]: ...

    async def feed(self, account: str, after: int, limit: int) -> list[FeedEvent]:
        """The account's events in commit order, after a cursor; 0 is the beginning."""
        ...

    async def receipts(self, message_id: str) -> list[KeptReceipt]: ...

    async def latest(self) -> int:
        """The time of the last event that was kept; 0 where there is none."""
        ...

    # --- work: a queue is what waits for one carrier from one sender of an account
    async def due_messages(
        self, carrier: str, account: str, sender: str, now: int, limit: int
    ) -> list[tuple[str, int]]:
        """(id, due_at) of messages of a queue, oldest due first."""
        ...

    async def next_due(self, carrier: str, account: str, sender: str, after: int) -> int | None:
        """When the next message of a queue comes due, later than `after`."""
        ...

    async def queues(self) -> list[tuple[str, str, str]]:
        """(carrier, account, sender) of the queues that messages wait in, due or not."""
        ...

    async def expired(self, now: int, limit: int) -> list[str]:
        """Ids of messages that wait in a queue, also for another turn, with a validity of their own which has
        ended; by when it did."""
        ...

    async def next_expiry(self, after: int) -> int | None:
        """When the next such validity ends, later than `after`."""
        ...

    async def due_scheduled(self, now: int, limit: int) -> list[tuple[str, int]]:
        """(id, due_at) of scheduled messages whose time has come, oldest due first."""
        ...

    async def next_scheduled(self, after: int) -> int | None:
        """When the next scheduled message comes due, later than `after`."""
        ...

    async def scheduled(self) -> dict[str, int]:
        """Account → how many messages it has scheduled."""
        ...

    async def doubtful_segments(self, limit: int, after: tuple[str, int] = ("", 0)) -> list[tuple[str, int]]:
        """(message id, part) of segments left `submitting`, in that order, after a pair."""
        ...

    async def waiting_segments(self) -> dict[tuple[str, str], int]:
        """(account, sender) → segments of messages that are still queued."""
        ...

    async def open_segments(self, carrier: str, recipients: Sequence[str], since: int) -> list[tuple[str, int]]:
        """(message id, part) of segments for these recipients that `carrier` may have and no receipt settled."""
        ...

    async def accepted_segments(
        self, carrier: str, since: int, until: int, limit: int
    ) -> list[tuple[int, str, str]]:
        """(created_at, carrier id, sender) of segments that `carrier` accepted and no receipt has settled, of
        messages made from `since` to before `until`, oldest first."""
        ...

    # --- receipts
    async def find_segments(self, carrier: str, keys: Sequence[str]) -> list[tuple[str, str, int]]:
        """(key, message id, part) of segments that `carrier` named by one of `keys`."""
        ...

    async def parked_keys(self, limit: int) -> list[tuple[str, str, str]]:
        """(carrier, key, receipt id) of parked receipts, newest first."""
        ...

    async def parked(self, carrier: str, key: str) -> list[KeptReceipt]: ...

    async def drop_parked(self, before: int) -> int:
        """Stop looking for matches for receipts from before a time; they stay kept. Returns how many."""
        ...

    # --- callbacks: what is owed
    async def owing(self, account: str | None = None) -> list[tuple[str, str, Target, int]]:
        """(host, account, target, how many) of all that is owed or being retried, to an account or to all."""
        ...

    async def due_callbacks(self, host: str, account: str, now: int, limit: int) -> list[OwedCallback]:
        """All that `account` is owed at `host` for up to `limit` chains (a message's callbacks to one target)
        whose earliest owed callback is due: the chain with the oldest of these first, each one's in order."""
        ...

    async def next_callback_due(self, host: str, account: str, after: int) -> int | None: ...

    async def hasten(self, host: str, account: str, now: int) -> int:
        """What is being retried there comes due now. Returns how many."""
        ...

    async def subscriptions(self) -> list[tuple[str, str]]:
        """(account, URL) of the accounts that have an account-wide URL."""
        ...

    # --- callbacks: what became of them
    async def callbacks(self, message_id: str) -> list[Callback]: ...

    async def callback(self, account: str, key: CallbackKey) -> Callback | None: ...

    async def find_callbacks(
        self, account: str, where: CallbackFilter, limit: int, before: CallbackKey | None = None
    ) -> list[Callback]:
        """Newest message first, and in it the last event first; `before` is where a page continues."""
        ...

    async def found_for_replay(self, replay: Replay, limit: int) -> list[Callback]:
        """Callbacks of up to `limit` messages that a replay is to go on with, oldest first: of each message all
        that its filter finds."""
        ...

    async def attempts(self, account: str, key: CallbackKey) -> list[Attempt]:
        """In order."""
        ...

    async def failed_attempts(
        self, account: str, since: int, until: int, limit: int, before: str | None = None
    ) -> list[Attempt]:
        """Newest first, made from `since` to before `until`; `before` is the id that a page continues below."""
        ...

    async def failed_attempt(self, account: str, id: str) -> Attempt | None: ...

    async def drop_attempts(self, before: int, limit: int) -> int:
        """Forget up to `limit` of the attempts made before a time, oldest first. Returns how many."""
        ...

    async def replay(self, account: str, id: str) -> Replay | None: ...

    async def replays(self, account: str, limit: int) -> list[Replay]:
        """Newest first."""
        ...

    async def running_replays(self) -> list[Replay]: ...

    async def replay_states(self, id: str) -> dict[CallbackState, int]:
        """Of the callbacks that a replay made owed: how many are in which state."""
        ...

    # --- accounts
    async def put_account(self, account: Account) -> None: ...

    async def account(self, id: str) -> Account | None: ...

    async def accounts(self) -> list[Account]: ...

    async def put_api_key(self, key: ApiKey) -> None: ...

    async def api_key(self, id: str) -> ApiKey | None: ...

    async def put_sender(self, sender: Sender) -> None:
        """New or changed, as a whole. One without id keeps that which its account knows it by, or is given one."""
        ...

    async def configure_sender(self, address: str, account: str, queue_limit: int, now: int) -> None:
        """What the settings say of a sender: it is new, and the operator's; or it is its account's already, and
        keeps all else that was arranged for it (id, name, handling). What another account had arranged for the
        same address is gone."""
        ...

    async def sender(self, address: str) -> Sender | None: ...

    async def senders(self, account: str) -> list[Sender]:
        """By address."""
        ...

    async def sender_by_id(self, account: str, id: str) -> Sender | None: ...

    async def drop_sender(self, address: str) -> None: ...

    async def put_resource(self, resource: Resource) -> None:
        """New or changed."""
        ...

    async def resource(self, kind: type[R], account: str, id: str) -> R | None: ...

    async def resources(self, kind: type[R], account: str, parent: str | None = None) -> list[R]:
        """All of one kind, oldest first; of a parent, where one is named."""
        ...

    async def drop_resource(self, account: str, id: str) -> bool:
        """With what has it as its parent, and with its stickies; a member goes with those of its service that name
        it. Returns whether there was one."""
        ...

    async def sticky(self, service: str, recipient: str) -> str | None:
        """Whom a recipient hears from."""
        ...

    async def opted_out_scopes(self) -> list[tuple[str, str]]:
        """(account, scope) that somebody has opted out of."""
        ...

    async def opted_out(self, account: str, scope: str, recipient: str) -> bool: ...

    async def opt_outs(
        self,
        account: str,
        scope: str | None,
        recipient: str | None,
        limit: int,
        after: tuple[str, str] | None = None,
    ) -> list[OptOut]:
        """By scope and recipient; `after` is the pair that a page continues behind."""
        ...

    async def inbound_parts(self, group: tuple[str, str, str, int, int]) -> list[InboundPart]:
        """In order."""
        ...

    async def stale_parts(self, before: int, limit: int) -> list[tuple[str, str, str, int, int]]:
        """Groups of which the first part to come came before a time, oldest first."""
        ...

    async def oldest_part(self) -> int | None:
        """When the part came that has waited longest for others."""
        ...

    async def arrival(self, carrier: str, digest: str) -> Arrival | None: ...

    async def drop_arrivals(self, before: int) -> int: ...

    async def idempotency_key(self, account: str, key: str) -> IdempotencyKey | None: ...

    async def drop_idempotency_keys(self, before: int) -> int: ...
