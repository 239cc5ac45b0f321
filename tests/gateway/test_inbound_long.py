"""Long messages from handsets: one message of all segments, however they come, and what becomes of half a one."""

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SECOND_SENDER, SENDER, WAIT
from tests.gateway.handset import By, Handset, received, texts
from tidings.arranged import Handler, Handling, Sender
from tidings.carriers.smpp.pdu import ShortMessage, Tag
from tidings.gateway.inbound import InboundSettings
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Event, Message, Standing
from tidings.store.base import MessageFilter
from tidings.text import Encoding, encode_gsm7

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

PIECES = ["Ждём ", "вас ", "завтра"]
WHOLE = "".join(PIECES)
WAITS = 600
"""Seconds that parts wait for others."""
RELAY = Handling(handler=Handler.RELAY, dialect="signalwire_relay", context="office")
ASKS = Handling(handler=Handler.MARKUP, url="http://127.0.0.1:9/sms")


async def only(site: "Site") -> tuple[Message, Standing]:
    (one,) = await received(site)
    return one


async def until_received(site: "Site", number: int = 1) -> list[tuple[Message, Standing]]:
    async def so_many() -> list[tuple[Message, Standing]] | None:
        found = await received(site)
        return found if len(found) >= number else None

    return await site.until_so(so_many, f"{number} inbound messages")


async def told(site: "Site", message: Message) -> list[tuple[Kind, Status, int | None]]:
    return [(event.kind, event.status, event.error) for event in await site.events(message.id)]


# --- all of it comes
@pytest.mark.parametrize("by", ["udh8", "udh16", "sar"])
@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
async def test_segments_become_one_message_in_whatever_order_they_come(
    bench: "Bench", order: tuple[int, ...], by: By
) -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, PIECES, by=by, reference=0xFACC if by != "udh8" else 0xCC)
    await handset.brings(*order[:2])
    assert await received(site) == []
    await handset.brings(order[2])
    message, standing = await only(site)
    assert (message.sender, message.recipient, message.body) == (RECIPIENT, SENDER, WHOLE)
    assert (message.segments, message.encoding) == (3, Encoding.UCS2)
    assert (standing.status, standing.error) == (Status.RECEIVED, None)
    assert await told(site, message) == [
        (Kind.CREATED, Status.RECEIVING, None),
        (Kind.RECEIVED, Status.RECEIVED, None),
    ]
    assert await site.store.oldest_part() is None


async def test_the_evidence_of_a_long_message_is_each_of_its_segments_in_its_place(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(2, 3, 1)
    message, _ = await only(site)
    (event, _) = await site.events(message.id)
    assert {name: event.detail[name] for name in ("carrier", "reference", "parts", "encoding")} == {
        "carrier": "main",
        "reference": 0xCC,
        "parts": 3,
        "encoding": ["ucs2"] * 3,
    }
    for piece, raw in zip(PIECES, event.detail["raw"], strict=True):
        assert piece.encode("utf-16-be") in bytes.fromhex(raw)


async def test_what_is_redacted_is_gone_from_the_evidence_of_all_segments(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(1, 2, 3)
    message, _ = await only(site)
    await site.gateway.redact(ACCOUNT, message.id)
    events = await site.events(message.id)
    assert PIECES[1].encode("utf-16-be").hex() not in str(events)
    assert "raw" not in events[0].detail


@pytest.mark.parametrize(
    ("text", "segments"), [("a" * 160, 1), ("a" * 400, 3), ("[" * 100, 2)], ids=["one", "three", "two"]
)
async def test_a_text_in_the_payload_is_one_message_of_as_many_segments_as_it_takes(
    bench: "Bench", text: str, segments: int
) -> None:
    centre, site = await bench.pair()
    body = ShortMessage(source_addr=RECIPIENT[1:], destination_addr=SENDER[1:])
    await centre.deliver(body, {Tag.MESSAGE_PAYLOAD: encode_gsm7(text)})
    message, _ = await only(site)
    assert (message.body, message.segments, message.encoding) == (text, segments, Encoding.GSM7)


async def test_a_segment_that_cannot_be_kept_is_not_acknowledged_and_comes_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, PIECES)
    await handset.brings(1, 2)
    for number in (2, 3):
        site.store.fail = lambda change: bool(change.rows)
        with pytest.raises(AssertionError, match="0x64"):
            await handset.brings(number)
        site.store.fail = lambda change: False
    await handset.brings(3)
    assert await texts(site) == [WHOLE]


async def test_segments_come_over_several_binds(bench: "Bench") -> None:
    centre, site = await bench.pair(binds=2)
    await centre.bound(2)
    first, second = (link for link, _ in centre.binds)
    handset = Handset(centre, PIECES)
    await handset.brings(3, link=first)
    await handset.brings(1, link=second)
    await handset.brings(2, link=first)
    assert await texts(site) == [WHOLE]


async def test_segments_come_before_and_after_a_restart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, PIECES)
    await handset.brings(3, 1)
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image)
    await centre.until(lambda: len(centre.binds) == 1, "a bind")
    await handset.brings(2)
    assert await texts(again) == [WHOLE]


async def test_the_last_two_segments_at_once_make_one_message(bench: "Bench") -> None:
    centre, site = await bench.pair(binds=2)
    await centre.bound(2)
    handsets = [Handset(centre, PIECES, source=f"+1555123000{number}") for number in range(5)]
    await asyncio.gather(
        *(handset.brings(number, link=centre.binds[number % 2][0]) for handset in handsets for number in (3, 2, 1))
    )
    assert await texts(site) == [WHOLE] * 5


async def test_handsets_that_use_the_same_reference_are_kept_apart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    one = Handset(centre, ["one, ", "two"])
    other = Handset(centre, ["uno, ", "due"], source="+15551230001")
    elsewhere = Handset(centre, ["un, ", "deux"], to=SECOND_SENDER)
    longer = Handset(centre, ["a", "b", "c"])
    for number in (2, 1):
        for handset in (one, other, elsewhere, longer):
            await handset.brings(number)
    await longer.brings(3)
    assert sorted(await texts(site)) == ["abc", "one, two", "un, deux", "uno, due"]


async def test_an_emoji_that_was_cut_in_two_is_whole(bench: "Bench") -> None:
    centre, site = await bench.pair()
    octets = "so 😀 glad 👩‍👧".encode("utf-16-be")
    await Handset(centre, [octets[:8], octets[8:20], octets[20:]]).brings(2, 3, 1)
    assert await texts(site) == ["so 😀 glad 👩‍👧"]


async def test_an_escape_and_its_character_are_one_though_between_segments(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, [b"5 \x1b", b"e and \x1b", b"<\x1b>"], data_coding=0).brings(1, 3, 2)
    message, _ = await only(site)
    assert (message.body, message.encoding) == ("5 € and []", Encoding.GSM7)


async def test_a_segment_that_comes_twice_is_one(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(1, 1, 2, 1, 3)
    assert await texts(site) == [WHOLE]
    assert site.gateway.inbound.counts == {"received": 1, "repeated": 2}


@pytest.mark.parametrize("redelivery", [0, 300])
async def test_the_same_text_again_is_another_message(bench: "Bench", redelivery: int) -> None:
    bench.inbound = InboundSettings(redelivery=redelivery)
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(1, 2, 2, 3, 1, 2, 3)
    assert await texts(site) == [WHOLE, WHOLE]


# --- some of it never comes
async def test_a_reference_that_comes_round_again_ends_the_message_before(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(1, 2)
    later = Handset(centre, ["a", "b", "c"])
    await later.brings(2)
    message, standing = await only(site)
    assert (message.body, message.segments) == ("Ждём вас ", 2)
    assert (standing.status, standing.error) == (Status.RECEIVED, 30009)
    await later.brings(3, 1)
    assert (await texts(site))[1:] == ["abc"]


async def test_what_there_is_is_received_once_the_rest_has_been_waited_for(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=ASKS))
    handset = Handset(centre, PIECES)
    await handset.brings(3)
    bench.wind(WAITS / 2)
    await handset.brings(1)
    bench.wind(WAITS / 2 - 2)
    assert await received(site) == []
    bench.wind(2)
    ((message, standing),) = await until_received(site)
    assert (message.body, message.segments) == ("Ждём завтра", 2)
    assert (standing.status, standing.error) == (Status.RECEIVED, 30009)
    created, ended = await site.events(message.id)
    assert [raw is None for raw in created.detail["raw"]] == [False, True, False]
    assert created.detail["encoding"] == ["ucs2", None, "ucs2"]
    assert (ended.kind, ended.error, ended.detail) == (Kind.RECEIVED, 30009, {"missing": [2]})
    assert [one.number for one in await site.store.callbacks(message.id)] == [ended.number], "somebody is asked"
    assert site.gateway.inbound.counts == {"incomplete": 1}
    assert await site.store.oldest_part() is None


@pytest.mark.parametrize("handling", [ASKS, RELAY])
async def test_where_the_settings_say_so_it_has_failed_and_nobody_is_asked(
    bench: "Bench", handling: Handling
) -> None:
    bench.inbound = InboundSettings(missing_parts="fail", parts_wait=60)
    centre, site = await bench.pair()
    await site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=handling))
    await Handset(centre, PIECES).brings(1)
    bench.wind(60)
    ((message, standing),) = await until_received(site)
    assert (message.body, standing.status, standing.error) == ("Ждём ", Status.FAILED, 30009)
    assert await told(site, message) == [
        (Kind.CREATED, Status.RECEIVING, None),
        (Kind.EXPIRED, Status.FAILED, 30009),
    ]
    assert await site.store.callbacks(message.id) == []


async def test_each_message_waits_for_itself(bench: "Bench") -> None:
    centre, site = await bench.pair()
    one, other = (Handset(centre, PIECES, source=f"+1555123000{number}") for number in (1, 2))
    await one.brings(1)
    bench.wind(WAITS - 60)
    await other.brings(2)
    bench.wind(60)
    await until_received(site)
    bench.wind(WAITS - 60)
    assert [message.body for message, _ in await until_received(site, 2)] == PIECES[:2]


async def test_more_than_are_looked_at_at_once_are_given_up(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.gateway.parts.AT_ONCE", 2)
    centre, site = await bench.pair()
    for number in range(5):
        await Handset(centre, PIECES, reference=number).brings(1)
    bench.wind(WAITS)
    await until_received(site, 5)


async def test_a_segment_that_comes_later_is_a_message_of_its_own(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, PIECES)
    await handset.brings(1, 2)
    bench.wind(WAITS)
    await until_received(site)
    await handset.brings(3)
    bench.wind(WAITS)
    assert [message.body for message, _ in await until_received(site, 2)] == ["Ждём вас ", "завтра"]


async def test_after_a_restart_carriers_have_a_minute_to_bring_the_rest(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset, other = Handset(centre, PIECES), Handset(centre, PIECES, reference=0xCD)
    await handset.brings(1, 2)
    await other.brings(1, 2)
    image = await bench.crash(site)
    bench.wind(2 * WAITS)
    again = await bench.site(bench.smpp(centre), path=image)
    await centre.until(lambda: len(centre.binds) == 1, "a bind")
    bench.wind(58)
    await handset.brings(3)
    assert await texts(again) == [WHOLE]
    bench.wind(2)
    ((_, _), (message, standing)) = await until_received(again, 2)
    assert (message.body, standing.error) == ("Ждём вас ", 30009)


async def test_what_cannot_be_kept_when_its_time_is_over_is_kept_later(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(1)
    failed = asyncio.Event()

    def fail(change: object) -> bool:
        failed.set()
        return True

    site.store.fail = fail
    bench.wind(WAITS)
    await asyncio.wait_for(failed.wait(), WAIT)
    site.store.fail = lambda change: False
    assert await received(site) == []
    bench.wind(10)
    await until_received(site)
    assert "go on waiting" in caplog.text


async def test_half_a_message_is_no_keyword(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, ["STOP", " the train"]).brings(1)
    bench.wind(WAITS)
    await until_received(site)
    assert not await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT)


async def test_a_keyword_in_segments_is_one(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, ["ST", "OP"]).brings(2, 1)
    assert await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT)


# --- whose it is
async def test_a_number_that_is_nobodys_by_then_leaves_the_message_to_the_account_it_was_for(
    bench: "Bench",
) -> None:
    centre, site = await bench.pair()
    await site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=ASKS))
    await Handset(centre, PIECES).brings(1)
    await site.store.drop_sender(SENDER)
    bench.wind(WAITS)
    ((message, _),) = await until_received(site)
    assert (message.account, message.recipient) == (ACCOUNT, SENDER)
    assert await site.store.callbacks(message.id) == []


async def test_nobody_gets_parts_of_what_was_sent_to_another_account(bench: "Bench") -> None:
    centre, site = await bench.pair()
    handset = Handset(centre, PIECES)
    await handset.brings(1, 2)
    other = "0b" * 16
    await site.store.put_account(Account(other, "other", "token", 0))
    await site.store.put_sender(Sender(SENDER, other))
    await handset.brings(3)
    assert await texts(site) == ["Ждём вас "]
    assert await site.store.messages(other, MessageFilter(), 10) == []
    bench.wind(WAITS)

    async def theirs() -> str | None:
        found = await site.store.messages(other, MessageFilter(), 10)
        return found[0][0].body if found else None

    assert await site.until_so(theirs, "the other account's message") == PIECES[2]


async def test_the_feed_has_a_long_message_once(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, PIECES).brings(3, 2, 1)
    feed: list[Event] = [one.event for one in await site.store.feed(ACCOUNT, 0, 100)]
    assert [event.status for event in feed] == [Status.RECEIVING, Status.RECEIVED]
