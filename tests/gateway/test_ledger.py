"""Evidence in, changes out: what a commit holds is what was true when it was handed in."""

import asyncio
from typing import TYPE_CHECKING

from tidings.gateway.ledger import Evidence, Ledger
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import Segment
from tidings.store.base import Change, Kept, StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site


async def found(site: "Site", message_id: str) -> Kept:
    kept = await site.gateway.ledger.find(message_id)
    assert kept is not None
    return kept


async def idle(bench: "Bench") -> "Site":
    """A site whose carrier never binds: nothing happens but what a test records."""
    centre = await bench.centre()
    await centre.close()
    return await bench.site(bench.smpp(centre))


async def begun(site: "Site") -> Kept:
    kept = await found(site, await site.send())
    change = Change()
    kept.segments = [Segment(kept.message.id, 1, SegmentState.WAITING, "main")]
    change.segments.extend(kept.segments)
    await site.gateway.ledger.record(kept, Evidence(Kind.INTENT, {}, 1), change=change)
    return kept


async def test_a_change_is_not_altered_by_evidence_that_comes_before_it_is_written(bench: "Bench") -> None:
    site = await idle(bench)
    kept = await begun(site)
    handed_in: list[Change] = []

    def watch(change: Change) -> bool:
        handed_in.append(change)
        return False

    site.store.fail = watch
    ledger = site.gateway.ledger
    first = ledger.record(kept, Evidence(Kind.ACCEPTED, {}, 1, carrier_id="7", carrier_key="7"))
    second = ledger.record(kept, Evidence(Kind.DELIVERED, {}, 1))
    (standing,), (segment,) = handed_in[0].standings, handed_in[0].segments
    assert (standing.status, standing.events) == (Status.SENT, 3)
    assert segment.state is SegmentState.ACCEPTED
    await asyncio.gather(first, second)
    assert await site.status(kept.message.id) is Status.DELIVERED


async def test_everybody_works_on_the_same_message(bench: "Bench") -> None:
    site = await idle(bench)
    message = await site.send()
    ledger = Ledger(site.store, bench.clock, site.gateway.delivery)
    held = await asyncio.gather(*(ledger.find(message) for _ in range(10)))
    assert held[0] is not None
    assert all(kept is held[0] for kept in held)
    assert await ledger.find("0" * 32) is None


async def test_memory_is_bounded_and_what_is_let_go_of_is_read_again(bench: "Bench") -> None:
    site = await idle(bench)
    messages = [await site.send() for _ in range(10)]
    ledger = Ledger(site.store, bench.clock, site.gateway.delivery, capacity=3)
    for message in messages:
        await ledger.find(message)
    assert len(ledger._recent) == 3
    first = await ledger.find(messages[0])
    assert first is not None
    assert first.message.id == messages[0]


async def test_after_a_commit_that_failed_the_next_evidence_starts_from_what_was_kept(bench: "Bench") -> None:
    site = await idle(bench)
    kept = await begun(site)
    site.store.fail = lambda change: True
    lost = site.gateway.ledger.record(kept, Evidence(Kind.REFUSED, {}, 1, error=30005))
    assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], StoreError)
    site.store.fail = lambda change: False
    again = await found(site, kept.message.id)
    assert again.segments[0].state is SegmentState.SUBMITTING
    await site.gateway.ledger.record(again, Evidence(Kind.ACCEPTED, {}, 1, carrier_id="7", carrier_key="7"))
    assert await site.status(kept.message.id) is Status.SENT
    assert [event.kind for event in await site.events(kept.message.id)] == [
        Kind.CREATED,
        Kind.INTENT,
        Kind.ACCEPTED,
    ]


async def test_an_error_is_that_of_the_status_it_led_to(bench: "Bench") -> None:
    site = await idle(bench)
    kept = await begun(site)
    ledger = site.gateway.ledger
    await ledger.record(kept, Evidence(Kind.ACCEPTED, {}, 1, carrier_id="7", carrier_key="7"))
    await ledger.record(kept, Evidence(Kind.UNDELIVERED, {}, 1, 30003))
    assert (await site.standing(kept.message.id)).error == 30003
    await ledger.record(kept, Evidence(Kind.DELIVERED, {}, 1))
    standing = await site.standing(kept.message.id)
    assert (standing.status, standing.error) == (Status.DELIVERED, None)
    (segment,) = await site.store.segments(kept.message.id)
    assert segment.error is None
    assert standing.sent_at is not None
