"""Media of outbound messages: fetched once, in order, within limits, from nowhere but where they may come from."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.gallery import PNG, Gallery, found, said
from tidings.callbacks.attempt import Terms
from tidings.callbacks.exchange import Timeouts
from tidings.carriers.base import Part
from tidings.clock import SystemClock
from tidings.gateway import media
from tidings.gateway.media import LARGEST, OF_ACCOUNT, MediaRoom, Stopping, Unavailable
from tidings.ids import random_hex
from tidings.model import Channel, Direction, Medium, Message
from tidings.store.base import Change
from tidings.store.sqlite import SqliteStore
from tidings.text import Encoding

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
UNFETCHED, TOO_LARGE, NO_MEDIUM = 63019, 11751, 12300
DEVELOPMENT: dict[str, Any] = {"allow_private": True, "allow_hosts": (), "allow_networks": (), "ports": ()}


class Desk:
    """A media room over a store of its own, and messages to fetch for."""

    def __init__(self, path: Path, **terms: Any) -> None:
        self.store = SqliteStore(path, apart=False)
        self._terms = Terms(**DEVELOPMENT | terms, connections=1, per_host=1, user_agent="Tidings/test")

    async def open(self) -> None:
        await self.store.open()
        self.room = MediaRoom(self.store, self._terms, SystemClock())

    async def close(self) -> None:
        await self.room.stop()
        await self.store.close()

    async def message(self, *urls: str, account: str = ACCOUNT) -> Message:
        """A message with what is to be found at these URLs."""
        message = Message(
            id=random_hex(),
            account=account,
            dialect="twilio",
            direction=Direction.OUTBOUND_API,
            sender="+15005550006",
            recipient="+15551230000",
            body="",
            encoding=Encoding.GSM7,
            segments=1,
            callback_url=None,
            validity=None,
            created_at=0,
            channel=Channel.MMS,
            media=len(urls),
        )
        change = Change()
        for place, url in enumerate(urls):
            change.media.append(Medium(random_hex(), message.id, account, place, url, None, None, 0, 0))
        await self.store.commit(change)
        return message

    async def fetched(self, *urls: str) -> tuple[Part, ...]:
        message = await self.message(*urls)
        await self.room.fetch(message)
        parts = await self.room.load(message)
        assert parts is not None
        return parts

    async def fault(self, *urls: str) -> tuple[int, bool]:
        """(error, whether it is passing) of media that cannot be had."""
        message = await self.message(*urls)
        with pytest.raises(Unavailable) as caught:
            await self.room.fetch(message)
        assert await self.room.load(message) is None
        return caught.value.error, caught.value.passing


Open = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def gallery() -> AsyncIterator[Gallery]:
    gallery = Gallery()
    await gallery.listen()
    yield gallery
    await gallery.close()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens desks on one store; the terms are those of development, but for what is given."""
    async with AsyncExitStack() as stack:

        async def open_one(**terms: Any) -> Desk:
            desk = Desk(tmp_path / "media.db", **terms)
            await desk.open()
            stack.push_async_callback(desk.close)
            return desk

        yield open_one


@pytest.fixture
async def desk(opened: Open) -> Desk:
    return await opened()


# --- fetched, and kept


async def test_media_are_fetched_once_and_kept_in_order_over_a_restart(gallery: Gallery, opened: Open) -> None:
    urls = (
        gallery.shows("/cats/a%20cat.png?v=2", found()),
        gallery.shows("/card", found(b"BEGIN:VCARD", 'Text/VCard; Charset="UTF-8"')),
        gallery.shows("/clip.3gp", found(b"film", "video/3gpp; codecs=x")) + "#t=1",
    )
    expected = (
        Part("image/png", PNG, "a cat.png"),
        Part("text/vcard; charset=utf-8", b"BEGIN:VCARD", "card"),
        Part("video/3gpp", b"film", "clip.3gp"),
    )
    before = await opened()
    message = await before.message(*urls)
    assert await before.room.load(message) is None
    await before.room.fetch(message)
    assert await before.room.load(message) == expected
    after = await opened()
    await after.room.fetch(message)
    assert await after.room.load(message) == expected
    assert gallery.asked == ["/cats/a%20cat.png?v=2", "/card", "/clip.3gp"]


async def test_what_is_fetched_is_known_by_its_type_and_size(gallery: Gallery, desk: Desk) -> None:
    message = await desk.message(gallery.shows("/a.jpg", found(b"12345", "image/jpeg")))
    (before,) = await desk.store.media(message.id)
    assert (before.content_type, before.size) == (None, None)
    await desk.room.fetch(message)
    (after,) = await desk.store.media(message.id)
    assert (after.content_type, after.size, after.id) == ("image/jpeg", 5, before.id)
    assert after.updated_at > before.updated_at
    assert await desk.store.content(after.id) == b"12345"


async def test_hosts_are_asked_for_what_they_have_as_it_is(gallery: Gallery, desk: Desk) -> None:
    await desk.fetched(gallery.shows("/a.png"))
    head = gallery.requests[0].lower()
    assert head.startswith("get /a.png http/1.1\r\n")
    assert "accept-encoding: identity\r\n" in head
    assert "user-agent: tidings/test\r\n" in head


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a.png", "a.png"),
        ("/", ""),
        ("/folder/", ""),
        ("/get?file=a.png", "get"),
        ("/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("/a%0d%0ab%00.png", "ab.png"),
        ("/gr%C3%BCn.png", "grün.png"),
        ("/" + "x" * 200 + ".jpeg", "x" * 95 + ".jpeg"),
    ],
)
async def test_a_medium_is_called_as_its_url_ends(gallery: Gallery, desk: Desk, path: str, name: str) -> None:
    (part,) = await desk.fetched(gallery.shows(path))
    assert part.name == name


async def test_however_many_wait_for_a_medium_it_is_asked_for_once(gallery: Gallery, desk: Desk) -> None:
    gallery.open.clear()
    message = await desk.message(gallery.shows("/a.png"))
    waiting = [asyncio.ensure_future(desk.room.fetch(message)) for _ in range(3)]
    await gallery.until_asked(1)
    gallery.open.set()
    await asyncio.gather(*waiting)
    assert gallery.asked == ["/a.png"]


# --- what is no medium


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("image/jpeg", "image/jpeg"),
        ("IMAGE/GIF ; q=1", "image/gif"),
        ("image/svg+xml", "image/svg+xml"),
        ("audio/amr", "audio/amr"),
        ("video/mp4", "video/mp4"),
        ("text/plain; format=flowed; charset=ISO-8859-1", "text/plain; charset=iso-8859-1"),
        ("text/x-vcard", "text/x-vcard"),
        ("application/pdf", "application/pdf"),
    ],
)
async def test_what_handsets_show_may_go_with_a_message(
    gallery: Gallery, desk: Desk, stated: str, kept: str
) -> None:
    (part,) = await desk.fetched(gallery.shows("/it", found(b"it", stated)))
    assert part.content_type == kept


@pytest.mark.parametrize(
    "stated",
    [
        *("text/html; charset=utf-8", "application/json", "application/octet-stream", "text/javascript", ""),
        *("image", "image/", "image/png<b>", "image/x/y", "image/\xe9", "image/" + "x" * 128),
    ],
)
async def test_what_is_no_medium_is_refused(gallery: Gallery, desk: Desk, stated: str) -> None:
    assert await desk.fault(gallery.shows("/it", found(b"<html>", stated))) == (NO_MEDIUM, False)


@pytest.mark.parametrize(
    ("answer", "passing"),
    [
        *((said(status), False) for status in (400, 401, 403, 404, 410, 304, 302)),
        *((said(status), True) for status in (408, 425, 429, 500, 502, 503)),
        (found(b""), False),
        (said(204), False),
        (found(gzip.compress(PNG), "image/png", "Content-Encoding: gzip"), False),
        (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nhalf", True),
        (b"ICY 200 OK\r\n\r\n", True),
    ],
)
async def test_what_cannot_be_had_is_told_from_what_cannot_be_had_now(
    gallery: Gallery, desk: Desk, answer: bytes, passing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "TIMEOUTS", Timeouts(1.0, 0.1, 1.0))  # for the half that nothing follows
    assert await desk.fault(gallery.shows("/it", answer)) == (UNFETCHED, passing)


async def test_an_encoding_that_changes_nothing_is_none(gallery: Gallery, desk: Desk) -> None:
    url = gallery.shows("/it", found(PNG, "image/png", "Content-Encoding: Identity"))
    assert (await desk.fetched(url))[0].content == PNG


async def test_a_host_that_keeps_silent_is_given_up_for_now(
    gallery: Gallery, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "TIMEOUTS", Timeouts(0.1, 0.1, 0.1))
    gallery.open.clear()
    assert await desk.fault(gallery.shows("/a.png")) == (UNFETCHED, True)


async def test_a_host_that_is_down_is_given_up_for_now(gallery: Gallery, desk: Desk) -> None:
    url = gallery.shows("/a.png")
    await gallery.close()
    assert await desk.fault(url) == (UNFETCHED, True)


@pytest.mark.parametrize("url", ["ftp://a.example/x.png", "http://a b/", "http://my_host.example/a.png"])
async def test_what_is_no_url_cannot_be_had(desk: Desk, url: str) -> None:
    assert await desk.fault(url) == (UNFETCHED, False)


async def test_what_came_before_a_fault_is_not_asked_for_again(gallery: Gallery, desk: Desk) -> None:
    message = await desk.message(gallery.shows("/a.png"), gallery.shows("/b.png", said(503), found()))
    with pytest.raises(Unavailable):
        await desk.room.fetch(message)
    await desk.room.fetch(message)
    assert gallery.asked == ["/a.png", "/b.png", "/b.png"]
    assert [part.name for part in await desk.room.load(message) or ()] == ["a.png", "b.png"]


async def test_what_is_said_of_a_fault_does_not_say_the_password(gallery: Gallery, desk: Desk) -> None:
    message = await desk.message(gallery.url("/a.png").replace("//", "//user:secret@"))
    with pytest.raises(Unavailable, match=r"/a\.png answered 404") as caught:
        await desk.room.fetch(message)
    assert "secret" not in caught.value.reason


async def test_a_host_that_asks_for_the_password_is_given_it(gallery: Gallery, desk: Desk) -> None:
    url = gallery.shows("/a.png", said(401, 'WWW-Authenticate: Basic realm="x"'), found())
    assert (await desk.fetched(url.replace("//", "//user:secret@")))[0].content == PNG
    assert "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in gallery.requests[1]


# --- how large


async def test_a_medium_may_be_as_long_as_all_together(gallery: Gallery, desk: Desk) -> None:
    (part,) = await desk.fetched(gallery.shows("/a.png", found(b"x" * LARGEST)))
    assert len(part.content) == LARGEST
    assert await desk.fault(gallery.shows("/b.png", found(b"x" * (LARGEST + 1)))) == (TOO_LARGE, False)


async def test_media_that_are_too_long_together_are_refused_before_all_came(gallery: Gallery, desk: Desk) -> None:
    half = found(b"x" * (LARGEST // 2 + 1))
    urls = [gallery.shows(path, half) for path in ("/a.png", "/b.png", "/c.png")]
    message = await desk.message(*urls)
    for _ in range(2):  # also where what is too long is kept already
        with pytest.raises(Unavailable) as caught:
            await desk.room.fetch(message)
        assert (caught.value.error, caught.value.passing) == (TOO_LARGE, False)
    assert gallery.asked == ["/a.png", "/b.png"]


async def test_a_medium_cut_off_on_the_wire_is_not_taken_for_a_whole_one(gallery: Gallery, desk: Desk) -> None:
    """Chunks with more around them than in them come to the limit of the wire before that of the content."""
    chunk = b"1;" + b"x" * 1000 + b"\r\n.\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + chunk * (8 * 1024) + b"0\r\n\r\n"
    assert await desk.fault(gallery.shows("/a.png", answer)) == (TOO_LARGE, False)


# --- from where


def chain(gallery: Gallery, redirects: int) -> str:
    """The first of so many redirects to a picture."""
    gallery.shows("/0")
    for number in range(1, redirects + 1):
        gallery.shows(f"/{number}", said(302, f"Location: /{number - 1}"))
    return gallery.url(f"/{redirects}")


async def test_three_redirects_are_followed_and_no_more(gallery: Gallery, desk: Desk) -> None:
    assert (await desk.fetched(chain(gallery, 3)))[0].content == PNG
    assert await desk.fault(chain(gallery, 4)) == (UNFETCHED, False)
    assert gallery.asked == ["/3", "/2", "/1", "/0", "/4", "/3", "/2", "/1"]


async def test_a_loop_of_redirects_is_left(gallery: Gallery, desk: Desk) -> None:
    assert await desk.fault(gallery.shows("/a", said(301, "Location: /a"))) == (UNFETCHED, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_not_asked(gallery: Gallery, opened: Open, host: str) -> None:
    desk = await opened(allow_private=False)
    gallery.shows("/a.png")
    assert await desk.fault(gallery.url("/a.png", host)) == (UNFETCHED, False)
    assert gallery.asked == []


async def test_nor_are_they_by_a_redirect(gallery: Gallery, opened: Open) -> None:
    desk = await opened(allow_private=False, allow_networks=("127.0.0.2/32",))
    gallery.shows("/a.png")
    gallery.shows("/inside", said(302, f"Location: {gallery.url('/a.png')}"))
    assert await desk.fault(gallery.url("/inside", "127.0.0.2")) == (UNFETCHED, False)
    assert gallery.asked == ["/inside"]
    assert (await desk.fetched(gallery.url("/a.png", "127.0.0.2")))[0].content == PNG


# --- with others


async def test_an_account_whose_hosts_are_slow_keeps_no_other_waiting(gallery: Gallery, desk: Desk) -> None:
    gallery.open.clear()
    slow = [await desk.message(gallery.shows("/slow.png")) for _ in range(OF_ACCOUNT + 3)]
    waiting = [asyncio.ensure_future(desk.room.fetch(message)) for message in slow]
    await gallery.until_asked(OF_ACCOUNT)
    quick = await desk.message(gallery.shows("/quick.png"), account=OTHER)
    waiting.append(asyncio.ensure_future(desk.room.fetch(quick)))
    await gallery.until_asked(OF_ACCOUNT + 1)
    assert gallery.asked == ["/slow.png"] * OF_ACCOUNT + ["/quick.png"]
    gallery.open.set()
    await asyncio.gather(*waiting)
    assert gallery.asked.count("/slow.png") == OF_ACCOUNT + 3


async def test_who_waits_when_the_gateway_stops_is_told_so(gallery: Gallery, opened: Open) -> None:
    desk = await opened()
    gallery.open.clear()
    message = await desk.message(gallery.shows("/a.png"))
    waiting = asyncio.ensure_future(desk.room.fetch(message))
    await gallery.until_asked(1)
    await desk.room.stop()
    with pytest.raises(Stopping):
        await waiting
    with pytest.raises(Stopping):
        await desk.room.fetch(message)
    assert await desk.room.load(message) is None
