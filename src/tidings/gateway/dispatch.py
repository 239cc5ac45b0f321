"""From work in the store to submissions at a carrier: who is next, and whom to ask.

Each carrier has a lane: a window on the messages that wait for it, oldest due first. A message takes a slot (room
in the carrier's window), the intent to submit is kept, and only then do bytes leave; the answer is kept after it,
with what follows from it (`answers`). So an intent without an answer is a submission in doubt, after a crash as
after a timeout.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from tidings.carriers.base import Accepted, Answer, Carrier, Part, Slot, Submission, Uncertain
from tidings.clock import SECOND, Clock
from tidings.gateway.answers import Judge, UncertainPolicy
from tidings.gateway.lane import AFTER_A_FAULT, Lane, Work
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.media import MediaRoom, Stopping, Unavailable
from tidings.gateway.receipts import Receipts
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, SegmentState
from tidings.model import Message, Segment
from tidings.store.base import Change, Contradiction, Kept, Store, StoreError

log = logging.getLogger(__name__)

RECOVERED_AT_ONCE: Final = 500
"""Segments in doubt that are read at a time after a crash."""
MEDIA_TRIES: Final = 3
"""How often media are fetched that could not be had, before their message is given up."""
_EVER: Final = 2**62
_BEING_SENT: Final = frozenset({SegmentState.WAITING, SegmentState.SUBMITTING})


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
    media_retry: float = 30.0
    """Seconds until media are asked for again that could not be fetched."""


class Dispatcher:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        receipts: Receipts,
        carriers: Mapping[str, Carrier],
        routes: Routes,
        media: MediaRoom,
        clock: Clock,
        settings: DispatchSettings,
    ) -> None:
        self._store = store
        self._media = media
        self._ledger = ledger
        self._receipts = receipts
        self._routes = routes
        self._clock = clock
        self._settings = settings
        self._carriers = carriers
        self._judge = Judge(routes, clock, settings.uncertain)
        self._lanes = {
            name: Lane(
                self,
                carrier,
                store,
                clock,
                window=settings.window,
                failover_after=settings.failover_after,
            )
            for name, carrier in carriers.items()
        }

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

    def look_again(self, carrier: str) -> None:
        """Soon, at what the store holds for `carrier`."""
        self._lanes[carrier].window.look_again_in(AFTER_A_FAULT)

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
        try:
            kept = await self._ledger.find(work.id)
            media = await self._media.load(kept.message) if kept is not None and kept.message.media else ()
        except StoreError:
            slot.release()
            raise
        if kept is None or kept.standing.due_at is None or kept.standing.carrier != carrier.name:
            slot.release()
        elif self._expired(kept.message):
            slot.release()
            await self._expire(kept, carrier)
        elif media is None:
            slot.release()
            await self._fetch_media(kept, carrier)
        else:
            await self._hand_over(kept, carrier, slot, media)

    async def _hand_over(self, kept: Kept, carrier: Carrier, slot: Slot, media: tuple[Part, ...]) -> None:
        texts, change = self._lay_out(kept, carrier)
        waiting = [segment.part for segment in kept.segments if segment.state is SegmentState.WAITING]
        if not waiting or _refused(kept):
            slot.release()
            kept.standing.due_at = None
            return
        if len(waiting) == 1:
            await self._submit(kept, waiting[0], texts, carrier, slot, change, media=media)
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
            if _refused(kept):
                slot.release()
                break
            leaving = asyncio.get_running_loop().create_future()
            started.append(asyncio.ensure_future(self._submit(kept, part, texts, carrier, slot, change, leaving)))
            if not await leaving:
                break
        await asyncio.gather(*started)

    async def _submit(
        self,
        kept: Kept,
        part: int,
        texts: list[str],
        carrier: Carrier,
        slot: Slot,
        change: Change,
        leaving: "asyncio.Future[bool] | None" = None,
        media: tuple[Part, ...] = (),
    ) -> None:
        message = kept.message
        if [s.part for s in kept.segments if s.state is SegmentState.WAITING] == [part]:
            kept.standing.due_at = None
        intent = Evidence(Kind.INTENT, {"carrier": carrier.name}, part, carrier=carrier.name)
        try:
            await self._ledger.record(kept, intent, change=change)
        except StoreError:
            slot.release()
            if leaving is not None:
                leaving.set_result(False)
            self._lanes[carrier.name].spawn(self._take_back(message.id, part, carrier))
            raise
        if leaving is not None:
            leaving.set_result(True)
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
                media,
            )
        )
        await self._settle(kept, part, carrier, answer)

    async def _fetch_media(self, kept: Kept, carrier: Carrier) -> None:
        """Have fetched what goes with a message, while others use the room at the carrier; then it may go."""
        standing, fault = kept.standing, None
        try:
            await self._media.fetch(kept.message)
        except Unavailable as unavailable:
            fault = unavailable
        except Stopping:
            return
        if standing.due_at is None or standing.carrier != carrier.name:
            return  # the next carrier has got it meanwhile, and waits for the same media
        if fault is not None:
            await self._without_media(kept, carrier, fault)
        else:
            standing.tries = 0
            self._go_on(kept, carrier)

    async def _without_media(self, kept: Kept, carrier: Carrier, fault: Unavailable) -> None:
        """What goes with a message cannot be had: later perhaps, or it never leaves."""
        _, change = self._lay_out(kept, carrier)
        standing, detail = kept.standing, {"carrier": carrier.name, "media": fault.reason}
        if fault.passing and standing.tries < MEDIA_TRIES - 1:
            standing.tries += 1
            standing.due_at = self._clock.now() + int(self._settings.media_retry * SECOND)
            await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail), change=change)
            self._go_on(kept, carrier)
        else:
            standing.due_at = None
            await self._ledger.record(kept, Evidence(Kind.REFUSED, detail, error=fault.error), change=change)

    async def _take_back(self, message_id: str, part: int, carrier: Carrier) -> None:
        """A store that failed may have kept an intent all the same. Nothing was handed over: it is no doubt."""
        kept = await self._after_a_fault(message_id)
        if part <= len(kept.segments) and kept.segments[part - 1].state is SegmentState.SUBMITTING:
            kept.standing.due_at = kept.message.created_at
            detail = {"carrier": carrier.name, "not_sent": "the store failed"}
            await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail, part))
            self._go_on(kept, carrier)

    async def _after_a_fault(self, message_id: str) -> Kept:
        """A message as the store has it, once the store answers again."""
        while True:
            await asyncio.sleep(AFTER_A_FAULT)
            try:
                kept = await self._ledger.find(message_id)
            except StoreError:
                continue
            assert kept is not None, "it was being worked on"
            return kept

    def _expired(self, message: Message) -> bool:
        validity = message.validity or self._settings.validity
        return validity > 0 and self._clock.now() >= message.created_at + validity * SECOND

    async def _expire(self, kept: Kept, carrier: Carrier) -> None:
        """What of a message has not left will not leave any more."""
        _, change = self._lay_out(kept, carrier)
        kept.standing.due_at = None
        detail = {"validity": kept.message.validity or self._settings.validity}
        events = await self._store.events(kept.message.id)
        # A carrier that was too busy to the end is another matter than a message that nobody got round to.
        error = events[-1].detail.get("ends_as", 30036) if events else 30036
        await self._ledger.record(kept, Evidence(Kind.EXPIRED, detail, error=error), change=change)

    def _lay_out(self, kept: Kept, carrier: Carrier) -> tuple[list[str], Change]:
        """The texts of a message's submissions; its segments are laid out where they have not been."""
        change, message = Change(), kept.message
        texts = [message.body] if message.segments == 1 else carrier.split(message.body, message.encoding)
        if len(kept.segments) != len(texts):
            if kept.segments:
                change.recut.append((message.id, len(texts)))
            kept.segments = [
                Segment(message.id, part, SegmentState.WAITING, carrier.name) for part in range(1, len(texts) + 1)
            ]
            # The first one's row comes with the evidence that this change is for.
            change.segments.extend(map(replace, kept.segments[1:]))
        return texts, change

    # --- answers
    async def _settle(self, kept: Kept, part: int, carrier: Carrier, answer: Answer) -> None:
        """Keep an answer and what follows from it, however long the store takes: it will not come again."""
        while True:
            try:
                await self._keep_answer(kept, part, carrier, answer)
                if isinstance(answer, Accepted):
                    await self._receipts.settle_parked(carrier.name, carrier.key(answer.carrier_id))
                elif kept.segments[part - 1].state is SegmentState.UNCERTAIN:
                    await self._receipts.settle_doubt(kept, part)
                return
            except Contradiction:
                raise
            except StoreError as error:
                log.error("the answer for %s is not kept yet: %s", kept.message.id, error)
                kept = await self._after_a_fault(kept.message.id)

    def _keep_answer(self, kept: Kept, part: int, carrier: Carrier, answer: Answer) -> "asyncio.Future[None]":
        said = list(self._judge.evidence(kept, part, carrier, answer))
        if _refused(kept):
            # Of a message that cannot arrive whole nothing more need leave, whatever this part was told.
            kept.standing.due_at = None
        committed = self._ledger.record(kept, *said)
        if isinstance(answer, Accepted):
            # Named before the commit is through: a receipt may be the next thing the carrier says.
            self._receipts.name(carrier.name, carrier.key(answer.carrier_id), kept, part)
        return committed

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
            following = self._routes.after(kept.message.recipient, carrier.name, kept.message.channel)
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
                following = self._routes.after(kept.message.recipient, gone, kept.message.channel)
                kept.standing.carrier = following
                if following is None:
                    kept.standing.due_at = None
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
                said = list(self._judge.doubt(kept, part, {"carrier": carrier, "evidence": evidence}))
                await self._ledger.record(kept, *said)
            after = doubtful[-1]
            found += len(doubtful)
        if found:
            log.warning(
                "%d segments had been handed over without an answer when the gateway stopped: policy %s",
                found,
                self._judge.policy.value,
            )


def _refused(kept: Kept) -> bool:
    """Whether a part was refused, so that the message cannot arrive whole."""
    return SegmentState.REFUSED in [segment.state for segment in kept.segments]


def _remaining(message: Message, now: int) -> int | None:
    """Seconds that a carrier may go on trying: what is left of the validity that was asked for, if one was."""
    if message.validity is None:
        return None
    return max(1, message.validity - (now - message.created_at) // SECOND)
