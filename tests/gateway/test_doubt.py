"""Submissions that left and were never answered: held, sent again or given up, and settled by what comes late."""

from typing import TYPE_CHECKING

import pytest

from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.lifecycle import Kind, SegmentState, Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Asked, Bench, Centre, Site

SENDING, SENT, DELIVERED, FAILED = Status.SENDING, Status.SENT, Status.DELIVERED, Status.FAILED

RTHROTTLED, RMSGQFUL, RSUBMITFAIL, RINVDSTADR, RX_T_APPN = 0x58, 0x14, 0x45, 0x0B, 0x64
RINVPASWD = 0x0E
LONG = "a long text " * 40  # 480 characters: four parts


async def flow(site: "Site") -> None:
    """A message through the whole gateway: whatever the lanes had left to do before it has been done."""
    await site.until(await site.send("+15559990000"), SENT)


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
    bench.wind(100 * 3600)
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
async def test_a_late_refusal_of_what_is_settled_is_kept_and_changes_nothing(
    bench: "Bench", impatient: str, status: int
) -> None:
    centre, site = await bench.pair(response_timeout=0.4, uncertain="fail", profile=impatient)
    message = await site.send()
    asked = await centre.submission()
    await site.until(message, FAILED)
    asked.refuse(status)
    late = await site.until_told(message, Kind.DEFERRED)
    assert not late.applied
    assert f"0x{status:02X}" in late.detail["late"]
    centre.answer = lambda asked: asked.accept("id2")
    await flow(site)
    standing = await site.standing(message)
    assert (standing.status, standing.error, standing.due_at, standing.tries) == (FAILED, 30410, None, 0)
    assert slots_in_use(site) == 0
    assert len(centre.asked) == 2


def slots_in_use(site: "Site") -> int:
    carrier = site.gateway.carriers["main"]
    assert isinstance(carrier, SmppCarrier)
    return sum(bind.in_flight for bind in carrier.describe().binds)


async def test_a_refused_part_beside_one_in_doubt_ends_the_work_on_the_others(bench: "Bench") -> None:
    centre, site = await bench.pair(window=3, uncertain="hold")
    message = await site.send(body="a long text " * 40)  # four parts
    await centre.submission(3)
    centre.asked[0].refuse(RINVDSTADR)
    await site.until_told(message, Kind.REFUSED)
    centre.asked[1].refuse(RTHROTTLED)
    await site.until_told(message, Kind.DEFERRED)
    centre.asked[2].link.close("lost")
    await site.until_told(message, Kind.UNCERTAIN)
    centre.answer = lambda asked: asked.accept("later")
    await flow(site)
    kept = await site.gateway.ledger.find(message)
    assert kept is not None
    assert (kept.standing.status, kept.standing.due_at) == (SENDING, None)
    assert [asked.part for asked in centre.asked[:-1]] == [1, 2, 3]
    assert slots_in_use(site) == 0
