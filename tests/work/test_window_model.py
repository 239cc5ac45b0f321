"""Windows as a lane has them, against whatever order things happen in: two queues that share the room there is.

What the machine knows without the windows: what lies in the store, what of it a window has been told of, and what
is being worked on. Reads end when the machine says so, with what was in the store when they began.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidings.clock import WindableClock
from tidings.work.window import Tally, Window

AT_LEAST = 2
ROOM = 5
EARLIER = 1_000_000


class Item(msgspec.Struct, frozen=True):
    id: str
    due: int

    @property
    def order(self) -> tuple[int, str]:
        return self.due, self.id

    def merge(self, other: "Item") -> None:
        """Nothing to take over."""


class Queue:
    """A window, and the queue in the store that it is one on."""

    def __init__(self, tally: Tally) -> None:
        self.stored: dict[str, Item] = {}
        self.told: set[str] = set()
        """What the window knows of: nothing may go before it that comes after it."""
        self.shed = False
        """Since then, nothing has been read: of what waits the window knows what it holds."""
        self.working: dict[str, Item] = {}
        self.again: set[str] = set()
        """What was put back: what overtakes and has to be read may come after it."""
        self.woken = False
        self.reading: asyncio.Task[None] | None = None
        self.answer: asyncio.Future[Sequence[Item]] | None = None
        self.window: Window[Item] = Window(
            lambda: max(AT_LEAST, ROOM - tally.count),
            self._load,
            WindableClock(),
            tally=tally,
            wake=self._wake,
            overtaking=True,
            new=True,
        )

    def _wake(self) -> None:
        self.woken = True

    async def _load(self, limit: int) -> Sequence[Item]:
        found = sorted(self.stored.values(), key=lambda item: item.order)[:limit]
        self.answer = asyncio.get_running_loop().create_future()
        await self.answer
        return found

    @property
    def waiting(self) -> list[Item]:
        """What it knows of and is not worked on, in order."""
        known = (self.stored[name] for name in self.told - self.working.keys())
        return sorted(known, key=lambda item: item.order)


class Windows(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.tally = Tally()
        self.queues = [Queue(self.tally), Queue(self.tally)]
        self.made = 0

    def teardown(self) -> None:
        """All there is comes through, whatever has happened."""
        for queue in self.queues:
            self._end_read(queue)
        while left := [queue for queue in self.queues if queue.stored]:
            assert any(map(self._work_off, left)), "something is left, and nothing to do"
        assert self.tally.count == 0
        self.loop.close()

    def _work_off(self, queue: Queue) -> bool:
        """Whether there was something to do."""
        if queue.working:
            self._settle(queue, next(iter(queue.working)))
        elif (item := queue.window.take_now()) is not None:
            queue.working[item.id] = item
        elif queue.window.unread:
            self._begin_read(queue)
            self._end_read(queue)
        else:
            return False
        return True

    # --- what happens outside
    @rule(number=st.integers(0, 1), ahead=st.booleans(), offered=st.booleans())
    def commit(self, number: int, ahead: bool, offered: bool) -> None:
        """Something new lies in the store, and the window is told of it or where to look."""
        queue = self.queues[number]
        self.made += 1
        item = Item(f"{self.made:04}", self.made - EARLIER * ahead)
        queue.stored[item.id] = item
        queue.woken = False
        if offered:
            queue.window.offer(item)
            if not queue.shed or queue.window.held(item.id):
                queue.told.add(item.id)
        else:
            queue.window.look_again()
        assert queue.woken or queue.reading, "nobody has been told"

    @rule(number=st.integers(0, 1))
    def shed(self, number: int) -> None:
        queue = self.queues[number]
        queue.window.shed()
        queue.told &= set(queue.working)
        queue.shed = True

    # --- what its worker does
    @rule(number=st.integers(0, 1))
    def take(self, number: int) -> None:
        queue = self.queues[number]
        ready = queue.window.ready
        item = queue.window.take_now()
        assert (item is not None) == ready
        if item is not None:
            assert item.id not in queue.working
            assert item.id in queue.stored
            queue.told.add(item.id)
            before = [one for one in queue.waiting if one.order < item.order]
            if item.id in queue.again:
                before = [one for one in before if (one.due < 0) == (item.due < 0)]
            assert not before, "something goes before it"
            queue.working[item.id] = item

    @rule(number=st.integers(0, 1), data=st.data())
    def settle(self, number: int, data: Any) -> None:
        queue = self.queues[number]
        if queue.working:
            self._settle(queue, data.draw(st.sampled_from(sorted(queue.working))))

    def _settle(self, queue: Queue, id: str) -> None:
        del queue.stored[id], queue.working[id]
        queue.told.discard(id)
        queue.woken = False
        could_read = queue.window.unread
        queue.window.release(id)
        assert queue.woken or could_read or not queue.window.unread, "there is more to read, and nobody is told"

    @rule(number=st.integers(0, 1), data=st.data())
    def put_back(self, number: int, data: Any) -> None:
        queue = self.queues[number]
        if queue.working:
            item = queue.working.pop(data.draw(st.sampled_from(sorted(queue.working))))
            queue.told.add(item.id)
            queue.again.add(item.id)
            queue.window.put_back(item)

    @precondition(lambda self: any(queue.window.unread for queue in self.queues))
    @rule()
    def begin_read(self) -> None:
        self._begin_read(next(queue for queue in self.queues if queue.window.unread))

    @rule(number=st.integers(0, 1), fails=st.booleans())
    def end_read(self, number: int, fails: bool) -> None:
        self._end_read(self.queues[number], OSError("disk") if fails else None)

    def _begin_read(self, queue: Queue) -> None:
        queue.reading = self.loop.create_task(queue.window.read())
        self._run()

    def _end_read(self, queue: Queue, error: Exception | None = None) -> None:
        if queue.reading is None or queue.answer is None:
            return
        if error is None:
            queue.answer.set_result([])
        else:
            queue.answer.set_exception(error)
        self._run()
        assert queue.reading.done()
        assert queue.reading.exception() is error
        queue.reading = None
        queue.shed &= queue.window.unread

    def _run(self) -> None:
        """Every step that can be made without anything more happening."""
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    # --- what always holds
    @invariant()
    def no_more_is_held_than_there_is_room_for(self) -> None:
        held = sum(len(queue.window.all_held()) for queue in self.queues)
        assert held <= self.tally.count
        assert held <= ROOM + AT_LEAST * len(self.queues)

    @invariant()
    def whoever_says_that_all_is_held_holds_all(self) -> None:
        for queue in self.queues:
            if queue.window.complete:
                assert {item.id for item in queue.window.all_held()} == set(queue.stored)


TestWindows = Windows.TestCase
TestWindows.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
