"""The circuit breaker of one host, told the time by the test."""

import random
from collections.abc import Iterator

import pytest

from tidings.callbacks.breaker import (
    FIRST_LIMIT,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    TRIPS_AFTER,
    TRIPS_UNPROVEN_AFTER,
    Breaker,
    BreakerState,
    Health,
)
from tidings.clock import SECOND

NOON = 1_790_000_000 * SECOND
MOST = 64


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pauses without jitter."""
    monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
    yield


def proven() -> Breaker:
    breaker = Breaker(MOST)
    breaker.succeeded()
    return breaker


def tripped(at: int = NOON) -> Breaker:
    breaker = proven()
    for _ in range(TRIPS_AFTER):
        breaker.failed(at, 11202)
    return breaker


def test_a_new_host_is_asked_little_and_twice_as_much_with_every_success_up_to_the_most() -> None:
    breaker = Breaker(MOST)
    limits = []
    for _ in range(8):
        limits.append(breaker.limit(NOON))
        breaker.succeeded()
    assert limits == [FIRST_LIMIT, 2, 4, 8, 16, 32, 64, 64]


def test_a_setting_below_the_first_limit_is_kept() -> None:
    breaker = Breaker(2)
    for _ in range(4):
        breaker.succeeded()
    assert breaker.limit(NOON) == 2


def test_each_failure_halves_what_may_be_asked_down_to_one() -> None:
    breaker = Breaker(MOST)
    for _ in range(8):
        breaker.succeeded()
    limits = []
    for _ in range(TRIPS_AFTER - 1):
        breaker.failed(NOON, 11200)
        limits.append(breaker.limit(NOON))
    assert limits == [32, 16, 8, 4, 2, 1, 1, 1, 1]
    assert breaker.state(NOON) is BreakerState.CLOSED


def test_it_opens_after_failures_in_a_row_and_lets_one_through_when_the_pause_is_over() -> None:
    breaker = tripped()
    assert breaker.state(NOON) is BreakerState.OPEN
    assert breaker.limit(NOON + SHORTEST_PAUSE - 1) == 0
    assert breaker.state(NOON + SHORTEST_PAUSE) is BreakerState.HALF_OPEN
    assert breaker.limit(NOON + SHORTEST_PAUSE) == 1


def test_one_success_in_between_begins_the_row_anew() -> None:
    breaker = proven()
    for _ in range(TRIPS_AFTER - 1):
        breaker.failed(NOON, 11200)
    breaker.succeeded()
    breaker.failed(NOON, 11200)
    assert breaker.state(NOON) is BreakerState.CLOSED
    assert breaker.failures == 1


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_longest_pause() -> None:
    breaker, now, pauses = tripped(), NOON, []
    for _ in range(8):
        assert breaker.probe_at is not None
        pauses.append(breaker.probe_at - now)
        now = breaker.probe_at
        breaker.failed(now, 11202, probe=True)
    assert [pause // SECOND for pause in pauses] == [5, 10, 20, 40, 80, 160, 300, 300]


def test_failures_of_requests_from_before_it_opened_tell_nothing_new() -> None:
    breaker = tripped()
    probe_at = breaker.probe_at
    for _ in range(50):
        breaker.failed(NOON + SHORTEST_PAUSE + 1, 11203)
    assert breaker.probe_at == probe_at


def test_a_probe_that_is_taken_closes_it_and_the_next_pause_is_short_again() -> None:
    breaker = tripped()
    breaker.failed(NOON + SHORTEST_PAUSE, 11202, probe=True)
    breaker.succeeded()
    assert breaker.state(NOON) is BreakerState.CLOSED
    assert (breaker.failures, breaker.last_error, breaker.limit(NOON)) == (0, None, 2)
    for _ in range(TRIPS_AFTER):
        breaker.failed(NOON, 11202)
    assert breaker.probe_at == NOON + SHORTEST_PAUSE


def test_a_host_that_asks_for_time_gets_it_up_to_the_longest_pause() -> None:
    breaker = proven()
    for _ in range(TRIPS_AFTER):
        breaker.failed(NOON, 11200, 60 * SECOND)
    assert breaker.probe_at == NOON + 60 * SECOND
    breaker.failed(NOON + 60 * SECOND, 11200, 3600 * SECOND, probe=True)
    assert breaker.probe_at == NOON + 60 * SECOND + LONGEST_PAUSE


def test_what_a_host_has_shown_of_itself() -> None:
    breaker = Breaker(MOST)
    shown = [breaker.health]
    breaker.failed(NOON, 11203)
    shown.append(breaker.health)
    breaker.succeeded()
    shown.append(breaker.health)
    for _ in range(TRIPS_AFTER - 1):
        breaker.failed(NOON, 11203)
    shown.append(breaker.health)
    breaker.failed(NOON, 11203)
    shown.append(breaker.health)
    assert shown == [Health.NEW, Health.FAILING, Health.PROVEN, Health.PROVEN, Health.FAILING]
    assert breaker.last_error == 11203


def test_a_host_that_never_took_anything_is_left_alone_sooner() -> None:
    breaker = Breaker(MOST)
    for _ in range(TRIPS_UNPROVEN_AFTER):
        assert breaker.state(NOON) is BreakerState.CLOSED
        breaker.failed(NOON, 11202)
    assert breaker.state(NOON) is BreakerState.OPEN
