"""A real server for the tests of this room: uvicorn on a free port; real store, ledger and submitter behind it.

No carrier: tests say themselves, through the ledger, what one would have said.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn
from twilio.rest import Client

from tidings.clock import SECOND
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.limits import QueueDepths
from tidings.gateway.routes import Route, Routes
from tidings.gateway.submit import Submitted, Submitter
from tidings.lifecycle import SegmentState
from tidings.model import Account, Event, Message, Order, Segment, Sender
from tidings.store.base import Kept, OwedCallback
from tidings.store.sqlite.store import SqliteStore
from tidings.web.app import build
from tidings.web.gateway import Readiness

T = TypeVar("T")

ACCOUNT = Account("0a" * 16, "first", "token of the first", 0)
OTHER = Account("0b" * 16, "second", "token of the second", 0)
CLOSED = Account("0c" * 16, "closed", "token of the closed", 0, active=False)
SENDERS = (
    Sender("+15005550006", ACCOUNT.id),
    Sender("+15005550007", ACCOUNT.id),
    Sender("+15005550008", ACCOUNT.id, queue_limit=1),
    Sender("+15005550009", OTHER.id),
)


class ManualClock:
    """Time that stands still until it is wound."""

    def __init__(self) -> None:
        self.time = 1_795_282_096 * SECOND + 123

    def now(self) -> int:
        return self.time


class _NobodyToTell:
    def host(self, message: Message, event: Event) -> str | None:
        return None

    def offer(self, owed: OwedCallback) -> None:
        raise AssertionError("nothing is owed to anybody")


class _Outbox:
    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    def offer(self, kept: Kept) -> None:
        self.kept[kept.message.id] = kept


class Site:
    """The gateway behind the server, and the server's address. Tests run on their own thread, it on another."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.store = SqliteStore(path / "tidings.db")
        self.ledger = Ledger(self.store, self.clock, _NobodyToTell())
        self.outbox = _Outbox()
        depths = QueueDepths()
        self.ledger.moved.append(depths.moved)
        routes = Routes([Route("+1", ("main",)), Route("+44", ("main",))])
        self._submitter = Submitter(self.store, self.ledger, routes, depths, self.clock, self.outbox)
        self.draining = False
        self.up: Readiness = {"store": True, "carriers": {"main": True, "reserve": False}}
        self.failure: Exception | None = None
        self.orders: list[Order] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()

    async def submit(self, account: Account, order: Order) -> Submitted:
        self.orders.append(order)
        if self.failure:
            raise self.failure
        return await self._submitter.submit(account, order)

    def readiness(self) -> Readiness:
        return self.up

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the server runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

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

    # --- life
    def start(self) -> None:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        started.result(10)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _serve(self, started: "Future[None]") -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._loop.close()

    async def _live(self, started: "Future[None]") -> None:
        await self.store.open()
        for account in (ACCOUNT, OTHER, CLOSED):
            await self.store.put_account(account)
        for sender in SENDERS:
            await self.store.put_sender(sender)
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = _Server(uvicorn.Config(build(self), lifespan="off", log_config=None, access_log=False))
        self._server.started_up = started
        await self._server.serve([listening])
        await self.store.close()


class _Server(uvicorn.Server):
    started_up: "Future[None]"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_up.set_result(None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.start()
    yield site
    site.stop()
