"""A real server for the tests of this room: uvicorn on a free port; behind it store, ledger, submitter, replays.

No carrier: tests say themselves, through the ledger, what one would have said. Nobody is told anything either: the
delivery room is never started, so what is owed stays owed.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from twilio.rest import Client

from tidings.arranged import Sender
from tidings.callbacks.attempt import Terms
from tidings.callbacks.delivery import Delivery, DeliverySettings
from tidings.callbacks.replays import Replays
from tidings.callbacks.round import InProcess
from tidings.carriers.base import Carrier
from tidings.clock import SECOND, WindableClock
from tidings.errors import Problem
from tidings.gateway.front import Front
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.limits import QueueDepths
from tidings.gateway.optout import OptOuts, OptOutSettings
from tidings.gateway.origin import Origins
from tidings.gateway.permission import Permission
from tidings.gateway.rates import QueueSettings, Rates
from tidings.gateway.recent import Recent
from tidings.gateway.routes import Route, Routes
from tidings.gateway.schedule import Schedule, ScheduleSettings
from tidings.gateway.services import Services
from tidings.gateway.submit import Submitted, Submitter
from tidings.ids import new_id
from tidings.lifecycle import SegmentState
from tidings.model import (
    Account,
    Attempt,
    Callback,
    CallbackState,
    Channel,
    Order,
    Segment,
    Target,
)
from tidings.relay.hub import Hub
from tidings.store.base import Change, Kept
from tidings.store.sqlite.store import SqliteStore
from tidings.web.app import build
from tidings.web.gateway import Readiness

T = TypeVar("T")

ACCOUNT = Account("0a" * 16, "first", "token of the first", 0)
OTHER = Account("0b" * 16, "second", "token of the second", 0)
CLOSED = Account("0c" * 16, "closed", "token of the closed", 0, active=False)
TEST = Account("0d" * 16, "test", "token of the test", 0, test=True)
"""What it asks for is rehearsed."""
HOST = "https://app.example.com:443"
SENDERS = (
    Sender("+15005550006", ACCOUNT.id),
    Sender("+15005550007", ACCOUNT.id),
    Sender("+15005550008", ACCOUNT.id, queue_limit=1),
    Sender("+15005550009", OTHER.id),
)


class ManualClock(WindableClock):
    """Time that stands still until it is set or wound."""

    def __init__(self) -> None:
        super().__init__(lambda: self.time)
        self.time = 1_795_282_096 * SECOND + 123


class _Outbox:
    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    def offer(self, kept: Kept) -> None:
        self.kept[kept.message.id] = kept

    def look_again(self, kept: Kept) -> None:
        """Nobody dispatches here."""


class Server:
    """uvicorn on a thread of its own, for all tests; each brings the application that it answers with."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        # uvicorn writes an answer in two pieces, and asyncio sets TCP_NODELAY only where the protocol was named.
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        config = uvicorn.Config(self._answer, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "no test is running"
        await self.app(scope, receive, send)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the server runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def start(self) -> None:
        # The socket listens already: a request that comes before uvicorn does waits for it.
        self._thread.start()

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._uvicorn.serve([self._listening]))
        self._loop.close()


class Site(Front):
    """The gateway behind the server. Tests run on their own thread, it on the server's.

    Nothing is sent when its time comes: neither what waits for a sender nor what is scheduled.
    """

    def __init__(self, server: Server, path: Path, schedule: ScheduleSettings) -> None:
        self._server = server
        self.url = server.url
        self.clock = ManualClock()
        self.store = SqliteStore(path / "tidings.db", apart=False)  # a process of its own for each test is slow
        self.accounts = Recent(self.store.account, self.clock)
        self.api_keys = Recent(self.store.api_key, self.clock)
        attempts = InProcess(Terms(False, (), (), (), connections=1, per_host=1, user_agent="Tidings"))
        self.delivery = Delivery(self.store, attempts, self.accounts, self.clock, DeliverySettings())
        self.replays = Replays(self.store, self.delivery, self.clock)
        self.ledger = Ledger(self.store, self.clock, self.delivery)
        self.outbox = _Outbox()
        depths = QueueDepths()
        self.ledger.moved.append(depths.moved)
        rates = Rates(QueueSettings(), depths)
        self.services = Services(self.store, rates, self.clock)
        self.opt_outs = OptOuts(self.store, self.services, OptOutSettings())
        self.routes = Routes(
            [
                Route("+1", ("main", "pictures"), price=0.0079, media_price=0.02),
                Route("+44", ("main",)),
            ],
            {"pictures": frozenset({Channel.MMS})},
        )
        self.senders = Recent(self.store.sender, self.clock)
        origins = Origins(self.senders, self.services, self.opt_outs, rates)
        scheduled = Schedule(
            self.store,
            self.ledger,
            self.accounts,
            origins,
            Permission(self.accounts, self.opt_outs),
            self.routes,
            rates,
            self.clock,
            schedule,
            self.outbox.offer,
        )
        self.submitter = Submitter(
            self.store,
            self.senders,
            self.ledger,
            self.routes,
            depths,
            self.services,
            origins,
            rates,
            scheduled,
            self.clock,
            self.outbox,
        )
        super().__init__(
            self.store,
            self.ledger,
            self.senders,
            self.submitter,
            scheduled,
            self.routes,
            self.replays,
            self.delivery,
            self.clock,
        )
        self.hub = Hub(self.clock)
        self.carriers: dict[str, Carrier] = {}
        self.claims = True
        self.windable = True
        self.concurrency = 0
        self.sms_messages = False
        self.draining = False
        self.public_url = ""
        self.up: Readiness = {"store": True, "carriers": {"main": True, "reserve": False}}
        self.failure: Exception | None = None
        self.orders: list[Order] = []

    async def open(self) -> None:
        await self.store.open()
        for account in (ACCOUNT, OTHER, CLOSED, TEST):
            await self.store.put_account(account)
        for sender in SENDERS:
            await self.store.put_sender(sender)
        await self.opt_outs.start()
        self._server.app = build(self)

    async def submit(self, account: Account, order: Order) -> Submitted:
        self.orders.append(order)
        if self.failure:
            raise self.failure
        return await super().submit(account, order)

    def wind(self, by: int) -> int:
        if not self.windable:
            raise Problem(20006)
        self.clock.wind(by)
        return self.clock.now()

    def readiness(self) -> Readiness:
        return self.up

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the gateway runs."""
        return self._server.run(work)

    def commit(self, change: Change) -> None:
        async def commit() -> None:
            await self.store.commit(change)

        self.run(commit())

    def owe(self, message: str, number: int = 1, **changes: Any) -> Callback:
        """Keep a callback of an event of a message of the first account: one given up, but for the changes."""
        now = self.clock.now()
        usual = Callback(
            message_id=message,
            number=number,
            target=Target.MESSAGE,
            account=ACCOUNT.id,
            host=HOST,
            state=CallbackState.GIVEN_UP,
            created_at=now,
            owed_since=now,
            due_at=now,
            attempts=1,
            response=500,
            error=11200,
            done_at=now,
        )
        callback = msgspec.structs.replace(usual, **changes)
        change = Change()
        change.callbacks.append(callback)
        self.commit(change)
        return callback

    def attempt(self, callback: Callback, ordinal: int = 1, **changes: Any) -> Attempt:
        """Keep an attempt at a callback: one that was answered with 500, but for the changes."""
        now = self.clock.now()
        usual = Attempt(
            id=new_id(now),
            message_id=callback.message_id,
            number=callback.number,
            target=callback.target,
            account=callback.account,
            ordinal=ordinal,
            at=now,
            connected=1500,
            first_byte=20_250,
            elapsed=21_000,
            method="POST",
            url="https://user:secret@app.example.com/status?of=all",
            headers="Content-Type: application/x-www-form-urlencoded; charset=UTF-8\n"
            "X-Twilio-Signature: c2lnbmF0dXJl",
            body="MessageStatus=sent&To=%2B15551230000",
            response=500,
            response_headers="Content-Type: text/html\nServer: nginx",
            response_body="<h1>Oops</h1>",
            error=11200,
            detail="redirected once",
        )
        attempt = msgspec.structs.replace(usual, **changes)
        change = Change()
        change.attempts.append(attempt)
        self.commit(change)
        return attempt

    def until_ended(self, replay: str) -> None:
        """Until a replay has made owed all that it found."""

        async def ended() -> None:
            tasks = [task for task in asyncio.all_tasks() if task.get_name() == f"replay {replay}"]
            await asyncio.gather(*tasks)

        self.run(ended())

    def say(self, sid: str, *said: Evidence) -> None:
        """Let a carrier's evidence come for a message that has one segment."""

        async def record() -> None:
            kept = self.outbox.kept[sid[-32:]]
            if not kept.segments:
                kept.segments.append(Segment(kept.message.id, 1, SegmentState.WAITING, "main"))
            await self.ledger.record(kept, *said)

        self.run(record())

    def client(self, account: Account = ACCOUNT) -> Client:
        """Twilio's own client, pointed here."""
        client = Client("AC" + account.id, account.auth_token)
        client.api.base_url = self.url
        return client

    def http(self, account: Account | None = ACCOUNT) -> httpx.Client:
        """A plain client, to see what Twilio's hides."""
        auth = ("AC" + account.id, account.auth_token) if account else None
        return httpx.Client(base_url=self.url, auth=auth)

    def other(self) -> httpx.Client:
        """The plain client of another account."""
        return self.http(OTHER)


@pytest.fixture(scope="session")
def web_server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def schedule() -> ScheduleSettings:
    """For modules to replace."""
    return ScheduleSettings()


@pytest.fixture
def site(web_server: Server, tmp_path: Path, schedule: ScheduleSettings) -> Iterator[Site]:
    site = Site(web_server, tmp_path, schedule)
    site.run(site.open())
    yield site
    web_server.app = None
    site.run(site.replays.stop())
    site.run(site.store.close())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
