"""How many segments wait for each sender, so that a full queue is refused instead of grown (`rates`)."""

from collections import Counter

from tidings.lifecycle import Status
from tidings.model import Message


class QueueDepths:
    """In memory, made from the store at start: a message counts for as long as it is `queued`."""

    def __init__(self) -> None:
        self._waiting: Counter[tuple[str, str]] = Counter()

    def start_from(self, waiting: dict[tuple[str, str], int]) -> None:
        self._waiting = Counter(waiting)

    def waiting(self, account: str, sender: str) -> int:
        """Segments that wait for this sender."""
        return self._waiting[account, sender]

    def add(self, message: Message) -> None:
        self._waiting[message.account, message.sender] += message.segments

    def moved(self, message: Message, before: Status, after: Status) -> None:
        """A ledger's listener."""
        if after is Status.QUEUED:
            self.add(message)
        elif before is Status.QUEUED:
            sender = (message.account, message.sender)
            self._waiting[sender] -= message.segments
            if self._waiting[sender] <= 0:
                del self._waiting[sender]
