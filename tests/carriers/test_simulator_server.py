import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.carriers.conftest import Bench, Client

from tidings.carriers.base import Verdict
from tidings.carriers.simulator.ledger import read_log
from tidings.carriers.simulator.server import Settings
from tidings.carriers.smpp import udh
from tidings.carriers.smpp.link import NoResponse
from tidings.carriers.smpp.pdu import UDHI, Command, MessageIdResp, QuerySmResp, ShortMessage, Tag, content
from tidings.clock import SystemClock
from tidings.text import decode_gsm7, decode_ucs2

pytestmark = pytest.mark.timeout(20)

# --- the numbers


async def test_anything_is_delivered_after_a_tenth_of_a_second(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    message_id = await client.accepted("15551239999", "hello there")
    bench.wind(0.09)
    assert await client.nothing_came()
    bench.wind(0.01)
    got = await client.receipt()
    assert (got.ids, got.verdict, got.word, got.carrier_error) == (
        (message_id,),
        Verdict.DELIVERED,
        "DELIVRD",
        "000",
    )
    assert (got.source, got.destination) == ("15551239999", "15550001111")
    assert got.text.endswith("text:hello there")


async def test_0202_is_accepted_and_never_gets_a_receipt(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    await client.accepted("15551230202")
    bench.wind(365 * 86400)
    assert await client.nothing_came()


async def test_0204_gets_its_receipt_after_30_seconds(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    message_id = await client.accepted("15551230204")
    bench.wind(29.9)
    assert await client.nothing_came()
    bench.wind(0.1)
    assert (await client.receipt()).ids == (message_id,)


async def test_0206_is_hexadecimal_in_the_answer_and_decimal_in_the_receipt(bench: "Bench") -> None:
    client = await (await bench.start("seed = 1")).bind()
    message_id = await client.accepted("15551230206")
    bench.wind(1)
    [told] = (await client.receipt()).ids
    assert told != message_id
    assert int(told) == int(message_id, 16)


async def test_0208_gets_its_receipt_three_times(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    message_id = await client.accepted("15551230208")
    bench.wind(1)
    assert [(await client.receipt()).ids for _ in range(3)] == [(message_id,)] * 3
    assert await client.nothing_came()


@pytest.mark.parametrize(("digits", "error"), [("0403", 30004), ("0404", 30005), ("0408", 30003)])
async def test_undelivered_numbers_lead_to_their_twilio_codes(bench: "Bench", digits: str, error: int) -> None:
    client = await (await bench.start()).bind()
    await client.accepted(f"1555123{digits}")
    bench.wind(1)
    got = await client.receipt()
    assert (got.verdict, got.error) == (Verdict.UNDELIVERED, error)


async def test_0409_is_delivered_and_then_undelivered(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    message_id = await client.accepted("15551230409")
    bench.wind(1)
    both = [await client.receipt(), await client.receipt()]
    assert [each.verdict for each in both] == [Verdict.DELIVERED, Verdict.UNDELIVERED]
    assert [each.ids for each in both] == [(message_id,)] * 2


async def test_0425_gets_its_receipt_before_the_answer(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    answer = client.submit("15551230425")
    got = await client.receipt()
    assert not answer.done()
    bench.wind(0.2)
    body = (await answer).body
    assert isinstance(body, MessageIdResp)
    assert got.ids == (body.message_id,)


async def test_0429_is_throttled_three_times_and_then_delivered(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    assert [(await client.submit("15551230429")).status for _ in range(4)] == [0x58, 0x58, 0x58, 0]
    bench.wind(1)
    assert (await client.receipt()).verdict is Verdict.DELIVERED
    assert await client.nothing_came()


async def test_0500_is_refused_for_good(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    assert (await client.submit("15551230500")).status == 0x65
    bench.wind(1)
    assert await client.nothing_came()


async def test_0503_closes_the_connection_after_reading_and_before_answering(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    with pytest.raises(NoResponse):
        await client.submit("15551230503")
    await client.lost
    assert [each.destination for each in bench.seen] == ["15551230503"]


async def test_by_the_machine_s_own_time_receipts_come_by_themselves(bench: "Bench") -> None:
    client = await (await bench.start(clock=SystemClock())).bind()
    await client.accepted("15551230204")
    ids = [await client.accepted(text=text) for text in "ab"]
    assert [(await client.receipt()).ids[0] for _ in ids] == ids


# --- what a receipt looks like


def planned(plan: str) -> str:
    return f"default = {{ receipts = [{{ {plan} }}] }}"


@pytest.mark.parametrize(
    ("where", "command", "in_text", "in_tlvs"),
    [
        ("both", Command.DELIVER_SM, True, True),
        ("tlv", Command.DELIVER_SM, False, True),
        ("text", Command.DELIVER_SM, True, False),
        ("message_payload", Command.DELIVER_SM, True, True),
        ("data_sm", Command.DATA_SM, False, True),
    ],
)
async def test_a_receipt_says_it_where_it_is_told_to(
    bench: "Bench", where: str, command: Command, in_text: bool, in_tlvs: bool
) -> None:
    client = await (await bench.start(planned(f"where = '{where}', stat = 'UNDELIV', err = '004'"))).bind()
    message_id = await client.accepted()
    bench.wind(1)
    pdu = await client.delivered.get()
    assert pdu.command == command
    assert (b"stat:UNDELIV" in content(pdu)) is in_text
    assert (Tag.RECEIPTED_MESSAGE_ID in pdu.tlvs) is in_tlvs
    assert (Tag.MESSAGE_PAYLOAD in pdu.tlvs) is (where == "message_payload")
    got = client.read(pdu)
    assert (got.ids, got.verdict, got.error) == ((message_id,), Verdict.UNDELIVERED, 30004)


async def test_a_receipt_may_be_for_an_id_never_given(bench: "Bench") -> None:
    client = await (await bench.start(planned("id = 'unknown'"))).bind()
    message_id = await client.accepted()
    bench.wind(1)
    assert message_id not in (await client.receipt()).ids


async def test_a_receipt_may_carry_another_message_type(bench: "Bench") -> None:
    client = await (await bench.start(planned("esm_class = 0x20, stat = 'ENROUTE'"))).bind()
    await client.accepted()
    bench.wind(1)
    pdu = await client.delivered.get()
    assert isinstance(pdu.body, ShortMessage)
    assert (pdu.body.esm_class, client.read(pdu).verdict) == (0x20, Verdict.PROGRESS)


async def test_a_receipt_may_end_in_a_tlv_longer_than_the_pdu(bench: "Bench") -> None:
    client = await (await bench.start(planned("tlv_overrun = true"))).bind()
    message_id = await client.accepted()
    bench.wind(1)
    pdu = await client.delivered.get()
    assert pdu.problems
    assert client.read(pdu).ids == (message_id,)


async def test_receipts_can_be_for_single_parts(bench: "Bench") -> None:
    scenario = """default = { receipts = [
        { parts = [1] }, { parts = [2], stat = 'UNDELIV', after = 0.2 }, { parts = [4] }] }"""
    client = await (await bench.start(scenario)).bind()
    ids = []
    for part in (1, 2, 3):
        header = udh.build(udh.Concatenation(7, 3, part))
        ids.append(await client.accepted(esm_class=UDHI, short_message=header + b"part %d" % part))
    bench.wind(1)
    both = [await client.receipt(), await client.receipt()]
    assert [(each.ids[0], each.verdict) for each in both] == [
        (ids[0], Verdict.DELIVERED),
        (ids[1], Verdict.UNDELIVERED),
    ]
    assert await client.nothing_came()
    assert [(each.reference, each.part, each.parts, each.text) for each in bench.seen] == [
        (7, 1, 3, "part 1"),
        (7, 2, 3, "part 2"),
        (7, 3, 3, "part 3"),
    ]


@pytest.mark.parametrize(
    ("registered_delivery", "stat", "comes"),
    [
        (0, "DELIVRD", False),
        (1, "DELIVRD", True),
        (2, "DELIVRD", False),
        (2, "UNDELIV", True),
        (3, "UNDELIV", False),
    ],
)
async def test_a_receipt_comes_only_if_it_was_asked_for(
    bench: "Bench", registered_delivery: int, stat: str, comes: bool
) -> None:
    client = await (await bench.start(planned(f"stat = '{stat}'"))).bind()
    await client.accepted(registered_delivery=registered_delivery)
    bench.wind(1)
    assert await client.nothing_came() is not comes


# --- until it is acknowledged


async def test_a_refused_receipt_comes_again(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    client.status = 0x64
    message_id = await client.accepted()
    bench.wind(1)
    await client.receipt()
    client.status = 0
    await bench.smsc.until(lambda counts: counts.sent_again == 1)
    assert await client.nothing_came()
    bench.wind(1)
    assert (await client.receipt()).ids == (message_id,)
    await bench.smsc.until(lambda counts: counts.acknowledged == 1)
    bench.wind(3600)
    assert await client.nothing_came()


async def test_receipts_not_acknowledged_before_the_connection_dropped_come_again_on_the_next(
    bench: "Bench",
) -> None:
    first = await (await bench.start()).bind()
    first.status = None
    ids = {await first.accepted(text=text) for text in "abc"}
    bench.wind(1)
    assert {(await first.receipt()).ids[0] for _ in range(3)} == ids
    first.link.close("dropped")
    await bench.smsc.until(lambda counts: counts.receivers == 0)
    second = await bench.bind()
    assert {(await second.receipt()).ids[0] for _ in range(3)} == ids


async def test_receipts_wait_for_a_bind_of_their_client(bench: "Bench") -> None:
    sender = await (await bench.start()).bind(Command.BIND_TRANSMITTER)
    message_id = await sender.accepted()
    bench.wind(1)
    stranger = await bench.bind(system_id="b")
    assert await stranger.nothing_came()
    receiver = await bench.bind(Command.BIND_RECEIVER)
    assert (await receiver.receipt()).ids == (message_id,)
    assert await sender.nothing_came()


async def test_a_receipt_prefers_the_bind_of_its_submission_unless_told_otherwise(bench: "Bench") -> None:
    scenario = "[[rule]]\nmatch = { text = 'elsewhere' }\noutcome = { receipts = [{ via = 'other' }] }"
    one = await (await bench.start(scenario)).bind()
    two = await bench.bind()
    at_home, elsewhere = await two.accepted(text="here"), await two.accepted(text="elsewhere")
    bench.wind(1)
    assert (await two.receipt()).ids == (at_home,)
    assert (await one.receipt()).ids == (elsewhere,)


async def test_no_more_than_the_window_is_unacknowledged(bench: "Bench") -> None:
    client = await (await bench.start(settings=Settings(window=2))).bind()
    client.status = None
    for text in "abc":
        await client.accepted(text=text)
    bench.wind(1)
    first, _ = await client.delivered.get(), await client.delivered.get()
    assert await client.nothing_came()
    client.link.respond(first, 0, MessageIdResp())
    await client.receipt()


async def test_receipts_beyond_what_can_be_owed_are_dropped_and_counted(bench: "Bench") -> None:
    sender = await (await bench.start(settings=Settings(owed=2))).bind(Command.BIND_TRANSMITTER)
    for text in "abc":
        await sender.accepted(text=text)
    bench.wind(1)
    receiver = await bench.bind(Command.BIND_RECEIVER)
    await receiver.receipt()
    await receiver.receipt()
    await bench.smsc.until(lambda counts: counts.acknowledged == 2)
    assert receiver.delivered.empty()
    assert bench.smsc.counts.dropped == 1


# --- handset messages


async def test_inject_returns_when_the_text_was_acknowledged(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    client.status = None
    injected = asyncio.ensure_future(bench.smsc.inject("+15557654321", "+15550006", "ye[s]"))
    pdu = await client.delivered.get()
    assert isinstance(pdu.body, ShortMessage)
    assert (pdu.body.source_addr, pdu.body.destination_addr) == ("15557654321", "15550006")
    assert (pdu.body.source_addr_ton, pdu.body.esm_class, decode_gsm7(content(pdu))) == (1, 0, "ye[s]")
    await client.nothing_came()
    assert not injected.done()
    client.link.respond(pdu, 0, MessageIdResp())
    await injected


@pytest.mark.parametrize("text", ["long " * 60 + "€", "ж" * 150])
async def test_inject_splits_a_long_text(bench: "Bench", text: str) -> None:
    client = await (await bench.start()).bind()
    await bench.smsc.inject("15557654321", "12345", text)
    joined, places = "", []
    while not client.delivered.empty():
        pdu = client.delivered.get_nowait()
        assert isinstance(pdu.body, ShortMessage)
        assert pdu.body.esm_class == UDHI
        assert len(content(pdu)) <= (140 if pdu.body.data_coding == 8 else 160)
        place, payload = udh.parse(content(pdu))
        assert place
        places.append((place.part, place.parts))
        joined += (decode_ucs2 if pdu.body.data_coding == 8 else decode_gsm7)(payload)
    assert joined == text
    assert places == [(number, len(places)) for number in range(1, len(places) + 1)]


async def test_inject_waits_for_a_receiver_of_the_client_named(bench: "Bench") -> None:
    await (await bench.start()).bind(system_id="other")
    injected = asyncio.ensure_future(bench.smsc.inject("15557654321", "12345", "hi", system_id="a"))
    transmitter = await bench.bind(Command.BIND_TRANSMITTER)
    await transmitter.query("none")
    assert not injected.done()
    receiver = await bench.bind(Command.BIND_RECEIVER)
    await injected
    assert content(receiver.delivered.get_nowait()) == b"hi"


async def test_inject_repeats_what_was_refused_and_fails_when_the_carrier_stops(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    client.status = 0x64
    injected = asyncio.ensure_future(bench.smsc.inject("15557654321", "12345", "hi"))
    await bench.smsc.until(lambda counts: counts.sent_again == 1)
    bench.wind(1)
    await bench.smsc.until(lambda counts: counts.sent_again == 2)
    await bench.smsc.stop()
    with pytest.raises(ConnectionError):
        await injected


# --- query_sm


async def state(client: "Client", message_id: str) -> QuerySmResp:
    body = (await client.query(message_id)).body
    assert isinstance(body, QuerySmResp)
    return body


async def test_query_sm_tells_what_became_of_a_message_asked_for_receipts_or_not(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    message_id = await client.accepted("15551230409", registered_delivery=0)
    assert await state(client, message_id) == QuerySmResp(message_id, "", 1, 0)
    bench.wind(0.1)
    assert await state(client, message_id) == QuerySmResp(message_id, "260921141320000+", 2, 0)
    bench.wind(0.1)
    assert await state(client, message_id) == QuerySmResp(message_id, "260921141320000+", 5, 3)
    assert await client.nothing_came()


async def test_query_sm_knows_no_id_that_was_not_given_or_is_forgotten(bench: "Bench") -> None:
    client = await (await bench.start(settings=Settings(remembered=1))).bind()
    old, new = await client.accepted(), await client.accepted()
    assert [(await client.query(each)).status for each in (new, old, "never")] == [0, 0x0C, 0x0C]


# --- what was submitted


async def test_the_log_holds_every_submission_before_its_answer_and_is_continued(
    bench: "Bench", tmp_path: Path
) -> None:
    path = tmp_path / "submitted.jsonl"
    await bench.start(settings=Settings(submitted=path))
    client = await bench.bind()
    message_id = await client.accepted(text="one")
    assert [(each.text, each.message_id) for each in read_log(path)] == [("one", message_id)]
    await client.submit("15551230500", "two")
    await bench.smsc.stop()
    await bench.start(settings=Settings(submitted=path))
    await (await bench.bind()).accepted(text="three")
    assert [(each.text, each.status, each.at) for each in read_log(path)] == [
        ("one", 0, bench.clock.now()),
        ("two", 0x65, bench.clock.now()),
        ("three", 0, bench.clock.now()),
    ]
    assert read_log(path) == bench.seen


async def test_a_seed_repeats_the_run_to_the_last_id(bench: "Bench") -> None:
    flaky = "[[rule]]\nmatch = { probability = 0.5 }\noutcome = { status = 8 }"

    async def run(seed: int) -> list[tuple[str, int]]:
        await bench.start(f"seed = {seed}\n{flaky}")
        client = await bench.bind()
        for number in range(20):
            await client.submit(text=f"text {number}")
        told = [(each.message_id, each.status) for each in bench.seen]
        bench.seen.clear()
        return told

    first = await run(1)
    assert await run(1) == first
    assert await run(2) != first


async def test_ids_go_on_after_a_restart_without_a_seed(bench: "Bench") -> None:
    first = await (await (await bench.start()).bind()).accepted()
    bench.wind(1)
    second = await (await (await bench.start()).bind()).accepted()
    assert int(second) > int(first)
