"""Taking away what an application wants forgotten: a message's text, one of its media, or all of it.

Called by the web room. What happened to a message is not forgotten with it: its events stay, and say when it was
redacted or deleted. While a message is on its way its text is needed, and nothing can be taken away; it is not
needed any more where all that is missing is a carrier's word on what it was handed.
"""

from msgspec.structs import replace

from tidings.errors import Problem
from tidings.gateway.ledger import Ledger
from tidings.lifecycle import UNDER_WAY, SegmentState
from tidings.model import Message, Standing
from tidings.store.base import Change, Kept, Store


class Erasure:
    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def redact(self, account: str, message_id: str) -> tuple[Message, Standing]:
        """Take the text away. Returns the message as it then is. Raises Problem: 20404, 20009 on its way."""
        kept = await self._settled(account, message_id)
        await self._ledger.redact(kept, Change(), delete=False)
        return kept.message, replace(kept.standing)

    async def delete(self, account: str, message_id: str) -> None:
        """Take text and media away, and the message out of sight. Raises as `redact` does."""
        kept = await self._settled(account, message_id)
        change = Change()
        change.dropped_media.extend((medium.id,) for medium in await self._store.media(message_id))
        await self._ledger.redact(kept, change, delete=True)

    async def drop_medium(self, account: str, message_id: str, medium_id: str) -> None:
        """Take one medium away. Raises as `redact` does, and 20404 where the message has no such medium."""
        await self._settled(account, message_id)
        medium = await self._store.medium(medium_id)
        if medium is None or medium.message_id != message_id:
            raise Problem(20404)
        change = Change()
        change.dropped_media.append((medium_id,))
        await self._store.commit(change)

    async def _settled(self, account: str, message_id: str) -> Kept:
        """The message, as the ledger works on it."""
        found = await self._store.message(account, message_id)
        kept = await self._ledger.find(message_id) if found is not None else None
        if kept is None or kept.standing.deleted_at is not None:
            raise Problem(20404)
        if kept.standing.status in UNDER_WAY and not _in_doubt(kept):
            raise Problem(20009)
        return kept


def _in_doubt(kept: Kept) -> bool:
    """Whether all of it was handed over, and nobody knows what became of some."""
    states = [segment.state for segment in kept.segments]
    return bool(states) and SegmentState.WAITING not in states and SegmentState.SUBMITTING not in states
