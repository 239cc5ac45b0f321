"""What waits too long ends, whatever it waits for: by its own validity, or the one that all others have."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.gateway.application import ACCOUNT
from tests.gateway.centre import Centre
from tests.gateway.waiting import fill, waits
from tidings.clock import SECOND
from tidings.gateway.rates import QueueSettings
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.store.base import Change

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

QUEUED, SENDING, SENT, FAILED = Status.QUEUED, Status.SENDING, Status.SENT, Status.FAILED
RTHROTTLED, RINVPASWD = 0x58, 0x0E
LONG = "a long text " * 40  # 480 characters: four parts
HOUR: Final = 3600


async def unbound(bench: "Bench", **options: Any) -> "tuple[Centre, Site]":
    """A site whose carrier lets it not bind, until `bind`."""
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    return centre, await bench.site(bench.smpp(centre), **options)


def bind(centre: Centre) -> None:
    centre.answer_all()
    centre.bind_status = 0


# --- validities of messages' own


async def test_a_message_ends_at_the_moment_its_validity_does_and_others_go_on_waiting(bench: "Bench") -> None:
    centre, site = await unbound(bench)
    short, long, patient = await site.send(validity=60), await site.send(validity=600), await site.send()
    bench.wind(59)
    assert await site.status(short) is QUEUED
    bench.wind(2)
    standing = await site.until(short, FAILED)
    assert (standing.error, standing.due_at) == (30036, None)
    (expired,) = await site.events(short, Kind.EXPIRED)
    assert expired.detail == {"validity": 60}
    assert await site.status(long) is QUEUED
    await bench.app.hears(short, "failed")
    bench.wind(600)
    await site.until(long, FAILED)
    bind(centre)
    await site.until(patient, SENT)
    assert len(centre.asked) == 1
    assert site.gateway.depths.waiting(ACCOUNT, "+15005550006") == 0


async def test_the_one_that_ends_first_is_the_one_that_is_looked_at_first(bench: "Bench") -> None:
    _, site = await unbound(bench)
    messages = {validity: await site.send(validity=validity) for validity in (600, 60, 300)}
    for validity in (60, 300, 600):
        bench.wind(validity + 1 - bench.clock.ahead / SECOND)
        await site.until(messages[validity], FAILED)
        assert [await site.status(message) for later, message in messages.items() if later > validity] == [
            QUEUED
        ] * sum(later > validity for later in messages)


async def test_a_message_ends_behind_a_sender_s_rate(bench: "Bench") -> None:
    bench.queues = QueueSettings(long_code=1 / HOUR)
    centre, site = await bench.pair()
    centre.answer_all()
    await site.until(await site.send(), SENT)
    short, next_one = await site.send(validity=60), await site.send()
    bench.wind(61)
    await site.until(short, FAILED)
    bench.wind(HOUR)
    await site.until(next_one, SENT)
    assert len(centre.asked) == 2


async def test_a_message_ends_where_there_is_no_room_at_the_carrier(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    await site.send()
    asked = await centre.submission()
    short, patient = await site.send(validity=60), await site.send("+15559990000")
    bench.wind(61)
    await site.until(short, FAILED)
    asked.accept("id1")
    centre.answer_all()
    await site.until(patient, SENT)
    assert [asked.to for asked in centre.asked] == ["15551230000", "15559990000"]


async def test_what_is_being_sent_when_its_validity_ends_is_not_called_expired(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(validity=60)
    asked = await centre.submission()
    bench.wind(61)
    ended = await site.send(validity=60)  # ends in its time, and with it everything that has ended before it
    await centre.submission(2)
    bench.wind(61)
    asked.accept("id1")
    await site.until(message, SENT)
    assert await site.events(message, Kind.EXPIRED) == []
    assert await site.events(ended, Kind.EXPIRED) == []


async def test_a_message_that_is_being_kept_as_handed_over_is_not_called_expired(bench: "Bench") -> None:
    """Its intent is applied, and not on disk yet: the store still says that it waits."""
    centre, site = await bench.pair()
    centre.answer_all()
    committing, go_on = asyncio.Event(), asyncio.Event()
    commit = site.store.commit

    def slow(change: Change) -> "asyncio.Future[None]":
        if not any(event.kind is Kind.INTENT for event in change.events):
            return commit(change)
        committing.set()

        async def later() -> None:
            await go_on.wait()
            await commit(change)

        return asyncio.ensure_future(later())

    site.store.commit = slow  # type: ignore[method-assign]  # one kind of commit is slow
    message = await site.send(validity=60)
    await asyncio.wait_for(committing.wait(), 20)
    bench.wind(61)
    other = await site.send("+15559990000", validity=1, callback_url=None)
    await site.gateway.expiry.sweep()
    assert await site.store.expired(bench.clock.now(), 10) == [message]
    go_on.set()
    await site.until(message, SENT)
    await site.until(other, SENT)
    assert await site.events(message, Kind.EXPIRED) == []


async def test_what_has_not_left_of_a_message_ends_with_its_validity(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    message = await site.send(body=LONG, validity=60)
    first = await centre.submission(1)
    bench.wind(61)
    first.refuse(RTHROTTLED)
    standing = await site.until(message, FAILED)
    assert standing.error == 30017
    states = {segment.state for segment in await site.store.segments(message)}
    assert states == {SegmentState.REFUSED}


async def test_what_a_carrier_handed_back_before_it_went_down_ends_all_the_same(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(validity=60)
    asked = await centre.submission()
    centre.bind_status = RINVPASWD
    asked.refuse(RTHROTTLED)
    await site.until_told(message, Kind.DEFERRED)
    centre.hang_up()
    bench.wind(61)
    await site.until(message, FAILED)
    assert len(await site.events(message, Kind.EXPIRED)) == 1


async def test_what_a_carrier_hands_back_after_its_validity_ends_at_once(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(validity=60)
    asked = await centre.submission()
    bench.wind(61)
    centre.bind_status = RINVPASWD
    asked.refuse(RTHROTTLED)
    await site.until_told(message, Kind.DEFERRED)
    centre.hang_up()
    await site.until(message, FAILED)
    assert len(await site.events(message, Kind.EXPIRED)) == 1


async def test_a_message_of_which_a_part_has_left_is_not_cut_off(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    message = await site.send(body=LONG, validity=60)
    asked = await centre.submission(1)
    bench.wind(61)
    ended = await site.send("+15559990000", validity=1)  # ends in its time, and what ended before is looked at too
    bench.wind(2)
    await site.until(ended, FAILED)
    centre.answer_all()
    asked.accept("first")
    await site.until(message, SENT)


async def test_validities_that_ended_while_the_gateway_was_away_end_at_its_start(bench: "Bench") -> None:
    centre, site = await unbound(bench)
    gone = [await site.send(validity=60) for _ in range(5)]
    waits_on = await site.send(validity=HOUR)
    await bench.stop(site)
    bench.wind(120)
    again = await bench.site(bench.smpp(centre))
    for message in gone:
        assert (await again.until(message, FAILED)).error == 30036
    assert await again.status(waits_on) is QUEUED
    bench.wind(HOUR)
    await again.until(waits_on, FAILED)


async def test_a_thousand_that_end_at_once_all_end(bench: "Bench", tmp_path: Path) -> None:
    now = bench.clock.now()
    await fill(tmp_path / "filled.db", [], [], [waits(now + n, ACCOUNT, validity=60) for n in range(1000)])
    _, site = await unbound(bench, path=tmp_path / "filled.db")
    bench.wind(61)
    await site.until_so(lambda: nothing_waits(site), "nothing waits")
    assert await site.store.next_expiry(0) is None


async def nothing_waits(site: "Site") -> bool | None:
    return None if await site.store.queues() else True


async def test_a_store_that_fails_for_a_moment_lets_nothing_wait_for_ever(bench: "Bench") -> None:
    _, site = await unbound(bench)
    message = await site.send(validity=60)
    first = iter([True])

    def fails(change: Change) -> bool:
        return any(event.kind is Kind.EXPIRED for event in change.events) and next(first, False)

    site.store.fail = fails
    bench.wind(61)
    await site.until_so(lambda: gone(first), "the store has failed")
    bench.wind(2)
    await site.until(message, FAILED)


async def gone(first: Any) -> bool | None:
    return True if first.__length_hint__() == 0 else None


# --- the validity that all others have


async def test_the_oldest_of_each_queue_end_when_housekeeping_sweeps(bench: "Bench") -> None:
    _, site = await unbound(bench, validity=HOUR)
    old = [await site.send(), await site.send(sender="+15005550007")]
    patient = await site.send(validity=3 * HOUR)
    bench.wind(HOUR / 2)
    young = await site.send()
    bench.wind(HOUR / 2 + 1)
    await site.gateway.expiry.sweep()
    for message in old:
        standing = await site.standing(message)
        assert (standing.status, standing.error) == (FAILED, 30036)
        (expired,) = await site.events(message, Kind.EXPIRED)
        assert expired.detail == {"validity": HOUR}
    assert [await site.status(message) for message in (young, patient)] == [QUEUED, QUEUED]


async def test_housekeeping_and_a_wound_clock_sweep(bench: "Bench") -> None:
    _, site = await unbound(bench, validity=HOUR)
    message = await site.send()
    bench.clock.ahead += (HOUR + 1) * SECOND  # time has passed, and nobody has wound the clock
    await site.gateway.tidy()
    assert await site.status(message) is FAILED
    another = await site.send()
    bench.wind(HOUR + 1)
    await site.until(another, FAILED)


async def test_a_backlog_of_thousands_that_is_too_old_ends_in_one_sweep(bench: "Bench", tmp_path: Path) -> None:
    long_ago = bench.clock.now() - 2 * HOUR * SECOND
    await fill(tmp_path / "filled.db", [], [], [waits(long_ago + n, ACCOUNT) for n in range(1000)])
    _, site = await unbound(bench, path=tmp_path / "filled.db", validity=HOUR)
    await site.gateway.expiry.sweep()
    assert await site.store.queues() == []


async def test_a_message_that_is_too_old_ends_when_its_turn_comes(bench: "Bench") -> None:
    centre, site = await unbound(bench, validity=HOUR)
    message = await site.send()
    bench.clock.ahead += (HOUR + 1) * SECOND
    young = await site.send("+15559990000")
    bind(centre)
    await site.until(young, SENT)
    assert (await site.until(message, FAILED)).error == 30036
    assert len(centre.asked) == 1


async def test_without_a_validity_messages_wait_for_ever(bench: "Bench") -> None:
    centre, site = await unbound(bench, validity=0)
    message = await site.send()
    bench.wind(365 * 24 * HOUR)
    await site.gateway.expiry.sweep()
    bind(centre)
    await site.until(message, SENT)


async def test_a_validity_runs_from_when_a_message_may_be_sent(bench: "Bench", tmp_path: Path) -> None:
    now = bench.clock.now()
    scheduled = waits(now - 5 * HOUR * SECOND, ACCOUNT, send_at=now, due_at=now, validity=60)
    await fill(tmp_path / "filled.db", [], [], [scheduled])
    centre, site = await unbound(bench, path=tmp_path / "filled.db", validity=HOUR)
    await site.gateway.expiry.sweep()
    assert await site.status(scheduled.message.id) is QUEUED
    bind(centre)
    asked = await centre.submission()
    assert asked.body.validity_period not in ("", "000000000001000R")
    await site.until(scheduled.message.id, SENT)
