"""The media of outbound messages: fetched from their URLs before a carrier is handed them, and kept.

The dispatcher has them fetched, and reads them with each submission; the web room serves what is kept. They are
fetched through the same guard as callbacks go through: no URL leads inside. Those of a message come one after the
other, so that it never holds more than one of them in memory, and what came before a fault is not asked for again.
"""

import asyncio
import re
import time
from typing import Final
from urllib.parse import unquote
from weakref import WeakValueDictionary

from msgspec.structs import replace

from tidings.callbacks import agent
from tidings.callbacks.attempt import Terms
from tidings.callbacks.exchange import Kind, Request, Response, Timeouts, TransportError
from tidings.callbacks.round import guarded
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.carriers.base import Part
from tidings.clock import Clock
from tidings.dialects.own import masked
from tidings.model import Medium, Message
from tidings.store.base import Change, Store

LARGEST: Final = 5 * 1024 * 1024
"""Bytes of all media of a message together (Twilio: 5 MB)."""
TIMEOUTS: Final = Timeouts(connect=5.0, read=10.0, total=15.0)
"""For one medium."""
REDIRECTS: Final = 3
AT_ONCE: Final = 64
"""Messages whose media are fetched at the same time."""
OF_ACCOUNT: Final = 8
"""Of these, of one account: hosts that are slow keep nobody waiting but those who named them."""
KINDS: Final = ("image/", "audio/", "video/")
TEXTS: Final = frozenset(
    {
        *("text/plain", "text/vcard", "text/x-vcard", "text/calendar", "text/directory"),
        *("text/csv", "text/rtf", "text/richtext", "application/vcard", "application/pdf"),
    }
)
"""What may go with a message beside `KINDS` (Twilio: accepted content types for media; SignalWire has fewer). HTML
is not among them: it is what hosts show people in place of a picture."""

LONGEST_NAME: Final = 100
"""Characters of a file name, its extension among them."""

_UNFETCHED: Final = 63019
_TOO_LARGE: Final = 11751
_NO_MEDIUM: Final = 12300
_PASSING: Final = frozenset({408, 425, 429})
"""Of the statuses below 500, those that say that it may be otherwise later."""
_FOR_GOOD: Final = frozenset({Kind.GUARDED, Kind.REDIRECTS})
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
_AS_IT_IS: Final = (b"Accept-Encoding", b"identity")


class Unavailable(Exception):
    """A medium cannot be had."""

    def __init__(self, error: int, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.error = error
        """Twilio's code, which the message ends with."""
        self.reason = reason
        self.passing = passing
        """Whether it may be otherwise another time."""


class Stopping(Exception):
    """The gateway is stopping: nothing is fetched any more."""


class MediaRoom:
    def __init__(self, store: Store, terms: Terms, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # With a connection for each that may be under way, none is ever waited for.
        terms = replace(terms, connections=AT_ONCE, per_host=AT_ONCE)
        self._guard, self._transport = guarded(terms, max_body=LARGEST)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By account, as long as anybody waits for one."""
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By message."""
        self._stopped = False

    async def load(self, message: Message) -> tuple[Part, ...] | None:
        """What goes with `message`, in order; None where some of it is still to be fetched. Raises StoreError."""
        media = await self._store.media(message.id)
        if any(medium.size is None for medium in media):
            return None
        return tuple([await self._part(medium) for medium in media])

    async def fetch(self, message: Message) -> None:
        """Fetch what goes with `message`, where it has not been; once this returns, `load` finds it.

        However many ask at the same time, each medium is asked for once. Raises Unavailable, Stopping, StoreError.
        """
        if self._stopped:
            raise Stopping
        task = self._under_way.get(message.id)
        if task is None:
            task = self._under_way[message.id] = asyncio.create_task(self._in_turn(message))
            task.add_done_callback(lambda _: self._under_way.pop(message.id))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Stopping from None
            raise

    async def stop(self) -> None:
        """Give up what is under way: its messages wait, and go on at the next start."""
        self._stopped = True
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._transport.close()
        self._guard.close()

    async def _part(self, medium: Medium) -> Part:
        content = await self._store.content(medium.id)
        assert content is not None, "a size is written behind its content"
        return Part(medium.content_type or "", content, _name(medium.url))

    async def _in_turn(self, message: Message) -> None:
        turn = self._turns.setdefault(message.account, asyncio.Semaphore(OF_ACCOUNT))
        async with turn, self._places:
            total = 0
            for medium in await self._store.media(message.id):
                total += await self._kept(medium) if medium.size is None else medium.size
                if total > LARGEST:
                    raise Unavailable(_TOO_LARGE, f"together they are longer than {LARGEST} bytes")

    async def _kept(self, medium: Medium) -> int:
        """Fetch and keep a medium; its size in bytes."""
        assert medium.url is not None, "what came in has its content"
        response = await self._response(medium.url)
        kind = _judged(response, masked(medium.url))
        size = len(response.body)
        await self._store.put_content(medium.id, response.body)
        change = Change()
        change.media.append(replace(medium, content_type=kind, size=size, updated_at=self._clock.now()))
        await self._store.commit(change)
        return size

    async def _response(self, url: str) -> Response:
        try:
            request = Request("GET", parse_url(url), (_AS_IT_IS,), timeouts=TIMEOUTS)
        except InvalidUrl as error:
            raise Unavailable(_UNFETCHED, str(error)) from None
        fetched = await agent.fetch(self._transport, request, REDIRECTS, time.monotonic() + TIMEOUTS.total)
        answer = fetched.answer
        if isinstance(answer, TransportError):
            raise Unavailable(_UNFETCHED, answer.detail, passing=answer.kind not in _FOR_GOOD)
        return answer


def _judged(response: Response, shown: str) -> str:
    """The content type of a medium that a response brings; `shown` is its URL. Raises Unavailable."""
    status = response.status
    if status // 100 != 2:
        passing = status >= 500 or status in _PASSING
        raise Unavailable(_UNFETCHED, f"{shown} answered {status}", passing=passing)
    if response.truncated:
        raise Unavailable(_TOO_LARGE, f"{shown} is longer than {LARGEST} bytes")
    if not response.body:
        raise Unavailable(_UNFETCHED, f"{shown} is empty")
    encoding = (response.header(b"content-encoding") or b"identity").decode("latin-1")
    if encoding.strip().lower() != "identity":
        raise Unavailable(_UNFETCHED, f"{shown} is encoded ({encoding[:40]}), which was not asked for")
    return _content_type((response.header(b"content-type") or b"").decode("latin-1"), shown)


def _content_type(stated: str, shown: str) -> str:
    """The media type, with the charset of a text that names one. Raises Unavailable."""
    kind = stated.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(kind) or not (kind.startswith(KINDS) or kind in TEXTS):
        raise Unavailable(_NO_MEDIUM, f"{shown} is {kind[:100] or 'without a content type'}")
    charset = _CHARSET.search(stated) if kind in TEXTS else None
    return f"{kind}; charset={charset[1].lower()}" if charset else kind


def _name(url: str | None) -> str:
    """The file name at the end of a URL."""
    path = (url or "").partition("?")[0].partition("#")[0].partition("://")[2].partition("/")[2]
    name = unquote(path).rpartition("/")[2]
    return "".join(filter(str.isprintable, name))[-LONGEST_NAME:]
