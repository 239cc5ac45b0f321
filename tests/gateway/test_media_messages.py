"""Media messages through the whole gateway: which carriers they go to, with what, and how they end."""

import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.gallery import PNG, Gallery, found, said
from tidings.carriers.base import Part
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.simulator.mms import MmsSimulatorCarrier, MmsSimulatorSettings
from tidings.carriers.simulator.mmsc import Mmsc
from tidings.errors import Problem
from tidings.gateway import lane
from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, Status
from tidings.store.base import StoreError

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

QUEUED, SENT, FAILED = Status.QUEUED, Status.SENT, Status.FAILED
MMS = MmsSimulatorSettings(name="mms")
PICTURE = Part("image/png", PNG, "a.png")


@pytest.fixture
async def gallery() -> AsyncIterator[Gallery]:
    gallery = Gallery()
    await gallery.listen()
    yield gallery
    await gallery.close()


def mmsc(site: "Site", name: str = "mms") -> Mmsc:
    carrier = site.gateway.carriers[name]
    assert isinstance(carrier, MmsSimulatorCarrier)
    return carrier.mmsc


def mm7(url: str, name: str) -> Mm7Settings:
    """A carrier to an MMSC that a test plays."""
    return Mm7Settings(name=name, url=url, vasp_id="us", inbound_user="they", inbound_password="secret")


async def kinds(site: "Site", message: str) -> list[Kind]:
    return [event.kind for event in await site.events(message)]


# --- which carrier gets what


async def test_a_media_message_arrives_with_all_that_goes_with_it_and_stays_sent(
    bench: "Bench", gallery: Gallery
) -> None:
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre), MMS)
    card = gallery.shows("/card", found(b"BEGIN:VCARD", "text/vcard"))
    message = await site.send(body="Grüße", media=(gallery.shows("/a.png"), card))
    await site.until(message, SENT)
    (taken,) = mmsc(site).taken
    assert (taken.sender, taken.recipient, taken.text) == (SENDER[1:], RECIPIENT[1:], "Grüße")
    assert taken.parts == (PICTURE, Part("text/vcard", b"BEGIN:VCARD", "card"))
    assert await kinds(site, message) == [Kind.CREATED, Kind.INTENT, Kind.ACCEPTED]
    assert (await site.segment(message)).carrier_id == taken.message_id
    await bench.app.hears(message, "sent")
    await site.until_all_is_told()
    assert [told.sid for told in bench.app.told] == [f"MM{message}"]
    assert await site.status(message) is SENT
    assert centre.asked == []


async def test_a_text_goes_to_no_carrier_of_media(bench: "Bench") -> None:
    centre = await bench.centre()
    centre.answer_all()
    site = await bench.site(MMS, bench.smpp(centre))
    message = await site.send()
    await site.until(message, SENT)
    assert len(centre.asked) == 1
    assert mmsc(site).submitted == 0


async def test_a_text_may_travel_as_a_media_message(bench: "Bench") -> None:
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre), MMS)
    message = await site.send(body="x" * 500, as_mms=True)
    await site.until(message, SENT)
    (taken,) = mmsc(site).taken
    assert (taken.text, taken.parts) == ("x" * 500, ())
    assert centre.asked == []


async def test_media_that_no_carrier_takes_are_refused(bench: "Bench", gallery: Gallery) -> None:
    _, site = await bench.pair()
    with pytest.raises(Problem) as caught:
        await site.send(media=(gallery.shows("/a.png"),))
    assert caught.value.code == 21621
    assert gallery.asked == []


async def test_a_message_beyond_its_price_limit_fails_and_nothing_is_fetched(
    bench: "Bench", gallery: Gallery
) -> None:
    site = await bench.site(MMS, routes=[Route("+", ("mms",), media_price=0.02)])
    url = gallery.shows("/a.png")
    message = await site.send(media=(url,), max_price=19_999)
    standing = await site.until(message, FAILED)
    assert standing.error == 30010
    await bench.app.hears(message, "failed")
    assert gallery.asked == []
    await site.until(await site.send(media=(url,), max_price=20_000), SENT)


# --- carriers that fail


async def test_what_one_carrier_refuses_goes_to_the_next_of_its_channel(bench: "Bench", gallery: Gallery) -> None:
    centre = await bench.centre()
    first = mm7(gallery.shows("/mm7", said(413)), "first")
    site = await bench.site(first, bench.smpp(centre), MMS)
    message = await site.send(media=(gallery.shows("/a.png"),))
    standing = await site.until(message, SENT)
    assert standing.carrier == "mms"
    assert gallery.asked == ["/a.png", "/mm7"]  # fetched once, for both
    assert [taken.parts for taken in mmsc(site).taken] == [(PICTURE,)]
    assert centre.asked == []


async def test_what_waits_for_a_carrier_that_is_down_goes_to_the_next_of_its_channel(
    bench: "Bench", gallery: Gallery
) -> None:
    centre = await bench.centre()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/mm7"
    site = await bench.site(mm7(nowhere, "first"), bench.smpp(centre), MMS, failover_after=0.05)
    message = await site.send(media=(gallery.shows("/a.png"),))
    assert (await site.until(message, SENT)).carrier == "mms"
    assert [taken.parts for taken in mmsc(site).taken] == [(PICTURE,)]
    assert centre.asked == []


async def test_where_no_other_carrier_takes_media_it_ends_there(bench: "Bench", gallery: Gallery) -> None:
    centre = await bench.centre()
    site = await bench.site(mm7(gallery.shows("/mm7", said(413)), "only"), bench.smpp(centre))
    message = await site.send(media=(gallery.shows("/a.png"),))
    assert (await site.until(message, FAILED)).error == 30019
    assert centre.asked == []


# --- media that cannot be had


@pytest.mark.parametrize(
    ("answer", "error"),
    [(said(404), 63019), (found(b"<html>", "text/html"), 12300), (found(b"x" * (5 * 1024 * 1024 + 1)), 11751)],
)
async def test_a_message_whose_media_cannot_be_had_fails_at_once(
    bench: "Bench", gallery: Gallery, answer: bytes, error: int
) -> None:
    site = await bench.site(MMS)
    message = await site.send(media=(gallery.shows("/a.png", answer),))
    assert (await site.until(message, FAILED)).error == error
    assert await kinds(site, message) == [Kind.CREATED, Kind.REFUSED]
    await bench.app.hears(message, "failed")
    assert bench.app.told[0].params["ErrorCode"] == str(error)
    assert (len(gallery.asked), mmsc(site).submitted) == (1, 0)
    (refused,) = await site.events(message, Kind.REFUSED)
    assert gallery.url("/a.png") in refused.detail["media"]


async def test_media_that_can_be_had_later_are_asked_for_again(bench: "Bench", gallery: Gallery) -> None:
    site = await bench.site(MMS, media_retry=0.01)
    message = await site.send(media=(gallery.shows("/a.png", said(500), said(503), found()),))
    standing = await site.until(message, SENT)
    assert standing.tries == 0  # they were tries at the host, not at the carrier
    assert await kinds(site, message) == [Kind.CREATED, Kind.DEFERRED, Kind.DEFERRED, Kind.INTENT, Kind.ACCEPTED]
    await bench.app.hears(message, "sent")
    assert mmsc(site).submitted == 1


async def test_media_are_asked_for_three_times(bench: "Bench", gallery: Gallery) -> None:
    site = await bench.site(MMS, media_retry=0.01)
    message = await site.send(media=(gallery.shows("/a.png", said(500)),))
    assert (await site.until(message, FAILED)).error == 63019
    assert await kinds(site, message) == [Kind.CREATED, Kind.DEFERRED, Kind.DEFERRED, Kind.REFUSED]
    assert (len(gallery.asked), mmsc(site).submitted) == (3, 0)


async def test_meanwhile_the_message_waits_for_its_time(bench: "Bench", gallery: Gallery) -> None:
    site = await bench.site(MMS)
    message = await site.send(media=(gallery.shows("/a.png", said(500)),))
    deferred = await site.until_told(message, Kind.DEFERRED)
    standing = await site.standing(message)
    assert standing.status is QUEUED
    assert standing.due_at is not None
    assert 29_000_000 < standing.due_at - deferred.at <= 30_000_000


# --- hosts that take their time


async def test_a_slow_host_takes_up_no_room_at_the_carrier(bench: "Bench", gallery: Gallery) -> None:
    site = await bench.site(MmsSimulatorSettings(name="mms", window=1))
    gallery.open.clear()
    slow = await site.send(media=(gallery.shows("/slow.png"),))
    await gallery.until_asked(1)
    text_only = await site.send(as_mms=True)
    await site.until(text_only, SENT)
    assert await site.status(slow) is QUEUED
    gallery.open.set()
    await site.until(slow, SENT)
    assert [taken.text for taken in mmsc(site).taken] == ["hello", "hello"]


async def test_a_stop_does_not_wait_for_media_and_the_next_start_goes_on(
    bench: "Bench", gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    site = await bench.site(MMS)
    gallery.open.clear()
    message = await site.send(media=(gallery.shows("/a.png"),))
    await gallery.until_asked(1)
    await bench.stop(site)
    assert caplog.records == []  # nothing that it had to wait for in vain
    gallery.open.set()
    again = await bench.site(MMS)
    await again.until(message, SENT)
    assert await kinds(again, message) == [Kind.CREATED, Kind.INTENT, Kind.ACCEPTED]
    assert [taken.parts for taken in mmsc(again).taken] == [(PICTURE,)]


async def test_a_crash_after_the_fetch_asks_no_host_again(bench: "Bench", gallery: Gallery) -> None:
    held = gallery.shows("/mm7", said(503, "Retry-After: 60"))
    site = await bench.site(mm7(held, "mms"))
    message = await site.send(media=(gallery.shows("/a.png"),))
    await site.until_told(message, Kind.DEFERRED)
    again = await bench.site(MMS, path=await bench.crash(site))
    await again.until(message, SENT)
    assert [taken.parts for taken in mmsc(again).taken] == [(PICTURE,)]
    assert gallery.asked == ["/a.png", "/mm7"]


# --- taken away again


async def test_media_are_dropped_one_by_one_or_with_their_message(bench: "Bench", gallery: Gallery) -> None:
    site = await bench.site(MMS)
    gallery.open.clear()
    urls = (gallery.shows("/a.png"), gallery.shows("/b.png"))
    message = await site.send(media=urls)
    first, second = await site.store.media(message)
    await gallery.until_asked(1)
    for act in (site.gateway.drop_medium(ACCOUNT, message, first.id), site.gateway.delete(ACCOUNT, message)):
        with pytest.raises(Problem) as caught:
            await act
        assert caught.value.code == 20009
    gallery.open.set()
    await site.until(message, SENT)
    await site.gateway.drop_medium(ACCOUNT, message, first.id)
    assert [medium.id for medium in await site.store.media(message)] == [second.id]
    assert await site.store.content(first.id) is None
    assert await site.store.content(second.id) == PNG
    await site.gateway.delete(ACCOUNT, message)
    assert await site.store.media(message) == []
    assert await site.store.content(second.id) is None


async def test_a_store_that_fails_before_a_submission_leaves_the_room_at_the_carrier(
    bench: "Bench", gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await bench.site(MmsSimulatorSettings(name="mms", window=1))
    content, failures = type(site.store).content, iter([True])

    async def failing(store: Any, medium_id: str) -> bytes | None:
        if next(failures, False):
            raise StoreError("the disk is slow")
        return await content(store, medium_id)

    monkeypatch.setattr(type(site.store), "content", failing)
    monkeypatch.setattr(lane, "AFTER_A_FAULT", 0.01)
    await site.until(await site.send(media=(gallery.shows("/a.png"),)), SENT)
