"""Segments of long messages from handsets, kept until all of a message have come or it has taken too long.

`inbound` brings each, before its carrier is answered, and makes the messages. They come in any order, over any
connection, and before or after a restart: what there is of a message is asked of the store each time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Final

from tidings.arranged import Sender
from tidings.carriers.base import InboundSegment
from tidings.clock import SECOND, Alarm, AlarmClock
from tidings.gateway.turns import Turns
from tidings.model import InboundPart
from tidings.store.base import Change, Store
from tidings.text import UnencodableText, decode_gsm7, decode_ucs2, encode_gsm7, encode_ucs2

log = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""Incomplete messages that one look into the store finds."""
GRACE: Final = 60 * SECOND
"""After a start nothing is given up for so long."""
AGAIN: Final = 10 * SECOND
"""When what could not be dealt with is looked at again."""

Make = Callable[[Sequence[InboundPart], Change], Awaitable[None]]
"""Makes a message of these parts, and keeps it with the change."""


class Parts:
    def __init__(self, store: Store, clock: AlarmClock, wait: int, make: Make) -> None:
        """`wait`: seconds that parts wait for others, from the first one on."""
        self._store = store
        self._clock = clock
        self._wait = wait * SECOND
        self._make = make
        self._turns = Turns()
        self._alarm: Alarm | None = None
        self._giving_up: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Take up what was left. Raises StoreError."""
        oldest = await self._store.oldest_part()
        if oldest is not None:
            # Carriers hold what they had to bring while this gateway was away.
            self._watch(max(oldest, self._clock.now() - self._wait + min(self._wait, GRACE)))

    async def stop(self) -> None:
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._giving_up is not None:
            await asyncio.wait((self._giving_up,))

    async def take(self, part: InboundPart, change: Change) -> bool:
        """Keep a part with `change`, or, if it is the last one to come, the message. Raises StoreError.

        Returns whether it is new: the same text again under the same number is a repetition. Another text begins a
        new message, as the references of handsets come round again, and of the old one no more will come.
        """
        async with self._turns.of(part.group):
            kept = await self._store.inbound_parts(part.group)
            if any(one.account != part.account for one in kept):
                kept = await self._give_up(kept)  # the number was another account's when they came
            there = next((one for one in kept if one.part == part.part), None)
            if there is not None and there.text == part.text:
                await self._store.commit(change)
                return False
            if there is not None:
                kept = await self._give_up(kept)
            if len(kept) + 1 < part.parts:
                change.parts.append(part)
                await self._store.commit(change)
                self._watch(part.received_at)
            else:
                change.joined.append(part.group)
                await self._make(sorted([*kept, part], key=lambda one: one.part), change)
            return True

    async def _give_up(self, kept: Sequence[InboundPart]) -> list[InboundPart]:
        """What there is becomes the message; no parts are left."""
        change = Change()
        change.joined.append(kept[0].group)
        await self._make(kept, change)
        return []

    # --- what has waited too long
    def _watch(self, since: int) -> None:
        """Of a message some parts have been here since then."""
        at = since + self._wait
        if self._stopped or (self._alarm is not None and self._alarm.when() <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._clock.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._giving_up is None or self._giving_up.done():  # one that goes on looks again at its end
            self._giving_up = asyncio.create_task(self._give_up_all(), name="incomplete messages")

    async def _give_up_all(self) -> None:
        try:
            while not self._stopped and (groups := await self._overdue()):
                for group in groups:
                    async with self._turns.of(group):
                        kept = await self._store.inbound_parts(group)
                        if kept and min(one.received_at for one in kept) <= self._clock.now() - self._wait:
                            await self._give_up(kept)
            if (oldest := await self._store.oldest_part()) is not None:
                self._watch(oldest)
        except Exception:
            log.exception("incomplete inbound messages go on waiting")
            self._watch(self._clock.now() - self._wait + AGAIN)

    async def _overdue(self) -> list[tuple[str, str, str, int, int]]:
        return await self._store.stale_parts(self._clock.now() - self._wait + 1, AT_ONCE)


def part_of(segment: InboundSegment, owner: Sender) -> InboundPart:
    """A segment of a long message as it is kept for the sender's account."""
    assert segment.reference is not None, "a segment of several has a reference"
    return InboundPart(
        segment.carrier,
        owner.account,
        segment.source,
        owner.address,
        segment.reference,
        segment.parts,
        segment.part,
        segment.received_at,
        encode_ucs2(segment.text).hex(),
        segment.encoding,
        segment.raw,
    )


def text_of(parts: Sequence[InboundPart]) -> str:
    """The text of parts in their order. A character that was cut in two is whole where both parts are there."""
    runs = groupby(enumerate(parts), lambda placed: placed[1].part - placed[0])
    return "".join(_run([part for _, part in run]) for _, run in runs)


def missing(parts: Sequence[InboundPart]) -> list[int]:
    """The numbers of the parts that have not come."""
    return sorted({*range(1, parts[0].parts + 1)} - {part.part for part in parts})


_ESCAPE: Final = "\x1b"


def _run(parts: Sequence[InboundPart]) -> str:
    """Of parts that follow on each other."""
    said, escaped = "", False
    for part in parts:
        more = bytes.fromhex(part.text).decode("utf-16-be", "surrogatepass").rstrip("\0")  # the end of a C string
        if escaped and more:
            said, more, escaped = said + _escaped(more[0]), more[1:], False
        if part.encoding == "gsm7" and more.endswith(_ESCAPE):
            more, escaped = more[:-1], True
        said += more
    return decode_ucs2(encode_ucs2(said + _escaped("") if escaped else said))


def _escaped(character: str) -> str:
    """What an escape makes of the character behind it."""
    try:
        return decode_gsm7(_ESCAPE.encode() + encode_gsm7(character))
    except UnencodableText:
        return " " + character
