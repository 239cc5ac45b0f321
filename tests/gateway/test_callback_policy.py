"""How long a callback is tried, what ends it, and what is kept of each attempt: a whole gateway, real requests."""

from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT
from tidings.callbacks import breaker, delivery
from tidings.callbacks.breaker import TRIPS_UNPROVEN_AFTER, BreakerState, HostReport
from tidings.clock import DAY, SECOND
from tidings.lifecycle import Status
from tidings.model import Callback, CallbackState, Target

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre, Site


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second round after milliseconds."""
    monkeypatch.setattr(delivery, "RETRY_AFTER", (0.01, 0.01))
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", SECOND // 5)


async def sent(centre: "Centre", site: "Site", number: int = 1, **order: str) -> str:
    """A message that the centre has accepted."""
    message = await site.send(f"+1555123{number:04}", **order)
    (await centre.submission(number)).accept(f"id{number}")
    return message


async def settled(site: "Site", message: str, state: CallbackState) -> Callback:
    return await site.until_callback(message, state, Target.MESSAGE)


async def test_what_is_not_durable_has_one_round(bench: "Bench") -> None:
    bench.callbacks = {"durable": False}
    bench.app.answer = lambda status: 500
    centre, site = await bench.pair()
    message = await sent(centre, site)
    callback = await settled(site, message, CallbackState.GIVEN_UP)
    assert (callback.attempts, callback.response, callback.error) == (1, 500, 11200)


async def test_410_ends_it_and_the_next_event_is_told_all_the_same(bench: "Bench") -> None:
    bench.app.answer = lambda status: 410 if status == "sent" else 204
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await settled(site, message, CallbackState.GIVEN_UP)
    await centre.receipt(asked)
    await bench.app.hears(message, "delivered")
    assert bench.app.statuses(message, taken=False) == ["sent", "delivered"]


@pytest.mark.parametrize("header", ["90", "Sun, 06 Nov 2044 08:49:37 GMT"], ids=["seconds", "date"])
async def test_retry_after_is_waited_for(bench: "Bench", header: str) -> None:
    bench.app.answer = lambda status: 503
    bench.app.headers = {"Retry-After": header}
    centre, site = await bench.pair()
    message = await sent(centre, site)
    callback = await settled(site, message, CallbackState.RETRYING)
    waited = callback.due_at - callback.owed_since
    if header == "90":
        assert 90 * SECOND <= waited < 100 * SECOND
    else:
        assert waited == DAY, "longer than it is tried: it is asked once more at the end"


async def test_it_is_given_up_after_24_hours_and_every_attempt_is_kept(bench: "Bench") -> None:
    bench.app.answer = lambda status: 503
    centre, site = await bench.pair()
    message = await sent(centre, site)
    await bench.app.attempted(2)
    bench.wind(24 * 3600)
    callback = await settled(site, message, CallbackState.GIVEN_UP)
    attempts = await site.attempts(callback)
    assert len(attempts) == callback.attempts >= 2
    assert [attempt.ordinal for attempt in attempts] == list(range(1, len(attempts) + 1))
    for attempt in attempts:
        assert (attempt.method, attempt.url) == ("POST", bench.app.url)
        assert "MessageStatus=sent" in attempt.body
        assert "X-Twilio-Signature: " in attempt.headers
        assert (attempt.response, attempt.error) == (503, 11200)
        assert attempt.connected is not None and attempt.first_byte is not None
        assert 0 <= attempt.connected <= attempt.first_byte <= attempt.elapsed
    assert callback.done_at is not None and callback.done_at - callback.owed_since >= DAY


async def test_a_host_that_fails_is_left_alone_and_probed_until_it_is_back(bench: "Bench") -> None:
    broken = True
    bench.app.answer = lambda status: 500 if broken else 204
    centre, site = await bench.pair()
    centre.answer_all()
    messages = [await site.send(f"+1555123{number:04}") for number in range(40)]
    report = await out_of_reach(site)
    assert report.failures >= TRIPS_UNPROVEN_AFTER
    assert report.last_error == 11200
    await bench.app.attempted(TRIPS_UNPROVEN_AFTER + 2)
    assert len(bench.app.told) < len(messages), "two probes, one at a time"
    broken = False
    for message in messages:
        await bench.app.hears(message, "sent")
    await site.until_all_is_told()
    assert await site.gateway.hosts(ACCOUNT) == []


async def test_a_host_that_stays_away_holds_nothing_in_memory_and_what_waited_for_it_is_given_up(
    bench: "Bench",
) -> None:
    bench.app.answer = lambda status: 503
    centre, site = await bench.pair()
    centre.answer_all()
    messages = [await site.send(f"+1555123{number:04}") for number in range(40)]
    for message in messages:
        await site.until(message, Status.SENT)
    await out_of_reach(site)
    bench.wind(25 * 3600)
    for message in messages:
        callback = await settled(site, message, CallbackState.GIVEN_UP)
        assert (callback.error, callback.response) in ((11200, 503), (11200, None))
    assert len(bench.app.told) < 2 * len(messages), "some were given up without being tried again"
    assert await site.store.owing() == []


async def out_of_reach(site: "Site") -> HostReport:
    """Wait until the breaker of the only host has opened."""

    async def opened() -> HostReport | None:
        reports = await site.gateway.hosts(ACCOUNT)
        return next((report for report in reports if report.state is not BreakerState.CLOSED), None)

    return await site.until_so(opened, "an open breaker")


async def test_attempts_are_forgotten_after_their_retention_and_callbacks_are_not(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await sent(centre, site)
    done = await settled(site, message, CallbackState.DONE)
    bench.wind(29 * 24 * 3600)
    await site.gateway.tidy()
    assert len(await site.attempts(done)) == 1
    bench.wind(2 * 24 * 3600)
    await site.gateway.tidy()
    assert await site.attempts(done) == []
    assert await site.store.callbacks(message) == [done]
