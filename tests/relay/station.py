"""A RELAY door on a real socket: uvicorn, the routes, a hub, and a gateway that only takes messages down."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, cast

import msgspec
import uvicorn
import websockets
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection

from tidings.callbacks.attempt import Outcome, Telling
from tidings.clock import SECOND, WindableClock
from tidings.gateway.recent import Recent
from tidings.gateway.submit import Submitted
from tidings.ids import dashed
from tidings.lifecycle import Kind, Status
from tidings.model import Account, ApiKey, Direction, Event, Message, Order, Standing, Target
from tidings.relay.hub import Hub, Timing
from tidings.text import Encoding
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.relay import UVICORN, routes

NOW = 1_790_000_000 * SECOND
ACCOUNT = Account("0a" * 16, "one", "the token", 0)
OTHER = Account("0b" * 16, "another", "its token", 0)
CLOSED = Account("0c" * 16, "closed", "closed", 0, active=False)
NO_RELAY = Account("0d" * 16, "without RELAY", "none", 0, dialects=("twilio",))
PROJECT = dashed(ACCOUNT.id)
PATIENCE = 5.0
"""Seconds for what is to happen."""


def a_message(context: str = "office", **changes: Any) -> Message:
    """One that was sent, unless the changes say otherwise."""
    usual = Message(
        id="5a" * 16,
        account=ACCOUNT.id,
        dialect="signalwire_relay",
        direction=Direction.OUTBOUND_API,
        sender="+15005550006",
        recipient="+15551230000",
        body="hello",
        encoding=Encoding.GSM7,
        segments=1,
        callback_url=None,
        validity=None,
        created_at=NOW,
        extras={"context": context},
    )
    return msgspec.structs.replace(usual, **changes)


def inbound(context: str = "office", number: int = 1) -> Message:
    return a_message(context, id=f"{number:032x}", direction=Direction.INBOUND)


def a_telling(message: Message, status: Status = Status.SENT, number: int = 2, attempts: int = 0) -> Telling:
    if message.direction is Direction.INBOUND:
        status = Status.RECEIVED
    event = Event(message.id, number, message.account, NOW, Kind.ACCEPTED, status, True, True, 0, None, {})
    return Telling(message, event, Target.RELAY, ACCOUNT, NOW, attempts)


AT_ONCE = Timing(settle=0.0)
"""As usual, but that events do not wait for clients to attach their handlers."""


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not met():  # noqa: ASYNC110 - what is waited for happens in code that has no event for it
            await asyncio.sleep(0)


class Client:
    """A WebSocket, and JSON-RPC as little as will do."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._asked = 0

    async def say(self, method: str, params: dict[str, Any] | None = None) -> str:
        """Send a request, and do not wait for its answer. Returns its id."""
        self._asked += 1
        request = f"request {self._asked}"
        content = {"jsonrpc": "2.0", "id": request, "method": method, "params": params or {}}
        await self.socket.send(msgspec.json.encode(content).decode())
        return request

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request; the next frame must be its answer."""
        request = await self.say(method, params)
        answer = await self.hear()
        assert answer["id"] == request
        return answer

    async def hear(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(PATIENCE):
            frame = await self.socket.recv()
        assert isinstance(frame, str)
        content: dict[str, Any] = msgspec.json.decode(frame)
        return content

    async def acknowledge(self) -> dict[str, Any]:
        """The next frame, which is acknowledged."""
        event = await self.hear()
        await self.reply(event["id"], result={})
        return event

    async def reply(self, id: str, **content: Any) -> None:
        await self.socket.send(msgspec.json.encode({"jsonrpc": "2.0", "id": id, **content}).decode())

    async def closed(self) -> tuple[int, str]:
        """Code and reason, once nothing but that comes."""
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""


class Station:
    """The gateway's side. `orders` are those that came."""

    def __init__(self, timing: Timing = AT_ONCE) -> None:
        self.clock = WindableClock(lambda: NOW)
        self.hub = Hub(self.clock, timing)
        self.hub.heard = self._heard
        self.heard: list[tuple[str, str]] = []
        self.orders: list[Order] = []
        self.refusal: Exception | None = None
        self.held: asyncio.Event | None = None
        """Orders are taken once it is set."""
        self.draining = False
        self.known = {account.id: account for account in (ACCOUNT, OTHER, CLOSED, NO_RELAY)}
        self.port = 0
        self.connections: set[Any] = set()
        """The server's."""

    def _heard(self, account: str, context: str) -> None:
        self.heard.append((account, context))

    async def submit(self, account: Account, order: Order) -> Submitted:
        self.orders.append(order)
        if self.held is not None:
            await self.held.wait()
        if self.refusal is not None:
            raise self.refusal
        message = a_message(
            id=f"{len(self.orders):032x}",
            account=account.id,
            sender=order.sender,
            recipient=order.recipient,
            body=order.body,
            extras=order.extras,
        )
        return Submitted(message, Standing(message.id, Status.QUEUED, 1, NOW), repeated=False)

    def tell(self, message: Message, status: Status = Status.SENT, number: int = 2) -> "asyncio.Task[Outcome]":
        return asyncio.create_task(self.hub.make(a_telling(message, status, number)))

    async def connection(self, path: str = "/", **options: Any) -> Client:
        socket = await websockets.connect(f"ws://127.0.0.1:{self.port}{path}", ping_interval=None, **options)
        return Client(socket)

    async def client(self, *contexts: str, account: Account = ACCOUNT, **params: Any) -> Client:
        """One that is connected in the present form."""
        client = await self.connection()
        await client.ask("signalwire.connect", connect(account, contexts=list(contexts), **params))
        return client


def connect(account: Account = ACCOUNT, **params: Any) -> dict[str, Any]:
    return {
        "version": {"major": 3, "minor": 0, "revision": 0},
        "event_acks": True,
        "authentication": {"project": dashed(account.id), "token": account.auth_token},
        **params,
    }


class _Known:
    """As `gateway.recent.Recent`, and never behind."""

    def __init__(self, records: dict[str, Account]) -> None:
        self._records = records

    async def get(self, key: str) -> Account | None:
        return self._records.get(key)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(station: Station, tls: ssl.SSLContext | None = None) -> AsyncIterator[Station]:
    gateway = cast(Gateway, station)
    accounts = cast(Recent[Account], _Known(station.known))
    authenticator = Authenticator(accounts, cast(Recent[ApiKey], _Known({})), station.clock)
    config = uvicorn.Config(
        Starlette(routes=routes(gateway, authenticator)), log_config=None, lifespan="off", **UVICORN
    )
    config.load()
    config.ssl = tls
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    station.port = listener.getsockname()[1]
    server = _Server(config)
    station.connections = server.server_state.connections
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield station
    finally:
        await station.hub.stop()
        server.should_exit = True
        await task
