"""Memory as a window on the store: the part of a queue that is held in memory, and how the rest comes in.

A queue of millions lies in the store; at most `capacity` items of it are in memory, waiting or being worked on.
What is committed while the window holds everything goes straight in, without a read. As soon as something does
not fit, or may not go yet, the window stops being complete: from then on items come by `load`, oldest first,
until a load finds nothing left outside. One worker takes: it waits in `take`, or is woken and looks (`take_now`,
`read`). The dispatcher keeps a window per queue, the callback room one per host and account.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, Protocol, Self, TypeVar

from tidings.clock import Alarm, AlarmClock

BATCH = 256
"""Items a load asks for beyond those already held."""


class Item(Protocol):
    """What a window holds: `id` is unique among the held, `order` decides who is next."""

    @property
    def id(self) -> str: ...

    @property
    def order(self) -> tuple[int, str]: ...

    def merge(self, other: Self) -> None:
        """The same id has been offered again while this is held: take over what is new in `other`."""
        ...


T = TypeVar("T", bound=Item)


class Tally:
    """Counts what several windows hold together."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Window(Generic[T]):
    """
    Args:
        capacity: says how many items may be held at the most; it may change its mind.
        load: (limit) → up to that many items that may go now, oldest first, held ones among them.
        clock: tells when what may not go yet may go.
        complete: after a load that came back short: whether what is held is all there is, now or later.
        new: the queue is known to be empty.
        tally: counts what this window holds, and perhaps others'.
        on_empty: called when nothing is left, held or in the store, but for what may not go yet.
        wake: called when there may be something to take or to read, for a worker that does not wait in `take`.
        overtaking: what is offered may go before what was read, without what is still in the store.
    """

    def __init__(
        self,
        capacity: Callable[[], int],
        load: Callable[[int], Awaitable[Sequence[T]]],
        clock: AlarmClock,
        complete: Callable[[], bool] = lambda: True,
        *,
        new: bool = False,
        tally: Tally | None = None,
        on_empty: Callable[[], None] = lambda: None,
        wake: Callable[[], None] | None = None,
        overtaking: bool = False,
    ) -> None:
        self._on_empty = on_empty
        self._tally = tally or Tally()
        self._capacity = capacity
        self._load = load
        self._clock = clock
        self._is_complete = complete
        self._ready: list[tuple[tuple[int, str], T]] = []
        self._held: dict[str, T] = {}
        self._complete = new
        self._stale = not new
        self._meanwhile: list[T] | None = None
        """Offered while a load is under way."""
        self._gone: set[str] = set()
        """Released while a load is under way, which may have seen them still."""
        self._overtaking = overtaking
        self._read_to: tuple[int, str] | None = None
        """Where the last load ended that left something outside: what comes before it is held."""
        self._news: asyncio.Event | None = None
        """For a worker that waits in `take`. An event is half of what an empty window takes of memory."""
        if wake is None:
            self._news = asyncio.Event()
            wake = self._news.set
        self._wake = wake
        self._alarm: Alarm | None = None

    @property
    def complete(self) -> bool:
        """Whether all there is of the queue is held."""
        return self._complete

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return bool(self._ready)

    @property
    def unread(self) -> bool:
        """Whether there may be more in the store, and room for it, and nobody is reading it."""
        return self._stale and self._meanwhile is None and self._has_room

    @property
    def expects(self) -> bool:
        """Whether the store holds something that may not go yet."""
        return self._alarm is not None

    @property
    def _has_room(self) -> bool:
        return len(self._held) < self._capacity()

    def held(self, id: str) -> T | None:
        return self._held.get(id)

    def all_held(self) -> Collection[T]:
        return self._held.values()

    def offer(self, item: T) -> None:
        """Something new has been committed. Taken in where there is room, and nothing outside goes before it."""
        held = self._held.get(item.id)
        if held is not None:
            held.merge(item)
        elif (self._complete or self._overtakes(item)) and self._has_room:
            self._take_in(item)
        elif self._meanwhile is not None:
            self._meanwhile.append(item)
        else:
            self.look_again()

    def put_back(self, item: T) -> None:
        """A held item is to be taken again, in its place."""
        heapq.heappush(self._ready, (item.order, item))
        self._wake()

    def release(self, id: str) -> None:
        """A held item is settled."""
        if self._held.pop(id, None) is not None:
            self._tally.count -= 1
        if self._meanwhile is not None:
            self._gone.add(id)
        if self._stale:
            self._wake()
        elif self._complete and not self._held:
            self._on_empty()

    def leave(self, id: str) -> None:
        """A held item goes on in the store, and may not go yet."""
        self._complete = False
        if self._meanwhile is not None:
            # The load under way may have read it as it was, and know of nothing that is to come later.
            self._stale = True
        self.release(id)

    def shed(self) -> None:
        """Hold no more of what waits than is being worked on: the rest is in the store, and comes again."""
        for _, item in self._ready:
            del self._held[item.id]
            # A load under way may have read it as it was before it was worked on.
            self._gone.add(item.id)
        self._tally.count -= len(self._ready)
        self._ready.clear()
        self._read_to = None
        self.look_again()

    def look_again(self) -> None:
        """The store holds something that is not here."""
        self._complete = False
        self._stale = True
        self._wake()

    def look_again_at(self, at: int) -> None:
        """The store holds something that may not go before then (microseconds since 1970)."""
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return
            self._alarm.cancel()
        self._alarm = self._clock.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.look_again()

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    async def take(self) -> T:
        """The next item; it stays held until `release` or `leave`. For one worker only."""
        while not self._ready:
            if self.unread:
                await self.read()
            else:
                assert self._news is not None, "whoever is woken does not wait here"
                self._news.clear()
                await self._news.wait()
        return heapq.heappop(self._ready)[1]

    def take_now(self) -> T | None:
        """The next item, if there is one without a read."""
        return heapq.heappop(self._ready)[1] if self._ready else None

    async def read(self) -> None:
        """Bring in more of what is in the store; to be called only where something is `unread`."""
        self._stale = False
        self._meanwhile = []
        self._gone.clear()
        limit = len(self._held) + min(BATCH, self._capacity() - len(self._held))
        try:
            items = await self._load(limit)
        except BaseException:
            self._stale = True
            raise
        finally:
            meanwhile, self._meanwhile = self._meanwhile, None
        for item in items:
            if item.id not in self._held and item.id not in self._gone:
                self._take_in(item)
        fresh = self._merge(meanwhile)
        self._read_to = items[-1].order if len(items) >= limit else None
        if len(items) >= limit or len(self._held) + len(fresh) > self._capacity():
            self._stale = True
            for item in fresh.values():
                if self._overtakes(item) and self._has_room:
                    self._take_in(item)
        elif not self._stale:
            if not self._admit(fresh):
                self._stale = bool(fresh)
            elif not self._held:
                self._on_empty()

    def _overtakes(self, item: T) -> bool:
        return self._overtaking and self._read_to is not None and item.order < self._read_to

    def _merge(self, meanwhile: Sequence[T]) -> dict[str, T]:
        """Give what was offered during a load to what is held; returns the rest."""
        fresh: dict[str, T] = {}
        for item in meanwhile:
            known = self._held.get(item.id) or fresh.get(item.id)
            if known is None:
                fresh[item.id] = item
            else:
                known.merge(item)
        return fresh

    def _admit(self, fresh: dict[str, T]) -> bool:
        """Take `fresh` in, if with it all there is is held. Otherwise something outside may have to go before it,
        and only the store can tell."""
        self._held |= fresh
        self._complete = self._is_complete()
        for item in fresh.values():
            if self._complete:
                self._take_in(item)
            else:
                del self._held[item.id]
        return self._complete

    def _take_in(self, item: T) -> None:
        self._held[item.id] = item
        self._tally.count += 1
        heapq.heappush(self._ready, (item.order, item))
        self._wake()
