"""What a gateway goes on with after its process ended, at each point where it may have."""

from typing import TYPE_CHECKING, Any

import pytest

from tidings.lifecycle import Kind, SegmentState, Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre, Site

SENDING, SENT, DELIVERED, FAILED = Status.SENDING, Status.SENT, Status.DELIVERED, Status.FAILED

LONG = "a long text " * 40  # 480 characters: four parts


async def restarted(bench: "Bench", site: "Site", centre: "Centre", **dispatch: Any) -> "Site":
    """The gateway after a SIGKILL now, bound again."""
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image, **dispatch)
    await centre.bound()
    return again


async def test_a_message_that_had_not_left_leaves_after_the_restart(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.bind_status = 0x0E
    site = await bench.site(bench.smpp(centre))
    message = await site.send()
    centre.bind_status = 0
    again = await restarted(bench, site, centre)
    (await centre.submission()).accept("id1")
    await again.until(message, SENT)
    assert len(centre.asked) == 1


async def test_a_stop_between_answer_and_receipt_loses_nothing(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, SENT)
    again = await restarted(bench, site, centre)
    await centre.receipt(asked)
    assert await again.status(message) is DELIVERED
    await bench.app.until(lambda: "delivered" in bench.app.statuses(message), "delivered")
    assert len(centre.asked) == 1


async def test_a_stop_between_intent_and_answer_is_held_and_said(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    again = await restarted(bench, site, centre)
    (event,) = await again.events(message, Kind.UNCERTAIN)
    assert event.detail["policy"] == "hold"
    assert (await again.segment(message)).state is SegmentState.UNCERTAIN
    assert await again.status(message) is SENDING
    await centre.receipt(asked, id="never-told")
    assert await again.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")
    assert len(centre.asked) == 1


async def test_a_second_restart_does_not_say_it_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    await centre.submission()
    again = await restarted(bench, site, centre)
    third = await restarted(bench, again, centre)
    assert len(await third.events(message, Kind.UNCERTAIN)) == 1
    assert len(centre.asked) == 1


@pytest.mark.parametrize(("policy", "status", "submissions"), [("resend", SENT, 2), ("fail", FAILED, 1)])
async def test_a_stop_between_intent_and_answer_follows_the_policy(
    bench: "Bench", policy: str, status: Status, submissions: int
) -> None:
    centre, site = await bench.pair()
    message = await site.send()
    await centre.submission()
    centre.answer = lambda asked: asked.accept("id2")
    again = await restarted(bench, site, centre, uncertain=policy)
    standing = await again.until(message, status)
    assert standing.error == (30410 if policy == "fail" else None)
    assert len(centre.asked) == submissions


async def test_a_receipt_parked_before_a_stop_is_matched_after_it(bench: "Bench") -> None:
    centre, site = await bench.pair(uncertain="hold")
    message = await site.send()
    asked = await centre.submission()
    await centre.receipt(asked, id="never-told")
    assert len(await site.store.parked_keys(10)) > 0
    again = await restarted(bench, site, centre)
    await again.until(message, DELIVERED)
    await bench.app.hears(message, "sent", "delivered")
    assert await again.store.parked_keys(10) == []


async def test_a_parked_receipt_meets_an_answer_of_the_next_life(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.refuse(0x58)
    await centre.receipt(await centre.submission(2), id="id2")
    centre.answer = lambda asked: asked.accept("id2")
    again = await restarted(bench, site, centre, uncertain="resend")
    await again.until(message, DELIVERED)
    assert await again.store.parked_keys(10) == []


async def test_parts_that_had_not_left_leave_and_those_in_doubt_do_not(bench: "Bench") -> None:
    centre, site = await bench.pair(window=2)
    message = await site.send(body=LONG)
    await centre.submission(2)
    again = await restarted(bench, site, centre)
    await again.until_told(message, Kind.UNCERTAIN, 2)
    (await centre.submission(3)).accept("p3")
    (await centre.submission(4)).accept("p4")
    await again.until_told(message, Kind.ACCEPTED, 2)
    states = [segment.state for segment in await again.store.segments(message)]
    assert states == [*[SegmentState.UNCERTAIN] * 2, *[SegmentState.ACCEPTED] * 2]
    assert [asked.part for asked in centre.asked] == [1, 2, 3, 4]
    assert await again.status(message) is SENDING


async def test_owed_callbacks_go_out_after_a_restart_in_order(bench: "Bench") -> None:
    centre, site = await bench.pair()
    bench.app.answer = lambda status: 503
    message = await site.send()
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(message, SENT)
    await centre.receipt(asked)
    await bench.app.attempted(1)
    again = await restarted(bench, site, centre)
    bench.app.answer = lambda status: 204
    bench.wind(60)
    await again.send("+15551230009")  # wakes nothing by itself: the lane looks by its own clock
    await bench.app.hears(message, "sent", "delivered")
    assert len({told.token for told in bench.app.told if told.status == "sent"}) == 1


async def test_queue_depths_are_right_after_a_restart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handed_back = await site.send()
    (await centre.submission()).refuse(0x64)  # asked again in half a minute
    await site.until_told(handed_back, Kind.DEFERRED)
    centre.bind_status = 0x0E
    centre.hang_up()
    await site.send(body=LONG)
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image)
    assert again.gateway.depths.waiting("0a" * 16, "+15005550006") == 4
