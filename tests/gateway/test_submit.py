"""Taking messages in: what is refused and with which code, and what a repeated request gets."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tidings.errors import Problem
from tidings.gateway.routes import Route
from tidings.lifecycle import Status
from tidings.model import Account, Order
from tidings.store.base import Change, MessageFilter, StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
LONG = "a long text " * 40  # 480 characters: four parts


async def code(site: "Site", *args: Any, **order: Any) -> int:
    """The code a message is refused with."""
    with pytest.raises(Problem) as refused:
        await site.send(*args, **order)
    return refused.value.code


async def count(site: "Site") -> int:
    return len(await site.store.messages(ACCOUNT, MessageFilter(), 1000))


async def test_fifty_requests_with_one_key_are_one_message_and_one_submission(bench: "Bench") -> None:
    centre, site = await bench.pair()
    messages = await asyncio.gather(*(site.send(idempotency_key="key", digest="same") for _ in range(50)))
    assert len(set(messages)) == 1
    (await centre.submission()).accept("id1")
    await site.until(messages[0], Status.SENT)
    assert await site.send(idempotency_key="key", digest="same") == messages[0]
    assert len(centre.asked) == 1
    assert await count(site) == 1


async def test_a_key_is_remembered_over_a_restart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    message = await site.send(idempotency_key="key", digest="same")
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image)
    assert await again.send(idempotency_key="key", digest="same") == message


async def test_a_key_with_another_body_is_refused(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    results = await asyncio.gather(
        *(site.send(idempotency_key="key", digest=digest) for digest in ("one", "two", "one")),
        return_exceptions=True,
    )
    assert results[0] == results[2]
    assert isinstance(results[1], Problem)
    assert results[1].code == 20409
    assert await code(site, idempotency_key="key", digest="three") == 20409
    assert await count(site) == 1


async def test_a_refused_request_does_not_use_its_key_up(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    assert await code(site, "not a number", idempotency_key="key", digest="same") == 21211
    await site.send(idempotency_key="key", digest="same")


async def test_a_request_that_could_not_be_kept_can_be_repeated(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    site.store.fail = lambda change: True
    with pytest.raises(StoreError):
        await site.send(idempotency_key="key", digest="same")
    site.store.fail = lambda change: False
    message = await site.send(idempotency_key="key", digest="same")
    await site.until(message, Status.SENT)
    assert len(centre.asked) == 1
    assert await count(site) == 1


async def test_a_caller_who_goes_away_does_not_take_the_message_along(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    caller = asyncio.ensure_future(site.send())
    kept = asyncio.Event()

    def notice(change: Change) -> bool:
        kept.set()
        return False

    site.store.fail = notice
    await asyncio.wait_for(kept.wait(), 5)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    asked = await centre.submission()
    assert asked.to == "15551230000"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"to": "not a number"}, 21211),
        ({"to": "+15005550006"}, 21211),  # to itself
        ({"to": "+447700900123"}, 21612),
        ({"to": "+12125550100", "sender": "+15005550099"}, 21606),
        ({"sender": "Way too long a name"}, 21212),
        ({"sender": "ACME"}, 21606),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"body": "👍" * 801}, 21617),
        ({"body": "nul\0"}, 20422),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_not_kept(
    bench: "Bench", order: dict[str, Any], expected: int
) -> None:
    centre, site = await bench.pair(routes=[Route("+1", ("main",))])
    assert await code(site, **order) == expected
    assert await count(site) == 0
    assert centre.asked == []


async def test_a_body_of_the_greatest_length_is_taken(bench: "Bench") -> None:
    _, site = await bench.pair()
    await site.send(body="x" * 1600)
    await site.send(body="👍" * 800)


async def test_countries_and_landlines_are_refused(bench: "Bench") -> None:
    _, site = await bench.pair()
    assert await code(site, "+442079460000") == 21614
    await site.store.put_account(Account(ACCOUNT, "", "token of the first", 0, countries=("US",)))
    assert await code(site, "+447700900123") == 21408
    await site.send("+12125550100")


async def test_another_account_s_number_is_not_mine(bench: "Bench") -> None:
    _, site = await bench.pair()
    other = Account(OTHER, "second", "token of the second", 0)
    await site.store.put_account(other)
    with pytest.raises(Problem) as refused:
        await site.gateway.submit(other, Order("twilio", "+15005550006", "+15551230000", "hello"))
    assert refused.value.code == 21606


async def test_a_full_queue_is_refused_until_it_moves(bench: "Bench") -> None:
    centre, site = await bench.pair(queue_limit=4, window=1)
    centre.answer = None
    first = await site.send()
    await centre.submission()
    await site.send(body=LONG)
    assert await code(site) == 21611
    await site.send(sender="+15005550007")  # every sender has a queue of its own
    centre.answer_all()
    await site.until(first, Status.SENT)
    await centre.submission(6)
    await site.until(await site.send(), Status.SENT)


async def test_what_could_not_be_kept_takes_no_place_in_the_queue(bench: "Bench") -> None:
    centre, site = await bench.pair(queue_limit=1)
    centre.answer_all()
    site.store.fail = lambda change: True
    with pytest.raises(StoreError):
        await site.send()
    site.store.fail = lambda change: False
    await site.send()
