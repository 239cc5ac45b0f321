"""Attempts at callbacks in a process of their own: a good part of a busy gateway's work, on another core.

The two sides share a pair of sockets and nothing else. Over it go batches, each a length (4 octets, big-endian)
and a msgpack array: (number, attempt) one way, (number, outcome) the other. When the gateway dies, its courier's
socket ends and so does the courier; when the courier dies, attempts under way raise ConnectionError, whose
callbacks are told again, and another courier is started.
"""

import asyncio
import itertools
import logging
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
import uvloop

from tidings import telemetry
from tidings.callbacks.attempt import Attempt, InProcess, Outcome, Terms

log = logging.getLogger(__name__)

RESTART_AFTER: Final = 1.0
"""Seconds until a courier that ended is replaced."""
_LENGTH: Final = 4

T = TypeVar("T")


class Channel(asyncio.Protocol, Generic[T]):
    """One end of the pair: what is sent in one turn of the loop travels as one batch."""

    def __init__(self, kind: Any, on_item: Callable[[int, T], None], on_end: Callable[[], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(list[tuple[int, kind]])
        self._encode = msgspec.msgpack.Encoder().encode
        self._on_item = on_item
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._outgoing: list[tuple[int, Any]] = []

    def send(self, number: int, item: Any) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((number, item))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        batch, self._outgoing = self._encode(self._outgoing), []
        if self._transport is not None:
            self._transport.write(len(batch).to_bytes(_LENGTH) + batch)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        start = 0
        while len(received) - start >= _LENGTH:
            end = start + _LENGTH + int.from_bytes(received[start : start + _LENGTH])
            if len(received) < end:
                break
            for number, item in self._decoder.decode(received[start + _LENGTH : end]):
                self._on_item(number, item)
            start = end
        del received[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_end()


class Courier:
    """The gateway's side. Implements `attempt.Attempts`."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._numbers = itertools.count()
        self._under_way: dict[int, asyncio.Future[Outcome]] = {}
        self._channel: Channel[Outcome] | None = None
        self._connected = asyncio.Event()
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._hire()
        self._keeper = asyncio.create_task(self._keep(), name="courier")

    async def make(self, attempt: Attempt) -> Outcome:
        if self._channel is None:
            await self._connected.wait()
            assert self._channel is not None, "connected"
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._under_way[number] = outcome
        self._channel.send(number, attempt)
        return await outcome

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            await self._process.wait()

    async def _hire(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = (str(theirs.fileno()), msgspec.json.encode(self._terms).decode())
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, *arguments, pass_fds=(theirs.fileno(),)
            )
        loop = asyncio.get_running_loop()
        _, self._channel = await loop.create_connection(
            lambda: Channel[Outcome](Outcome, self._settle, self._lost), sock=ours
        )
        self._connected.set()

    async def _keep(self) -> None:
        while True:
            assert self._process is not None, "hired"
            status = await self._process.wait()
            log.error("the courier of callbacks ended (status %d): another one is started", status)
            await asyncio.sleep(RESTART_AFTER)
            await self._hire()

    def _settle(self, number: int, outcome: Outcome) -> None:
        under_way = self._under_way.pop(number, None)
        if under_way is not None and not under_way.done():
            under_way.set_result(outcome)

    def _lost(self) -> None:
        self._channel = None
        self._connected.clear()
        for under_way in self._under_way.values():
            if not under_way.done():
                under_way.set_exception(ConnectionError("the courier ended before it said what came of it"))
        self._under_way.clear()


async def work(fd: int, terms: Terms) -> None:
    """The courier's side: makes every attempt that comes, until the other side ends."""
    attempts = InProcess(terms)
    ended = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    async def make(number: int, attempt: Attempt) -> None:
        channel.send(number, await attempts.make(attempt))

    def take(number: int, attempt: Attempt) -> None:
        task = asyncio.create_task(make(number, attempt))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    _, channel = await asyncio.get_running_loop().create_connection(
        lambda: Channel[Attempt](Attempt, take, ended.set), sock=socket.socket(fileno=fd)
    )
    await ended.wait()
    await attempts.stop()


def main() -> None:
    # A Ctrl-C, and a service manager's SIGTERM, reach both: the gateway finishes what is under way, then ends us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    telemetry.configure("warning")
    uvloop.run(work(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Terms)))


if __name__ == "__main__":
    main()
