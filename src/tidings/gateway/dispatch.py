"""From work in the store to submissions at a carrier: who is next, whom to ask, and what an answer leads to.

Each carrier has a lane: a window on the messages that wait for it, oldest due first. A message takes a slot (room
in the carrier's window), the intent to submit is kept, and only then do bytes leave; the answer is kept after it.
So an intent without an answer is a submission in doubt, after a crash as after a timeout, and
`[dispatch] uncertain` decides what becomes of it: held (default), sent again, or failed (30410).

Carriers say what happened in five words; what follows from each is decided here and nowhere else:

    Accepted     the segment has a name; receipts parked under it are tried again
    Rejected     permanent: refused. Otherwise asked again as often as the answer allows, then the next carrier
    Throttled    the message keeps its place; no attempt is counted
    NotSent      the message keeps its place; a carrier that stays down hands it to the next on the route
    Uncertain    by policy

What is to be done next (`due_at`, `carrier`, `tries` of the standing) is kept in the same commit as the answer.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from copy import copy
from enum import StrEnum
from typing import Any, Final

import msgspec

from tidings.carriers.base import (
    Accepted,
    Answer,
    Carrier,
    NotSent,
    Rejected,
    Slot,
    Submission,
    Throttled,
    Uncertain,
)
from tidings.clock import SECOND, Clock
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.receipts import Receipts
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, SegmentState
from tidings.model import Message, Segment
from tidings.store.base import Change, Kept, Store, StoreError
from tidings.work.window import Window

log = logging.getLogger(__name__)

RECOVERED_AT_ONCE: Final = 500
"""Segments in doubt that are read at a time after a crash."""
AFTER_A_FAULT: Final = 1.0
"""Seconds until a lane goes on that the store failed."""

_EVER: Final = 2**62
_BEING_SENT: Final = frozenset({SegmentState.WAITING, SegmentState.SUBMITTING})


class UncertainPolicy(StrEnum):
    HOLD = "hold"
    """Wait for its receipt or a late answer, for ever."""
    RESEND = "resend"
    """Submit again: the recipient may get it twice."""
    FAIL = "fail"
    """Give it up with 30410: the recipient may have it all the same."""


class DispatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    validity: int = 36_000
    """Seconds a message may wait here that names no validity of its own (Twilio: ten hours); 0: for ever."""
    uncertain: UncertainPolicy = UncertainPolicy.HOLD
    query_after: int = 3600
    """Seconds after which a carrier that answers query_sm is asked about a segment without a receipt; 0: never."""
    window: int = 5000
    """Messages held in memory for each carrier."""
    failover_after: float = 10.0
    """Seconds a carrier may be without a bind before its messages go to the next one on their route."""


class Work(msgspec.Struct, frozen=True):
    """A message in a lane's window, by its id and when it came due."""

    id: str
    due_at: int

    @property
    def order(self) -> tuple[int, str]:
        return self.due_at, self.id

    def merge(self, other: "Work") -> None:
        """There is nothing to a message's work but its id."""


class Dispatcher:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        receipts: Receipts,
        carriers: Mapping[str, Carrier],
        routes: Routes,
        clock: Clock,
        settings: DispatchSettings,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._receipts = receipts
        self._routes = routes
        self._clock = clock
        self._settings = settings
        self._carriers = carriers
        self._lanes = {name: Lane(self, carrier) for name, carrier in carriers.items()}

    async def start(self) -> None:
        """Settle what a crash left open, then begin to hand messages over."""
        await self._recover()
        await self._receipts.settle_left()
        for name in await self._store.waiting_carriers():
            if name not in self._lanes:
                await self._move_all(name)
        for lane in self._lanes.values():
            lane.start()

    async def stop(self) -> None:
        """Hand nothing new over, and wait for the answers to what has been. Carriers must still be up."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def offer(self, kept: Kept) -> None:
        """A message has been committed with work to do."""
        standing = kept.standing
        lane = self._lanes.get(standing.carrier or "")
        if lane is not None and standing.due_at is not None:
            lane.window.offer(Work(standing.id, standing.due_at))

    def late(self, carrier: Carrier, submission: Submission, answer: Answer) -> None:
        """An answer has come after all, to a submission that was uncertain."""
        self._lanes[carrier.name].spawn(self._take_late(carrier, submission, answer))

    async def _take_late(self, carrier: Carrier, submission: Submission, answer: Answer) -> None:
        kept, part = await self._ledger.find(submission.message_id), submission.part
        if kept is None:
            return
        state = kept.segments[part - 1].state
        if state is SegmentState.UNCERTAIN or isinstance(answer, Accepted | Uncertain):
            await self._settle(kept, part, carrier, answer)
            self._go_on(kept, carrier)
        elif state not in _BEING_SENT:
            # Settled without it: nothing follows from this no any more.
            late = Evidence(Kind.DEFERRED, {"carrier": carrier.name, "late": answer.reason}, part)
            await self._ledger.record(kept, late)

    # --- one message
    async def send(self, work: Work, carrier: Carrier, slot: Slot) -> None:
        """Submit what of a message has not left yet, and keep what becomes of it."""
        kept = await self._ledger.find(work.id)
        if kept is None or kept.standing.due_at is None or kept.standing.carrier != carrier.name:
            slot.release()
            return
        if self._expired(kept.message):
            slot.release()
            await self._expire(kept, carrier)
            return
        texts, change = self._lay_out(kept, carrier)
        waiting = [segment.part for segment in kept.segments if segment.state is SegmentState.WAITING]
        if not waiting or any(segment.state is SegmentState.REFUSED for segment in kept.segments):
            slot.release()
            kept.standing.due_at = None
            return
        if len(waiting) == 1:
            await self._submit(kept, waiting[0], texts, carrier, slot, change)
        else:
            await self._submit_parts(kept, waiting, texts, carrier, slot, change)
        self._go_on(kept, carrier)

    async def _submit_parts(
        self, kept: Kept, parts: list[int], texts: list[str], carrier: Carrier, slot: Slot, change: Change
    ) -> None:
        """Parts leave in order, each without waiting for the answer to the one before."""
        started: list[asyncio.Future[None]] = []
        for part in parts:
            if started:
                slot, change = await carrier.slot(), Change()
            if any(segment.state is SegmentState.REFUSED for segment in kept.segments):
                slot.release()
                break
            leaving = asyncio.get_running_loop().create_future()
            started.append(asyncio.ensure_future(self._submit(kept, part, texts, carrier, slot, change, leaving)))
            await leaving
        await asyncio.gather(*started)

    async def _submit(
        self,
        kept: Kept,
        part: int,
        texts: list[str],
        carrier: Carrier,
        slot: Slot,
        change: Change,
        leaving: "asyncio.Future[None] | None" = None,
    ) -> None:
        message = kept.message
        if all(s.state is not SegmentState.WAITING or s.part == part for s in kept.segments):
            kept.standing.due_at = None
        intent = Evidence(Kind.INTENT, {"carrier": carrier.name}, part, carrier=carrier.name)
        try:
            await self._ledger.record(kept, intent, change=change)
        except StoreError:
            slot.release()
            raise
        finally:
            if leaving is not None:
                leaving.set_result(None)
        validity = _remaining(message, self._clock.now())
        answer = await slot.submit(
            Submission(
                message.id,
                part,
                len(texts),
                message.sender,
                message.recipient,
                texts[part - 1],
                message.encoding,
                validity,
            )
        )
        await self._settle(kept, part, carrier, answer)

    def _expired(self, message: Message) -> bool:
        validity = message.validity or self._settings.validity
        return validity > 0 and self._clock.now() >= message.created_at + validity * SECOND

    async def _expire(self, kept: Kept, carrier: Carrier) -> None:
        """What of a message has not left will not leave any more."""
        _, change = self._lay_out(kept, carrier)
        kept.standing.due_at = None
        detail = {"validity": kept.message.validity or self._settings.validity}
        await self._ledger.record(kept, Evidence(Kind.EXPIRED, detail, error=30036), change=change)

    def _lay_out(self, kept: Kept, carrier: Carrier) -> tuple[list[str], Change]:
        """The texts of a message's submissions; its segments are laid out where they have not been."""
        change = Change()
        texts = carrier.split(kept.message.body, kept.message.encoding)
        if len(kept.segments) != len(texts):
            if kept.segments:
                change.recut.append((kept.message.id, len(texts)))
            kept.segments = [
                Segment(kept.message.id, part, SegmentState.WAITING, carrier.name)
                for part in range(1, len(texts) + 1)
            ]
            change.segments.extend(map(copy, kept.segments))
        return texts, change

    # --- answers
    async def _settle(self, kept: Kept, part: int, carrier: Carrier, answer: Answer) -> None:
        said = list(self._evidence(kept, part, carrier, answer))
        if any(segment.state is SegmentState.REFUSED for segment in kept.segments):
            # Of a message that cannot arrive whole nothing more need leave, whatever this part was told.
            kept.standing.due_at = None
        committed = self._ledger.record(kept, *said)
        if isinstance(answer, Accepted):
            key = carrier.key(answer.carrier_id)
            # Named before the commit is through: a receipt may be the next thing the carrier says.
            self._receipts.name(carrier.name, key, kept, part)
            await committed
            await self._receipts.settle_parked(carrier.name, key)
        else:
            await committed
            if kept.segments[part - 1].state is SegmentState.UNCERTAIN:
                await self._receipts.settle_doubt(kept, part)

    def _evidence(self, kept: Kept, part: int, carrier: Carrier, answer: Answer) -> Iterable[Evidence]:
        detail: dict[str, Any] = {"carrier": carrier.name}
        match answer:
            case Accepted():
                detail["carrier_id"] = answer.carrier_id
                key = carrier.key(answer.carrier_id) or None
                yield Evidence(Kind.ACCEPTED, detail, part, carrier_id=answer.carrier_id, carrier_key=key)
            case Rejected():
                yield self._rejected(kept, part, answer, detail | {"reason": answer.reason})
            case Throttled():
                kept.standing.due_at = kept.message.created_at
                yield Evidence(Kind.DEFERRED, detail | {"throttled": answer.reason}, part)
            case NotSent():
                kept.standing.due_at = kept.message.created_at
                yield Evidence(Kind.DEFERRED, detail | {"not_sent": answer.reason}, part)
            case Uncertain():
                yield from self._doubt(kept, part, detail | {"evidence": answer.evidence})

    def _rejected(self, kept: Kept, part: int, answer: Rejected, detail: dict[str, Any]) -> Evidence:
        standing, now = kept.standing, self._clock.now()
        if not answer.permanent and standing.tries < answer.retries:
            standing.tries += 1
            standing.due_at = now + int(answer.after * SECOND)
            return Evidence(Kind.DEFERRED, detail, part)
        following = self._routes.after(kept.message.recipient, detail["carrier"])
        # What a carrier has a part of stays with it: handsets join parts of one reference only.
        elsewhere = any(s.carrier_id is not None or s.state is SegmentState.UNCERTAIN for s in kept.segments)
        if answer.permanent or following is None or elsewhere:
            standing.due_at = None
            return Evidence(Kind.REFUSED, detail, part, answer.error)
        standing.carrier, standing.due_at, standing.tries = following, now, 0
        return Evidence(Kind.DEFERRED, detail | {"next": following}, part)

    def _doubt(self, kept: Kept, part: int, detail: dict[str, Any]) -> Iterable[Evidence]:
        policy = self._settings.uncertain
        carrier = {"carrier": detail["carrier"]}
        yield Evidence(Kind.UNCERTAIN, detail | {"policy": policy.value}, part)
        if policy is UncertainPolicy.FAIL:
            yield Evidence(Kind.ABANDONED, carrier, part, 30410)
        elif policy is UncertainPolicy.RESEND:
            kept.standing.due_at = self._clock.now()
            yield Evidence(Kind.DEFERRED, carrier | {"resend": True}, part)

    def _go_on(self, kept: Kept, carrier: Carrier) -> None:
        """Where there is more to do for a message, see to it that its lane does it."""
        standing = kept.standing
        if standing.due_at is None or standing.carrier is None:
            return
        lane = self._lanes[standing.carrier]
        wait = (standing.due_at - self._clock.now()) / SECOND
        if wait > 0:
            lane.window.look_again_in(wait)
        elif lane.window.held(standing.id) is not None:
            lane.again.add(standing.id)
        else:
            lane.window.look_again()

    # --- carriers that are down, gone, or were cut off
    async def give_to_next(self, carrier: Carrier) -> None:
        """`carrier` stays down: move on what waits for it and has another carrier on its route who is up.

        What has waited too long ends here.
        """
        for message_id, _ in await self._store.due_messages(
            carrier.name, self._clock.now(), self._settings.window
        ):
            kept = await self._ledger.find(message_id)
            if kept is None or kept.standing.due_at is None or kept.standing.carrier != carrier.name:
                continue
            if self._expired(kept.message):
                await self._expire(kept, carrier)
                continue
            following = self._routes.after(kept.message.recipient, carrier.name)
            begun = any(segment.state is not SegmentState.WAITING for segment in kept.segments)
            if following is not None and not begun and self._carriers[following].up:
                kept.standing.carrier, kept.standing.tries = following, 0
                detail = {"carrier": carrier.name, "not_sent": "no bind is up", "next": following}
                await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail))
                self._lanes[following].window.look_again()

    async def _move_all(self, gone: str) -> None:
        """Route the messages anew that wait for a carrier which is no longer configured."""
        moved = 0
        while waiting := await self._store.due_messages(gone, _EVER, RECOVERED_AT_ONCE):
            for message_id, _ in waiting:
                kept = await self._ledger.find(message_id)
                assert kept is not None, "the store has just named it"
                following = self._routes.after(kept.message.recipient, gone)
                kept.standing.carrier = following
                if following is None:
                    kept.segments = kept.segments or [Segment(message_id, 1, SegmentState.WAITING, gone)]
                    evidence = Evidence(Kind.REFUSED, {"carrier": gone, "reason": "no carrier left"}, error=30008)
                else:
                    evidence = Evidence(Kind.DEFERRED, {"carrier": gone, "not_sent": "gone", "next": following})
                await self._ledger.record(kept, evidence)
            moved += len(waiting)
        log.warning("carrier %s is no longer configured: %d of its messages were routed anew", gone, moved)

    async def _recover(self) -> None:
        """Intents without an answer: the process ended between them. Nobody knows whether the bytes left."""
        after: tuple[str, int] = ("", 0)
        found = 0
        while doubtful := await self._store.doubtful_segments(RECOVERED_AT_ONCE, after):
            for message_id, part in doubtful:
                kept = await self._ledger.find(message_id)
                assert kept is not None, "the store has just named it"
                carrier = kept.segments[part - 1].carrier
                evidence = "the gateway stopped between the intent and the answer"
                said = list(self._doubt(kept, part, {"carrier": carrier, "evidence": evidence}))
                await self._ledger.record(kept, *said)
            after = doubtful[-1]
            found += len(doubtful)
        if found:
            log.warning(
                "%d segments had been handed over without an answer when the gateway stopped: policy %s",
                found,
                self._settings.uncertain.value,
            )


class Lane:
    """One carrier's queue, and the task that works it off."""

    def __init__(self, dispatcher: Dispatcher, carrier: Carrier) -> None:
        self._dispatcher = dispatcher
        self.carrier = carrier
        self.window: Window[Work] = Window(dispatcher._settings.window, self._load)
        self.again: set[str] = set()
        """Messages in work that are to be taken again at once, in their place."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name=f"lane {self.carrier.name}")

    async def stop(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        self.window.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane %s: %s", self.carrier.name, error, exc_info=error)

    async def _load(self, limit: int) -> list[Work]:
        store, name = self._dispatcher._store, self.carrier.name
        now = self._dispatcher._clock.now()
        due = await store.due_messages(name, now, limit)
        next_due = await store.next_due(name, now)
        if next_due is not None:
            self.window.look_again_in((next_due - now) / SECOND)
        return [Work(message_id, due_at) for message_id, due_at in due]

    async def _run(self) -> None:
        while True:
            try:
                work = await self.window.take()
            except StoreError as error:
                log.error("lane %s: %s", self.carrier.name, error)
                await asyncio.sleep(AFTER_A_FAULT)
                continue
            slot = await self._slot()
            self.spawn(self._send(work, slot))

    async def _slot(self) -> Slot:
        """Room at the carrier, however long it takes; while it is down, others on the route get the work."""
        while True:
            try:
                # Also while it is up: it may go down while there is no room.
                async with asyncio.timeout(self._dispatcher._settings.failover_after):
                    return await self.carrier.slot()
            except TimeoutError:
                if not self.carrier.up:
                    await self._give_up_waiting()

    async def _give_up_waiting(self) -> None:
        try:
            await self._dispatcher.give_to_next(self.carrier)
        except StoreError as error:
            log.error("lane %s: %s", self.carrier.name, error)

    async def _send(self, work: Work, slot: Slot) -> None:
        try:
            await self._dispatcher.send(work, self.carrier, slot)
        except StoreError:
            self.window.look_again_in(AFTER_A_FAULT)
            raise
        finally:
            if work.id in self.again:
                self.again.discard(work.id)
                self.window.put_back(work)
            else:
                self.window.release(work.id)


def _remaining(message: Message, now: int) -> int | None:
    """Seconds that a carrier may go on trying: what is left of the validity that was asked for, if one was."""
    if message.validity is None:
        return None
    return max(1, message.validity - (now - message.created_at) // SECOND)
