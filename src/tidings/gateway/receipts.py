"""From a carrier's receipt to the segment it speaks of.

A receipt is kept, together with what it changes, before the carrier may acknowledge it (promise 2). Where
nothing matches yet, because the answer to the submission is still on its way, it is parked under every key it may
be looked up by, and tried again when a segment is named so, for seven days and across restarts (promise 3).

Matching is by carrier and id, in every spelling `smpp.message_id` allows. Segments whose recipient is the one the
receipt names win over others; among those, the same spelling wins over a converted one, unless this carrier has
long been converting. What is still more than one segment is refused: parked, with all of them named, not guessed.
"""

import logging
from asyncio import Future
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tidings import phone
from tidings.carriers.base import Receipt, Verdict
from tidings.clock import DAY, Clock
from tidings.gateway.ledger import Evidence, Ledger
from tidings.ids import floor_id, new_id
from tidings.lifecycle import Kind, SegmentState
from tidings.model import KeptReceipt, Segment
from tidings.store.base import Change, Kept, Store, StoreError

log = logging.getLogger(__name__)

PARKED_FOR: Final = 7 * DAY
NAMES: Final = 50_000
"""Carrier ids held in memory; older ones are looked up in the store."""
PARKED: Final = 10_000
"""Parked receipts held in memory; beyond that every acceptance asks the store."""
LEARNT: Final = 50
"""Equal wins of one id rule after which it is preferred for that carrier."""

_KINDS: Final = {
    Verdict.DELIVERED: Kind.DELIVERED,
    Verdict.UNDELIVERED: Kind.UNDELIVERED,
    Verdict.PROGRESS: Kind.PROGRESS,
    Verdict.UNKNOWN: Kind.UNKNOWN,
    Verdict.UNRECOGNISED: Kind.UNRECOGNISED,
}
_TO: Final = "to "
"""Begins the key of a recipient: no id holds a space."""
_ELSEWHERE: Final = ("raw", "carrier", "received_at", "keys", "text")
"""What of a matched receipt its row or its bytes say too. One that is parked is kept whole, to be matched."""
_OPEN: Final = frozenset({SegmentState.SUBMITTING, SegmentState.UNCERTAIN, SegmentState.ACCEPTED})
_IN_DOUBT: Final = frozenset({SegmentState.SUBMITTING, SegmentState.UNCERTAIN})

_PART: Final = "part:"
"""Begins the id rule of an id that names a part: "part:2" (`smpp.message_id`)."""
_SAME: Final = "exact"
"""The id rule of one spelling on both sides (`smpp.message_id`); the others convert."""

Place = tuple[str, int]
"""(message id, part)"""
Hit = tuple[str, str, Place]
"""(id rule, key, where it leads)"""


class Match(msgspec.Struct, frozen=True):
    kept: Kept
    part: int
    rule: str
    """The id rule that found it; `inferred` where no id did."""
    key: str = ""


class Receipts:
    def __init__(self, store: Store, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._names: OrderedDict[tuple[str, str], list[Place]] = OrderedDict()
        self._parked: dict[tuple[str, str], dict[str, KeptReceipt | None]] = {}
        self._parked_keys = 0
        self._wins: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Remember which receipts are parked."""
        for carrier, key, receipt_id in await self._store.parked_keys(PARKED):
            self._park((carrier, key), receipt_id, None)

    # --- a receipt comes
    async def take(self, receipt: Receipt) -> None:
        """Keep a receipt and what it changes. Returns once it is on disk, matched or parked."""
        match, notes = await self._match(receipt)
        if match is None:
            await self._keep_parked(receipt, notes)
        else:
            await self._apply(match, receipt, notes)

    async def _match(self, receipt: Receipt) -> tuple[Match | None, tuple[str, ...]]:
        if not receipt.keys:
            return await self._infer(receipt), ()
        hits = [
            (rule, key, place)
            for rule, key in receipt.keys
            for place in self._names.get((receipt.carrier, key), ())
            if _fits(rule, place)
        ]
        match = await self._only_one(receipt, hits, must_be_recipient=True)
        if match is not None:
            return match, ()
        rules = {key: rule for rule, key in reversed(receipt.keys)}
        found = await self._store.find_segments(receipt.carrier, list(rules))
        hits += [
            (rules[key], key, (message_id, part))
            for key, message_id, part in found
            if _fits(rules[key], (message_id, part))
        ]
        match = await self._only_one(receipt, hits, must_be_recipient=False)
        if match is not None:
            return match, ()
        if hits:
            self.counts["ambiguous"] += 1
            places = sorted({f"{message_id}/{part}" for _, _, (message_id, part) in hits})
            return None, (f"ambiguous: {', '.join(places)}",)
        return await self._infer(receipt), ()

    async def _only_one(self, receipt: Receipt, hits: Sequence[Hit], *, must_be_recipient: bool) -> Match | None:
        """The one segment that the hits leave, or None."""
        matches: list[Match] = []
        seen: set[Place] = set()
        for rule, key, (message_id, part) in hits:
            if (message_id, part) not in seen:
                seen.add((message_id, part))
                kept = await self._ledger.find(message_id)
                if kept is not None:
                    matches.append(Match(kept, part, rule, key))
        source = phone.digits(receipt.source)
        same = [match for match in matches if phone.digits(match.kept.message.recipient) == source]
        if same:
            return self._prefer(receipt.carrier, same)
        if must_be_recipient or len(matches) != 1:
            return None
        return matches[0]

    def _prefer(self, carrier: str, matches: list[Match]) -> Match | None:
        if len(matches) == 1:
            return matches[0]
        rules = [match.rule for match in matches]
        learnt = [rule for rule in rules if self._wins[carrier, rule] >= LEARNT]
        best = learnt[0] if learnt else rules[0]
        if not learnt and best != _SAME and len(set(rules) - {_SAME}) > 1:
            return None
        matches = [match for match in matches if match.rule == best]
        if len({match.key for match in matches}) > 1:
            return None
        # The same id twice for one recipient: the carrier has begun to count anew, so the younger is meant.
        youngest = max(matches, key=lambda match: match.kept.message.id).kept
        # Parts may share one id: then each receipt settles one of those that are still open.
        parts = sorted((match for match in matches if match.kept is youngest), key=lambda match: match.part)
        still_open = [part for part in parts if youngest.segments[part.part - 1].state in _OPEN]
        return (still_open or parts)[0]

    async def _infer(self, receipt: Receipt) -> Match | None:
        """A receipt whose id says nothing: meant for the one open segment to that recipient, if there is one."""
        recipients = {receipt.source, "+" + receipt.source.lstrip("+")}
        since = receipt.received_at - PARKED_FOR
        places = await self._store.open_segments(receipt.carrier, sorted(recipients), since)
        if len(places) != 1:
            return None
        (message_id, part), *_ = places
        kept = await self._ledger.find(message_id)
        if kept is None or phone.digits(kept.message.sender) != phone.digits(receipt.destination):
            return None
        segment = kept.segments[part - 1]
        # With an id of its own, it can only be one whose id we never learnt.
        if segment.state is SegmentState.UNCERTAIN or (
            segment.state is SegmentState.ACCEPTED and not (receipt.ids and segment.carrier_id)
        ):
            return Match(kept, part, "inferred")
        return None

    def _apply(
        self, match: Match, receipt: Receipt, notes: tuple[str, ...], kept_receipt: KeptReceipt | None = None
    ) -> "Future[None]":
        change = Change()
        message_id = match.kept.message.id
        if kept_receipt is None:
            kept_receipt = _keep(receipt, new_id(self._clock.now()), message_id, match.part)
            change.receipts.append(kept_receipt)
        else:
            change.matched.append((kept_receipt.id, message_id, match.part))
        segment = match.kept.segments[match.part - 1]
        said = [*_implied(segment, receipt, match), _evidence(match, receipt, kept_receipt.id, notes)]
        self._wins[receipt.carrier, match.rule] += 1
        self.counts[receipt.verdict.value] += 1
        return self._ledger.record(match.kept, *said, change=change)

    async def _keep_parked(self, receipt: Receipt, notes: tuple[str, ...]) -> None:
        self.counts["parked"] += 1
        parked = _keep(msgspec.structs.replace(receipt, notes=receipt.notes + notes), new_id(self._clock.now()))
        change = Change()
        change.receipts.append(parked)
        for key in _parking_keys(receipt):
            change.parked.append((receipt.carrier, key, parked.id, receipt.received_at))
            self._park((receipt.carrier, key), parked.id, parked)
        log.warning(
            "receipt parked: carrier=%s ids=%s %s raw=%s",
            receipt.carrier,
            ",".join(receipt.ids) or "none",
            " ".join(notes) or "nothing matches yet",
            receipt.raw,
        )
        await self._store.commit(change)
        # While the store was asked, an answer may have named the segment and found nothing parked yet.
        for key in _parking_keys(receipt):
            if (receipt.carrier, key) in self._names:
                await self.settle_parked(receipt.carrier, key)

    # --- a segment is named
    def name(self, carrier: str, key: str, kept: Kept, part: int) -> None:
        """A carrier has accepted a segment and named it: its receipts find it from now on."""
        place = (kept.message.id, part)
        self._names.setdefault((carrier, key), []).append(place)
        if len(self._names) > NAMES:
            self._names.popitem(last=False)

    async def settle_parked(self, carrier: str, key: str) -> None:
        """Try the receipts again that were parked under a name a segment has just been given."""
        if (carrier, key) not in self._parked and self._parked_keys < PARKED:
            return
        waiting = dict(self._parked.get((carrier, key), ()))
        if not waiting or None in waiting.values():
            waiting |= {parked.id: parked for parked in await self._store.parked(carrier, key)}
        for parked in sorted(filter(None, waiting.values()), key=lambda parked: (parked.received_at, parked.id)):
            receipt = _receipt(parked)
            match, notes = await self._match(receipt)
            if match is not None and self._unpark(receipt, parked.id):
                try:
                    await self._apply(match, receipt, notes, parked)
                except StoreError:
                    # Parked it still is, in the store: whoever tries again must find it here, too.
                    for key in _parking_keys(receipt):
                        self._park((receipt.carrier, key), parked.id, parked)
                    raise
                self.counts["unparked"] += 1

    async def settle_left(self) -> None:
        """After a start: try all parked receipts. The process may have ended when a segment had just been named or
        called uncertain, and before its receipt was applied."""
        for carrier, key in [place for place in self._parked if place[1].startswith(_TO)]:
            await self.settle_parked(carrier, key)

    async def settle_doubt(self, kept: Kept, part: int) -> None:
        """A segment is in doubt: a receipt for its recipient that matched nothing may be its own."""
        await self.settle_parked(kept.segments[part - 1].carrier, _recipient_key(kept.message.recipient))

    async def forget_old(self) -> int:
        """Give up on receipts parked longer than seven days; they stay kept. Returns how many keys that were."""
        before = self._clock.now() - PARKED_FOR
        oldest = floor_id(before)
        for key, waiting in list(self._parked.items()):
            for receipt_id, parked in list(waiting.items()):
                if parked.received_at < before if parked else receipt_id < oldest:
                    self._forget(key, receipt_id)
        return await self._store.drop_parked(before)

    def _park(self, key: tuple[str, str], receipt_id: str, parked: KeptReceipt | None) -> None:
        if self._parked_keys < PARKED:
            self._parked.setdefault(key, {})[receipt_id] = parked
            self._parked_keys += 1

    def _unpark(self, receipt: Receipt, receipt_id: str) -> bool:
        """Forget where a receipt is parked; False where somebody else has just matched it."""
        places = [(receipt.carrier, key) for key in _parking_keys(receipt)]
        here = [place for place in places if receipt_id in self._parked.get(place, ())]
        for place in here:
            self._forget(place, receipt_id)
        return bool(here) or self._parked_keys >= PARKED

    def _forget(self, key: tuple[str, str], receipt_id: str) -> None:
        waiting = self._parked[key]
        del waiting[receipt_id]
        self._parked_keys -= 1
        if not waiting:
            del self._parked[key]


def _parking_keys(receipt: Receipt) -> Iterable[str]:
    yield from dict.fromkeys(key for _, key in receipt.keys)
    yield _recipient_key(receipt.source)


def _recipient_key(address: str) -> str:
    """What every receipt is parked under besides its ids."""
    return _TO + phone.digits(address)


def _fits(rule: str, place: Place) -> bool:
    """Whether an id that names a part names this one."""
    return not rule.startswith(_PART) or int(rule.removeprefix(_PART)) == place[1]


def _implied(segment: Segment, receipt: Receipt, match: Match) -> Iterable[Evidence]:
    """A receipt for a segment in doubt says first of all that the carrier has it."""
    if segment.state in _IN_DOUBT:
        key = receipt.keys[0][1] if receipt.keys else None
        yield Evidence(
            Kind.ACCEPTED,
            {"carrier": receipt.carrier, "implied": "by its receipt", "rule": match.rule},
            match.part,
            carrier_id=receipt.ids[0] if receipt.ids else "",
            carrier_key=key,
        )


def _evidence(match: Match, receipt: Receipt, receipt_id: str, notes: tuple[str, ...]) -> Evidence:
    detail: dict[str, Any] = {
        "carrier": receipt.carrier,
        "receipt": receipt_id,
        "ids": receipt.ids,
        "word": receipt.word,
        "rule": match.rule,
    }
    if receipt.carrier_error:
        detail["carrier_error"] = receipt.carrier_error
    if receipt.done_date:
        detail["done_date"] = receipt.done_date
    if receipt.notes or notes:
        detail["notes"] = receipt.notes + notes
    state = match.kept.segments[match.part - 1].state
    if receipt.verdict is Verdict.UNDELIVERED and state is SegmentState.DELIVERED:
        detail["contradicts"] = "delivered"
    if receipt.verdict is Verdict.DELIVERED and state is SegmentState.UNDELIVERED:
        detail["corrects"] = "undelivered"
    # Nobody asked for it: a carrier may send one all the same.
    counts = match.kept.message.extras.get("receipts", True)
    return Evidence(_KINDS[receipt.verdict], detail, match.part, receipt.error, counts=counts)


def _keep(receipt: Receipt, id: str, message_id: str | None = None, part: int = 0) -> KeptReceipt:
    said = msgspec.structs.asdict(receipt)
    for name in _ELSEWHERE if message_id else ("raw",):
        del said[name]
    return KeptReceipt(id, receipt.carrier, receipt.received_at, message_id, part, receipt.raw, said)


def _receipt(parked: KeptReceipt) -> Receipt:
    return msgspec.convert(parked.receipt | {"raw": parked.raw}, Receipt)
