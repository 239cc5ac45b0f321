"""When a sender may send again, by a clock that only moves when it is told to."""

import gc
from collections.abc import Callable
from typing import Final

import pytest

from tidings.clock import SECOND
from tidings.gateway.limits import QueueDepths
from tidings.gateway.pace import LATE, Pace, Paces
from tidings.gateway.rates import QueueSettings, Rates

PAUSE: Final = SECOND // 2


class HandClock:
    """Alarms ring in `move`."""

    def __init__(self) -> None:
        self.alarms: list[HandAlarm] = []
        self._now = 1_790_000_000 * SECOND

    def now(self) -> int:
        return self._now

    def call_at(self, at: int, ring: Callable[[], None]) -> "HandAlarm":
        self.alarms.append(HandAlarm(self, at, ring))
        return self.alarms[-1]

    def move(self, by: int) -> None:
        self._now += by
        for alarm in [alarm for alarm in self.alarms if alarm.when() <= self._now]:
            self.alarms.remove(alarm)
            alarm.ring()


class HandAlarm:
    def __init__(self, clock: HandClock, at: int, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._at = at
        self.ring = ring

    def when(self) -> int:
        return self._at

    def cancel(self) -> None:
        self._clock.alarms.remove(self)


def nobody() -> None:
    """Whose queue does not wait."""


def send(pace: Pace, pause: int = PAUSE) -> None:
    assert pace.free
    pace.take("message", nobody)
    pace.spend(pause)
    pace.give_back("message")


def test_a_pace_is_free_again_when_its_pause_is_over_and_says_so() -> None:
    clock, woken = HandClock(), list[bool]()
    pace = Pace(clock)
    send(pace)
    assert not pace.free
    pace.wait(lambda: woken.append(pace.free))
    clock.move(PAUSE - 1)
    assert woken == []
    clock.move(1)
    assert woken == [True]


def test_whoever_has_taken_it_has_it_alone() -> None:
    pace = Pace(HandClock())
    pace.take("one", nobody)
    assert not pace.free


def test_of_those_who_wait_each_has_it_in_turn_also_where_one_waits_again_at_once() -> None:
    had: list[str] = []
    clock = HandClock()
    pace = Pace(clock)
    carriers = {name: lambda name=name: go(name) for name in "abc"}

    def go(name: str) -> None:
        if pace.free:
            had.append(name)
            pace.take(name, carriers[name])
            pace.spend(PAUSE)
        pace.wait(carriers[name])

    for name in carriers:
        go(name)
    for _ in range(8):
        clock.move(PAUSE)
    assert "".join(had) == "abcabcabc"


@pytest.mark.parametrize("end", [lambda pace: pace.give_back("one"), lambda pace: pace.spend(0)])
def test_a_pace_that_is_given_back_or_spent_for_nothing_is_free_at_once(end: Callable[[Pace], None]) -> None:
    woken: list[str] = []
    pace = Pace(HandClock())
    pace.take("one", nobody)

    def wake() -> None:
        woken.append("queue")

    pace.wait(wake)
    pace.wait(wake)
    end(pace)
    assert pace.free
    assert woken == ["queue"]


def test_what_comes_of_one_message_later_does_not_free_the_pace_that_another_has() -> None:
    clock = HandClock()
    pace = Pace(clock)
    pace.take("one", nobody)
    pace.spend(PAUSE)
    pace.give_back("one")
    assert not pace.free
    clock.move(PAUSE)
    pace.take("two", nobody)
    pace.give_back("one")
    assert not pace.free


def test_nothing_is_saved_up_while_nothing_is_sent() -> None:
    clock = HandClock()
    pace = Pace(clock)
    send(pace)
    clock.move(100 * PAUSE)
    send(pace)
    clock.move(PAUSE - 1)
    assert not pace.free
    clock.move(1)
    assert pace.free


def test_what_an_alarm_rings_too_late_costs_no_throughput() -> None:
    clock = HandClock()
    pace = Pace(clock)
    send(pace)
    for _ in range(10):
        clock.move(PAUSE + LATE)
        send(pace)
        clock.move(PAUSE - LATE)
        send(pace)


def test_a_sender_has_one_pace_as_long_as_it_is_spent() -> None:
    clock = HandClock()
    paces = Paces(Rates(QueueSettings(long_code=1), QueueDepths()), clock)
    pace = paces.of("account", "+15005550006")
    assert pace is not None
    assert paces.of("another", "+15005550006") is not pace
    send(pace)
    del pace
    gc.collect()
    again = paces.of("account", "+15005550006")
    assert again is not None
    assert not again.free
    assert paces.of("account", "12345") is None
    paces.close()
    assert clock.alarms == []
