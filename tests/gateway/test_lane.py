"""A lane between a real store and a carrier whose room the test gives: turns, memory, and what is read when."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.gateway.waiting import change_of, waits
from tidings.carriers.base import Carrier
from tidings.clock import SECOND, WindableClock
from tidings.gateway import lane as lanes
from tidings.gateway.lane import READS, Lane, Turn
from tidings.gateway.limits import QueueDepths
from tidings.gateway.pace import Paces
from tidings.gateway.queue import AT_LEAST, Queue, Work
from tidings.gateway.rates import HEAD_START, QueueSettings, Rates
from tidings.store.base import Change, Kept, StoreError
from tidings.store.sqlite import SqliteStore

A, B, C = "0a" * 16, "0b" * 16, "0c" * 16
HOUR: Final = 3600 * SECOND
LONG_AGO: Final = 1_790_000_000 * SECOND
WAIT: Final = 20.0


class Room:
    """A carrier with so many slots; closed, it has none."""

    name = "main"

    def __init__(self, slots: int) -> None:
        self.free = slots
        self.up = True
        self._vacated = asyncio.Event()

    def slot_now(self) -> "Room | None":
        if not self.up or not self.free:
            return None
        self.free -= 1
        return self

    async def slot(self) -> "Room":
        while (slot := self.slot_now()) is None:
            self._vacated.clear()
            await self._vacated.wait()
        return slot

    def release(self) -> None:
        self.free += 1
        self._vacated.set()

    def open(self) -> None:
        self.up = True
        self._vacated.set()


class CountedStore(SqliteStore):
    """Counts the reads of queues; fails those that a test says."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads: Counter[str] = Counter()
        """By sender."""
        self.failing: set[str] = set()

    async def due_messages(
        self, carrier: str, account: str, sender: str, now: int, limit: int
    ) -> list[tuple[str, int]]:
        self.reads[sender] += 1
        if sender in self.failing:
            raise StoreError("the disk is slow")
        return await super().due_messages(carrier, account, sender, now, limit)


class Post:
    """Whoever is told which message has its turn: keeps them, answers at once or when the test says."""

    def __init__(self, store: SqliteStore) -> None:
        self.sent: list[str] = []
        self.pause = 0
        """Microseconds that a sender with a rate waits after a message."""
        self.gate = asyncio.Event()
        """Cleared, the carrier answers nothing."""
        self.gate.set()
        self.given: list[tuple[str, str]] = []
        self.most_held = 0
        self.lane: Lane | None = None
        self._store = store
        self._news = asyncio.Event()

    async def send(self, work: Work, carrier: Carrier, turn: Turn) -> None:
        assert self.lane is not None
        self.most_held = max(self.most_held, self.lane.held.count)
        self.sent.append(work.id)
        if turn.pace is not None:
            turn.pace.spend(self.pause)
        self.tell()
        await self.gate.wait()
        kept = (await self._store.kept([work.id]))[work.id]
        kept.standing.due_at = None
        change = Change()
        change.standings.append(kept.standing)
        await self._store.commit(change)
        turn.slot.release()

    async def give_to_next(self, carrier: Carrier, queues: Sequence[tuple[str, str]]) -> None:
        self.given = list(queues)
        self.tell()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():
                await self._news.wait()

    async def has_sent(self, number: int) -> list[str]:
        await self.until(lambda: len(self.sent) >= number)
        return self.sent

    def tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class WatchedLane(Lane):
    """Tells when a queue has ended."""

    def drop(self, queue: Queue) -> None:
        super().drop(queue)
        cast(Post, self._sender).tell()


class Street:
    """A lane, and what stands at its ends."""

    def __init__(self, store: CountedStore, slots: int, **options: Any) -> None:
        self.store = store
        self.clock = WindableClock()
        self.room = Room(slots)
        self.post = Post(store)
        self.paces = Paces(Rates(options.pop("rates", QueueSettings()), QueueDepths()), self.clock)
        usual: dict[str, Any] = {"window": 2000, "failover_after": 0.05}
        self.lane = self.post.lane = WatchedLane(
            self.post,
            cast(Carrier, self.room),
            store,
            self.clock,
            self.paces,
            **(usual | options),
        )

    async def start(self) -> None:
        for _, account, sender in await self.store.queues():
            self.lane.look_again(account, sender)
        self.lane.start()

    async def keep(self, *waiting: Kept) -> None:
        await self.store.commit(change_of(waiting))

    async def offer(self, *waiting: Kept) -> list[str]:
        """They are committed, and offered as the dispatcher does; their ids."""
        await self.keep(*waiting)
        for kept in waiting:
            assert kept.standing.due_at is not None
            self.lane.offer(kept, kept.standing.due_at)
        return [kept.message.id for kept in waiting]

    async def idle(self) -> None:
        """Until nothing waits any more."""
        await self.post.until(lambda: not self.lane.queues)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountedStore]:
    store = CountedStore(tmp_path / "tidings.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def streets(store: CountedStore) -> AsyncIterator[Any]:
    made: list[Street] = []

    def make(slots: int = 1, **options: Any) -> Street:
        made.append(Street(store, slots, **options))
        return made[-1]

    yield make
    for street in made:
        street.post.gate.set()
        await street.lane.stop()


def line_of(
    account: str, count: int, sender: str = "+15005550006", at: int = LONG_AGO, **changes: Any
) -> list[Kept]:
    return [waits(at + number, account, sender, **changes) for number in range(count)]


def ids(waiting: Sequence[Kept]) -> list[str]:
    return [kept.message.id for kept in waiting]


async def test_where_there_is_room_a_message_goes_without_a_read_and_leaves_no_queue(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=10)
    await street.start()
    sent = await street.offer(*line_of(A, 3), *line_of(B, 3))
    assert sorted(await street.post.has_sent(6)) == sorted(sent)
    await street.idle()
    assert store.reads == {}
    assert street.lane.held.count == 0


async def test_a_backlog_leaves_in_order_and_memory_holds_no_more_than_its_window(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=20, window=40)
    backlog = line_of(A, 2000)
    await street.keep(*backlog)
    await street.start()
    assert await street.post.has_sent(2000) == ids(backlog)
    assert 20 <= street.post.most_held <= 40
    await street.idle()


async def test_large_backlogs_that_are_read_at_once_share_the_window(streets: Any, store: CountedStore) -> None:
    street = streets(slots=1, window=300)
    await street.keep(*(kept for number in range(READS) for kept in line_of(A, 300, f"{number:05}")))
    await street.start()
    await street.post.has_sent(300 * READS)
    assert 256 <= street.post.most_held <= 300 + AT_LEAST * READS
    await street.idle()


async def test_while_there_is_no_room_nothing_is_read(streets: Any, store: CountedStore) -> None:
    street = streets(slots=0)
    await street.keep(*line_of(A, 100))
    await street.start()
    await street.post.until(lambda: street.post.given or street.lane.queues)
    assert store.reads == {}
    assert street.lane.held.count == 0


async def test_thousands_of_queues_are_read_as_their_turns_come(streets: Any, store: CountedStore) -> None:
    street = streets(slots=20, window=30)
    backlog = [kept for number in range(1000) for kept in line_of(A, 2, f"{number:05}")]
    await street.keep(*backlog)
    street.post.gate.clear()
    await street.start()
    await street.post.has_sent(20)
    assert len(store.reads) <= 30 + READS
    street.post.gate.set()
    assert Counter(await street.post.has_sent(2000)) == Counter(ids(backlog))
    assert 20 <= street.post.most_held <= 30 + AT_LEAST * READS
    await street.idle()


async def test_an_account_with_a_large_backlog_and_one_with_a_message_take_turns(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=5, window=500)
    await street.keep(*line_of(A, 5000))
    street.post.gate.clear()
    await street.start()
    await street.post.has_sent(5)
    (other,) = await street.offer(waits(street.clock.now(), B))
    street.post.gate.set()
    await street.post.until(lambda: other in street.post.sent)
    assert street.post.sent.index(other) <= 5 + 1


async def test_accounts_with_backlogs_get_the_same_share_however_many_senders_they_have(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=2)
    crowd = [kept for number in range(50) for kept in line_of(A, 8, f"{number:05}")]
    single = line_of(B, 400, at=LONG_AGO + HOUR)
    await street.keep(*crowd, *single)
    await street.start()
    sent = (await street.post.has_sent(400))[:400]
    assert 190 <= len(set(sent) & set(ids(single))) <= 210
    assert [one for one in sent if one in set(ids(single))] == ids(single)[: len(set(sent) & set(ids(single)))]


async def test_what_overtakes_goes_before_a_backlog_that_is_in_memory_and_one_that_is_not(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=1, window=5000)
    await street.keep(*line_of(A, 1000))
    street.post.gate.clear()
    await street.start()
    await street.post.has_sent(1)
    now = street.clock.now()
    first = await street.offer(
        waits(now, A, due_at=now - HEAD_START), waits(now + 1, A, due_at=now + 1 - HEAD_START)
    )
    street.post.gate.set()
    assert (await street.post.has_sent(3))[1:3] == first


async def test_what_overtakes_goes_first_also_where_memory_is_full_of_what_it_overtakes(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=1, window=100)
    await street.keep(*line_of(A, 1000))
    street.post.gate.clear()
    await street.start()
    await street.post.has_sent(1)
    assert street.lane.room == 0
    now = street.clock.now()
    first = await street.offer(*(waits(now + n, A, due_at=now + n - HEAD_START) for n in range(20)))
    assert street.lane.room == 0
    street.post.gate.set()
    assert (await street.post.has_sent(21))[1:21] == first


async def test_a_message_for_later_comes_when_the_clock_says_so_and_holds_up_nobody(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=1)
    now = street.clock.now()
    later = waits(now, A, due_at=now + HOUR)
    await street.keep(later)
    await street.start()
    street.lane.go_on(later, now + HOUR)
    sooner = await street.offer(*line_of(A, 3, at=now))
    assert await street.post.has_sent(3) == sooner
    street.clock.wind(HOUR)
    assert (await street.post.has_sent(4))[3] == later.message.id
    await street.idle()


async def test_a_queue_that_cannot_be_read_is_read_again_and_holds_up_nobody(
    streets: Any, store: CountedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = streets(slots=1)
    broken, whole = line_of(A, 2, "12345"), line_of(A, 5, "54321")
    store.failing = {"12345"}
    await street.keep(*broken, *whole)
    await street.start()
    assert await street.post.has_sent(5) == ids(whole)
    assert 1 <= store.reads["12345"] <= 2
    store.failing = set()
    street.clock.wind(int(lanes.AFTER_A_FAULT * SECOND))
    assert (await street.post.has_sent(7))[5:] == ids(broken)


async def test_while_the_carrier_is_down_what_waits_is_in_the_store_alone(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=10)
    await street.start()
    street.room.up = False
    waiting = await street.offer(*line_of(A, 20), *line_of(B, 20))
    await street.post.until(lambda: len(street.post.given) == 2)
    assert sorted(street.post.given) == [(A, "+15005550006"), (B, "+15005550006")]
    assert street.lane.held.count == 0
    street.room.open()
    assert sorted(await street.post.has_sent(40)) == sorted(waiting)
    await street.idle()


async def test_a_sender_that_pauses_leaves_the_room_to_others(streets: Any, store: CountedStore) -> None:
    street = streets(slots=1, rates=QueueSettings(short_code=1))
    street.post.pause = HOUR
    slow, quick = line_of(A, 3, "12345"), line_of(A, 20)
    await street.keep(*slow, *quick)
    await street.start()
    sent = await street.post.has_sent(21)
    assert sorted(sent) == sorted([slow[0].message.id, *ids(quick)])
    await street.post.until(lambda: len(street.lane.queues) == 1)
    assert street.room.free == 1
    for number in (1, 2):
        street.clock.wind(HOUR)
        assert (await street.post.has_sent(21 + number))[20 + number :] == [slow[number].message.id]
    await street.idle()


async def test_a_message_that_must_go_again_goes_in_its_place(streets: Any, store: CountedStore) -> None:
    street = streets(slots=1)
    street.post.gate.clear()
    await street.start()
    waiting = line_of(A, 3, at=street.clock.now())
    first, second, third = await street.offer(*waiting)
    await street.post.has_sent(1)
    street.lane.go_on(waiting[0], waiting[0].message.created_at)
    street.post.gate.set()
    assert await street.post.has_sent(4) == [first, first, second, third]


async def test_a_sender_that_pauses_does_not_keep_the_others_of_its_account_from_being_read(
    streets: Any, store: CountedStore
) -> None:
    street = streets(slots=1, window=0, rates=QueueSettings(short_code=1))
    pausing, unread = line_of(A, 1, "12345"), line_of(A, 3)
    await street.keep(*pausing, *unread)
    street.lane.start()
    street.lane.offer(pausing[0], LONG_AGO)
    street.lane.look_again(A, "+15005550006")
    pace = street.paces.of(A, "12345")
    pace.take("what another carrier has of it", lambda: None)
    assert await street.post.has_sent(3) == ids(unread)
    pace.give_back("what another carrier has of it")
    assert await street.post.has_sent(4) == [*ids(unread), *ids(pausing)]


async def test_a_turn_comes_once_the_one_before_it_in_the_same_queue_is_over(
    streets: Any, store: CountedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = streets(slots=4)
    waiting = [*line_of(A, 3, at=street.clock.now()), *line_of(B, 1)]
    first, read = waiting[0].message.id, asyncio.Event()

    async def send(work: Work, carrier: Carrier, turn: Turn) -> None:
        if work.id == first:
            await read.wait()
        await turn.comes()
        street.post.sent.append(work.id)
        street.post.tell()
        turn.pass_on()

    monkeypatch.setattr(street.post, "send", send)
    await street.start()
    await street.offer(*waiting)
    assert await street.post.has_sent(1) == [waiting[3].message.id]
    read.set()
    assert (await street.post.has_sent(4))[1:] == ids(waiting[:3])
    await street.idle()
