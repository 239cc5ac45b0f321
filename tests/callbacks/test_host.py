"""Whose turn it is at a host: lanes that tests play themselves."""

import asyncio
from asyncio import Task

import msgspec
import pytest

from tidings.callbacks.attempt import Outcome
from tidings.callbacks.breaker import TRIPS_AFTER, BreakerState, Health
from tidings.callbacks.host import Host, Permit
from tidings.callbacks.shares import Kind, Share, Shares, kind_of, shares
from tidings.clock import SECOND, WindableClock
from tidings.model import Callback, CallbackState, Target

NOON = 1_790_000_000 * SECOND
HOST = "https://app.example.com:443"
OWED = Callback("1" * 32, 3, Target.MESSAGE, "0a" * 16, HOST, CallbackState.OWED, NOON, NOON, NOON)
TAKEN = Outcome(204, None)
BROKEN = Outcome(500, 11200)
REFUSED = Outcome(404, 11200)
SILENT = Outcome(None, 11203)


class PlayedLane:
    def __init__(self) -> None:
        self.under_way = 0
        self.shed_count = 0
        self.looked = 0

    def look_again(self) -> None:
        self.looked += 1

    def shed(self) -> None:
        self.shed_count += 1


class Place:
    """A host and its lanes."""

    def __init__(self, most: int = 4, lanes: int = 1, shares_: Shares | None = None) -> None:
        self.clock = WindableClock(lambda: NOON)
        self.host = Host(HOST, most, shares_ or shares(), self.clock, NOON)
        self.lanes = [PlayedLane() for _ in range(lanes)]
        for number, lane in enumerate(self.lanes):
            self.host.lanes[str(number)] = lane
        while self.host.breaker.limit(self.clock.now()) < most:
            self.host.breaker.succeeded()

    def wind_to_probe(self, short_of: int = 0) -> None:
        """To the end of the open breaker's pause, or so many microseconds short of it."""
        assert self.host.breaker.probe_at is not None
        self.clock.wind(self.host.breaker.probe_at - short_of - self.clock.now())

    async def admitted(self, lane: int = 0) -> Permit:
        """The permit that is there at once."""
        async with asyncio.timeout(1):
            return await self.host.admit(self.lanes[lane], OWED)

    async def ask(self, lane: int = 0) -> "Task[Permit]":
        """Somebody who waits for a permit, or has it already."""
        task = asyncio.create_task(self.host.admit(self.lanes[lane], OWED))
        await turns()
        return task

    async def round(self, outcome: Outcome, lane: int = 0) -> None:
        permit = await self.admitted(lane)
        self.host.heard(outcome, permit)
        self.host.leave(self.lanes[lane], permit)


async def turns(count: int = 3) -> None:
    """Let whoever can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_host_has_so_many_under_way_and_whoever_leaves_lets_the_next_one_in() -> None:
    place = Place(most=2)
    first = await place.admitted()
    await place.admitted()
    third = await place.ask()
    assert not third.done()
    place.host.leave(place.lanes[0], first)
    await turns()
    assert third.done()


async def test_lanes_have_equal_shares_of_a_host_whoever_asks_more() -> None:
    place = Place(most=4, lanes=2)
    asking = [await place.ask(0) for _ in range(4)]
    assert [task.done() for task in asking] == [True, True, False, False]
    assert (await place.ask(1)).done()
    assert (await place.ask(1)).done()
    assert place.lanes[0].under_way == place.lanes[1].under_way == 2


async def test_more_lanes_than_places_take_turns() -> None:
    place = Place(most=1, lanes=3)
    permit = await place.admitted(0)
    waiting = {lane: await place.ask(lane) for lane in (1, 2, 0)}
    order = []
    for holder in (0, 1, 2):
        place.host.leave(place.lanes[holder], permit)
        await turns()
        lane, task = next((lane, task) for lane, task in waiting.items() if task.done() and lane not in order)
        order.append(lane)
        permit = task.result()
    assert order == [1, 2, 0]


async def test_who_stops_waiting_takes_nothing_along() -> None:
    place = Place(most=1)
    permit = await place.admitted()
    gone, stays = await place.ask(), await place.ask()
    gone.cancel()
    await turns()
    place.host.leave(place.lanes[0], permit)
    await turns()
    assert stays.done()
    place.host.leave(place.lanes[0], stays.result())
    assert place.lanes[0].under_way == 0


async def test_who_is_cancelled_just_as_its_turn_comes_gives_the_place_back() -> None:
    place = Place(most=1)
    permit = await place.admitted()
    gone = await place.ask()
    place.host.leave(place.lanes[0], permit)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await place.admitted()


@pytest.mark.parametrize("outcome", [BROKEN, SILENT, Outcome(429, 11200)], ids=["500", "silence", "429"])
async def test_failures_of_the_host_open_its_breaker_and_every_lane_lets_go(outcome: Outcome) -> None:
    place = Place(lanes=2)
    for number in range(TRIPS_AFTER):
        await place.round(outcome, number % 2)
    assert place.host.state is BreakerState.OPEN
    assert [lane.shed_count for lane in place.lanes] == [1, 1]
    assert not (await place.ask()).done()


@pytest.mark.parametrize(
    "outcome",
    [TAKEN, REFUSED, Outcome(410, 11200), Outcome(None, 11202, elsewhere=True)],
    ids=["204", "404", "410", "another host is silent"],
)
async def test_an_answer_that_speaks_of_the_request_keeps_it_closed(outcome: Outcome) -> None:
    place = Place()
    for _ in range(TRIPS_AFTER - 1):
        await place.round(BROKEN)
    await place.round(outcome)
    await place.round(BROKEN)
    assert place.host.state is BreakerState.CLOSED


async def test_when_the_pause_is_over_one_probe_goes_and_its_success_lets_all_in() -> None:
    place = Place(lanes=2)
    for _ in range(TRIPS_AFTER):
        await place.round(BROKEN)
    place.wind_to_probe()
    probe, other = await place.ask(0), await place.ask(1)
    assert probe.done() and not other.done()
    assert probe.result().probe
    place.host.heard(TAKEN, probe.result())
    await turns()
    assert other.done()
    assert [lane.looked for lane in place.lanes] == [1, 1]


async def test_a_host_out_of_reach_is_named_once_and_once_more_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Place()
    for _ in range(TRIPS_AFTER):
        await place.round(SILENT)
    for outcome in (SILENT, TAKEN):
        place.wind_to_probe()
        await place.round(outcome)
    told = [record.getMessage().strip() for record in caplog.records if HOST in record.getMessage()]
    assert told == [f"nobody can be told at {HOST} for now: 11203", f"{HOST} can be told again"]


async def test_the_probe_goes_by_itself_when_the_pause_is_over() -> None:
    place = Place()
    for _ in range(TRIPS_AFTER):
        await place.round(BROKEN)
    place.wind_to_probe(short_of=1)
    waiting = await place.ask()
    assert not waiting.done()
    place.clock.wind(1)
    async with asyncio.timeout(5):
        assert (await waiting).probe


async def test_a_failed_probe_sheds_again_and_old_failures_do_not() -> None:
    place = Place()
    old = await place.admitted()
    for _ in range(TRIPS_AFTER + 3):
        place.host.heard(BROKEN, old)
    place.host.leave(place.lanes[0], old)
    assert place.lanes[0].shed_count == 1
    place.wind_to_probe()
    await place.round(SILENT)
    assert place.lanes[0].shed_count == 2
    assert place.host.state is BreakerState.OPEN


async def test_failing_and_new_hosts_cannot_take_what_healthy_ones_need() -> None:
    small = {kind: Share(1) for kind in Kind}
    failing, other, healthy = (Place(shares_=small) for _ in range(3))
    for place in (failing, other):
        for _ in range(TRIPS_AFTER):
            await place.round(SILENT)
        place.wind_to_probe()
    await failing.admitted()
    assert not (await other.ask()).done()
    await healthy.admitted()


async def test_who_shows_itself_while_it_waits_goes_with_its_like() -> None:
    small = {kind: Share(1) for kind in Kind}
    place, other = Place(shares_=small), Place(shares_=small)
    holder = await other.admitted()
    waiting = await place.ask()
    assert not waiting.done()
    for _ in range(TRIPS_AFTER):
        place.host.breaker.failed(place.clock.now(), 11203)
    other.host.leave(other.lanes[0], holder)
    assert (await waiting).share is small[Kind.FAILING]
    await other.admitted()


async def test_of_new_hosts_the_youngest_has_the_next_place_of_others_the_oldest() -> None:
    for youngest_first, first in ((True, "second"), (False, "first")):
        share = Share(1, youngest_first=youngest_first)
        await share.take()
        waiting = {name: asyncio.create_task(share.take()) for name in ("first", "second")}
        await turns()
        share.give_back()
        await turns()
        assert [name for name, task in waiting.items() if task.done()] == [first]


async def test_a_place_that_somebody_no_longer_wants_goes_to_the_next() -> None:
    share = Share(1)
    await share.take()
    gone, stays = asyncio.create_task(share.take()), asyncio.create_task(share.take())
    await turns()
    share.give_back()
    gone.cancel()
    await turns()
    assert stays.done()
    share.give_back()
    await asyncio.wait_for(share.take(), 1)


@pytest.mark.parametrize(
    ("health", "attempts", "owed_since", "kind"),
    [
        (Health.PROVEN, 0, NOON, Kind.PROVEN),
        (Health.PROVEN, 5, NOON - 1, Kind.PROVEN),
        (Health.FAILING, 0, NOON, Kind.FAILING),
        (Health.NEW, 0, NOON, Kind.NEW),
        (Health.NEW, 0, NOON - 1, Kind.LEFT),
        (Health.NEW, 2, NOON - 1, Kind.FAILING),
    ],
)
def test_a_round_is_of_a_kind(health: Health, attempts: int, owed_since: int, kind: Kind) -> None:
    callback = msgspec.structs.replace(OWED, attempts=attempts, owed_since=owed_since)
    assert kind_of(health, callback, NOON) is kind
