"""From the store to carriers and back: what each of the five answers leads to, and what nobody answers."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, Status
from tidings.text import decode_gsm7, decode_ucs2

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

SENDING, SENT, DELIVERED, FAILED = Status.SENDING, Status.SENT, Status.DELIVERED, Status.FAILED

RTHROTTLED, RMSGQFUL, RSUBMITFAIL, RINVDSTADR, RX_T_APPN = 0x58, 0x14, 0x45, 0x0B, 0x64
RINVPASWD = 0x0E
LONG = "a long text " * 40  # 480 characters: four parts


async def flow(site: "Site") -> None:
    """A message through the whole gateway: whatever the lanes had left to do before it has been done."""
    await site.until(await site.send("+15559990000"), SENT)


# --- windows and parts


async def test_a_window_of_a_hundred_is_filled_and_not_overfilled(bench: "Bench") -> None:
    centre, site = await bench.pair(window=100)
    messages = await asyncio.gather(*(site.send() for _ in range(110)))
    await centre.submission(100)
    assert len(centre.asked) == 100
    centre.asked[0].accept("first")
    await centre.submission(101)
    assert len(centre.asked) == 101
    centre.answer_all()
    for message in messages:
        await site.until(message, SENT)
    assert len(centre.asked) == 110


@pytest.mark.parametrize("travels", ["udh", "sar", "payload"])
@pytest.mark.parametrize(
    "body", ["The quick brown fox jumps over [the] lazy dog. " * 33, "Ein längerer Text, 漢字 und 👍🏽. " * 30]
)
async def test_a_long_message_arrives_whole(bench: "Bench", travels: str, body: str) -> None:
    body = body[:1600]
    centre, site = await bench.pair(long_messages=travels)
    centre.answer_all()
    message = await site.send(body=body)
    await site.until(message, SENT)
    parts = sorted(centre.asked, key=lambda asked: asked.part)
    assert [asked.part for asked in parts] == list(range(1, len(parts) + 1))
    assert {asked.parts for asked in parts} == {len(parts)}
    assert len(parts) > 5 or travels == "payload"
    decode = decode_ucs2 if parts[0].body.data_coding == 8 else decode_gsm7
    assert "".join(decode(asked.content) for asked in parts) == body
    assert all(asked.body.registered_delivery == 1 for asked in parts)
    assert len(await site.store.segments(message)) == len(parts)


async def test_parts_leave_in_order_without_waiting_for_each_other(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await site.send(body=LONG)
    await centre.submission(4)
    assert [asked.part for asked in centre.asked] == [1, 2, 3, 4]


async def test_messages_leave_oldest_first(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    centre.answer_all()
    messages = [await site.send(f"+1555123{number:04}") for number in range(10)]
    for message in messages:
        await site.until(message, SENT)
    assert [asked.to for asked in centre.asked] == [f"1555123{number:04}" for number in range(10)]


async def test_a_backlog_larger_than_the_window_in_memory_all_leaves(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre), window=5)
    messages = await asyncio.gather(*(site.send() for _ in range(50)))
    centre.answer_all()
    centre.bind_status = 0
    for message in messages:
        await site.until(message, SENT)
    assert len(centre.asked) == 50


# --- refusals


async def test_a_throttled_message_counts_no_attempt_and_its_receipt_finds_it(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    for number in (1, 2, 3):
        (await centre.submission(number)).refuse(RTHROTTLED)
    (await centre.submission(4)).accept("id1")
    await site.until(message, SENT)
    assert (await site.standing(message)).tries == 0
    deferred = await site.events(message, Kind.DEFERRED)
    assert ["RTHROTTLED" in event.detail["throttled"] for event in deferred] == [True] * 3
    await centre.receipt(centre.asked[3])
    assert await site.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")


async def test_a_throttled_message_keeps_its_place_before_the_backlog(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    messages = [await site.send(f"+1555123{number:04}") for number in range(20)]
    (await centre.submission()).refuse(RTHROTTLED)
    centre.answer_all()
    await site.until(messages[-1], SENT)
    # Two may have been taken out of the queue before the answer was kept.
    assert "15551230000" in [asked.to for asked in centre.asked[1:4]]


async def test_a_full_queue_is_waited_out(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    (await centre.submission(1)).refuse(RMSGQFUL)
    (await centre.submission(2)).accept("id1")
    await site.until(message, SENT)


async def test_a_refused_message_fails_with_its_code_and_is_offered_to_nobody_else(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve"))
    message = await site.send()
    (await main.submission()).refuse(RINVDSTADR)
    standing = await site.until(message, FAILED)
    assert standing.error == 30005
    await bench.app.hears(message, "failed")
    assert bench.app.told[0].params["ErrorCode"] == "30005"
    assert reserve.asked == []


async def test_a_carrier_is_asked_again_as_often_as_it_allows_then_the_next_one(
    bench: "Bench", impatient: str
) -> None:
    main, reserve = await bench.centre(), await bench.centre()
    site = await bench.site(bench.smpp(main, profile=impatient), bench.smpp(reserve, "reserve"))
    message = await site.send()
    (await main.submission(1)).refuse(RSUBMITFAIL)
    (await main.submission(2)).refuse(RSUBMITFAIL)
    (await reserve.submission(1)).accept("id1")
    standing = await site.until(message, SENT)
    assert standing.carrier == "reserve"
    await reserve.receipt(reserve.asked[0])
    assert await site.status(message) is DELIVERED
    assert len(main.asked) == 2
    await bench.app.hears(message, "sent", "delivered")


async def test_the_last_carrier_s_refusal_is_the_message_s_error(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve"))
    message = await site.send()
    (await main.submission()).refuse(0x15)  # RINVSERTYP: this route cannot
    (await reserve.submission()).refuse(0x0A)  # RINVSRCADR: nor can this one
    assert (await site.until(message, FAILED)).error == 21606


async def test_a_refused_part_stops_the_parts_that_have_not_left(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    message = await site.send(body=LONG)
    (await centre.submission()).refuse(RINVDSTADR)
    assert (await site.until(message, FAILED)).error == 30005
    centre.answer_all()
    await flow(site)
    assert len(centre.asked) == 2


async def test_a_refused_part_after_an_accepted_one_is_undelivered_not_failed(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    message = await site.send(body=LONG)
    (await centre.submission(1)).accept("id1")
    (await centre.submission(2)).refuse(RINVDSTADR)
    assert (await site.until(message, Status.UNDELIVERED)).error == 30005
    await bench.app.hears(message, "undelivered")


# --- carriers that are down


async def test_a_carrier_that_is_down_hands_over_to_the_next(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    await main.close()
    reserve.answer_all()
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve"), failover_after=0.05)
    messages = [await site.send() for _ in range(5)]
    for message in messages:
        assert (await site.until(message, SENT)).carrier == "reserve"
    (handed,) = await site.events(messages[0], Kind.DEFERRED)
    assert handed.detail["next"] == "reserve"
    assert handed.applied
    assert handed.status is Status.QUEUED


async def test_a_carrier_that_goes_down_while_its_window_is_full_hands_over_too(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    reserve.answer_all()
    site = await bench.site(bench.smpp(main, window=1), bench.smpp(reserve, "reserve"), failover_after=0.05)
    await main.bound()
    in_doubt = await site.send()
    waiting = [await site.send() for _ in range(3)]
    await main.submission()
    await main.close()
    for message in waiting:
        assert (await site.until(message, SENT)).carrier == "reserve"
    assert await site.status(in_doubt) is SENDING


async def test_the_first_carrier_is_used_again_once_it_is_back(bench: "Bench") -> None:
    main, reserve = await bench.centre(), await bench.centre()
    await main.close()
    reserve.answer_all()
    main.answer_all()
    site = await bench.site(bench.smpp(main), bench.smpp(reserve, "reserve"), failover_after=0.05)
    await site.until(await site.send(), SENT)
    await main.listen()
    await main.bound()
    assert (await site.until(await site.send(), SENT)).carrier == "main"


async def test_a_bind_refused_for_a_while_recovers_alone(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    message = await site.send()
    assert await site.status(message) is Status.QUEUED
    centre.answer_all()
    centre.bind_status = 0
    await site.until(message, SENT)


async def test_a_connection_lost_between_messages_costs_nothing(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await flow(site)
    centre.hang_up()
    await flow(site)
    assert len(centre.asked) == 2


# --- validity


async def test_a_message_whose_time_is_over_before_it_leaves_fails(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    short = await site.send(validity=60)
    patient = await site.send(validity=600)
    bench.wind(61)
    centre.answer_all()
    centre.bind_status = 0
    standing = await site.until(short, FAILED)
    assert standing.error == 30036
    await bench.app.hears(short, "failed")
    await site.until(patient, SENT)
    assert len(centre.asked) == 1


async def test_a_message_that_is_throttled_until_its_time_is_over_fails_and_is_not_called_a_landline(
    bench: "Bench",
) -> None:
    centre, site = await bench.pair()
    message = await site.send(validity=60)
    asked = await centre.submission()
    bench.wind(61)
    asked.refuse(RTHROTTLED)
    standing = await site.until(message, FAILED)
    assert standing.error == 30017
    assert len(centre.asked) == 1


async def test_a_message_expires_on_time_though_its_carrier_is_down(bench: "Bench") -> None:
    centre = await bench.centre()
    await centre.close()
    site = await bench.site(bench.smpp(centre), failover_after=0.05)
    message = await site.send(validity=60)
    bench.wind(61)
    assert (await site.until(message, FAILED)).error == 30036
    await bench.app.hears(message, "failed")


async def test_a_carrier_is_told_how_long_it_may_go_on_trying(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await site.send(validity=600)
    assert (await centre.submission()).body.validity_period != ""


# --- routes


async def test_the_longest_prefix_decides(bench: "Bench") -> None:
    centres = {name: await bench.centre() for name in ("world", "us", "uk", "london")}
    site = await bench.site(
        *(bench.smpp(centre, name) for name, centre in centres.items()),
        routes=[
            Route("+", ("world",)),
            Route("+1", ("us",)),
            Route("+44", ("uk",)),
            Route("+4477009", ("london",)),
        ],
    )
    numbers = {
        "us": "+15551230000",
        "uk": "+447400123456",
        "london": "+447700900123",
        "world": "+491701234567",
    }
    for name, number in numbers.items():
        await site.send(number)
        assert (await centres[name].submission()).to == number[1:]


async def test_messages_of_a_carrier_that_is_gone_are_routed_anew(bench: "Bench", impatient: str) -> None:
    gone, reserve = await bench.centre(), await bench.centre()
    site = await bench.site(bench.smpp(gone, "gone", profile=impatient))
    later = await site.send()
    (await gone.submission()).refuse(RX_T_APPN)  # to be asked again in an hour
    await site.until_told(later, Kind.DEFERRED)
    await gone.close()
    waiting = await site.send()
    await bench.stop(site)
    reserve.answer_all()
    again = await bench.site(bench.smpp(reserve, "reserve"))
    assert (await again.until(waiting, SENT)).carrier == "reserve"
    assert (await again.standing(later)).carrier == "reserve"


async def test_messages_that_no_carrier_is_left_for_fail_and_say_so(bench: "Bench") -> None:
    gone, reserve = await bench.centre(), await bench.centre()
    await gone.close()
    site = await bench.site(bench.smpp(gone, "gone"))
    message = await site.send()
    await bench.stop(site)
    again = await bench.site(bench.smpp(reserve, "reserve"), routes=[Route("+44", ("reserve",))])
    assert (await again.until(message, FAILED)).error == 30008
    await bench.app.hears(message, "failed")
