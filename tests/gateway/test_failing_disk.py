"""A store that fails for a while: nothing is claimed that was not kept, and nothing is left lying."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from tests.gateway.application import ACCOUNT
from tidings.callbacks import delivery, lanes
from tidings.gateway import dispatch, lane
from tidings.lifecycle import Kind, Status
from tidings.store.base import Change, OwedCallback, StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site, WatchedStore

SENDING, SENT, DELIVERED, FAILED = Status.SENDING, Status.SENT, Status.DELIVERED, Status.FAILED

RTHROTTLED, RMSGQFUL, RSUBMITFAIL, RINVDSTADR, RX_T_APPN = 0x58, 0x14, 0x45, 0x0B, 0x64
RINVPASWD = 0x0E
LONG = "a long text " * 40  # 480 characters: four parts


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane goes on soon after a fault."""
    monkeypatch.setattr(lane, "AFTER_A_FAULT", 0.05)
    monkeypatch.setattr(dispatch, "AFTER_A_FAULT", 0.05)
    monkeypatch.setattr(lanes, "AFTER_A_FAULT", 0.05)


async def flow(site: "Site") -> None:
    """A message through the whole gateway: whatever the lanes had left to do before it has been done."""
    await site.until(await site.send("+15559990000"), SENT)


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


def once(kind: Kind) -> Callable[[Change], bool]:
    """The first change that holds an event of this kind."""
    first = iter([True])
    return lambda change: any(event.kind is kind for event in change.events) and next(first, False)


async def test_an_intent_that_was_kept_though_the_store_failed_is_taken_back(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    site.store.fail_behind = once(Kind.INTENT)
    message = await site.send()
    await site.until(message, SENT)
    assert len(centre.asked) == 1
    (deferred,) = await site.events(message, Kind.DEFERRED)
    assert deferred.detail["not_sent"] == "the store failed"
    assert await site.events(message, Kind.UNCERTAIN) == []


async def test_a_message_that_was_kept_though_the_store_failed_is_sent(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    site.store.fail_behind = once(Kind.CREATED)
    with pytest.raises(StoreError):
        await site.send()
    async with asyncio.timeout(10):
        await centre.submission()


async def test_an_answer_that_cannot_be_kept_at_once_is_kept_later(bench: "Bench") -> None:
    centre, site = await bench.pair()
    site.store.fail = once(Kind.ACCEPTED)
    message = await site.send()
    (await centre.submission()).accept("id1")
    await site.until(message, SENT)
    centre.answer_all()
    await flow(site)
    assert len(centre.asked) == 2  # the message, and the other one: nothing twice
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

    async def failing(
        store: "WatchedStore", carrier: str, account: str, sender: str, now: int, limit: int
    ) -> list[tuple[str, int]]:
        if next(failures, False):
            raise StoreError("the disk is slow")
        return await due_messages(store, carrier, account, sender, now, limit)

    monkeypatch.setattr(type(site.store), "due_messages", failing)
    centre.answer_all()
    centre.bind_status = 0
    again = await bench.site(bench.smpp(centre))
    await again.until(message, SENT)


async def test_callbacks_that_cannot_be_read_for_a_while_are_read_again(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER", (0.01,))
    refusals = iter([503])
    bench.app.answer = lambda status: next(refusals, 204)
    centre, site = await bench.pair()
    failures = iter([True])
    due_callbacks = type(site.store).due_callbacks

    async def failing(store: "WatchedStore", host: str, account: str, now: int, limit: int) -> list[OwedCallback]:
        if next(failures, False):
            raise StoreError("the disk is slow")
        return await due_callbacks(store, host, account, now, limit)

    monkeypatch.setattr(type(site.store), "due_callbacks", failing)
    centre.answer_all()
    message = await site.send()
    await bench.app.hears(message, "sent")


async def test_an_outcome_that_cannot_be_kept_is_told_again_with_the_same_token(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    failures = iter([True])
    site.store.fail = lambda change: bool(change.outcomes) and next(failures, False)
    message = await site.send()
    await bench.app.hears(message, "sent", "sent")
    await site.until_all_is_told()
    assert len({told.token for told in bench.app.told}) == 1


async def test_a_callback_that_was_kept_though_the_store_failed_is_told(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    site.store.fail_behind = once(Kind.ACCEPTED)
    message = await site.send()
    await bench.app.hears(message, "sent")
    await site.until_all_is_told()


async def test_events_after_one_that_was_kept_though_the_store_failed_come_after_it(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    site.store.fail_behind = once(Kind.ACCEPTED)
    asked.accept("id1")
    await site.until(message, SENT)
    await centre.receipt(asked)
    await bench.app.hears(message, "sent", "delivered")


async def test_an_event_in_doubt_is_told_before_the_next_one_while_an_earlier_one_is_under_way(
    bench: "Bench",
) -> None:
    statuses: list[str] = []
    asked_for, go_on = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An application that takes its time for the first callback."""
        while head := await reader.readline():
            while (line := await reader.readline()) != b"\r\n":
                head += line
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            statuses.append(dict(parse_qsl((await reader.readexactly(length)).decode()))["MessageStatus"])
            asked_for.set()
            await go_on.wait()
            writer.write(b"HTTP/1.1 204 Taken\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    centre, site = await bench.pair()
    message = await site.send(callback_url=url)
    asked = await centre.submission()
    asked.accept("id1")
    await asyncio.wait_for(asked_for.wait(), 5)
    site.store.fail_behind = once(Kind.UNDELIVERED)
    with pytest.raises(AssertionError, match="answered with"):
        # It is kept and not acknowledged, as nobody knows that it is kept.
        await centre.receipt(asked, "UNDELIV", err="001")
    await centre.receipt(asked)
    await site.until(message, DELIVERED)
    go_on.set()
    await site.until_all_is_told()
    assert statuses == ["sent", "undelivered", "delivered"]
    server.close()


async def test_an_outcome_that_was_kept_though_the_store_failed_is_not_told_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    failures = iter([True])
    site.store.fail_behind = lambda change: bool(change.outcomes) and next(failures, False)
    message = await site.send()
    await bench.app.hears(message, "sent")
    delivery = site.gateway.delivery
    async with asyncio.timeout(5):
        while delivery.held.count:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0)
    (callback,) = await site.store.callbacks(message)
    assert [attempt.ordinal for attempt in await site.attempts(callback)] == [1]
    assert bench.app.statuses(message) == ["sent"]
    assert await site.gateway.hosts(ACCOUNT) == []


async def test_a_store_that_keeps_no_outcome_does_not_make_the_gateway_call_again_and_again(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "AFTER_A_FAULT", 3600.0)
    centre, site = await bench.pair()
    centre.answer_all()
    failing = True
    site.store.fail = lambda change: failing and bool(change.outcomes)
    messages = [await site.send(f"+1555123{number:04}") for number in range(30)]
    await bench.app.attempted(len(messages))
    failing = False
    last = await site.send()
    await bench.app.hears(last, "sent")
    assert set(Counter(told.token for told in bench.app.told).values()) == {1}


async def test_a_parked_receipt_that_could_not_be_applied_is_applied_later(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    failures = iter([True])
    site.store.fail = lambda change: bool(change.matched) and next(failures, False)
    asked.id = "id1"
    await centre.receipt(asked)
    await site.until_parked()
    asked.accept("id1")
    await site.until(message, DELIVERED)
    assert await site.store.parked_keys(10) == []
