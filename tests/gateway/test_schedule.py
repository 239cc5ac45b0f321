"""Messages that are sent later: when, whether, canceled or not, and over a restart."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.test_services import sender_of, service
from tidings.clock import SECOND
from tidings.errors import Problem
from tidings.gateway import schedule
from tidings.gateway.routes import Route
from tidings.gateway.schedule import ScheduleSettings
from tidings.lifecycle import Kind, Status
from tidings.model import OptOut
from tidings.store.base import Change, StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

HOUR = 3600


async def scheduled(site: "Site", pool: str, ahead: float = HOUR, to: str = RECIPIENT, **order: Any) -> str:
    send_at = site.gateway.clock.now() + int(ahead * SECOND)
    return await site.send(to, sender="", service=pool, deferred=True, send_at=send_at, **order)


def speaks_of(kind: Kind) -> Callable[[Change], bool]:
    """Whether the last event that a change keeps is of this kind."""
    return lambda change: bool(change.events) and change.events[-1].kind is kind


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store failed for is looked for again soon."""
    monkeypatch.setattr(schedule, "AFTER_A_FAULT", SECOND // 20)


async def refused(site: "Site", pool: str, ahead: float) -> int:
    with pytest.raises(Problem) as problem:
        await scheduled(site, pool, ahead)
    return problem.value.code


async def test_a_message_waits_for_its_time_then_goes_the_usual_way(bench: "Bench") -> None:
    centre, site = await bench.pair()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    standing = await site.standing(message)
    assert (standing.status, await sender_of(site, message)) == (Status.SCHEDULED, "")
    bench.wind(HOUR - 30)
    assert await site.status(message) is Status.SCHEDULED
    bench.wind(30)
    (await centre.submission()).accept("id1")
    await site.until(message, Status.SENT)
    await site.until_all_is_told()
    assert bench.app.statuses(message) == ["queued", "sent"]
    kinds = [event.kind for event in await site.events(message)]
    assert kinds == [Kind.CREATED, Kind.QUEUED, Kind.INTENT, Kind.ACCEPTED]
    assert await sender_of(site, message) == SENDER


async def test_a_message_beyond_its_price_limit_fails_at_once(bench: "Bench") -> None:
    centre = await bench.centre()
    carrier = bench.smpp(centre)
    site = await bench.site(carrier, routes=[Route("+", (carrier.name,), price=0.02)])
    pool = await service(site, SENDER)
    message = await scheduled(site, pool, max_price=19_999)
    assert (await site.until(message, Status.FAILED)).error == 30010
    assert await site.status(await scheduled(site, pool, max_price=20_000)) is Status.SCHEDULED
    assert await site.store.scheduled() == {ACCOUNT: 1}


async def test_they_go_in_the_order_of_their_times(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    pool = await service(site, SENDER)
    late = await scheduled(site, pool, 2 * HOUR, "+15551230001")
    early = await scheduled(site, pool, HOUR, "+15551230002")
    bench.wind(3 * HOUR)
    for number, message, to in ((1, early, "15551230002"), (2, late, "15551230001")):
        asked = await centre.submission(number)
        assert asked.to == to
        asked.accept(to)
        await site.until(message, Status.SENT)


async def test_what_comes_due_together_goes_together(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    messages = await asyncio.gather(*(scheduled(site, pool, HOUR, f"+1555124{n:04}") for n in range(600)))
    bench.wind(HOUR)
    for message in messages:
        await site.until(message, Status.SENT)


async def test_canceled_it_is_never_sent(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    canceled, standing = await site.gateway.cancel(ACCOUNT, message)
    assert (canceled.sender, standing.status, standing.sent_at) == ("", Status.CANCELED, None)
    bench.wind(2 * HOUR)
    other = await site.send()
    await site.until(other, Status.SENT)
    await site.until_all_is_told()
    assert bench.app.statuses(message) == ["canceled"]
    assert len(centre.asked) == 1


@pytest.mark.parametrize("seed", range(20))
async def test_of_canceling_and_sending_one_wins(bench: "Bench", seed: int) -> None:
    """When it comes due: either it is canceled and never leaves, or it leaves and the answer is no."""
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    bench.wind(HOUR)
    for _ in range(seed):
        await asyncio.sleep(0)
    try:
        _, standing = await site.gateway.cancel(ACCOUNT, message)
    except Problem as problem:
        assert problem.code == 30409
        await site.until(message, Status.SENT)
        assert len(centre.asked) == 1
    else:
        assert standing.status is Status.CANCELED
        await site.until(await site.send(), Status.SENT)
        assert (await site.status(message), len(centre.asked)) == (Status.CANCELED, 1)


async def test_only_what_is_scheduled_can_be_canceled(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    await site.gateway.cancel(ACCOUNT, message)
    for known, code in ((message, 30409), (await site.send(), 30409), ("0c" * 16, 20404)):
        with pytest.raises(Problem) as problem:
            await site.gateway.cancel(ACCOUNT, known)
        assert problem.value.code == code
    with pytest.raises(Problem) as problem:
        await site.gateway.cancel("0b" * 16, message)
    assert problem.value.code == 20404


async def test_a_cancellation_that_is_not_kept_did_not_happen(bench: "Bench") -> None:
    bench.schedule = ScheduleSettings(limit=1)
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    site.store.fail = speaks_of(Kind.CANCELED)
    with pytest.raises(StoreError):
        await site.gateway.cancel(ACCOUNT, message)
    assert await site.status(message) is Status.SCHEDULED
    assert await refused(site, pool, HOUR) == 35125
    bench.wind(HOUR)
    await site.until(message, Status.SENT)


async def test_a_cancellation_that_fails_as_it_comes_due_does_not_keep_it_from_being_sent(
    bench: "Bench", quick: None
) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    canceling, seen = asyncio.Event(), asyncio.Event()
    commit, cancels = site.store.commit, speaks_of(Kind.CANCELED)

    def slow(change: Change) -> "asyncio.Future[None]":
        return asyncio.ensure_future(later()) if cancels(change) else commit(change)

    async def later() -> None:
        canceling.set()
        await seen.wait()
        raise StoreError("the disk is full")

    site.store.commit = slow  # type: ignore[method-assign]  # one kind of commit is slow, and fails
    request = asyncio.create_task(site.gateway.cancel(ACCOUNT, message))
    await asyncio.wait_for(canceling.wait(), 20)
    due = await scheduled(site, pool, HOUR - 1, "+15551230001")
    bench.wind(HOUR)
    await site.until(due, Status.SENT)  # and with it everything that has come due has been looked at
    seen.set()
    with pytest.raises(StoreError):
        await request
    await site.until(message, Status.SENT)


async def test_what_was_kept_as_queued_though_the_store_failed_is_sent(bench: "Bench", quick: None) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    first = iter([True])
    site.store.fail_behind = lambda change: bool(change.chosen) and next(first, False)
    bench.wind(HOUR)
    await site.until(message, Status.SENT)
    assert len(await site.events(message, Kind.QUEUED)) == 1


async def test_a_schedule_survives_a_restart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    ahead, past = await scheduled(site, pool, HOUR), await scheduled(site, pool, 400, "+15551230001")
    image = await bench.crash(site)
    bench.wind(500)  # one came due while nobody was there
    again = await bench.site(bench.smpp(centre), path=image)
    await again.until(past, Status.SENT)
    assert await again.status(ahead) is Status.SCHEDULED
    bench.wind(HOUR)
    await again.until(ahead, Status.SENT)


async def test_a_store_that_fails_when_the_time_has_come_only_delays(bench: "Bench", quick: None) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    failed = asyncio.Event()

    def fails(change: Change) -> bool:
        if not failed.is_set() and change.chosen:
            failed.set()
            return True
        return False

    site.store.fail = fails
    bench.wind(HOUR)
    await failed.wait()
    await site.until(message, Status.SENT)
    assert len(centre.asked) == 1


async def test_times_are_within_reach(bench: "Bench") -> None:
    bench.schedule = ScheduleSettings(min_lead=300, max_lead=1000)
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    assert [await refused(site, pool, ahead) for ahead in (-HOUR, 0, 299, 1001)] == [35114] * 4
    for ahead in (301, 999):
        await scheduled(site, pool, ahead)


async def test_an_account_has_so_many_scheduled(bench: "Bench") -> None:
    bench.schedule = ScheduleSettings(limit=2)
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER)
    first, second = await scheduled(site, pool), await scheduled(site, pool, 2 * HOUR)
    assert await refused(site, pool, HOUR) == 35125
    await site.gateway.cancel(ACCOUNT, first)
    await scheduled(site, pool, 2 * HOUR)
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image)
    assert await refused(again, pool, HOUR) == 35125
    bench.wind(2 * HOUR)
    await again.until(second, Status.SENT)
    await scheduled(again, pool)


async def test_who_opted_out_meanwhile_gets_nothing(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    await site.gateway.opt_outs.add([OptOut(ACCOUNT, pool, RECIPIENT, 1, "STOP")])
    bench.wind(HOUR)
    assert (await site.until(message, Status.FAILED)).error == 21610
    await site.until_all_is_told()
    assert bench.app.statuses(message) == ["failed"]


async def test_a_service_that_is_gone_meanwhile_lets_it_fail(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool)
    await site.store.drop_resource(ACCOUNT, pool)
    site.gateway.services.forget(ACCOUNT)
    bench.wind(HOUR)
    assert (await site.until(message, Status.FAILED)).error == 21701


async def test_validity_begins_with_the_time_it_is_sent_at(bench: "Bench") -> None:
    centre, site = await bench.pair()
    pool = await service(site, SENDER)
    message = await scheduled(site, pool, HOUR, validity=60)
    bench.wind(HOUR)
    (await centre.submission()).accept("id1")
    await site.until(message, Status.SENT)
