import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.clock import SECOND, SystemClock, WindableClock
from tidings.work.window import BATCH, Window

WAIT = 5.0


class Item(msgspec.Struct, frozen=True):
    id: str
    due: int = 0

    @property
    def order(self) -> tuple[int, str]:
        return self.due, self.id

    def merge(self, other: "Item") -> None:
        """Nothing to take over."""


class Queue:
    """A queue outside the window, and how often it was read; a gate holds reads back after their snapshot."""

    def __init__(self, *items: Item) -> None:
        self.items = {item.id: item for item in items}
        self.later = False
        """Whether there is more that may not go yet."""
        self.loads: list[int] = []
        self.clock = WindableClock()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = asyncio.Event()
        self.error: Exception | None = None

    async def load(self, limit: int) -> Sequence[Item]:
        self.loads.append(limit)
        found = sorted(self.items.values(), key=lambda item: item.order)[:limit]
        self.reading.set()
        await self.gate.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return found

    def window(self, capacity: int = 1000, *, new: bool = False, overtaking: bool = False) -> Window[Item]:
        return Window(
            lambda: capacity, self.load, self.clock, lambda: not self.later, new=new, overtaking=overtaking
        )

    def settle(self, window: Window[Item], item: Item) -> None:
        del self.items[item.id]
        window.release(item.id)


async def taken(window: Window[Item]) -> Item:
    return await asyncio.wait_for(window.take(), WAIT)


async def taken_all(window: Window[Item], count: int) -> list[str]:
    return [(await taken(window)).id for _ in range(count)]


async def nothing_to_take(window: Window[Item]) -> bool:
    """Whether a worker would wait: every step it can make without time passing has been made."""
    worker = asyncio.ensure_future(window.take())
    for _ in range(10):
        await asyncio.sleep(0)
    waits = not worker.done()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return waits


async def test_an_old_queue_is_loaded_oldest_first_and_then_complete() -> None:
    queue = Queue(Item("b", 2), Item("c", 1), Item("a", 2))
    window = queue.window()
    assert not window.complete
    assert await taken_all(window, 3) == ["c", "a", "b"]
    assert window.complete
    assert len(queue.loads) == 1


async def test_a_new_queue_is_complete_and_needs_no_load() -> None:
    queue = Queue()
    window = queue.window(new=True)
    for name in "bca":
        window.offer(Item(name))
    assert await taken_all(window, 3) == ["a", "b", "c"]
    assert queue.loads == []


async def test_an_offer_wakes_the_worker() -> None:
    queue = Queue()
    window = queue.window(new=True)
    worker = asyncio.ensure_future(taken(window))
    await asyncio.sleep(0)
    window.offer(Item("a"))
    assert (await worker).id == "a"


async def test_what_is_held_never_exceeds_the_capacity_and_all_comes_through() -> None:
    items = [Item(f"{number:04}") for number in range(1000)]
    queue = Queue(*items)
    window = queue.window(capacity=10)
    seen: list[str] = []
    while len(seen) < 1000:
        item = await taken(window)
        assert len(window.all_held()) <= 10
        seen.append(item.id)
        queue.settle(window, item)
    assert seen == [item.id for item in items]
    assert await nothing_to_take(window)
    assert window.complete
    assert max(queue.loads) <= 20


async def test_a_load_asks_for_a_batch_beyond_what_is_held() -> None:
    queue = Queue(*(Item(f"{number:04}") for number in range(3 * BATCH)))
    window = queue.window(capacity=2000)
    await taken_all(window, 3 * BATCH)
    await nothing_to_take(window)
    assert queue.loads == [BATCH, 2 * BATCH, 3 * BATCH, 4 * BATCH]
    assert window.complete


async def test_a_full_window_lets_offers_wait_outside_and_loads_them_when_there_is_room() -> None:
    queue = Queue()
    window = queue.window(capacity=2, new=True)
    for item in (Item("a"), Item("b"), Item("c")):
        queue.items[item.id] = item
        window.offer(item)
    assert not window.complete
    first = await taken(window)
    assert (await taken(window)).id == "b"
    assert await nothing_to_take(window)
    queue.settle(window, first)
    assert (await taken(window)).id == "c"


async def test_what_is_put_back_keeps_its_place() -> None:
    queue = Queue()
    window = queue.window(new=True)
    for name in "abc":
        window.offer(Item(name))
    first = await taken(window)
    assert first.id == "a"
    window.put_back(first)
    assert await taken_all(window, 3) == ["a", "b", "c"]


async def test_what_is_taken_stays_held_and_is_not_loaded_again() -> None:
    queue = Queue(Item("a"), Item("b"))
    window = queue.window()
    assert (await taken(window)).id == "a"
    window.look_again()
    assert (await taken(window)).id == "b"
    window.look_again()
    assert await nothing_to_take(window)
    assert window.held("a") == Item("a")
    assert window.held("c") is None


async def test_what_comes_during_a_load_is_taken_in_once() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    queue.gate.clear()
    worker = asyncio.ensure_future(taken(window))
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    for name in "bc":  # committed after the snapshot was read
        queue.items[name] = Item(name)
        window.offer(Item(name))
    queue.gate.set()
    assert (await worker).id == "a"
    assert await taken_all(window, 2) == ["b", "c"]
    assert await nothing_to_take(window)


async def test_what_is_both_loaded_and_offered_is_taken_once() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    queue.gate.clear()
    worker = asyncio.ensure_future(taken(window))
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    window.offer(Item("a"))  # its commit was in the snapshot already
    queue.gate.set()
    item = await worker
    assert item.id == "a"
    assert await nothing_to_take(window)
    queue.settle(window, item)
    assert await nothing_to_take(window)


async def test_what_is_settled_during_a_load_is_not_taken_again() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    item = await taken(window)
    queue.gate.clear()
    queue.reading.clear()
    window.look_again()
    worker = asyncio.ensure_future(window.take())
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    queue.settle(window, item)  # the snapshot still shows it
    queue.gate.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not worker.done()
    worker.cancel()


async def test_what_left_for_later_comes_back_by_the_clock() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    item = await taken(window)
    window.leave(item.id)
    assert not window.complete
    window.look_again_at(queue.clock.now() + 3600 * SECOND)
    assert window.expects
    assert await nothing_to_take(window)
    queue.clock.wind(3600 * SECOND)
    assert (await taken(window)).id == "a"
    assert not window.expects
    window.close()


async def test_the_earliest_look_wins_in_either_order() -> None:
    for first, second in ((60, 0), (0, 60)):
        queue = Queue(Item("a"))
        window = queue.window()
        window.release((await taken(window)).id)
        window.look_again_at(queue.clock.now() + first * SECOND)
        window.look_again_at(queue.clock.now() + second * SECOND)
        assert (await taken(window)).id == "a"
        window.close()


async def test_a_look_that_is_over_does_not_stand_in_the_way_of_the_next() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    for _ in range(3):
        window.release((await taken(window)).id)
        window.look_again_at(queue.clock.now() + SECOND)
        queue.clock.wind(SECOND)
    assert (await taken(window)).id == "a"
    window.close()


async def test_a_closed_window_looks_no_more() -> None:
    queue = Queue()
    window = queue.window()
    assert await nothing_to_take(window)
    window.look_again_at(queue.clock.now())
    window.close()
    assert await nothing_to_take(window)
    assert len(queue.loads) == 1


async def test_a_queue_that_holds_more_for_later_is_not_complete() -> None:
    queue = Queue(Item("a"))
    queue.later = True
    window = queue.window()
    await taken(window)
    assert not window.complete
    queue.items["b"] = Item("b")
    window.offer(Item("b"))
    assert (await taken(window)).id == "b"


async def test_a_load_that_fails_is_tried_again_by_the_next_take() -> None:
    queue = Queue(Item("a"))
    queue.error = OSError("disk")
    window = queue.window()
    with pytest.raises(OSError, match="disk"):
        await taken(window)
    assert (await taken(window)).id == "a"


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 6),
    acts=st.lists(st.sampled_from(["offer", "take", "settle", "later", "back", "look"]), max_size=60),
)
async def test_nothing_is_lost_and_nothing_is_taken_twice_at_a_time(capacity: int, acts: list[str]) -> None:
    queue = Queue()
    window = queue.window(capacity, new=True)
    working: list[Item] = []
    made = 0

    def settle(place: int) -> str:
        item = working.pop(place)
        queue.settle(window, item)
        return item.id

    settled: list[str] = []
    for act in acts:
        if act == "offer":
            item = Item(f"{made:03}")
            made += 1
            queue.items[item.id] = item
            window.offer(item)
        elif act == "look":
            window.look_again()
        elif act == "take":
            if not await nothing_would_come(window, working, queue, capacity):
                item = await taken(window)
                assert item not in working
                working.append(item)
        elif working and act == "settle":
            settled.append(settle(0))
        elif working and act == "later":
            window.leave(working.pop().id)
            window.look_again_at(queue.clock.now())
        elif working and act == "back":
            window.put_back(working.pop())
        assert len(window.all_held()) <= capacity
    while working:
        settled.append(settle(0))
    while queue.items:
        working.append(await taken(window))
        settled.append(settle(0))
    assert sorted(settled) == [f"{number:03}" for number in range(made)]
    window.close()


async def nothing_would_come(window: Window[Item], working: list[Item], queue: Queue, capacity: int) -> bool:
    return len(working) >= min(len(queue.items), capacity)


async def test_what_is_shed_during_a_load_comes_from_the_next_one() -> None:
    """It may have been worked on since the load began: what that one read of it is old."""
    item = Item("a", 1)
    begun, go_on = asyncio.Event(), asyncio.Event()
    loads = 0

    async def load(limit: int) -> list[Item]:
        nonlocal loads
        loads += 1
        if loads == 2:
            begun.set()
            await go_on.wait()
            return [Item("a", 1)]
        return [item] if loads == 1 else [Item("b", 2)]

    window: Window[Item] = Window(lambda: 10, load, SystemClock())
    assert await taken(window) is item
    window.look_again()
    taking = asyncio.create_task(window.take())
    await begun.wait()
    window.put_back(item)
    window.shed()
    go_on.set()
    assert (await asyncio.wait_for(taking, 5)).id == "b"


async def test_what_is_left_during_a_load_is_looked_for_again_and_not_taken_for_the_end() -> None:
    """The load reads the store as it was before, when nothing was to come later."""
    queue, ended = Queue(), list[str]()
    window = Window(
        lambda: 1000,
        queue.load,
        queue.clock,
        lambda: not queue.later,
        new=True,
        on_empty=lambda: ended.append("end"),
    )
    window.offer(Item("a"))
    assert (await taken(window)).id == "a"
    queue.gate.clear()
    window.look_again()
    taking = asyncio.create_task(window.take())
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    window.leave("a")
    queue.items["a"] = Item("a")
    queue.gate.set()
    assert (await asyncio.wait_for(taking, WAIT)).id == "a"
    assert ended == []


# --- a worker that is woken


async def test_a_worker_that_does_not_wait_is_woken_for_what_there_is_to_take_and_to_read() -> None:
    queue = Queue(Item("a", 1))
    woken: list[tuple[bool, bool]] = []
    window: Window[Item] = Window(
        lambda: 2, queue.load, queue.clock, wake=lambda: woken.append((window.ready, window.unread))
    )
    assert window.take_now() is None
    assert window.unread
    await window.read()
    assert woken == [(True, False)]
    assert window.take_now() == Item("a", 1)
    for name in ("b", "c"):
        queue.items[name] = Item(name, 2)
        window.offer(Item(name, 2))
    assert woken[1:] == [(True, False), (True, False)]  # the second one does not fit: it is in the store
    queue.settle(window, Item("a", 1))
    assert woken[3:] == [(True, True)]


async def test_what_is_being_read_is_not_read_again_meanwhile() -> None:
    queue = Queue(Item("a"))
    window = queue.window()
    queue.gate.clear()
    reading = asyncio.ensure_future(window.read())
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    window.look_again()
    assert not window.unread
    queue.gate.set()
    await reading
    assert window.unread


async def test_what_overtakes_goes_before_all_that_was_read_and_what_does_not_waits_in_the_store() -> None:
    queue = Queue(*(Item(f"{number:04}", 10 + number) for number in range(2 * BATCH)))
    window = queue.window(overtaking=True)
    await taken(window)
    for late, early in (("late", "early"), ("later", "earlier")):
        queue.items |= {late: Item(late, 10_000), early: Item(early, 5)}
        window.offer(Item(late, 10_000))
        window.offer(Item(early, 5))
        assert window.held(late) is None
        assert (await taken(window)).id == early
    assert len(queue.loads) == 1


async def test_what_overtakes_and_comes_during_a_read_is_not_left_outside() -> None:
    queue = Queue(*(Item(f"{number:04}", 10 + number) for number in range(2 * BATCH)))
    window = queue.window(overtaking=True)
    queue.gate.clear()
    reading = asyncio.ensure_future(window.read())
    await asyncio.wait_for(queue.reading.wait(), WAIT)
    queue.items["early"] = Item("early", 5)
    window.offer(Item("early", 5))
    queue.gate.set()
    await reading
    assert (await taken(window)).id == "early"


async def test_a_window_in_order_takes_nothing_in_before_what_it_has_not_read() -> None:
    queue = Queue(*(Item(f"{number:04}", 10 + number) for number in range(2 * BATCH)))
    window = queue.window()
    await taken(window)
    window.offer(Item("early", 5))
    assert window.held("early") is None


async def test_a_window_that_expects_something_is_not_done_with_it_when_it_is_empty() -> None:
    ended: list[bool] = []
    queue = Queue()
    window: Window[Item] = Window(
        lambda: 2, queue.load, queue.clock, new=True, on_empty=lambda: ended.append(window.expects)
    )
    window.offer(Item("a"))
    assert window.take_now() == Item("a")
    window.look_again_at(queue.clock.now() + SECOND)
    window.release("a")
    assert ended == [True]
    queue.clock.wind(SECOND)
    assert await nothing_to_take(window)
    assert ended == [True, False]
