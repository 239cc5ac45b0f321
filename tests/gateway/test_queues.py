"""What waits for a sender: its order, over refusals, restarts and carriers; and what no longer may go."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from tests.gateway.application import ACCOUNT, SENDER
from tests.gateway.centre import Asked, Centre
from tests.gateway.waiting import fill, waits
from tidings.clock import SECOND, SystemClock
from tidings.gateway.recent import FRESH
from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, SegmentState, Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

SENT, DELIVERED, FAILED = Status.SENT, Status.DELIVERED, Status.FAILED
RTHROTTLED, RSUBMITFAIL, RINVPASWD = 0x58, 0x45, 0x0E
SENDERS: Final = (SENDER, "+15005550007")
LONG = "a long text " * 40  # 480 characters: four parts


def told(centre: Centre, sender: str) -> list[str]:
    """Whom a centre was given messages for from a sender, in order."""
    return [asked.to for asked in centre.asked if asked.body.source_addr == sender[1:]]


def numbers(count: int) -> list[str]:
    return [f"1555123{number:04}" for number in range(count)]


async def send_to(site: "Site", recipients: list[str]) -> list[str]:
    """From both senders in turn, as an application would."""
    return [
        await site.send(f"+{recipient}", sender=sender, callback_url=None)
        for recipient in recipients
        for sender in SENDERS
    ]


# --- order


async def test_each_sender_s_messages_leave_in_the_order_they_were_made(bench: "Bench") -> None:
    centre, site = await bench.pair(window=3)
    await send_to(site, numbers(30))
    centre.answer_all()
    await centre.submission(60)
    for sender in SENDERS:
        assert told(centre, sender) == numbers(30)


async def test_a_throttled_message_goes_before_what_is_behind_it(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    order = numbers(8)

    def answer(asked: Asked) -> None:
        first_time = [one.to for one in centre.asked].count(asked.to) == 1
        if asked.to == order[3] and first_time:
            asked.refuse(RTHROTTLED)
        else:
            asked.accept(f"id{len(centre.asked)}")

    centre.answer = answer
    messages = [await site.send(f"+{recipient}", callback_url=None) for recipient in order]
    for message in messages:
        await site.until(message, SENT)
    given = told(centre, SENDER)
    assert [one for one in given if one != order[3]] == [one for one in order if one != order[3]]
    # Two may have had their turn before the answer was kept.
    assert given.count(order[3]) == 2
    assert order[3] in given[4:7]


async def test_a_backlog_is_taken_up_after_a_restart_in_order_sender_by_sender(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    messages = await send_to(site, numbers(40))
    await bench.stop(site)
    centre.answer_all()
    centre.bind_status = 0
    again = await bench.site(bench.smpp(centre, window=2), window=20)
    for message in messages:
        await again.until(message, SENT)
    for sender in SENDERS:
        assert told(centre, sender) == numbers(40)
    assert again.gateway.depths.waiting(ACCOUNT, SENDER) == 0


async def test_what_waits_since_before_a_restart_goes_before_what_came_after_it(bench: "Bench") -> None:
    """The one has to be read first, the other is in memory still."""
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    await send_to(site, numbers(10)[:5])
    await bench.stop(site)
    again = await bench.site(bench.smpp(centre))
    await send_to(again, numbers(10)[5:])
    centre.answer_all()
    centre.bind_status = 0
    await centre.submission(20)
    for sender in SENDERS:
        assert told(centre, sender) == numbers(10)


async def test_messages_keep_their_order_when_another_carrier_gets_them(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    await main.close()
    await reserve.close()
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve", window=1), failover_after=0.05)
    messages = await send_to(site, numbers(20))
    reserve.answer_all()
    await reserve.listen()
    for message in messages:
        await site.until(message, SENT)
    for sender in SENDERS:
        assert told(reserve, sender) == numbers(20)


async def test_a_message_that_is_asked_again_later_holds_up_nobody(bench: "Bench", impatient: str) -> None:
    centre, site = await bench.pair(profile=impatient)
    later = await site.send()
    (await centre.submission()).refuse(0x64)  # to be asked again in an hour
    await site.until_told(later, Kind.DEFERRED)
    centre.answer_all()
    for _ in range(3):
        await site.until(await site.send("+15559990000"), SENT)
    assert await site.status(later) is Status.SENDING
    bench.wind(3600)
    await site.until(later, SENT)


async def test_queues_of_a_carrier_that_is_gone_are_routed_anew_sender_by_sender(bench: "Bench") -> None:
    gone, reserve = await bench.centre(), await bench.centre()
    await gone.close()
    site = await bench.site(bench.smpp(gone, "gone"))
    messages = await send_to(site, numbers(10))
    await bench.stop(site)
    reserve.answer_all()
    again = await bench.site(bench.smpp(reserve, "reserve", window=1))
    for message in messages:
        assert (await again.until(message, SENT)).carrier == "reserve"
    for sender in SENDERS:
        assert told(reserve, sender) == numbers(10)


async def test_a_carrier_with_nowhere_else_to_go_keeps_what_waits_for_it(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    await main.close()
    reserve.answer_all()
    routes = [Route("+1", ("main",)), Route("+44", ("main", "reserve"))]
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve"), routes=routes, failover_after=0.05)
    stays, goes = await site.send(), await site.send("+447700900123")
    assert (await site.until(goes, SENT)).carrier == "reserve"
    assert (await site.standing(stays)).carrier == "main"
    main.answer_all()
    await main.listen()
    assert (await site.until(stays, SENT)).carrier == "main"


async def test_a_large_backlog_of_many_senders_is_worked_off_whole(bench: "Bench", tmp_path: Path) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    senders = [f"{20_000 + number}" for number in range(300)]
    backlog = [waits(long_ago + number, ACCOUNT, senders[number % 300]) for number in range(900)]
    await fill(tmp_path / "filled.db", [], [], backlog)
    centre = await bench.centre()
    centre.answer_all()
    site = await bench.site(bench.smpp(centre, window=50), path=tmp_path / "filled.db", window=120)
    await centre.submission(900)
    await site.until(backlog[-1].message.id, SENT)
    assert len(centre.asked) == 900


# --- what may no longer go


async def change_account(bench: "Bench", site: "Site", **changes: Any) -> None:
    account = await site.store.account(ACCOUNT)
    assert account is not None
    await site.store.put_account(msgspec.structs.replace(account, **changes))
    bench.clock.wind(FRESH)


@pytest.mark.parametrize(("changes", "error"), [({"active": False}, 30002), ({"countries": ("DE",)}, 21408)])
async def test_a_message_whose_account_may_not_send_it_any_more_fails_when_its_turn_comes(
    bench: "Bench", changes: dict[str, Any], error: int
) -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    message = await site.send()
    await change_account(bench, site, **changes)
    centre.answer_all()
    centre.bind_status = 0
    standing = await site.until(message, FAILED)
    assert (standing.error, standing.due_at) == (error, None)
    await bench.app.hears(message, "failed")
    assert bench.app.told[0].params["ErrorCode"] == str(error)
    assert centre.asked == []
    (refused,) = await site.events(message, Kind.REFUSED)
    assert refused.detail["carrier"] == "main"


async def test_a_country_that_an_account_may_send_to_is_no_hindrance(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await change_account(bench, site, countries=("US", "CA"))
    await site.until(await site.send(), SENT)


async def test_what_has_left_before_its_account_was_suspended_goes_on(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    await change_account(bench, site, active=False)
    asked.accept("id1")
    await site.until(message, SENT)
    await centre.receipt(asked)
    assert await site.status(message) is DELIVERED


async def test_the_parts_that_have_not_left_stay_when_the_account_is_suspended(bench: "Bench") -> None:
    centre, site = await bench.pair(window=2)
    message = await site.send(body=LONG)
    (await centre.submission(1)).accept("id1")
    (await centre.submission(2)).refuse(RTHROTTLED)
    await site.until_told(message, Kind.DEFERRED)
    await change_account(bench, site, active=False)
    centre.answer_all()
    standing = await site.until(message, Status.UNDELIVERED)
    assert standing.error == 30002
    assert (await site.segment(message, 1)).state is SegmentState.ACCEPTED
    assert (await site.segment(message, 2)).state is SegmentState.REFUSED


async def test_a_queue_that_is_full_says_so_and_takes_more_once_there_is_room(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre), queue_limit=5)
    waiting = [await site.send(body=LONG), await site.send()]
    with pytest.raises(Exception, match="waiting for this sender") as refused:
        await site.send()
    assert getattr(refused.value, "code", None) == 21611
    centre.answer_all()
    centre.bind_status = 0
    for message in waiting:
        await site.until(message, SENT)
    await site.until(await site.send(), SENT)


# --- messages of which no receipt is wanted


async def test_no_receipt_is_asked_for_where_none_is_wanted(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    quiet = await site.send(extras={"receipts": False}, body=LONG)
    await site.until(quiet, SENT)
    await site.until(await site.send(), SENT)
    assert [asked.body.registered_delivery for asked in centre.asked] == [0, 0, 0, 0, 1]


async def test_a_receipt_that_nobody_asked_for_is_kept_and_changes_nothing(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(extras={"receipts": False})
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, SENT)
    for stat in ("DELIVRD", "UNDELIV"):
        await centre.receipt(asked, stat)
    assert await site.status(message) is SENT
    assert (await site.segment(message)).state is SegmentState.ACCEPTED
    (delivered,) = await site.events(message, Kind.DELIVERED)
    (undelivered,) = await site.events(message, Kind.UNDELIVERED)
    assert not delivered.applied
    assert not delivered.moved
    assert not undelivered.applied
    assert len(await site.store.receipts(message)) == 2
    await bench.app.hears(message, "sent")


async def test_a_receipt_settles_a_doubt_also_where_none_was_asked_for(bench: "Bench") -> None:
    centre, site = await bench.pair(response_timeout=0.1)
    message = await site.send(extras={"receipts": False})
    asked = await centre.submission()
    await site.until_told(message, Kind.UNCERTAIN)
    await centre.receipt(asked, id="id9")
    assert (await site.until(message, SENT)).error is None
    (delivered,) = await site.events(message, Kind.DELIVERED)
    assert not delivered.applied
