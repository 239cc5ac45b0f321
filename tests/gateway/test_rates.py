"""How fast a sender may send, by what it is and where to; and that it does, by a clock that is wound."""

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.gateway.application import ACCOUNT, SENDER
from tests.gateway.centre import Centre
from tidings.arranged import Sender
from tidings.clock import SECOND
from tidings.gateway.limits import QueueDepths
from tidings.gateway.rates import HEAD_START, QueueSettings, Rates
from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Direction, Message
from tidings.text import Encoding

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

SENT = Status.SENT
RTHROTTLED: Final = 0x58
LONG = "a long text " * 40  # 480 characters: four parts
SHORT_CODE: Final = "54321"
PAUSE: Final = 100.0
"""Seconds between segments of a long code in these tests: no test lasts as long."""
SLOW: Final = QueueSettings(long_code=1 / PAUSE)

# Twilio's figures.
TWILIOS: Final = QueueSettings(long_code=1, toll_free=3, short_code=100, alphanumeric=10, abroad=10)
CALIFORNIA, TORONTO, FREE = "+14155550123", "+14165550123", "+18005550123"
LONDON, BERLIN = "+442079460123", "+4930901820"


# --- the table


@pytest.mark.parametrize(
    ("sender", "recipient", "rate"),
    [
        (CALIFORNIA, CALIFORNIA, 1),
        (CALIFORNIA, TORONTO, 1),  # the countries of +1 count as one
        (CALIFORNIA, LONDON, 10),
        (LONDON, LONDON, 1),
        (LONDON, BERLIN, 10),
        (LONDON, CALIFORNIA, 10),
        (FREE, CALIFORNIA, 3),
        (FREE, TORONTO, 3),
        (FREE, LONDON, 10),
        (SHORT_CODE, CALIFORNIA, 100),
        (SHORT_CODE, LONDON, 100),
        ("TIDINGS", LONDON, 10),
        ("TIDINGS", CALIFORNIA, 10),
    ],
)
def test_a_rate_is_that_of_the_kind_of_sender_and_the_destination(
    sender: str, recipient: str, rate: float
) -> None:
    assert Rates(TWILIOS, QueueDepths()).rate(sender, recipient) == rate


def test_by_default_nobody_has_a_rate_and_no_queue_is_full() -> None:
    depths = QueueDepths()
    rates = Rates(QueueSettings(), depths)
    for sender in (CALIFORNIA, FREE, LONDON, SHORT_CODE, "TIDINGS"):
        assert not rates.paces(sender)
        assert rates.rate(sender, BERLIN) == 0
        depths.add(message(sender, segments=10_000_000))
        assert not rates.full(ACCOUNT, sender, BERLIN, 0)
        assert rates.pause(message(sender)) == 0


@pytest.mark.parametrize(
    ("settings", "paced"),
    [
        (QueueSettings(long_code=1), {CALIFORNIA, LONDON}),
        (QueueSettings(toll_free=1), {FREE}),
        (QueueSettings(abroad=1), {CALIFORNIA, LONDON, FREE}),
        (QueueSettings(short_code=1), {SHORT_CODE}),
        (QueueSettings(alphanumeric=1), {"TIDINGS"}),
    ],
)
def test_only_senders_that_a_rate_is_for_have_a_pace(settings: QueueSettings, paced: set[str]) -> None:
    rates = Rates(settings, QueueDepths())
    assert {one for one in (CALIFORNIA, LONDON, FREE, SHORT_CODE, "TIDINGS") if rates.paces(one)} == paced


def test_a_sender_that_is_no_country_s_number_has_one_rate_to_everywhere() -> None:
    rates = Rates(TWILIOS, QueueDepths())
    assert [rates.rate("+99900000000", recipient) for recipient in (CALIFORNIA, LONDON)] == [10, 10]


def message(sender: str = CALIFORNIA, recipient: str = CALIFORNIA, **changes: Any) -> Message:
    usual: dict[str, Any] = {
        "id": "5" * 32,
        "account": ACCOUNT,
        "dialect": "twilio",
        "direction": Direction.OUTBOUND_API,
        "sender": sender,
        "recipient": recipient,
        "body": "hello",
        "encoding": Encoding.GSM7,
        "segments": 1,
        "callback_url": None,
        "validity": None,
        "created_at": 1_790_000_000 * SECOND,
    }
    return Message(**(usual | changes))


@pytest.mark.parametrize(
    ("sent", "pause"),
    [
        (message(), SECOND),
        (message(segments=4), 4 * SECOND),
        (message(channel=Channel.MMS, media=3), SECOND),
        (message(sender=FREE), 333_333),
        (message(sender=SHORT_CODE, segments=10), SECOND // 10),
    ],
)
def test_a_sender_pauses_for_each_segment_and_once_for_a_media_message(sent: Message, pause: int) -> None:
    assert Rates(TWILIOS, QueueDepths()).pause(sent) == pause


def test_a_backlog_is_told_in_seconds_and_where_there_is_no_rate_in_segments() -> None:
    depths = QueueDepths()
    for sender in (FREE, "TIDINGS"):
        depths.add(message(sender, segments=6))
    rates = Rates(QueueSettings(toll_free=3), depths)
    assert rates.backlog(ACCOUNT, FREE, CALIFORNIA) == 2.0
    assert rates.backlog(ACCOUNT, FREE, LONDON) == 6.0
    assert rates.backlog(ACCOUNT, "TIDINGS", LONDON) == 6.0
    assert rates.backlog(ACCOUNT, CALIFORNIA, LONDON) == 0.0


def test_a_queue_holds_ten_hours_of_its_sender_s_traffic_or_what_the_sender_says() -> None:
    depths = QueueDepths()
    rates = Rates(TWILIOS, depths)
    depths.add(message(segments=35_999))
    assert not rates.full(ACCOUNT, CALIFORNIA, CALIFORNIA, 0)
    depths.add(message())
    assert rates.full(ACCOUNT, CALIFORNIA, CALIFORNIA, 0)
    assert not rates.full(ACCOUNT, CALIFORNIA, LONDON, 0)
    assert not rates.full(ACCOUNT, CALIFORNIA, CALIFORNIA, 36_001)
    assert rates.full(ACCOUNT, CALIFORNIA, LONDON, 36_000)
    assert not rates.full(ACCOUNT, TORONTO, CALIFORNIA, 0)
    assert Rates(QueueSettings(long_code=1, hours=4), depths).full(ACCOUNT, CALIFORNIA, CALIFORNIA, 0)


def test_messages_of_an_intent_that_goes_first_stand_before_all_others() -> None:
    rates = Rates(QueueSettings(first=("otp",)), QueueDepths())
    made = message().created_at
    assert rates.is_first("otp")
    assert not rates.is_first("marketing")
    assert not rates.is_first("")
    assert rates.place(message()) == made
    assert rates.place(message(send_at=made + SECOND)) == made + SECOND
    assert rates.place(message(extras={"intent": "otp"})) == made - HEAD_START
    assert made - HEAD_START > 0


@pytest.mark.parametrize(
    ("before", "after", "waiting"),
    [
        (Status.ACCEPTED, Status.QUEUED, 5),
        (Status.SCHEDULED, Status.QUEUED, 5),
        (Status.ACCEPTED, Status.FAILED, 3),
        (Status.SCHEDULED, Status.CANCELED, 3),
        (Status.QUEUED, Status.SENDING, 1),
        (Status.QUEUED, Status.FAILED, 1),
        (Status.SENDING, Status.SENT, 3),
    ],
)
def test_a_message_counts_as_waiting_while_it_is_queued(before: Status, after: Status, waiting: int) -> None:
    depths = QueueDepths()
    depths.start_from({(ACCOUNT, CALIFORNIA): 3})
    depths.moved(message(segments=2), before, after)
    assert depths.waiting(ACCOUNT, CALIFORNIA) == waiting


# --- the queues


async def quick(site: "Site", centre: Centre) -> None:
    """A message from a sender without a rate, from end to end: whoever could go before it has gone."""
    await site.until(await site.send(sender=SHORT_CODE, callback_url=None), SENT)


def of(centre: Centre, sender: str = SENDER) -> list[str]:
    """Whom the centre was given messages for from a sender, in order."""
    return [asked.to for asked in centre.asked if asked.body.source_addr == sender.removeprefix("+")]


async def slow_site(bench: "Bench", queues: QueueSettings = SLOW, **options: Any) -> "tuple[Centre, Site]":
    bench.queues = queues
    centre, site = await bench.pair(**options)
    await site.store.put_sender(Sender(SHORT_CODE, ACCOUNT))
    centre.answer_all()
    return centre, site


async def until_left(centre: Centre, number: int, sender: str = SENDER) -> None:
    await centre.until(lambda: len(of(centre, sender)) >= number, f"{number} from {sender}")


async def test_messages_leave_one_by_one_as_their_sender_s_rate_allows(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    numbers = [f"1555123{number:04}" for number in range(5)]
    for number in numbers:
        await site.send(f"+{number}")
    for left in range(1, 6):
        await until_left(centre, left)
        bench.wind(PAUSE - 5)
        await quick(site, centre)
        assert of(centre) == numbers[:left]
        bench.wind(5)
    assert of(centre) == numbers


async def test_nothing_is_saved_up_in_silence(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    await site.until(await site.send(), SENT)
    bench.wind(50 * PAUSE)
    for _ in range(3):
        await site.send()
    await until_left(centre, 2)
    await quick(site, centre)
    assert len(of(centre)) == 2


async def test_a_clock_that_is_wound_far_does_not_let_a_crowd_through(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    for _ in range(4):
        await site.send()
    await until_left(centre, 1)
    bench.wind(50 * PAUSE)
    await until_left(centre, 2)
    await quick(site, centre)
    assert len(of(centre)) == 2


async def test_a_long_message_costs_what_its_segments_cost(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    await site.send("+15551230001", body=LONG)
    await site.send("+15551230002")
    await until_left(centre, 4)
    bench.wind(4 * PAUSE - 10)
    await quick(site, centre)
    assert of(centre) == ["15551230001"] * 4
    bench.wind(10)
    await until_left(centre, 5)


async def test_a_slow_sender_holds_up_nobody_and_takes_no_room(bench: "Bench") -> None:
    centre, site = await slow_site(bench, window=1)
    for _ in range(20):
        await site.send(callback_url=None)
    await until_left(centre, 1)
    for _ in range(3):
        await quick(site, centre)
    assert len(of(centre)) == 1
    assert len(of(centre, SHORT_CODE)) == 3


async def test_each_sender_has_a_rate_of_its_own(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    for sender in (SENDER, "+15005550007"):
        for _ in range(2):
            await site.send(sender=sender)
    await until_left(centre, 1)
    await until_left(centre, 1, "+15005550007")
    await quick(site, centre)
    assert len(centre.asked) == 3


async def test_a_sender_has_one_rate_over_all_carriers(bench: "Bench") -> None:
    bench.queues = QueueSettings(long_code=1 / PAUSE, abroad=1 / PAUSE)
    us, uk = await bench.centre(), await bench.centre()
    site = await bench.site(
        bench.smpp(us, "us"), bench.smpp(uk, "uk"), routes=[Route("+1", ("us",)), Route("+44", ("uk",))]
    )
    await site.store.put_sender(Sender(SHORT_CODE, ACCOUNT))
    us.answer_all()
    uk.answer_all()
    await site.send("+15551230000")
    await us.submission(1)
    await site.send("+447700900123")
    await quick(site, us)
    assert of(uk) == []
    bench.wind(PAUSE)
    await uk.submission(1)
    await site.send("+15551230000")
    await quick(site, us)
    assert len(of(us)) == 1
    bench.wind(PAUSE)
    await until_left(us, 2)


async def test_a_sender_with_a_backlog_at_one_carrier_gets_to_others_as_well(bench: "Bench") -> None:
    bench.queues = QueueSettings(long_code=1 / PAUSE, abroad=1 / PAUSE)
    us, uk = await bench.centre(), await bench.centre()
    site = await bench.site(
        bench.smpp(us, "us"), bench.smpp(uk, "uk"), routes=[Route("+1", ("us",)), Route("+44", ("uk",))]
    )
    us.answer_all()
    uk.answer_all()
    for _ in range(5):
        await site.send("+15551230000", callback_url=None)
    await us.submission(1)
    for _ in range(5):
        await site.send("+447700900123", callback_url=None)
    for number in range(1, 5):
        bench.wind(PAUSE)
        await uk.submission(number)
        bench.wind(PAUSE)
        await us.submission(1 + number)


async def test_messages_to_where_a_sender_has_no_rate_do_not_pause_it(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    for number in range(5):
        await site.send(f"+44770090012{number}")
    await until_left(centre, 5)
    assert of(centre) == [f"44770090012{number}" for number in range(5)]


async def test_a_throttled_message_keeps_its_place_and_costs_another_pause(bench: "Bench") -> None:
    centre, site = await slow_site(bench)
    centre.answer = None
    numbers = [f"1555123{number:04}" for number in range(3)]
    messages = [await site.send(f"+{number}") for number in numbers]
    (await centre.submission()).refuse(RTHROTTLED)
    await site.until_told(messages[0], Kind.DEFERRED)
    centre.answer_all()
    for left in range(2, 5):
        bench.wind(PAUSE)
        await until_left(centre, left)
    assert of(centre) == [numbers[0], *numbers]


async def test_what_goes_first_overtakes_what_waits_also_when_it_was_throttled(bench: "Bench") -> None:
    centre, site = await slow_site(bench, QueueSettings(long_code=1 / PAUSE, first=("otp",)))
    centre.answer = lambda asked: asked.accept("id") if asked.to.startswith("1555123") else None
    for number in range(300):
        await site.send(f"+1555123{number:04}", callback_url=None)
    await until_left(centre, 1)
    codes = [await site.send(f"+1555999000{number}", extras={"intent": "otp"}) for number in range(2)]
    bench.wind(PAUSE)
    await until_left(centre, 2)
    centre.asked[-1].refuse(RTHROTTLED)
    await site.until_told(codes[0], Kind.DEFERRED)
    centre.answer_all()
    for left in range(3, 6):
        bench.wind(PAUSE)
        await until_left(centre, left)
    assert of(centre) == ["15551230000", "15559990000", "15559990000", "15559990001", "15551230001"]


async def test_what_goes_first_overtakes_what_waited_before_a_restart(bench: "Bench") -> None:
    centre, site = await slow_site(bench, QueueSettings(long_code=1 / PAUSE, first=("otp",)))
    for number in range(3):
        await site.send(f"+1555123{number:04}", callback_url=None)
    await site.send("+15559990000", extras={"intent": "otp"})
    await until_left(centre, 1)
    await bench.stop(site)
    again = await bench.site(bench.smpp(centre))
    # What was sent before the restart is forgotten: the next one goes at once.
    await until_left(centre, 2)
    bench.wind(PAUSE)
    await until_left(centre, 3)
    assert of(centre) == ["15551230000", "15559990000", "15551230001"]
    await quick(again, centre)
