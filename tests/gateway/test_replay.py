"""What was given up is told again when somebody asks, in order, also over a restart."""

from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT
from tidings.callbacks import replays
from tidings.errors import Problem
from tidings.lifecycle import Status
from tidings.model import CallbackState, Replay, Target
from tidings.store.base import CallbackFilter, CallbackKey

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre, Site

GIVEN_UP = CallbackFilter(states=(CallbackState.GIVEN_UP,))


@pytest.fixture(autouse=True)
def one_round(bench: "Bench") -> None:
    bench.callbacks = {"durable": False}


async def given_up(bench: "Bench", centre: "Centre", site: "Site", count: int) -> list[str]:
    """Messages whose callbacks, two each, the application refused."""
    answer, bench.app.answer = bench.app.answer, lambda status: 404
    centre.answer_all()
    begun = len(centre.asked)
    messages = [await site.send(f"+1555123{number:04}") for number in range(count)]
    for number, message in enumerate(messages, begun + 1):
        asked = await centre.submission(number)
        await site.until(message, Status.SENT)
        await centre.receipt(asked)
    await site.until_all_is_told()
    bench.app.told.clear()
    bench.app.answer = answer
    return messages


async def ended(site: "Site", replay: Replay) -> Replay:
    async def through() -> Replay | None:
        known = await site.store.replay(ACCOUNT, replay.id)
        assert known is not None
        return known if known.ended_at is not None else None

    return await site.until_so(through, "the end of the replay")


async def test_a_replay_tells_all_that_was_given_up_in_order(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 3)
    centre, site = await bench.pair()
    messages = await given_up(bench, centre, site, 10)
    replay = await ended(site, await site.gateway.replay(ACCOUNT, GIVEN_UP))
    assert replay.requeued == 20
    for message in messages:
        await bench.app.hears(message, "sent", "delivered")
    await site.until_all_is_told()
    assert await site.store.replay_states(replay.id) == {CallbackState.DONE: 20}


async def test_a_replayed_callback_has_its_token_and_counts_its_attempts_on(bench: "Bench") -> None:
    centre, site = await bench.pair()
    (message,) = await given_up(bench, centre, site, 1)
    before = await site.store.callbacks(message)
    key = CallbackKey(message, before[0].number, Target.MESSAGE)
    again = await site.gateway.replay_one(ACCOUNT, key)
    assert again.state is CallbackState.OWED
    await bench.app.hears(message, "sent")
    done = await site.until_callback(message, CallbackState.DONE, Target.MESSAGE)
    first, second = await site.attempts(done)
    assert (first.ordinal, second.ordinal, done.attempts) == (1, 2, 2)
    assert [line for line in first.headers.split("\n") if "Idempotency" in line] == [
        line for line in second.headers.split("\n") if "Idempotency" in line
    ]


async def test_what_is_still_tried_cannot_be_replayed_nor_what_there_is_not(bench: "Bench") -> None:
    bench.callbacks = {}
    bench.app.answer = lambda status: 503
    centre, site = await bench.pair()
    message = await site.send()
    (await centre.submission()).accept("id1")
    callback = await site.until_callback(message, CallbackState.RETRYING, Target.MESSAGE)
    with pytest.raises(Problem) as refused:
        await site.gateway.replay_one(ACCOUNT, CallbackKey(message, callback.number, Target.MESSAGE))
    assert refused.value.code == 20009
    with pytest.raises(Problem) as missing:
        await site.gateway.replay_one(ACCOUNT, CallbackKey(message, 99, Target.MESSAGE))
    assert missing.value.code == 20404


async def test_a_replay_that_was_cut_short_goes_on_at_the_next_start_and_repeats_nothing(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 2)
    centre, site = await bench.pair()
    messages = await given_up(bench, centre, site, 6)
    site.store.fail = lambda change: any(replay.requeued == 8 for replay in change.replays)
    replay = await site.gateway.replay(ACCOUNT, GIVEN_UP)
    for message in messages[:2]:
        await bench.app.hears(message, "sent", "delivered")
    await site.until_all_is_told()
    path = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=path)
    assert (await ended(again, replay)).requeued == 12
    for message in messages:
        await bench.app.hears(message, "sent", "delivered")
    await again.until_all_is_told()


async def test_another_account_replays_nothing_of_ours(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await given_up(bench, centre, site, 2)
    other = "0b" * 16
    assert (await ended_of(site, other)).requeued == 0
    assert bench.app.told == []


async def ended_of(site: "Site", account: str) -> Replay:
    replay = await site.gateway.replay(account, GIVEN_UP)

    async def through() -> Replay | None:
        known = await site.store.replay(account, replay.id)
        return known if known is not None and known.ended_at is not None else None

    return await site.until_so(through, "the end of the replay")
