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
from typing import Final, Generic, Protocol, Self, TypeVar

from tidings.clock import Alarm, AlarmClock

BATCH: Final = 256
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

_NOTHING: Final = (-(2**63), "")
"""An order that goes before all others."""


class Tally:
    """Counts what several windows hold together, and have room kept for."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class _Load(Generic[T]):
    """What has happened since a load began, of which it may not know."""

    __slots__ = ("gone", "offered")

    def __init__(self) -> None:
        self.offered: list[T] = []
        self.gone: set[str] = set()


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
        overtaking: what is offered may go before what is held, without what is still in the store; where there is
            no room, in place of the last that waits.
    """

    __slots__ = (
        "_alarm",
        "_capacity",
        "_clock",
        "_complete",
        "_held",
        "_held_to",
        "_is_complete",
        "_load",
        "_loading",
        "_news",
        "_on_empty",
        "_overtaking",
        "_ready",
        "_stale",
        "_tally",
        "_wake",
    )

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
        self._loading: _Load[T] | None = None
        """As long as one is under way."""
        self._overtaking = overtaking
        self._held_to: tuple[int, str] | None = None if new else _NOTHING
        """What was offered or read and comes before this is held; None: nobody has asked yet, or all is held."""
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
        return self._stale and self._loading is None and self._has_room

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
        elif self._complete and self._has_room:
            self._take_in(item)
        elif not self._take_in_ahead(item):
            self._leave_outside(item)

    def put_back(self, item: T) -> None:
        """A held item is to be taken again, in its place."""
        heapq.heappush(self._ready, (item.order, item))
        self._wake()

    def release(self, id: str) -> None:
        """A held item is settled."""
        if self._held.pop(id, None) is not None:
            self._tally.count -= 1
        if self._loading is not None:
            self._loading.gone.add(id)
        if self._stale:
            self._wake()
        elif self._complete and not self._held:
            self._on_empty()

    def leave(self, id: str) -> None:
        """A held item goes on in the store, and may not go yet."""
        self._complete = False
        if self._loading is not None:
            # The load under way may have read it as it was, and know of nothing that is to come later.
            self._stale = True
        self.release(id)

    def shed(self) -> None:
        """Hold no more of what waits than is being worked on: the rest is in the store, and comes again."""
        for _, item in self._ready:
            del self._held[item.id]
            if self._loading is not None:
                # It may have been read as it was before it was worked on.
                self._loading.gone.add(item.id)
        self._tally.count -= len(self._ready)
        self._ready.clear()
        self._held_to = _NOTHING
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
        loading = self._loading = _Load()
        wanted = min(BATCH, self._capacity() - len(self._held))
        limit = len(self._held) + wanted
        # Other windows find no room there meanwhile.
        self._tally.count += wanted
        try:
            items = await self._load(limit)
        except BaseException:
            self._stale = True
            raise
        finally:
            self._tally.count -= wanted
            self._loading = None
        for item in items:
            if item.id not in self._held and item.id not in loading.gone:
                self._take_in(item)
        fresh = self._merge(loading.offered)
        self._held_to = items[-1].order if len(items) >= limit else None
        if len(items) >= limit or len(self._held) + len(fresh) > self._capacity():
            self._stale = True
        if self._stale:
            for item in fresh.values():
                self._take_in_ahead(item)
        elif not self._admit(fresh):
            self._stale = bool(fresh)
        elif not self._held:
            self._on_empty()

    def _take_in_ahead(self, item: T) -> bool:
        """Take in what goes before all that is known to be outside, where there is room or can be made."""
        if not self._overtaking:
            return False
        if self._held_to is None:
            self._held_to = max(self._ready)[0] if self._ready else item.order
        if item.order >= self._held_to:
            return False
        if not self._has_room and not self._put_out_behind(item):
            self._held_to = item.order
            return False
        self._take_in(item)
        return True

    def _put_out_behind(self, item: T) -> bool:
        """Hold the last that waits no more, where `item` goes before it: it is in the store, and comes again."""
        last = max(self._ready, default=None)
        if last is None or last[0] < item.order:
            return False
        self._ready.remove(last)
        heapq.heapify(self._ready)
        del self._held[last[1].id]
        self._tally.count -= 1
        self._held_to = last[0]
        self._complete = False
        self._stale = True
        return True

    def _leave_outside(self, item: T) -> None:
        """The store has it: a read brings it in."""
        if self._loading is not None:
            self._loading.offered.append(item)
        else:
            self.look_again()

    def _merge(self, offered: Sequence[T]) -> dict[str, T]:
        """Give what was offered during a load to what is held; returns the rest."""
        fresh: dict[str, T] = {}
        for item in offered:
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
