"""Callbacks of a message come one after the other, whatever the application answers meanwhile."""

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tidings.callbacks import breaker, delivery
from tidings.clock import SECOND
from tidings.lifecycle import Status
from tidings.model import CallbackState

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second round after milliseconds, and a host that is soon probed."""
    monkeypatch.setattr(delivery, "RETRY_AFTER", (0.01, 0.02))
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", SECOND // 50)


async def test_a_refused_callback_is_tried_again_and_the_next_one_waits_for_it(bench: "Bench") -> None:
    refusals = iter([500, 503, 404, 302])
    bench.app.answer = lambda status: next(refusals, 200) if status == "sent" else 200
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, Status.SENT)
    await centre.receipt(asked)
    await bench.app.hears(message, "sent", "delivered")
    assert bench.app.statuses(message, taken=False) == ["sent"] * 5 + ["delivered"]
    tokens = [told.token for told in bench.app.told]
    assert len(set(tokens[:5])) == 1
    assert tokens[5] != tokens[0]
    assert all(told.genuine for told in bench.app.told)


async def test_outcomes_are_kept(bench: "Bench") -> None:
    refusals = iter([500])
    bench.app.answer = lambda status: next(refusals, 204)
    centre, site = await bench.pair()
    message = await site.send()
    (await centre.submission()).accept("id1")
    await bench.app.hears(message, "sent")
    await site.until_all_is_told()
    (callback,) = await site.store.callbacks(message)
    assert callback.state is CallbackState.DONE
    assert (callback.attempts, callback.response, callback.error) == (2, 204, None)


@pytest.mark.parametrize("own_process", [False, True])
async def test_many_messages_with_a_moody_application_all_in_order_and_exactly_once_taken(
    bench: "Bench", own_process: bool
) -> None:
    bench.callbacks = {"own_process": own_process}
    calls = Counter[str]()

    def moody(status: str) -> int:
        calls[status] += 1
        return 500 if calls[status] % 3 == 0 else 200

    bench.app.answer = moody
    centre, site = await bench.pair()
    centre.answer_all()
    messages = [await site.send(f"+1555123{number:04}") for number in range(60)]
    for number, message in enumerate(messages, 1):
        asked = await centre.submission(number)
        await site.until(message, Status.SENT, Status.DELIVERED)
        await centre.receipt(asked)
    for message in messages:
        await bench.app.hears(message, "sent", "delivered")
    await site.until_all_is_told()
    assert await site.store.owing() == []


async def test_more_messages_than_the_window_holds(bench: "Bench") -> None:
    bench.callbacks = {"window": 3}
    bench.app.answer = lambda status: 500
    centre, site = await bench.pair()
    centre.answer_all()
    messages = [await site.send(f"+1555123{number:04}") for number in range(20)]
    for number, message in enumerate(messages, 1):
        await site.until(message, Status.SENT)
        await centre.receipt(await centre.submission(number))
    bench.app.answer = lambda status: 200
    for message in messages:
        await bench.app.hears(message, "sent", "delivered")
    await site.until_all_is_told()
    assert await site.store.owing() == []


async def test_an_application_that_answers_one_message_badly_holds_up_no_other(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    stuck = await site.send("+15551230001")
    await site.until(stuck, Status.SENT)
    await bench.app.hears(stuck, "sent")
    bench.app.answer = lambda status: 500 if status == "delivered" else 200
    await centre.receipt(centre.asked[0])
    other = await site.send("+15551230002")
    await bench.app.hears(other, "sent")
    assert bench.app.statuses(stuck) == ["sent"]


async def test_an_application_that_is_down_for_an_hour_still_hears_everything(bench: "Bench") -> None:
    bench.app.answer = lambda status: 503
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, Status.SENT)
    await centre.receipt(asked)
    for attempts in (1, 2, 3):
        bench.wind(20 * 60)
        await bench.app.attempted(attempts + len(bench.app.told))
    bench.app.answer = lambda status: 204
    await bench.app.hears(message, "sent", "delivered")


async def test_what_is_given_up_after_a_day_is_kept_and_lets_the_next_one_through(bench: "Bench") -> None:
    bench.app.answer = lambda status: 500 if status == "sent" else 204
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await bench.app.attempted(2)
    bench.wind(24 * 3600)
    await centre.receipt(asked)
    await bench.app.hears(message, "delivered")
    await site.until_all_is_told()
    given_up, done = await site.store.callbacks(message)
    assert (given_up.state, given_up.response, given_up.error) == (CallbackState.GIVEN_UP, 500, 11200)
    assert done.state is CallbackState.DONE
