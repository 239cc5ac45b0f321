"""From work in the store to submissions at a carrier: whom a message goes to, and what becomes of it.

Each carrier has a lane, which says whose turn it is: a queue for each sender, the oldest due first. A message that
has its turn has a slot (room in the carrier's window), the intent to submit is kept, and only then do bytes leave;
the answer is kept after it, with what follows from it (`answers`). So an intent without an answer is a submission
in doubt, after a crash (`recovery`) as after a timeout.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tidings.carriers.base import Accepted, Answer, Carrier, Part, Slot, Submission, Uncertain
from tidings.clock import SECOND, AlarmClock
from tidings.gateway.answers import Judge, UncertainPolicy
from tidings.gateway.expiry import Expiry
from tidings.gateway.lane import AFTER_A_FAULT, Lane, Turn
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.media import MediaRoom, Stopping, Unavailable
from tidings.gateway.pace import Paces
from tidings.gateway.permission import Permission
from tidings.gateway.queue import Work
from tidings.gateway.rates import Rates
from tidings.gateway.receipts import Receipts
from tidings.gateway.recovery import Recovery, begun
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, SegmentState
from tidings.model import Message, Segment
from tidings.store.base import Change, Contradiction, Kept, Store, StoreError

log = logging.getLogger(__name__)

MEDIA_TRIES: Final = 3
"""How often media are fetched that could not be had, before their message is given up."""
_BEING_SENT: Final = frozenset({SegmentState.WAITING, SegmentState.SUBMITTING})


class DispatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    validity: int = 36_000
    """Seconds a message may wait here that names no validity of its own (Twilio: ten hours); 0: for ever."""
    uncertain: UncertainPolicy = UncertainPolicy.HOLD
    query_after: int = 3600
    """Seconds after which a carrier that answers query_sm is asked about a segment without a receipt; 0: never."""
    window: int = 5000
    """Messages held in memory for each carrier; of each sender that waits for it, a few in any case."""
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
        rates: Rates,
        permission: Permission,
        expiry: Expiry,
        clock: AlarmClock,
        settings: DispatchSettings,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._receipts = receipts
        self._media = media
        self._rates = rates
        self._permission = permission
        self._expiry = expiry
        self._clock = clock
        self._settings = settings
        self._judge = Judge(routes, rates.place, clock, settings.uncertain)
        self._recovery = Recovery(store, ledger, routes, carriers, self._judge, clock)
        self._paces = Paces(rates, clock)
        self._lanes = {
            name: Lane(
                self,
                carrier,
                store,
                clock,
                self._paces,
                window=settings.window,
                failover_after=settings.failover_after,
            )
            for name, carrier in carriers.items()
        }

    async def start(self) -> None:
        """Settle what a crash left open, then begin to hand messages over."""
        await self._recovery.settle_doubts()
        await self._receipts.settle_left()
        queues = await self._store.queues()
        gone = [queue for queue in queues if queue[0] not in self._lanes]
        for queue in gone:
            await self._recovery.leave(*queue)
        for carrier, account, sender in await self._store.queues() if gone else queues:
            self._lanes[carrier].look_again(account, sender)
        for lane in self._lanes.values():
            lane.start()
        self._expiry.start()

    async def stop(self) -> None:
        """Hand nothing new over, and wait for the answers to what has been. Carriers must still be up."""
        await self._expiry.stop()
        self._paces.close()
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))

    def offer(self, kept: Kept) -> None:
        """A message has been committed with work to do."""
        standing = kept.standing
        lane = self._lanes.get(standing.carrier or "")
        if lane is not None and standing.due_at is not None:
            self._expiry.watch(kept.message)
            lane.offer(kept, standing.due_at)

    def look_again(self, kept: Kept) -> None:
        """Soon, at what the store has of it: its commit is said to have failed."""
        lane = self._lanes.get(kept.standing.carrier or "")
        if lane is not None and kept.message.sender:
            self._expiry.watch(kept.message)
            lane.look_again_later(kept.message.account, kept.message.sender)

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
            self._go_on(kept)
        elif state not in _BEING_SENT:
            # Settled without it: nothing follows from this no any more.
            late = Evidence(Kind.DEFERRED, {"carrier": carrier.name, "late": answer.reason}, part)
            await self._ledger.record(kept, late)

    # --- one message
    async def send(self, work: Work, carrier: Carrier, turn: Turn) -> None:
        """Submit what of a message has not left yet, and keep what becomes of it."""
        try:
            kept = await self._ledger.find(work.id)
            refusal = await self._permission.refusal(kept.message) if kept is not None else None
            media = await self._media.load(kept.message) if kept is not None and kept.message.media else ()
            await turn.comes()
        except StoreError:
            turn.pass_on()
            raise
        if kept is None or kept.standing.due_at is None or kept.standing.carrier != carrier.name:
            turn.pass_on()
        elif kept.standing.redacted_at is not None:
            # Handed back after its text was taken away: there is nothing left to send.
            turn.pass_on()
            kept.standing.due_at = None
            await self._ledger.note(
                kept, Evidence(Kind.DEFERRED, {"carrier": carrier.name, "not_sent": "redacted"})
            )
        elif self._expiry.has_ended(kept.message):
            turn.pass_on()
            await self._expiry.end(kept)
        elif refusal is not None:
            turn.pass_on()
            await self._refuse(kept, {"carrier": carrier.name}, refusal)
        elif media is None:
            turn.pass_on()
            await self._fetch_media(kept, carrier)
        else:
            await self._hand_over(kept, carrier, turn, media)

    async def _hand_over(self, kept: Kept, carrier: Carrier, turn: Turn, media: tuple[Part, ...]) -> None:
        texts, change = self._lay_out(kept, carrier)
        waiting = [segment.part for segment in kept.segments if segment.state is SegmentState.WAITING]
        if not waiting or _refused(kept):
            turn.pass_on()
            kept.standing.due_at = None
            return
        if turn.pace is not None:
            turn.pace.spend(self._rates.pause(kept.message))
        turn.end()
        if len(waiting) == 1:
            await self._submit(kept, waiting[0], texts, carrier, turn.slot, change, media=media)
        else:
            await self._submit_parts(kept, waiting, texts, carrier, turn.slot, change)
        self._go_on(kept)

    def _refuse(self, kept: Kept, detail: dict[str, Any], error: int) -> "asyncio.Future[None]":
        """What of a message has not left will not leave any more."""
        kept.standing.due_at = None
        return self._ledger.record(kept, Evidence(Kind.REFUSED, detail, error=error))

    async def _submit_parts(
        self, kept: Kept, parts: list[int], texts: list[str], carrier: Carrier, slot: Slot, change: Change
    ) -> None:
        """Parts leave in order, each without waiting for the answer to the one before."""
        started: list[asyncio.Future[None]] = []
        for part in parts:
            if started:
                slot, change = await carrier.slot(), Change()
            if _refused(kept) or (self._expiry.has_ended(kept.message) and not begun(kept)):
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
                message.extras.get("receipts", True),
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
            self._go_on(kept)

    async def _without_media(self, kept: Kept, carrier: Carrier, fault: Unavailable) -> None:
        """What goes with a message cannot be had: later perhaps, or it never leaves."""
        standing, detail = kept.standing, {"carrier": carrier.name, "media": fault.reason}
        if fault.passing and standing.tries < MEDIA_TRIES - 1:
            standing.tries += 1
            standing.due_at = self._clock.now() + int(self._settings.media_retry * SECOND)
            await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail))
            self._go_on(kept)
        else:
            await self._refuse(kept, detail, fault.error)

    async def _take_back(self, message_id: str, part: int, carrier: Carrier) -> None:
        """A store that failed may have kept an intent all the same. Nothing was handed over: it is no doubt."""
        kept = await self._after_a_fault(message_id)
        if part <= len(kept.segments) and kept.segments[part - 1].state is SegmentState.SUBMITTING:
            kept.standing.due_at = self._rates.place(kept.message)
            detail = {"carrier": carrier.name, "not_sent": "the store failed"}
            await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail, part))
            self._go_on(kept)

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

    def _go_on(self, kept: Kept) -> None:
        """Where there is more to do for a message, see to it that its lane does it."""
        standing = kept.standing
        if standing.due_at is not None and standing.carrier is not None:
            self._expiry.watch(kept.message)
            self._lanes[standing.carrier].go_on(kept, standing.due_at)

    async def give_to_next(self, carrier: Carrier, queues: Sequence[tuple[str, str]]) -> None:
        """`carrier` stays down: move on what waits for it and has another carrier on its route who is up."""
        moved = self._recovery.give_to_next(carrier, queues, self._settings.window)
        async for following, account, sender in moved:
            self._lanes[following].look_again(account, sender)


def _refused(kept: Kept) -> bool:
    """Whether a part was refused, so that the message cannot arrive whole."""
    return SegmentState.REFUSED in [segment.state for segment in kept.segments]


def _remaining(message: Message, now: int) -> int | None:
    """Seconds that a carrier may go on trying: what is left of the validity that was asked for, if one was."""
    if message.validity is None:
        return None
    return max(1, message.validity - (now - message.ready_at) // SECOND)
