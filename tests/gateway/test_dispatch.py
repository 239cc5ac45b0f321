"""From the store to carriers and back: what each of the five answers leads to, and what nobody answers."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.store.base import Change, StoreError
from tidings.text import decode_gsm7, decode_ucs2

if TYPE_CHECKING:
    from tests.gateway.conftest import Asked, Bench, Centre, Site, WatchedStore

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


@pytest.fixture
def impatient(tmp_path: Path) -> str:
    """A profile whose RSUBMITFAIL may be tried again at once, one time."""
    path = tmp_path / "impatient.toml"
    path.write_text(
        'version = 1\nabout = "quick"\n'
        '[command_status]\n0x45 = { kind = "again", retries = 1, after = 0.01 }\n'
        '0x64 = { kind = "again", retries = 1, after = 3600 }\n'
    )
    return str(path)


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


# --- doubt


async def doubtful(centre: "Centre", site: "Site", number: int = 1) -> "tuple[str, Asked]":
    """A message that was submitted on a connection which then was lost."""
    message = await site.send()
    asked = await centre.submission(number)
    asked.link.close("lost")
    await site.until_told(message, Kind.UNCERTAIN)
    return message, asked


async def test_a_held_submission_is_made_once_says_so_and_is_never_called_failed(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="hold")
    message, asked = await doubtful(centre, site)
    (event,) = await site.events(message, Kind.UNCERTAIN)
    assert event.detail["policy"] == "hold"
    assert (await site.segment(message)).state is SegmentState.UNCERTAIN
    centre.answer_all()
    bench.clock.wind(100 * 3600)
    await flow(site)
    assert await site.status(message) is SENDING
    assert [other.to for other in centre.asked].count(asked.to) == 1
    assert bench.app.statuses(message) == []


async def test_a_late_receipt_settles_a_held_submission(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="hold")
    message, asked = await doubtful(centre, site)
    await centre.bound()
    await centre.receipt(asked, id="never-told")
    assert await site.status(message) is DELIVERED
    assert (await site.segment(message)).carrier_id == "never-told"
    await bench.app.hears(message, "sent", "delivered")
    await centre.receipt(asked, id="never-told")
    assert len(await site.store.receipts(message)) == 2


async def test_a_receipt_that_came_before_the_doubt_settles_it(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="hold")
    message = await site.send()
    asked = await centre.submission()
    await centre.receipt(asked, id="never-told")
    asked.link.close("lost")
    await site.until(message, DELIVERED)
    await bench.app.hears(message, "sent", "delivered")


async def test_a_late_receipt_settles_nothing_where_two_are_in_doubt(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="hold")
    first, _ = await doubtful(centre, site)
    second, asked = await doubtful(centre, site, 2)
    await centre.bound()
    await centre.receipt(asked, id="never-told")
    assert await site.status(first) is SENDING
    assert await site.status(second) is SENDING


async def test_resending_is_a_policy(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="resend")
    message, _ = await doubtful(centre, site)
    (await centre.submission(2)).accept("id2")
    await site.until(message, SENT)
    kinds = [event.kind for event in await site.events(message)]
    assert kinds == [Kind.CREATED, Kind.INTENT, Kind.UNCERTAIN, Kind.DEFERRED, Kind.INTENT, Kind.ACCEPTED]
    await centre.receipt(centre.asked[1])
    await bench.app.hears(message, "sent", "delivered")


async def test_giving_up_is_a_policy(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="fail")
    message, asked = await doubtful(centre, site)
    standing = await site.until(message, FAILED)
    assert standing.error == 30410
    await bench.app.hears(message, "failed")
    await centre.bound()
    await centre.receipt(asked, id="never-told")
    assert await site.status(message) is FAILED


async def test_a_late_answer_settles_the_doubt(bench: "Bench") -> None:
    centre, site = await bench.pair(response_timeout=0.2)
    message = await site.send()
    asked = await centre.submission()
    await site.until_told(message, Kind.UNCERTAIN)
    assert await site.status(message) is SENDING
    asked.accept("id1")
    await site.until(message, SENT)
    await centre.receipt(asked)
    assert await site.status(message) is DELIVERED
    assert len(centre.asked) == 1


async def test_a_late_refusal_settles_the_doubt(bench: "Bench") -> None:
    centre, site = await bench.pair(response_timeout=0.2)
    message = await site.send()
    asked = await centre.submission()
    await site.until_told(message, Kind.UNCERTAIN)
    asked.refuse(RINVDSTADR)
    assert (await site.until(message, FAILED)).error == 30005


async def test_a_late_throttling_sends_a_held_message_again(bench: "Bench") -> None:
    centre, site = await bench.pair(response_timeout=0.2)
    message = await site.send()
    asked = await centre.submission()
    await site.until_told(message, Kind.UNCERTAIN)
    asked.refuse(RTHROTTLED)
    (await centre.submission(2)).accept("id2")
    await site.until(message, SENT)


@pytest.mark.parametrize("status", [RTHROTTLED, RX_T_APPN, RINVDSTADR])
async def test_a_late_refusal_of_what_is_settled_changes_nothing(
    bench: "Bench", impatient: str, status: int
) -> None:
    centre, site = await bench.pair(response_timeout=0.2, uncertain="fail", profile=impatient)
    message = await site.send()
    asked = await centre.submission()
    await site.until(message, FAILED)
    asked.refuse(status)
    # Whatever the carrier said is heard before it hears of another message.
    centre.answer_all()
    await flow(site)
    standing = await site.standing(message)
    assert (standing.status, standing.error, standing.due_at) == (FAILED, 30410, None)
    assert site.gateway.carriers["main"].capacity == 100
    assert await room(site) == 100
    assert len(centre.asked) == 2


async def room(site: "Site") -> int:
    """How many slots the carrier has to give now."""
    carrier = site.gateway.carriers["main"]
    slots = []
    for _ in range(carrier.capacity):
        try:
            slots.append(await asyncio.wait_for(carrier.slot(), 0.5))
        except TimeoutError:
            break
    for slot in slots:
        slot.release()
    return len(slots)


# --- validity


async def test_a_message_whose_time_is_over_before_it_leaves_fails(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    short = await site.send(validity=60)
    patient = await site.send(validity=600)
    bench.clock.wind(61)
    centre.answer_all()
    centre.bind_status = 0
    standing = await site.until(short, FAILED)
    assert standing.error == 30036
    await bench.app.hears(short, "failed")
    await site.until(patient, SENT)
    assert len(centre.asked) == 1


async def test_a_message_expires_on_time_though_its_carrier_is_down(bench: "Bench") -> None:
    centre = await bench.centre()
    await centre.close()
    site = await bench.site(bench.smpp(centre), failover_after=0.05)
    message = await site.send(validity=60)
    bench.clock.wind(61)
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


# --- a disk that fails for a while


async def test_an_intent_that_cannot_be_kept_is_not_submitted_and_tried_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    failures = iter([True])

    def fails(change: Change) -> bool:
        return any(event.kind is Kind.INTENT for event in change.events) and next(failures, False)

    site.store.fail = fails
    message = await site.send()
    await site.until(message, SENT)
    assert len(centre.asked) == 1
    assert len(await site.events(message, Kind.INTENT)) == 1


async def test_an_answer_that_cannot_be_kept_leaves_a_doubt_that_a_receipt_settles(bench: "Bench") -> None:
    centre, site = await bench.pair()
    failures = iter([True])

    def fails(change: Change) -> bool:
        return any(event.kind is Kind.ACCEPTED for event in change.events) and next(failures, False)

    site.store.fail = fails
    message = await site.send()
    (await centre.submission()).accept("id1")
    centre.answer_all()
    await flow(site)
    assert await site.status(message) is SENDING
    await centre.receipt(centre.asked[0])
    assert await site.status(message) is DELIVERED


async def test_a_receipt_that_cannot_be_kept_is_not_acknowledged(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, SENT)
    site.store.fail = lambda change: True
    with pytest.raises(AssertionError, match="0x64"):
        await centre.receipt(asked)
    site.store.fail = lambda change: False
    await centre.receipt(asked)
    assert await site.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")


async def test_a_queue_that_cannot_be_read_for_a_while_is_read_again(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = await bench.centre()
    centre.bind_status = RINVPASWD
    site = await bench.site(bench.smpp(centre))
    message = await site.send()
    await bench.stop(site)
    failures = iter([True])
    due_messages = type(site.store).due_messages

    async def failing(store: "WatchedStore", carrier: str, now: int, limit: int) -> list[tuple[str, int]]:
        if next(failures, False):
            raise StoreError("the disk is slow")
        return await due_messages(store, carrier, now, limit)

    monkeypatch.setattr(type(site.store), "due_messages", failing)
    centre.answer_all()
    centre.bind_status = 0
    again = await bench.site(bench.smpp(centre))
    await again.until(message, SENT)
