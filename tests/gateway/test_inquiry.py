"""Carriers that answer query_sm are asked about what they accepted and sent no receipt for; the others are not."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings import app
from tidings.carriers.simulator.server import Smsc
from tidings.carriers.smpp.settings import SmppSettings
from tidings.gateway import inquiry
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.store.base import StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

pytestmark = pytest.mark.timeout(20)
HOUR = 3600
SENT, DELIVERED, UNDELIVERED = Status.SENT, Status.DELIVERED, Status.UNDELIVERED
NEVER_A_RECEIPT = "+15551230202"
LONG = "a long text " * 40  # 480 characters: four parts


@pytest.fixture(autouse=True)
def no_housekeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests ask by themselves; housekeeping would as well, once they wind the clock."""
    monkeypatch.setattr(app, "HOUSEKEEPING", 1e9)


@pytest.fixture
def asking(tmp_path: Path) -> str:
    """A profile of a carrier that answers query_sm."""
    path = tmp_path / "asking.toml"
    path.write_text('version = 1\nabout = "answers query_sm"\nextends = "simulator"\nquery = true\n')
    return str(path)


async def simulated(bench: "Bench", profile: str, *, receipts: bool = False, query_after: int = HOUR) -> "Site":
    """A site at a simulated carrier, which is asked for receipts or is not, and knows all the same."""
    smsc = Smsc(clock=bench.clock)
    port = await smsc.start()
    bench._stack.push_async_callback(smsc.stop)
    settings = SmppSettings(
        name="main",
        host="127.0.0.1",
        port=port,
        system_id="us",
        profile=profile,
        registered_delivery=int(receipts),
    )
    return await bench.site(settings, query_after=query_after)


async def sent(site: "Site", to: str = "+15551230200", body: str = "hello") -> str:
    message = await site.send(to, body)
    await site.until(message, SENT)
    return message


async def test_its_answer_settles_a_message_and_says_that_it_was_an_answer(bench: "Bench", asking: str) -> None:
    site = await simulated(bench, asking)
    message = await sent(site)
    bench.wind(HOUR + 1)
    assert await site.gateway.inquiry.ask() == 1
    assert await site.status(message) is DELIVERED
    (event,) = await site.events(message, Kind.DELIVERED)
    assert "answer to query_sm" in event.detail["notes"]
    (kept,) = await site.store.receipts(message)
    assert event.detail["receipt"] == kept.id
    assert bytes.fromhex(kept.raw)[4:8] == b"\x80\x00\x00\x03"  # query_sm_resp
    await bench.app.hears(message, "sent", "delivered")


async def test_a_bad_end_is_learnt_of_too(bench: "Bench", asking: str) -> None:
    site = await simulated(bench, asking)
    message = await sent(site, "+15551230404")
    bench.wind(HOUR + 1)
    await site.gateway.inquiry.ask()
    standing = await site.standing(message)
    assert (standing.status, standing.error) == (UNDELIVERED, 30005)


async def test_it_is_asked_after_query_after_and_once(bench: "Bench", asking: str) -> None:
    site = await simulated(bench, asking)
    message = await sent(site, NEVER_A_RECEIPT)
    bench.wind(HOUR - 60)
    assert await site.gateway.inquiry.ask() == 0
    bench.wind(61)
    assert await site.gateway.inquiry.ask() == 1
    bench.wind(HOUR)
    assert await site.gateway.inquiry.ask() == 0
    # It did not know more than we do.
    (event,) = await site.events(message, Kind.PROGRESS)
    assert event.detail["word"] == "1"  # ENROUTE
    assert await site.status(message) is SENT


async def test_what_has_its_receipt_is_not_asked_about(bench: "Bench", asking: str) -> None:
    site = await simulated(bench, asking, receipts=True)
    message = await site.send()
    await site.until(message, DELIVERED)
    bench.wind(HOUR + 1)
    assert await site.gateway.inquiry.ask() == 0


async def test_every_part_is_asked_about(bench: "Bench", asking: str) -> None:
    site = await simulated(bench, asking)
    message = await sent(site, body=LONG)
    bench.wind(HOUR + 1)
    assert await site.gateway.inquiry.ask() == 4
    assert {segment.state for segment in await site.store.segments(message)} == {SegmentState.DELIVERED}
    await bench.app.hears(message, "sent", "delivered")


@pytest.mark.parametrize("at_once", [5, 6, 8, 9])
async def test_parts_beyond_one_round_are_asked_about_in_the_next(
    bench: "Bench", asking: str, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(inquiry, "AT_ONCE", at_once)
    site = await simulated(bench, asking)
    messages = [await sent(site, body=LONG) for _ in range(2)]
    bench.wind(HOUR + 1)
    for _ in range(3):
        await site.gateway.inquiry.ask()
    assert [await site.status(message) for message in messages] == [DELIVERED] * 2


@pytest.mark.parametrize(("profile", "query_after"), [("simulator", HOUR), ("asking", 0)])
async def test_a_carrier_that_does_not_answer_and_one_that_is_not_to_be_asked_is_not(
    bench: "Bench", asking: str, profile: str, query_after: int
) -> None:
    site = await simulated(bench, asking if profile == "asking" else profile, query_after=query_after)
    message = await sent(site)
    bench.wind(2 * HOUR)
    assert await site.gateway.inquiry.ask() == 0
    assert await site.status(message) is SENT


async def test_housekeeping_asks_and_goes_on_after_the_store_has_failed_it(
    bench: "Bench", asking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HOUSEKEEPING", 0.01)
    site = await simulated(bench, asking)
    failures = iter([StoreError("the disk is full")])
    look = site.store.accepted_segments

    async def failing_once(carrier: str, since: int, until: int, limit: int) -> list[tuple[int, str, str]]:
        for failure in failures:
            raise failure
        return await look(carrier, since, until, limit)

    monkeypatch.setattr(site.store, "accepted_segments", failing_once)
    message = await sent(site)
    bench.wind(HOUR + 1)
    await site.until(message, DELIVERED)
