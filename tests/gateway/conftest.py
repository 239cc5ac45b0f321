"""The whole gateway but HTTP, between a message centre and an application that tests play themselves.

Nothing is polled: a centre's receipt is acknowledged only once it is kept, a `Site` looks again after every
commit, and an `App` after every callback. All waits end after `WAIT` seconds with the history of what did happen.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
import pytest
from twilio.request_validator import RequestValidator

from tidings.app import Gateway
from tidings.callbacks.delivery import DeliverySettings
from tidings.carriers.simulator.carrier import SimulatorSettings
from tidings.carriers.smpp import udh
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import (
    UDHI,
    BindResp,
    Command,
    MessageIdResp,
    Pdu,
    ShortMessage,
    Tag,
    content,
)
from tidings.carriers.smpp.receipt import compose
from tidings.carriers.smpp.session import BINDS, Role
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import SECOND, Clock, SystemClock
from tidings.gateway.dispatch import DispatchSettings
from tidings.gateway.routes import Route
from tidings.lifecycle import Kind, Status
from tidings.model import Event, Order, Segment, Standing
from tidings.settings import AccountSettings, Server, Settings
from tidings.store.base import Change, StoreError
from tidings.store.sqlite import SqliteStore

T = TypeVar("T")

WAIT = 5.0
ACCOUNT = "0a" * 16
TOKEN = "token of the first"
SENDER = "+15005550006"
SECOND_SENDER = "+15005550007"
RECIPIENT = "+15551230000"
DELIVERY = 0x04
"""esm_class of a receipt (SMPP 3.4 §5.2.12)."""


class Asked:
    """One submit_sm, as the centre read it."""

    def __init__(self, link: Link, pdu: Pdu) -> None:
        assert isinstance(pdu.body, ShortMessage)
        self.link = link
        self.pdu = pdu
        self.body = pdu.body
        self.id = ""
        self.content = content(pdu)
        self.part, self.parts = 1, 1
        if self.body.esm_class & UDHI:
            concatenation, self.content = udh.parse(self.content)
            assert concatenation is not None
            self.part, self.parts = concatenation.part, concatenation.parts
        elif Tag.SAR_SEGMENT_SEQNUM in pdu.tlvs:
            self.part = int.from_bytes(pdu.tlvs[Tag.SAR_SEGMENT_SEQNUM])
            self.parts = int.from_bytes(pdu.tlvs[Tag.SAR_TOTAL_SEGMENTS])

    @property
    def to(self) -> str:
        return self.body.destination_addr

    def accept(self, id: str) -> None:
        self.id = id
        self.link.respond(self.pdu, 0, MessageIdResp(id))

    def refuse(self, status: int) -> None:
        self.link.respond(self.pdu, status)


class Centre:
    """A message centre that leaves every submission to the test, unless `answer` says what to do."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], None] | None = None
        self.bind_status = 0
        self.binds: list[tuple[Link, int]] = []
        """Bound connections with the command they were bound by."""
        self.port = 0
        self._news = asyncio.Event()
        self._links: list[Link] = []
        self._server: asyncio.Server | None = None

    # --- what a test does
    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up and answer no calls, until `listen`."""
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        for link in self._links:
            link.close("hung up")

    def answer_all(self, prefix: str = "id") -> None:
        """From now on, and what came before: accepted as prefix1, prefix2 …"""
        self.answer = lambda asked: asked.accept(f"{prefix}{self.asked.index(asked) + 1}")
        for asked in self.asked:
            if not asked.id:
                self.answer(asked)

    async def submission(self, number: int = 1) -> Asked:
        """The n-th submit_sm that came."""
        await self.until(lambda: len(self.asked) >= number, f"{number} submissions")
        return self.asked[number - 1]

    async def bound(self, number: int = 1) -> None:
        """Wait until so many binds are up."""
        await self.until(lambda: len(self.binds) >= number, f"{number} binds")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT):
                while not condition():
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} awaited; there were {[a.content for a in self.asked]}") from None

    async def receipt(
        self,
        asked: Asked,
        stat: str = "DELIVRD",
        *,
        id: str | None = None,
        text: bytes | None = None,
        link: Link | None = None,
        err: str = "000",
        tlvs: dict[int, bytes] | None = None,
    ) -> None:
        """A receipt for a submission; returns once it is acknowledged, and so kept."""
        if text is None:
            now = datetime.now(UTC)
            name = asked.id if id is None else id
            text = compose(message_id=name, submitted=now, done=now, stat=stat, error=err, text="hello")
        body = ShortMessage(
            source_addr=asked.body.destination_addr,
            destination_addr=asked.body.source_addr,
            esm_class=DELIVERY,
            short_message=text,
        )
        await self.deliver(body, tlvs, link)

    async def deliver(
        self, body: ShortMessage, tlvs: dict[int, bytes] | None = None, link: Link | None = None
    ) -> None:
        """A deliver_sm on some bind that receives; returns once it is acknowledged."""
        if link is None:
            link = next(link for link, command in self.binds if command != Command.BIND_TRANSMITTER)
        answer = await asyncio.wait_for(link.request(Command.DELIVER_SM, body, tlvs), WAIT)
        assert answer.status == 0, f"deliver_sm was answered with {answer.status:#x}"

    # --- what peers do
    def _connect(self) -> Link:
        def lost(_: str) -> None:
            self._links.remove(link)
            self.binds = [bind for bind in self.binds if bind[0] is not link]
            self._tell()

        link = Link(Role.SMSC, on_request=lambda pdu: self._take(link, pdu), on_lost=lost, enquire_link=0)
        self._links.append(link)
        return link

    def _take(self, link: Link, pdu: Pdu) -> None:
        if pdu.command in BINDS:
            link.respond(pdu, self.bind_status, None if self.bind_status else BindResp("centre"))
            if not self.bind_status:
                self.binds.append((link, pdu.command))
        elif pdu.command == Command.SUBMIT_SM:
            asked = Asked(link, pdu)
            self.asked.append(asked)
            if self.answer is not None:
                self.answer(asked)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Told(msgspec.Struct):
    """One callback, as the application got it."""

    sid: str
    status: str
    token: str
    genuine: bool
    """Whether its signature is right."""
    params: dict[str, str]
    answer: int


class App:
    """The application: keeps what it is told, and answers what `answer` says."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.answer: Callable[[str], int] = lambda status: 204
        """HTTP status by the message's status."""
        self.url = ""
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/status?of=all"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def statuses(self, message_id: str, *, taken: bool = True) -> list[str]:
        """What it was told of a message, in order; with `taken`, what it said yes to."""
        return [
            told.status for told in self.told if told.sid == "SM" + message_id and (not taken or told.answer < 300)
        ]

    async def hears(self, message_id: str, *statuses: str) -> None:
        """Wait until it has taken exactly these of a message, in this order."""
        await self.until(
            lambda: len(self.statuses(message_id)) >= len(statuses), f"{' '.join(statuses)} of {message_id}"
        )
        assert self.statuses(message_id) == list(statuses)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT):
                while not condition():
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} awaited; it was told {self.told}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body = (await reader.readexactly(int(headers["content-length"]))).decode()
                status = self._take(headers, dict(parse_qsl(body, keep_blank_values=True)))
                writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, headers: dict[str, str], params: dict[str, str]) -> int:
        status = self.answer(params["MessageStatus"])
        genuine = RequestValidator(TOKEN).validate(self.url, params, headers["x-twilio-signature"])
        token = headers["i-twilio-idempotency-token"]
        self.told.append(Told(params["MessageSid"], params["MessageStatus"], token, genuine, params, status))
        self._news.set()
        self._news = asyncio.Event()
        return status


class WatchedStore(SqliteStore):
    """Tells when something was committed; can be slow to answer, or fail, as disks do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.changed = asyncio.Event()
        self.fail: Callable[[Change], bool] = lambda change: False
        """Which changes fail."""
        self.lookups = asyncio.Event()
        """Cleared, it keeps `find_segments` waiting with its answer."""
        self.lookups.set()
        self.looking = asyncio.Event()

    def commit(self, change: Change) -> "asyncio.Future[None]":
        if self.fail(change):
            loop = asyncio.get_running_loop()
            failed: asyncio.Future[None] = loop.create_future()
            loop.call_soon(failed.set_exception, StoreError("the disk is full"))
            return failed
        future = super().commit(change)
        future.add_done_callback(lambda _: self._tell())
        return future

    async def find_segments(self, carrier: str, keys: Sequence[str]) -> list[tuple[str, str, int]]:
        found = await super().find_segments(carrier, keys)
        self.looking.set()
        await self.lookups.wait()
        return found

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class WoundClock:
    """The machine's time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0
        self._system = SystemClock()

    def now(self) -> int:
        return self._system.now() + self.ahead

    def wind(self, seconds: float) -> None:
        self.ahead += int(seconds * SECOND)


class Site:
    """A running gateway, and what tests ask of it."""

    def __init__(self, settings: Settings, store: WatchedStore, clock: Clock, app: App) -> None:
        self.settings = settings
        self.store = store
        self.gateway = Gateway(settings, store, clock)
        self._app = app

    async def start(self) -> "Site":
        await self.gateway.start()
        return self

    async def send(self, to: str = RECIPIENT, body: str = "hello", **order: Any) -> str:
        """Submit a message and return its id; the application is to be told of it."""
        usual = {"dialect": "twilio", "sender": SENDER, "callback_url": self._app.url}
        account = await self.store.account(ACCOUNT)
        assert account is not None
        submitted = await self.gateway.submit(account, Order(recipient=to, body=body, **(usual | order)))
        return submitted.message.id

    # --- what is kept
    async def standing(self, message_id: str) -> Standing:
        found = await self.store.message(ACCOUNT, message_id)
        assert found is not None, f"no message {message_id}"
        return found[1]

    async def status(self, message_id: str) -> Status:
        return (await self.standing(message_id)).status

    async def segment(self, message_id: str, part: int = 1) -> Segment:
        return (await self.store.segments(message_id))[part - 1]

    async def events(self, message_id: str, kind: Kind | None = None) -> list[Event]:
        events = await self.store.events(message_id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return [event for event in events if kind in (None, event.kind)]

    # --- waiting
    async def until(self, message_id: str, *statuses: Status) -> Standing:
        """Wait until a message is kept with one of these statuses."""

        async def reached() -> Standing | None:
            standing = await self.standing(message_id)
            return standing if standing.status in statuses else None

        return await self._wait(message_id, reached, " or ".join(statuses))

    async def until_told(self, message_id: str, kind: Kind, number: int = 1) -> Event:
        """Wait for the n-th event of a kind to be kept."""

        async def told() -> Event | None:
            events = await self.events(message_id, kind)
            return events[number - 1] if len(events) >= number else None

        return await self._wait(message_id, told, kind)

    async def until_parked(self, number: int = 1) -> list[tuple[str, str, str]]:
        """Wait until so many keys are parked."""

        async def parked() -> list[tuple[str, str, str]] | None:
            keys = await self.store.parked_keys(100)
            return keys if len(keys) >= number else None

        return await self._wait("", parked, f"{number} parked")

    async def until_all_is_told(self) -> None:
        """Wait until no callback is owed, and that is kept."""

        async def told() -> bool | None:
            return None if self.gateway.delivery.outstanding else True

        await self._wait("", told, "nothing owed")

    async def _wait(self, message_id: str, check: Callable[[], Awaitable[T | None]], what: str) -> T:
        try:
            async with asyncio.timeout(WAIT):
                while True:
                    news = self.store.changed
                    if (found := await check()) is not None:
                        return found
                    await news.wait()
        except TimeoutError:
            history = [f"{event.kind} {event.detail}" for event in await self.store.events(message_id)]
            raise AssertionError(f"{what} awaited; there was {history}") from None


class Bench:
    """Makes centres, applications and sites, and takes them down again."""

    def __init__(self, path: Path, stack: AsyncExitStack, app: App) -> None:
        self.app = app
        self.clock = WoundClock()
        self.callbacks: dict[str, Any] = {}
        """Settings of the callback room; a process of its own takes a third of a second to start."""
        self._path = path
        self._stack = stack
        self._images = 0

    async def centre(self) -> Centre:
        centre = Centre()
        await centre.listen()
        self._stack.push_async_callback(centre.close)
        return centre

    @staticmethod
    def smpp(centre: Centre, name: str = "main", **options: Any) -> SmppSettings:
        """A carrier that is quick to come back."""
        usual: dict[str, Any] = {"reconnect_min": 0.01, "reconnect_max": 0.02, "refused_min": 0.01}
        usual |= {"refused_max": 0.02, "throttle_pause": 0.01, "system_id": "us"}
        return SmppSettings(name=name, host="127.0.0.1", port=centre.port, **(usual | options))

    async def site(
        self,
        *carriers: SmppSettings | SimulatorSettings,
        routes: Sequence[Route] | None = None,
        path: Path | None = None,
        queue_limit: int = 0,
        window: int = 2000,
        **dispatch: Any,
    ) -> Site:
        """A gateway with these carriers, all of them on the route unless `routes` says otherwise."""
        settings = Settings(
            server=Server(drain=0.1),
            account=(
                AccountSettings(
                    sid=ACCOUNT, auth_token=TOKEN, numbers=(SENDER, SECOND_SENDER), queue_limit=queue_limit
                ),
            ),
            carrier=carriers,
            route=tuple(routes) if routes is not None else (Route("+", tuple(c.name for c in carriers)),),
            dispatch=msgspec.convert({"window": window, **dispatch}, DispatchSettings),
            callbacks=msgspec.convert(
                {"allow_private": True, "own_process": False, **self.callbacks}, DeliverySettings
            ),
        )
        site = Site(settings, WatchedStore(path or self._path / "tidings.db"), self.clock, self.app)
        self._stack.push_async_callback(self.stop, site)
        return await site.start()

    @staticmethod
    async def stop(site: Site) -> None:
        if site.gateway.readiness()["store"]:
            await site.gateway.stop()

    async def pair(self, **options: Any) -> tuple[Centre, Site]:
        """A centre, and a site bound to it; options of the carrier and of `site`."""
        centre = await self.centre()
        for_site = {name: options.pop(name) for name in (*_SITE, *_DISPATCH) if name in options}
        site = await self.site(self.smpp(centre, **options), **for_site)
        await centre.bound()
        return centre, site

    async def crash(self, site: Site) -> Path:
        """What a SIGKILL now would leave on disk; the site is taken down."""
        self._images += 1
        image = self._path / f"image{self._images}.db"
        connection = sqlite3.connect(site.store.path)
        connection.execute("VACUUM INTO ?", (str(image),))
        connection.close()
        await self.stop(site)
        return image


_SITE = ("routes", "path", "queue_limit")
_DISPATCH = ("uncertain", "failover_after", "validity")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        app = App()
        await app.listen()
        stack.push_async_callback(app.close)
        yield Bench(tmp_path, stack, app)
