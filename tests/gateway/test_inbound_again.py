"""What a carrier brings again since it never heard that we have it, and what only reads the same."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import RECIPIENT, SENDER, WAIT
from tests.gateway.handset import Handset, received, texts
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import Command, ShortMessage, Tag
from tidings.gateway.inbound import InboundSettings
from tidings.model import Arrival

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre

YES = ShortMessage(source_addr=RECIPIENT[1:], destination_addr=SENDER[1:], short_message=b"maybe")
WINDOW = 300
"""Seconds within which it is known again."""


async def reconnected(centre: "Centre") -> Link:
    """The connection that follows the one which is lost now."""
    (before,) = (link for link, _ in centre.binds)
    before.close("lost")
    await centre.until(lambda: [link for link, _ in centre.binds] not in ([before], []), "another bind")
    return centre.binds[0][0]


async def test_what_comes_again_over_a_new_connection_is_the_same_message(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    await reconnected(centre)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe"]
    assert site.gateway.inbound.counts == {"received": 1, "repeated": 1}


async def test_what_comes_again_after_a_crash_is_the_same_message(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    again = await bench.site(bench.smpp(centre), path=await bench.crash(site))
    await centre.until(lambda: len(centre.binds) == 1, "a bind")
    await centre.deliver(YES)
    assert await texts(again) == ["maybe"]


async def test_people_say_the_same_twice(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]


async def test_two_at_once_over_one_connection_are_two(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await asyncio.gather(centre.deliver(YES), centre.deliver(YES))
    assert await texts(site) == ["maybe", "maybe"]


async def test_over_another_connection_it_is_new_as_long_as_the_first_one_is_up(bench: "Bench") -> None:
    centre, site = await bench.pair(binds=2)
    await centre.bound(2)
    for link, _ in centre.binds:
        await centre.deliver(YES, link=link)
    assert await texts(site) == ["maybe", "maybe"]


async def test_over_another_connection_that_was_up_all_the_time_it_is_known_once_the_first_is_lost(
    bench: "Bench",
) -> None:
    centre, site = await bench.pair(binds=2)
    await centre.bound(2)
    (first, _), (second, _) = centre.binds
    await centre.deliver(YES, link=first)
    first.close("lost")
    await centre.until(lambda: len(centre.binds) == 2 and centre.binds[0][0] is second, "the next bind")
    await centre.deliver(YES, link=second)
    assert await texts(site) == ["maybe"]


async def test_what_was_known_again_may_be_said_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    await reconnected(centre)
    await centre.deliver(YES)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]


async def test_what_is_lost_over_and_over_is_one_message_also_beyond_the_time(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    for _ in range(3):
        await reconnected(centre)
        bench.wind(WINDOW - 10)
        await centre.deliver(YES)
    assert await texts(site) == ["maybe"]


async def test_after_that_time_it_is_a_new_message(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    await reconnected(centre)
    bench.wind(WINDOW + 1)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]


async def test_nothing_is_known_again_where_the_settings_say_so(bench: "Bench") -> None:
    bench.inbound = InboundSettings(redelivery=0)
    centre, site = await bench.pair()
    await centre.deliver(YES)
    await reconnected(centre)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]


@pytest.mark.parametrize("tlvs", [{Tag.RECEIPTED_MESSAGE_ID: b"4712\0"}, {}])
async def test_a_name_that_the_carrier_gives_tells_messages_apart(bench: "Bench", tlvs: dict[int, bytes]) -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES, {Tag.RECEIPTED_MESSAGE_ID: b"4711\0"})
    await reconnected(centre)
    await centre.deliver(YES, tlvs)
    assert len(await received(site)) == 2


async def test_each_carrier_is_for_itself(bench: "Bench") -> None:
    one, other = await bench.centre(), await bench.centre()
    site = await bench.site(bench.smpp(one, "one"), bench.smpp(other, "other"))
    await one.bound()
    await other.bound()
    await one.deliver(YES)
    await reconnected(one)
    await other.deliver(YES)
    assert len(await received(site)) == 2


async def test_what_could_not_be_kept_is_new_when_it_comes_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    site.store.fail = lambda change: True
    with pytest.raises(AssertionError, match="0x64"):
        await centre.deliver(YES)
    site.store.fail = lambda change: False
    await reconnected(centre)
    await centre.deliver(YES)
    assert await texts(site) == ["maybe"]


@pytest.mark.parametrize("times", [1, 2])
async def test_what_was_refused_though_it_was_kept_is_known_again(bench: "Bench", times: int) -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    site.store.fail_behind = lambda change: True
    for _ in range(times):
        with pytest.raises(AssertionError, match="0x64"):
            await centre.deliver(YES)
    site.store.fail_behind = lambda change: False
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]
    await centre.deliver(YES)
    assert len(await received(site)) == 3, "said once more"


async def test_what_was_refused_and_not_kept_is_new_though_it_was_said_before(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(YES)
    site.store.fail = lambda change: True
    with pytest.raises(AssertionError, match="0x64"):
        await centre.deliver(YES)
    site.store.fail = lambda change: False
    await centre.deliver(YES)
    assert await texts(site) == ["maybe", "maybe"]


@pytest.mark.parametrize("number", [1, 2])
async def test_a_segment_that_was_refused_though_it_was_kept_is_known_again(bench: "Bench", number: int) -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, ["one ", "two"])
    await handset.brings(*range(1, number))
    site.store.fail_behind = lambda change: True
    with pytest.raises(AssertionError, match="0x64"):
        await handset.brings(number)
    site.store.fail_behind = lambda change: False
    await handset.brings(*range(number, 3))
    assert await texts(site) == ["one two"]
    assert await site.store.oldest_part() is None


async def test_the_same_again_while_the_first_is_on_its_way_to_the_disk_is_one(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    centre, site = await bench.pair(binds=2)
    await centre.bound(2)
    gate, asked, find = asyncio.Event(), asyncio.Event(), site.store.arrival

    async def slowly(carrier: str, digest: str) -> Arrival | None:
        found = await find(carrier, digest)
        asked.set()
        await gate.wait()
        return found

    monkeypatch.setattr(site.store, "arrival", slowly)
    (first, _), (second, _) = centre.binds
    unanswered = first.request(Command.DELIVER_SM, YES)
    await asyncio.wait_for(asked.wait(), WAIT)
    first.close("lost")
    await centre.until(lambda: len(centre.binds) == 2 and centre.binds[0][0] is second, "the next bind")
    again = asyncio.ensure_future(centre.deliver(YES, link=second))
    await second.request(Command.ENQUIRE_LINK)  # its answer follows on the message's being taken up
    gate.set()
    await asyncio.wait_for(again, WAIT)
    assert unanswered.exception() is not None
    assert await texts(site) == ["maybe"]


# --- segments
async def test_a_segment_that_comes_again_once_the_message_is_whole_begins_no_other(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, ["one ", "two"])
    await handset.brings(1, 2)
    await reconnected(centre)
    await handset.brings(2, 1)
    assert await texts(site) == ["one two"]
    assert await site.store.oldest_part() is None


async def test_a_segment_that_comes_again_before_the_message_is_whole_is_no_other(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, ["one ", "two"])
    await handset.brings(1)
    await reconnected(centre)
    await handset.brings(1, 2)
    assert await texts(site) == ["one two"]


async def test_a_segment_that_comes_twice_in_one_breath_with_the_others_is_one(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, ["one ", "two ", "three"])
    await asyncio.gather(*(centre.deliver(*handset.segment(number)) for number in (1, 1, 2, 3)))
    assert await texts(site) == ["one two three"]
    assert await site.store.oldest_part() is None


# --- what is kept for it
async def test_what_is_too_old_to_come_again_is_forgotten(bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    centre, site = await bench.pair()
    digests: list[str] = []
    find = site.store.arrival

    async def seen(carrier: str, digest: str) -> Arrival | None:
        digests.append(digest)
        return await find(carrier, digest)

    monkeypatch.setattr(site.store, "arrival", seen)
    await centre.deliver(YES)
    await site.gateway.tidy()
    assert await find("main", digests[0]) is not None
    bench.wind(WINDOW + 1)
    await site.gateway.tidy()
    assert await find("main", digests[0]) is None
