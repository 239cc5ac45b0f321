"""What applications say of a message's effect: whether its recipient did what it was sent for (Twilio: Feedback).

Called by the web room. What was said is an event of the message; the last word counts.
"""

from tidings.errors import Problem
from tidings.gateway.ledger import Evidence, Ledger
from tidings.lifecycle import Kind
from tidings.store.base import Store


class Feedback:
    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def take(self, account: str, message_id: str, outcome: str) -> tuple[int, int]:
        """Returns when something was first said of the message, and when now was.

        Raises Problem: 20404 where there is no such message, 20010 where it was sent without `ProvideFeedback`.
        """
        found = await self._store.message(account, message_id)
        kept = await self._ledger.find(message_id) if found is not None else None
        if kept is None:
            raise Problem(20404)
        if not kept.message.extras.get("feedback"):
            raise Problem(20010, reason="the message was not sent with ProvideFeedback")
        await self._ledger.note(kept, Evidence(Kind.FEEDBACK, {"outcome": outcome}))
        said = [event.at for event in await self._store.events(message_id) if event.kind is Kind.FEEDBACK]
        return said[0], said[-1]
