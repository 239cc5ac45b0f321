"""Evidence in, history out: the only writer of what happened to a message.

Everything anyone learns of a message (an intent, a carrier's answer, a receipt) comes here as `Evidence`. The
lifecycle decides what it changes; the event, the message's new standing, its segments and the callback that is now
owed are one change in the store. Folding happens in memory and at once, so evidence for one message is applied in
the order it comes, while commits follow in that same order a few milliseconds behind.

The messages that are being worked on are kept in memory, up to a limit; the rest is read back when evidence comes.
"""

import asyncio
import logging
from asyncio import Future
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

import msgspec
from msgspec.structs import replace

from tidings.clock import Clock
from tidings.lifecycle import FINAL, WHOLE, Kind, SegmentState, Status, advance, fold
from tidings.model import Callback, CallbackState, Event, Message, Segment, Standing, Target
from tidings.store.base import Change, Kept, OwedCallback, Store, StoreError

log = logging.getLogger(__name__)

CAPACITY = 20_000
"""Messages held in memory, at the most."""

_SETTLED = frozenset({SegmentState.DELIVERED, SegmentState.UNDELIVERED, SegmentState.REFUSED})
_ANSWERS = frozenset({Kind.ACCEPTED, Kind.DEFERRED, Kind.REFUSED, Kind.UNCERTAIN})
_ERRED = frozenset({Status.FAILED, Status.UNDELIVERED, Status.RECEIVED})
"""Statuses that an error can stand beside: what is received may lack a part (30009)."""


class Evidence(msgspec.Struct, frozen=True):
    """What somebody said about a message, or about one part of it."""

    kind: Kind
    detail: dict[str, Any]
    part: int = 0
    """0: every part that has not left."""
    error: int | None = None
    carrier: str | None = None
    """For an intent: whom the part is about to be handed to."""
    carrier_id: str | None = None
    carrier_key: str | None = None
    """For an acceptance: what the carrier calls it, and how receipts will look it up."""
    counts: bool = True
    """False: it is kept, and changes nothing whatever it says."""


class Pending(NamedTuple):
    """A message as a change will have it that nobody has committed yet."""

    kept: Kept
    owed: list[OwedCallback]


class Teller(Protocol):
    """Where owed callbacks go once they are kept (`callbacks.delivery`)."""

    def owing(self, message: Message, event: Event) -> Sequence[tuple[Target, str]]:
        """Which hosts are to be told of `event`, and as what."""
        ...

    def offer(self, owed: OwedCallback) -> None: ...

    def look_again(self, callbacks: Sequence[Callback]) -> None:
        """Perhaps these are kept: their commit is said to have failed."""
        ...

    def redacted(self, message: Message) -> None:
        """From now on it is to be told without its text, also what was owed before."""
        ...


class Ledger:
    def __init__(self, store: Store, clock: Clock, teller: Teller, capacity: int = CAPACITY) -> None:
        self._store = store
        self._clock = clock
        self._teller = teller
        self._capacity = capacity
        self._recent: OrderedDict[str, Kept] = OrderedDict()
        # Whoever works on a message holds it: as long as one does, everyone finds that same object here.
        self._alive: WeakValueDictionary[str, Kept] = WeakValueDictionary()
        self._loading: dict[str, Future[dict[str, Kept]]] = {}
        self.moved: list[Callable[[Message, Status, Status], None]] = []
        """Called with (message, status before, status after) when a status changes."""

    async def find(self, message_id: str) -> Kept | None:
        """The message with all that is settled about it, from memory or the store."""
        kept = self._recent.get(message_id) or self._alive.get(message_id)
        if kept is not None:
            return kept
        loading = self._loading.get(message_id)
        if loading is None:
            loading = asyncio.ensure_future(self._store.kept([message_id]))
            self._loading[message_id] = loading
            loading.add_done_callback(lambda _: self._loading.pop(message_id, None))
        found = (await loading).get(message_id)
        if found is None:
            return None
        # Whoever waited for the same read must go on with the same object.
        return self._alive.get(message_id) or self._hold(found)

    def create(
        self,
        message: Message,
        standing: Standing,
        evidence: Evidence,
        change: Change,
        *then: Evidence,
        segments: Sequence[Segment] = (),
    ) -> tuple[Kept, "Future[None]"]:
        """A new message: kept with its first event, in one change with whatever `change` holds already.

        `then` follows at once; `segments` are those that it speaks of, where there are any yet.
        """
        begun = self.begin(message, standing, evidence, change, *then, segments=segments)
        return begun.kept, self.commit(change, begun)

    def begin(
        self,
        message: Message,
        standing: Standing,
        evidence: Evidence,
        change: Change,
        *then: Evidence,
        segments: Sequence[Segment] = (),
    ) -> Pending:
        """As `create`, but for the commit: other messages may go with it."""
        begun = Pending(Kept(message, standing, list(segments)), [])
        change.messages.append(message)
        self._append(begun.kept, evidence, self._clock.now(), True, True, change, begun.owed)
        for said in then:
            self._apply(begun.kept, said, change, begun.owed)
        return begun

    def record(self, kept: Kept, *said: Evidence, change: Change | None = None) -> "Future[None]":
        """Apply evidence now; the future is done once it is on disk. `change` brings what belongs with it."""
        change = change or Change()
        owed: list[OwedCallback] = []
        for evidence in said:
            self._apply(kept, evidence, change, owed)
        return self.commit(change, Pending(kept, owed))

    def queue(self, kept: Kept, sender: str, said: Evidence, change: Change) -> "Future[None]":
        """A message that was kept without its sender has it now, and waits for its turn."""
        kept.message = replace(kept.message, sender=sender)
        change.chosen.append((kept.message.id, sender))
        return self.record(kept, said, change=change)

    def note(self, kept: Kept, said: Evidence) -> "Future[None]":
        """Keep what is no evidence of where the message stands."""
        change, owed = Change(), list[OwedCallback]()
        self._append(kept, said, self._clock.now(), False, True, change, owed)
        return self.commit(change, Pending(kept, owed))

    def redact(self, kept: Kept, change: Change, *, delete: bool) -> "Future[None]":
        """Take a message's text away, and with `delete` the message out of sight. Both are final."""
        now, owed = self._clock.now(), list[OwedCallback]()
        kept.message = replace(kept.message, body="")
        kept.standing.redacted_at = kept.standing.redacted_at or now
        if delete:
            kept.standing.deleted_at = now
        change.redacted.append((kept.message.id,))
        said = Evidence(Kind.DELETED if delete else Kind.REDACTED, {})
        self._append(kept, said, now, False, True, change, owed)
        self._teller.redacted(kept.message)
        return self.commit(change, Pending(kept, owed))

    def _apply(self, kept: Kept, said: Evidence, change: Change, owed: list[OwedCallback]) -> None:
        standing, segments, now = kept.standing, kept.segments, self._clock.now()
        if not said.counts:
            self._append(kept, said, now, False, False, change, owed)
            return
        # Before segments are laid out, evidence speaks of the message as it waits.
        applied = not segments
        for segment in segments if said.part == 0 else (segments[said.part - 1],):
            state = advance(segment.state, said.kind)
            if state is not None:
                applied = True
                _settle(segment, state, said, now)
                change.segments.append(replace(segment))
        before = standing.status
        if segments:
            after = fold(before, [segment.state for segment in segments]) if applied else before
        else:
            after = WHOLE.get((before, said.kind), before)
        moved = after is not before
        if moved:
            standing.status = after
            standing.error = said.error if after in _ERRED else None
            if after is Status.SENT:
                standing.sent_at = now
            if after in FINAL:
                standing.due_at = None
            for listener in self.moved:
                listener(kept.message, before, after)
        self._append(kept, said, now, moved, applied, change, owed)

    def _append(
        self,
        kept: Kept,
        said: Evidence,
        now: int,
        moved: bool,
        applied: bool,
        change: Change,
        owed: list[OwedCallback],
    ) -> None:
        """The next event of a message, and the callbacks that are now owed."""
        message, standing = kept.message, kept.standing
        standing.events = number = standing.events + 1
        standing.updated_at = now
        event = Event(
            message.id,
            number,
            message.account,
            now,
            said.kind,
            standing.status,
            moved,
            applied,
            said.part,
            said.error,
            said.detail,
        )
        change.events.append(event)
        for target, host in self._teller.owing(message, event):
            callback = Callback(
                message.id, number, target, message.account, host, CallbackState.OWED, now, now, now
            )
            change.callbacks.append(callback)
            owed.append(OwedCallback(callback, message, event))

    def commit(self, change: Change, *pending: Pending) -> "Future[None]":
        """Keep `change`, which holds these messages; the future is done once all of it is on disk."""
        for one in pending:
            self._hold(one.kept)
            change.standings.append(replace(one.kept.standing))
        future = self._store.commit(change)

        # A callback on the future, not an await: callbacks of one message are offered in commit order.
        def committed(future: "Future[None]") -> None:
            for one in pending:
                self._settled(one, future)

        future.add_done_callback(committed)
        return future

    def _settled(self, pending: Pending, future: "Future[None]") -> None:
        kept, owed = pending
        if future.cancelled() or future.exception() is not None:
            # Memory is ahead of the disk: forget it, so that the next evidence starts from what was kept.
            self._alive.pop(kept.message.id, None)
            self._recent.pop(kept.message.id, None)
            if not future.cancelled() and isinstance(future.exception(), StoreError):
                log.error("not kept: %s: %s", kept.message.id, future.exception())
            self._teller.look_again([one.callback for one in owed])
            return
        for callback in owed:
            self._teller.offer(callback)

    def _hold(self, kept: Kept) -> Kept:
        """Keep in memory as the youngest; let go of the oldest beyond the limit."""
        message_id = kept.message.id
        if message_id in self._recent:
            self._recent[message_id] = kept
            self._recent.move_to_end(message_id)
            return kept
        self._recent[message_id] = self._alive[message_id] = kept
        if len(self._recent) > self._capacity:
            self._recent.popitem(last=False)
        return kept


def _settle(segment: Segment, state: SegmentState, said: Evidence, now: int) -> None:
    segment.state = state
    if said.kind in _ANSWERS:
        segment.answered_at = now
        if said.kind is Kind.ACCEPTED:
            segment.carrier_id, segment.carrier_key = said.carrier_id, said.carrier_key
    elif said.kind is Kind.INTENT:
        segment.carrier = said.carrier or segment.carrier
        segment.submitted_at = now
        segment.answered_at = segment.error = None
    if state in _SETTLED:
        segment.settled_at = now
        segment.error = said.error
