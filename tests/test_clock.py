"""Time, and what waits for it: alarms of clocks that go, stand still, are wound, and jump."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings import clock
from tidings.clock import DAY, HOUR, SECOND, Alarm, AlarmClock, SystemClock, WindableClock, until

NOON = 1_790_000_000 * SECOND
WAIT = 5.0


class Bells:
    """Alarms by name, and in which order they have rung."""

    def __init__(self, clock: AlarmClock) -> None:
        self.clock = clock
        self.rung: list[str] = []
        self.news = asyncio.Event()

    def at(self, when: int, name: str, then: Callable[[], object] = lambda: None) -> Alarm:
        def ring() -> None:
            assert self.clock.now() >= when
            self.rung.append(name)
            self.news.set()
            then()

        return self.clock.call_at(when, ring)

    async def until(self, *names: str) -> None:
        """Until these have rung, and nothing else has."""
        async with asyncio.timeout(WAIT):
            while len(self.rung) < len(names):
                self.news.clear()
                await self.news.wait()
        assert self.rung == list(names)


@pytest.fixture
async def still() -> WindableClock:
    """One that stands still until it is wound."""
    return WindableClock(lambda: NOON)


async def rounds(count: int = 3) -> None:
    """Let the loop do all that it can do without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


# --- the machine's own time
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("made", [SystemClock, WindableClock])
def test_no_alarm_rings_before_its_time(
    loop: Callable[[], AbstractEventLoop], made: Callable[[], AlarmClock]
) -> None:
    async def work() -> None:
        bells = Bells(made())
        began = bells.clock.now()
        for number in range(20):
            bells.at(began + 500 + number * 333, str(number))
        async with asyncio.timeout(WAIT):
            while len(bells.rung) < 20:
                bells.news.clear()
                await bells.news.wait()
        assert sorted(map(int, bells.rung)) == list(range(20))

    _run(work(), loop)


def _run(work: Coroutine[Any, Any, None], loop: Callable[[], AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        failures: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        runner.run(work)
        assert failures == []


async def test_what_is_late_already_rings_soon_but_not_before_it_is_set() -> None:
    bells = Bells(SystemClock())
    bells.at(bells.clock.now() - HOUR, "late")
    assert bells.rung == []
    await bells.until("late")


async def test_an_alarm_knows_when_it_rings(still: WindableClock) -> None:
    assert still.call_at(NOON + HOUR, lambda: None).when() == NOON + HOUR


# --- winding
async def test_a_wound_clock_is_ahead_by_all_that_it_was_wound(still: WindableClock) -> None:
    still.wind(HOUR)
    still.wind(0)
    still.wind(30 * SECOND)
    assert still.ahead == HOUR + 30 * SECOND
    assert still.now() == NOON + HOUR + 30 * SECOND


async def test_a_windable_clock_goes_as_the_machine_does() -> None:
    machine, wound = SystemClock(), WindableClock()
    wound.wind(HOUR)
    before = machine.now()
    read = wound.now()
    assert before <= read - HOUR <= machine.now()


async def test_time_does_not_go_back(still: WindableClock) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        still.wind(-1)
    assert still.now() == NOON


async def test_winding_rings_what_has_come_due_the_earliest_first_and_equal_ones_as_they_were_set(
    still: WindableClock,
) -> None:
    bells = Bells(still)
    for hours, name in ((71, "d"), (1, "a"), (72, "e"), (2, "b"), (2, "c"), (73, "not yet")):
        bells.at(NOON + hours * HOUR, name)
    still.wind(72 * HOUR)
    assert bells.rung == []
    await rounds()
    assert bells.rung == ["a", "b", "c", "d", "e"]


async def test_a_microsecond_short_of_its_time_an_alarm_is_silent(still: WindableClock) -> None:
    bells = Bells(still)
    bells.at(NOON + DAY, "a")
    still.wind(DAY - 1)
    await rounds()
    assert bells.rung == []
    still.wind(1)
    await rounds()
    assert bells.rung == ["a"]


async def test_what_rings_soon_anyway_rings_before_what_winding_made_due(still: WindableClock) -> None:
    bells = Bells(still)
    bells.at(NOON + HOUR, "wound")
    bells.at(NOON - HOUR, "late")
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["late", "wound"]


async def test_an_alarm_rings_once_however_often_the_clock_is_wound_before_it_can(still: WindableClock) -> None:
    bells = Bells(still)
    bells.at(NOON + HOUR, "a")
    for _ in range(3):
        still.wind(HOUR)
    await rounds()
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["a"]


async def test_an_alarm_may_wind_the_clock_that_rings_it(still: WindableClock) -> None:
    bells = Bells(still)
    bells.at(NOON + HOUR, "first", lambda: still.wind(HOUR))
    bells.at(NOON + HOUR + 1, "second")
    bells.at(NOON + 2 * HOUR + 1, "not yet")
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["first", "second"]


async def test_an_alarm_may_set_others_and_those_that_are_due_ring_as_well(still: WindableClock) -> None:
    bells = Bells(still)

    def set_more() -> None:
        bells.at(NOON + 2 * HOUR, "its own")
        bells.at(NOON + 4 * HOUR, "not yet")

    bells.at(NOON + HOUR, "first", set_more)
    bells.at(NOON + 3 * HOUR, "other")
    still.wind(3 * HOUR)
    await rounds()
    assert bells.rung == ["first", "other", "its own"]
    still.wind(HOUR)
    await rounds()
    assert bells.rung[3:] == ["not yet"]


async def test_an_alarm_that_fails_stops_no_other(still: WindableClock) -> None:
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(str(told["exception"])))
    bells = Bells(still)

    def fail() -> None:
        raise OSError("broken bell")

    bells.at(NOON + 1, "first", fail)
    bells.at(NOON + 2, "second")
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["first", "second"]
    assert failures == ["broken bell"]


# --- cancelling
async def test_a_cancelled_alarm_is_silent_be_it_due_or_not(still: WindableClock) -> None:
    bells = Bells(still)
    bells.at(NOON + HOUR, "far").cancel()
    bells.at(NOON, "due").cancel()
    late = bells.at(NOON + HOUR, "made due")
    still.wind(HOUR)
    late.cancel()
    still.wind(HOUR)
    await rounds()
    assert bells.rung == []


async def test_one_alarm_may_cancel_another_that_is_due_with_it(still: WindableClock) -> None:
    bells = Bells(still)
    second = bells.at(NOON + 2, "second")
    bells.at(NOON + 1, "first", second.cancel)
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["first"]


async def test_an_alarm_that_has_rung_can_be_cancelled_and_does_not_ring_again(still: WindableClock) -> None:
    bells = Bells(still)
    alarm = bells.at(NOON, "a")
    await rounds()
    alarm.cancel()
    alarm.cancel()
    still.wind(HOUR)
    await rounds()
    assert bells.rung == ["a"]


# --- waiting
async def test_a_wait_ends_when_it_is_time_and_not_before(still: WindableClock) -> None:
    waiting = asyncio.ensure_future(until(still, NOON + HOUR))
    await rounds()
    still.wind(HOUR - 1)
    await rounds()
    assert not waiting.done()
    still.wind(1)
    async with asyncio.timeout(WAIT):
        await waiting


async def test_who_stops_waiting_leaves_no_alarm_behind(still: WindableClock) -> None:
    waiting = asyncio.ensure_future(until(still, NOON + HOUR))
    await rounds()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not still._alarms


# --- machines whose clocks do not go as their timers do
class Machine:
    """A clock that a test sets, and that tells when it is read."""

    def __init__(self) -> None:
        self.time = NOON
        self.read = asyncio.Event()

    def __call__(self) -> int:
        self.read.set()
        return self.time

    async def until_read(self) -> None:
        self.read.clear()
        async with asyncio.timeout(WAIT):
            await self.read.wait()


async def test_a_clock_that_was_set_back_rings_late_as_it_says_itself() -> None:
    machine = Machine()
    bells = Bells(WindableClock(machine))
    bells.at(NOON + 1000, "a")
    for _ in range(2):
        await machine.until_read()  # by the alarm, when its timer is over
        assert bells.rung == []
    machine.time += 1000
    await bells.until("a")


async def test_after_a_machine_has_slept_long_waits_end_by_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_LONGEST_TIMER", 0.001)
    machine = Machine()
    bells = Bells(WindableClock(machine))
    bells.at(NOON + 100 * DAY, "a")
    for _ in range(2):
        await machine.until_read()
        assert bells.rung == []
    machine.time += 100 * DAY
    await bells.until("a")


# --- all together
@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(-5, 20)),
            st.tuples(st.just("wind"), st.integers(0, 8)),
            st.tuples(st.just("cancel"), st.integers(0, 20)),
            st.tuples(st.just("turn"), st.just(0)),
        ),
        max_size=40,
    )
)
async def test_whatever_is_set_cancelled_and_wound_each_alarm_rings_once_and_in_order(
    acts: list[tuple[str, int]],
) -> None:
    still = WindableClock(lambda: NOON)
    rung: list[int] = []
    due: dict[int, int] = {}
    """Number of each alarm that should still ring, and when."""
    alarms: list[Alarm] = []

    async def turn() -> None:
        expected = sorted((n for n, at in due.items() if at <= still.now()), key=lambda n: (due[n], n))
        rung.clear()
        await rounds()
        if winds_last:
            assert rung == expected
        assert sorted(rung) == sorted(expected)
        for number in expected:
            del due[number]

    winds_last = True
    for act, amount in acts:
        match act:
            case "set":
                number, when = len(alarms), still.now() + amount * HOUR
                alarms.append(still.call_at(when, partial(rung.append, number)))
                due[number] = when
                # What is late when it is set rings in its turn, not in its order.
                winds_last = False
            case "wind":
                still.wind(amount * HOUR)
                winds_last = True
            case "cancel" if amount < len(alarms):
                alarms[amount].cancel()
                due.pop(amount, None)
            case "turn":
                await turn()
    await turn()
    for alarm in alarms:
        alarm.cancel()
