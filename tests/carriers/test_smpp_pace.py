"""The token bucket and its additive increase, multiplicative decrease; time is a number."""

import pytest

from tidings.carriers.smpp.pace import RECOVERY, SLOWEST, Pace


def sent(pace: Pace, start: float, seconds: float, step: float = 0.001) -> int:
    """How many go out when something always waits."""
    count = 0
    for tick in range(round(seconds / step)):
        now = start + tick * step
        while pace.wait(now) == 0:
            pace.take(now)
            count += 1
            assert count < 100_000
    return count


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace(0, 0.0)
    for _ in range(1000):
        assert pace.wait(0.0) == 0
        pace.take(0.0)


@pytest.mark.parametrize("limit", [1, 20, 500])
def test_limit_is_kept_and_used(limit: int) -> None:
    assert sent(Pace(limit, 0.0), 0.0, 10) == pytest.approx(limit * 10, abs=limit * 0.1 + 1)


def test_idle_time_buys_a_tenth_of_a_second_at_most() -> None:
    pace = Pace(100, 0.0)
    sent(pace, 0.0, 1)
    pace.wait(60.0)
    burst = 0
    while pace.wait(60.0) == 0:
        pace.take(60.0)
        burst += 1
    assert burst == 10


def test_wait_is_until_the_next_token() -> None:
    pace = Pace(4, 0.0)
    pace.take(0.0)
    assert pace.wait(0.0) == 0.25
    assert pace.wait(0.25) == 0


def test_token_given_back_can_be_taken() -> None:
    pace = Pace(1, 0.0)
    pace.take(0.0)
    pace.give_back()
    assert pace.wait(0.0) == 0


def test_slow_halves_the_rate_after_a_pause() -> None:
    pace = Pace(100, 0.0)
    assert pace.slow(0.0, 2.0)
    assert pace.wait(1.5) == 0.5
    assert pace.rate(2.0) == 50
    assert pace.throttled(2.0)


def test_a_windowful_of_warnings_is_one() -> None:
    pace = Pace(100, 0.0)
    assert [pace.slow(0.01 * n, 1.0) for n in range(100)] == [True] + [False] * 99
    assert pace.rate(1.0) == 50


def test_second_warning_halves_again_and_never_below_the_slowest() -> None:
    pace = Pace(8, 0.0)
    rates = []
    for n in range(6):
        pace.slow(n * 3.0, 1.0)
        rates.append(pace.rate(n * 3.0 + 1.0))
    assert rates[0] == 4
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] >= SLOWEST


def test_rate_comes_back_evenly() -> None:
    pace = Pace(90, 0.0)
    pace.slow(0.0, 0.0)
    assert [pace.rate(second) for second in (0.0, 5.0, 10.0)] == [45, 60, 75]
    assert pace.throttled(RECOVERY / 2 - 0.1)
    assert not pace.throttled(RECOVERY / 2)
    assert pace.rate(RECOVERY) == 90


def test_without_a_limit_what_was_being_sent_is_halved_and_the_freedom_comes_back() -> None:
    pace = Pace(0, 0.0)
    for tick in range(400):
        pace.take(tick / 200)  # 200 a second for two seconds
    pace.slow(2.0, 0.5)
    assert pace.rate(2.5) == pytest.approx(100, rel=0.02)
    assert pace.throttled(10.0)
    assert pace.rate(2.5 + RECOVERY / 2 + 0.5) == 0
