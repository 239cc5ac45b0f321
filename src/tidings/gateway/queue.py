"""What waits for one carrier from one sender of an account: the oldest due goes first.

A lane opens a queue when something is to wait in it, and lets go of it once nothing does, here or in the store.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from tidings.gateway.pace import Pace
from tidings.work.window import Window

if TYPE_CHECKING:
    from tidings.gateway.lane import Lane, Turn

AT_LEAST: Final = 8
"""Messages that a queue may hold in memory however much the others hold."""


class Work(msgspec.Struct, frozen=True):
    """A message in a window, by its id and when it came due."""

    id: str
    due_at: int

    @property
    def order(self) -> tuple[int, str]:
        return self.due_at, self.id

    def merge(self, other: "Work") -> None:
        """There is nothing to a message's work but its id."""


class Queue:
    """Stands in one of its lane's lines as long as it has something to send or to read, and its pace lets it."""

    __slots__ = ("_lane", "account", "pace", "reading", "sender", "turn", "window")

    def __init__(self, lane: "Lane", account: str, sender: str, pace: Pace | None, *, new: bool) -> None:
        """`new`: nothing waits in it yet."""
        self.account = account
        self.sender = sender
        self.pace = pace
        self.reading = False
        """Its lane sees to it."""
        self.turn: Turn | None = None
        """The last that was given."""
        self._lane = lane
        self.window: Window[Work] = Window(
            self._capacity,
            self._load,
            lane.clock,
            new=new,
            tally=lane.held,
            on_empty=self._emptied,
            wake=self.wake,
            overtaking=True,
        )

    @property
    def may_go(self) -> bool:
        """Whether its sender's pace is free."""
        return self.pace is None or self.pace.free

    def wake(self) -> None:
        """There may be something to take or to read: stand in line for it, now or once its pace is free."""
        ready = self.window.ready
        if not ready and (self.reading or not self.window.unread):
            return
        if self.pace is not None and not self.pace.free:
            self.pace.wait(self.wake)
        elif ready:
            self._lane.is_ready(self)
        else:
            self._lane.is_unread(self)

    def _capacity(self) -> int:
        return max(AT_LEAST, self._lane.room)

    async def _load(self, limit: int) -> Sequence[Work]:
        store, carrier, now = self._lane.store, self._lane.carrier.name, self._lane.clock.now()
        due = await store.due_messages(carrier, self.account, self.sender, now, limit)
        next_due = await store.next_due(carrier, self.account, self.sender, now)
        if next_due is not None:
            self.window.look_again_at(next_due)
        return [Work(message_id, due_at) for message_id, due_at in due]

    def _emptied(self) -> None:
        if not self.window.expects:
            self._lane.drop(self)
