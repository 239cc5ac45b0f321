"""From receipts to truth: whatever a carrier says about its own ids, words and order."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.carriers.smpp.pdu import Command, ShortMessage, Tag
from tidings.clock import DAY, SECOND
from tidings.gateway.receipts import LEARNT
from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Asked, Bench, Centre, Site

SENT, DELIVERED, UNDELIVERED = Status.SENT, Status.DELIVERED, Status.UNDELIVERED


async def accepted(
    centre: "Centre", site: "Site", carrier_id: str = "id1", number: int = 1
) -> tuple[str, "Asked"]:
    """A message that the centre has accepted under this id."""
    message = await site.send()
    asked = await centre.submission(number)
    asked.accept(carrier_id)
    await site.until(message, SENT)
    return message, asked


async def test_the_whole_way_with_every_step_told_and_signed(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked)
    assert await site.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")
    assert all(told.genuine for told in bench.app.told)
    kinds = [event.kind for event in await site.events(message)]
    assert kinds == [Kind.CREATED, Kind.INTENT, Kind.ACCEPTED, Kind.DELIVERED]


async def test_a_receipt_is_kept_with_its_bytes_and_named_by_its_event(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked)
    (kept,) = await site.store.receipts(message)
    (event,) = await site.events(message, Kind.DELIVERED)
    assert event.detail["receipt"] == kept.id
    assert event.detail["word"] == "DELIVRD"
    assert b"stat:DELIVRD" in bytes.fromhex(kept.raw)


@pytest.mark.parametrize("word", ["ENROUTE", "ACCEPTD", "BUFFRED", "UNKNOWN", "WHATEVER", "SCHEDULED"])
async def test_a_word_that_is_not_final_changes_nothing_and_the_final_one_still_matches(
    bench: "Bench", word: str
) -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked, word)
    await centre.receipt(asked, word)
    assert await site.status(message) is SENT
    await centre.receipt(asked, "DELIVRD")
    assert await site.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")


@pytest.mark.parametrize(
    ("word", "error"),
    [("EXPIRED", 30008), ("DELETED", 30008), ("UNDELIV", 30008), ("REJECTD", 30008), ("FAILED", 30008)],
)
async def test_every_bad_end_is_undelivered(bench: "Bench", word: str, error: int) -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked, word)
    standing = await site.standing(message)
    assert (standing.status, standing.error) == (UNDELIVERED, error)
    await bench.app.hears(message, "sent", "undelivered")
    assert bench.app.told[-1].params["ErrorCode"] == str(error)


async def test_late_and_contradicting_words_after_delivered_are_kept_and_not_applied(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    for word in ("DELIVRD", "ENROUTE", "ACCEPTD", "UNDELIV", "DELIVRD"):
        await centre.receipt(asked, word)
    assert await site.status(message) is DELIVERED
    late = (await site.events(message))[4:]
    assert [event.kind for event in late] == [Kind.PROGRESS, Kind.PROGRESS, Kind.UNDELIVERED, Kind.DELIVERED]
    assert not any(event.applied or event.moved for event in late)
    assert late[2].detail["contradicts"] == "delivered"
    await bench.app.hears(message, "sent", "delivered")


async def test_a_good_receipt_after_a_bad_one_is_believed_once(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    for word in ("UNDELIV", "DELIVRD", "UNDELIV"):
        await centre.receipt(asked, word)
    standing = await site.standing(message)
    assert (standing.status, standing.error) == (DELIVERED, None)
    assert (await site.events(message, Kind.DELIVERED))[0].detail["corrects"] == "undelivered"
    await bench.app.hears(message, "sent", "undelivered", "delivered")


async def test_the_same_receipt_three_times_is_told_once(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await asyncio.gather(*(centre.receipt(asked) for _ in range(3)))
    assert await site.status(message) is DELIVERED
    assert [event.applied for event in await site.events(message, Kind.DELIVERED)] == [True, False, False]
    await bench.app.hears(message, "sent", "delivered")


@pytest.mark.parametrize(
    ("answered", "receipted"),
    [
        ("id1", "id1"),
        ("59113978", "0059113978"),
        ("0059113978", "59113978"),
        ("38601FA", "38601fa"),
        ("38601fa", "59113978"),  # the same number, hexadecimal and decimal
        ("59113978", "38601fa"),
        ("59113978", "0038601FA"),
        (" 7 ", "7"),
        ("F47AC10B-58CC-4372-A567-0E02B2C3D479", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ],
)
async def test_an_id_is_found_in_every_spelling(bench: "Bench", answered: str, receipted: str) -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site, answered)
    await centre.receipt(asked, id=receipted)
    assert await site.status(message) is DELIVERED


async def test_a_receipt_in_tlvs_alone(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    tlvs: dict[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: b"id1\0", Tag.MESSAGE_STATE: b"\x02"}
    await centre.receipt(asked, text=b"", tlvs=tlvs)
    assert await site.status(message) is DELIVERED


@pytest.mark.parametrize(("tlv", "text"), [("id1", "other"), ("other", "id1"), ("id1", "id1"), ("ID1", "id1")])
async def test_a_receipt_that_names_two_ids_is_found_by_the_one_that_is_known(
    bench: "Bench", tlv: str, text: str
) -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    tlvs: dict[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: tlv.encode() + b"\0", Tag.MESSAGE_STATE: b"\x02"}
    await centre.receipt(asked, id=text, tlvs=tlvs)
    assert await site.status(message) is DELIVERED


async def test_a_receipt_that_ends_at_err_without_a_blank(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    text = b"id:id1 sub:001 dlvrd:001 submit date:2302231414 done date:2302231942 stat:DELIVRD err:000"
    await centre.receipt(asked, text=text)
    assert await site.status(message) is DELIVERED


async def test_a_receipt_without_an_id_is_inferred_where_one_segment_is_open(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked, text=b"stat:DELIVRD err:000")
    assert await site.status(message) is DELIVERED
    assert (await site.events(message, Kind.DELIVERED))[0].detail["rule"] == "inferred"


async def test_a_receipt_without_an_id_is_not_guessed_where_two_segments_are_open(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first, _ = await accepted(centre, site, "id1")
    second, asked = await accepted(centre, site, "id2", number=2)
    await centre.receipt(asked, text=b"stat:DELIVRD err:000")
    assert await site.status(first) is SENT
    assert await site.status(second) is SENT
    assert len(await site.store.parked_keys(10)) == 1


# --- receipts that come too early


async def test_a_receipt_before_the_answer_is_matched_by_it(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    await centre.receipt(asked, id="id1")
    assert await site.status(message) is Status.SENDING
    asked.accept("id1")
    await site.until(message, DELIVERED)
    await bench.app.hears(message, "sent", "delivered")
    assert await site.store.parked_keys(10) == []


async def test_a_receipt_before_the_answer_on_another_bind(bench: "Bench") -> None:
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre, bind="transmitter+receiver"))
    await centre.bound(2)
    message = await site.send()
    asked = await centre.submission()
    receiver = next(link for link, command in centre.binds if command == Command.BIND_RECEIVER)
    assert receiver is not asked.link
    await centre.receipt(asked, id="id1", link=receiver)
    asked.accept("id1")
    await site.until(message, DELIVERED)


async def test_receipt_and_answer_in_one_breath(bench: "Bench") -> None:
    centre, site = await bench.pair()
    messages = [await site.send() for _ in range(20)]
    receipts = []
    for number in range(1, 21):
        asked = await centre.submission(number)
        asked.id = f"id{number}"
        receipts.append(asyncio.ensure_future(centre.receipt(asked)))
        await asyncio.sleep(0)
        asked.accept(asked.id)
    await asyncio.gather(*receipts)
    for message in messages:
        await site.until(message, DELIVERED)
        await bench.app.hears(message, "sent", "delivered")


async def test_a_receipt_whose_lookup_is_slow_is_matched_though_the_answer_overtakes_it(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    site.store.lookups.clear()
    receipt = asyncio.ensure_future(centre.receipt(asked, id="id1"))
    await asyncio.wait_for(site.store.looking.wait(), 5)
    asked.accept("id1")
    await site.until(message, SENT)
    site.store.lookups.set()
    await receipt
    await site.until(message, DELIVERED)
    assert await site.store.parked_keys(10) == []


async def test_a_receipt_for_nobody_is_parked_and_let_go_of_after_seven_days(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, asked = await accepted(centre, site)
    await centre.receipt(asked, id="nobody's")
    assert await site.status(message) is SENT
    assert await site.store.parked_keys(10) != []
    bench.wind(7 * DAY // SECOND - 60)
    assert await site.gateway.receipts.forget_old() == 0
    bench.wind(120)
    assert await site.gateway.receipts.forget_old() > 0
    assert await site.store.parked_keys(10) == []


async def test_what_was_parked_and_forgotten_is_not_matched_any_more(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first, asked = await accepted(centre, site)
    await centre.receipt(asked, id="id2")
    bench.wind(8 * DAY // SECOND)
    await site.gateway.receipts.forget_old()
    second, _ = await accepted(centre, site, "id2", number=2)
    await accepted(centre, site, "id3", number=3)
    assert await site.status(first) is SENT
    assert await site.status(second) is SENT


# --- whose is it?


async def test_the_same_id_from_two_carriers_is_two_segments(bench: "Bench") -> None:
    one, other = await bench.centre(), await bench.centre()
    site = await bench.site(
        bench.smpp(one, "one"),
        bench.smpp(other, "other"),
        routes=[Route("+1", ("one",)), Route("+44", ("other",))],
    )
    first = await site.send("+15551230000")
    second = await site.send("+447700900123")
    (await one.submission()).accept("7")
    (await other.submission()).accept("7")
    await site.until(first, SENT)
    await site.until(second, SENT)
    await other.receipt(await other.submission(), "UNDELIV")
    assert await site.status(first) is SENT
    assert await site.status(second) is UNDELIVERED
    await one.receipt(await one.submission())
    assert await site.status(first) is DELIVERED


async def test_an_id_used_again_means_the_message_to_that_recipient(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first = await site.send("+15551230001")
    second = await site.send("+15551230002")
    asked = [await centre.submission(1), await centre.submission(2)]
    for one in asked:
        one.accept("7")
    await site.until(first, SENT)
    await site.until(second, SENT)
    by_recipient = {one.to: one for one in asked}
    await centre.receipt(by_recipient["15551230001"])
    assert await site.status(first) is DELIVERED
    assert await site.status(second) is SENT
    await centre.receipt(by_recipient["15551230002"], "UNDELIV")
    assert await site.status(first) is DELIVERED
    assert await site.status(second) is UNDELIVERED


async def test_an_id_used_again_for_the_same_recipient_means_the_younger_message(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first, asked = await accepted(centre, site, "7")
    await centre.receipt(asked)
    second, again = await accepted(centre, site, "7", number=2)
    await centre.receipt(again, "UNDELIV")
    assert await site.status(first) is DELIVERED
    assert await site.status(second) is UNDELIVERED


async def test_an_ambiguous_receipt_is_refused_and_parked_with_both_named(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first, _ = await accepted(centre, site, "id1")
    second, asked = await accepted(centre, site, "id2", number=2)
    await centre.receipt(asked, id="id1", tlvs={Tag.RECEIPTED_MESSAGE_ID: b"id2\0", Tag.MESSAGE_STATE: b"\x02"})
    assert await site.status(first) is SENT
    assert await site.status(second) is SENT
    (parked,) = await site.store.parked("main", "id1")
    (said,) = [note for note in parked.receipt["notes"] if note.startswith("ambiguous")]
    assert f"{first}/1" in said
    assert f"{second}/1" in said


async def test_two_conversions_of_one_id_are_not_guessed_between(bench: "Bench") -> None:
    centre, site = await bench.pair()
    # A receipt for "10" may mean hexadecimal a (10 in decimal) and decimal 16 (10 in hexadecimal).
    first, _ = await accepted(centre, site, "a")
    second, asked = await accepted(centre, site, "16", number=2)
    await centre.receipt(asked, id="10")
    assert await site.status(first) is SENT
    assert await site.status(second) is SENT


async def test_the_same_spelling_wins_over_a_converted_one(bench: "Bench") -> None:
    centre, site = await bench.pair()
    first, _ = await accepted(centre, site, "16")
    second, asked = await accepted(centre, site, "10", number=2)
    await centre.receipt(asked, id="10")
    assert await site.status(first) is SENT
    assert await site.status(second) is DELIVERED


async def learnt(centre: "Centre", site: "Site", times: int) -> int:
    """A carrier that answers in hexadecimal and sends receipts in decimal, so often; how many it was asked."""
    begun = len(centre.asked)
    for number in range(begun + 1, begun + times + 1):
        message, asked = await accepted(centre, site, f"{0xABC000 + number:x}", number)
        await centre.receipt(asked, id=str(0xABC000 + number))
        assert (await site.events(message, Kind.DELIVERED))[0].detail["rule"] == "decimal_to_hex"
    return begun + times


@pytest.mark.parametrize("other", ["16", "10"])
async def test_a_carrier_that_has_long_been_converting_is_known_to(bench: "Bench", other: str) -> None:
    centre, site = await bench.pair()
    asked_before = await learnt(centre, site, LEARNT)
    # For "10": hexadecimal a converted, as this carrier does; 16 converted the other way, or 10 as spelled.
    first, _ = await accepted(centre, site, "a", asked_before + 1)
    second, asked = await accepted(centre, site, other, asked_before + 2)
    await centre.receipt(asked, id="10")
    assert await site.status(first) is DELIVERED
    assert await site.status(second) is SENT


async def test_a_carrier_that_has_not_converted_so_often_is_not(bench: "Bench") -> None:
    centre, site = await bench.pair()
    asked_before = await learnt(centre, site, LEARNT - 1)
    first, _ = await accepted(centre, site, "a", asked_before + 1)
    second, asked = await accepted(centre, site, "16", asked_before + 2)
    await centre.receipt(asked, id="10")
    assert await site.status(first) is SENT
    assert await site.status(second) is SENT


async def test_what_one_carrier_taught_is_not_held_of_another(bench: "Bench") -> None:
    one, other = await bench.centre(), await bench.centre()
    site = await bench.site(
        bench.smpp(one, "one"),
        bench.smpp(other, "other"),
        routes=[Route("+1", ("one",)), Route("+44", ("other",))],
    )
    await one.bound()
    await other.bound()
    await learnt(one, site, LEARNT)
    messages = []
    for number, carrier_id in enumerate(("a", "10"), 1):
        messages.append(await site.send("+447700900123"))
        asked = await other.submission(number)
        asked.accept(carrier_id)
        await site.until(messages[-1], SENT)
    await other.receipt(asked, id="10")
    assert [await site.status(message) for message in messages] == [SENT, DELIVERED]


async def test_an_inbound_message_that_looks_like_a_receipt_is_an_inbound_message(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, _ = await accepted(centre, site, "id1")
    text = b"id:id1 sub:001 dlvrd:001 submit date:2302231414 done date:2302231942 stat:UNDELIV err:001 text:x"
    body = ShortMessage(source_addr="15551230000", destination_addr="15005550006", short_message=text)
    await centre.deliver(body)
    assert await site.status(message) is SENT
    listed = await site.store.messages("0a" * 16, MessageFilter(recipient="+15005550006"), 10)
    assert [(found.body, standing.status) for found, standing in listed] == [(text.decode(), Status.RECEIVED)]


# --- several segments

LONG = "a long text " * 40  # 480 characters: four parts


async def sent_long(centre: "Centre", site: "Site") -> tuple[str, "list[Asked]"]:
    centre.answer_all()
    message = await site.send(body=LONG)
    await centre.submission(4)
    await site.until(message, SENT)
    return message, sorted(centre.asked, key=lambda asked: asked.part)


async def test_a_long_message_is_delivered_with_its_last_part_and_not_before(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, parts = await sent_long(centre, site)
    for place in (2, 0, 3):
        await centre.receipt(parts[place])
        assert await site.status(message) is SENT
    await centre.receipt(parts[1])
    assert await site.status(message) is DELIVERED
    await bench.app.hears(message, "sent", "delivered")


async def test_a_receipt_for_the_first_part_only_is_no_delivery(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, parts = await sent_long(centre, site)
    await centre.receipt(parts[0])
    assert await site.status(message) is SENT
    states = [segment.state for segment in await site.store.segments(message)]
    assert states == [SegmentState.DELIVERED, *[SegmentState.ACCEPTED] * 3]


async def test_the_first_bad_part_makes_it_undelivered_with_that_part_s_error(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message, parts = await sent_long(centre, site)
    await centre.receipt(parts[0])
    await centre.receipt(parts[1], "EXPIRED")
    assert await site.status(message) is UNDELIVERED
    await centre.receipt(parts[2])
    await centre.receipt(parts[3], "REJECTD")
    standing = await site.standing(message)
    assert (standing.status, standing.error) == (UNDELIVERED, 30008)
    await bench.app.hears(message, "sent", "undelivered")


async def test_receipts_of_parts_before_their_answers(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(body=LONG)
    await centre.submission(4)
    for asked in centre.asked:
        await centre.receipt(asked, id=f"p{asked.part}")
    for asked in reversed(centre.asked):
        asked.accept(f"p{asked.part}")
    await site.until(message, DELIVERED)
    await bench.app.hears(message, "sent", "delivered")


async def test_parts_that_share_one_id_are_each_settled_by_a_receipt_of_their_own(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(body=LONG)
    await centre.submission(4)
    for asked in centre.asked:
        asked.accept("one")
    await site.until(message, SENT)
    for _ in range(3):
        await centre.receipt(centre.asked[0], id="one")
        assert await site.status(message) is SENT
    await centre.receipt(centre.asked[0], id="one")
    assert await site.status(message) is DELIVERED


async def test_an_id_that_names_a_part_settles_that_part(bench: "Bench", tmp_path: Path) -> None:
    profile = tmp_path / "parts.toml"
    profile.write_text('extends = "default"\n[ids]\npart_suffix = ":([0-9]+)"\n')
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre, profile=str(profile)))
    message = await site.send(body=LONG)
    await centre.submission(4)
    for asked in centre.asked:
        asked.accept("one")
    await site.until(message, SENT)
    await centre.receipt(centre.asked[0], id="one:3")
    states = [segment.state for segment in await site.store.segments(message)]
    assert states == [
        SegmentState.ACCEPTED,
        SegmentState.ACCEPTED,
        SegmentState.DELIVERED,
        SegmentState.ACCEPTED,
    ]
