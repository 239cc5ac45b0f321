"""Processes of our own beside the gateway: how they are begun, and how the two sides talk.

The sides share a pair of sockets and nothing else. Over it go frames, each a length (4 octets, big-endian) and a
msgpack array of a number and an item: requests one way, answers with the same numbers the other. A process whose
gateway has died finds its socket at an end, and ends.

Used by `callbacks.courier` and `store.sqlite.scribe`.
"""

import asyncio
import gc
import itertools
import logging
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from tidings import telemetry

log = logging.getLogger(__name__)

RESTART_AFTER: Final = 1.0
"""Seconds until a process that ended is replaced."""
_LENGTH: Final = 4

T = TypeVar("T")


class Frames:
    """Cuts what comes in into frames."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The contents of the frames that are complete with `data`."""
        self._received += data
        start = 0
        while len(self._received) - start >= _LENGTH:
            end = start + _LENGTH + int.from_bytes(self._received[start : start + _LENGTH])
            if len(self._received) < end:
                break
            yield bytes(self._received[start + _LENGTH : end])
            start = end
        del self._received[:start]


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH) + content


class Channel(asyncio.Protocol, Generic[T]):
    """One end of the pair, on an event loop. `kind` is the type of what comes in.

    What is sent in one turn of the loop leaves in one write.
    """

    def __init__(self, kind: Any, on_item: Callable[[int, T], None], on_end: Callable[[], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(tuple[int, kind])
        self._encode = msgspec.msgpack.Encoder().encode
        self._frames = Frames()
        self._on_item = on_item
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []

    def send(self, number: int, item: Any) -> None:
        """Raises ValueError for a text that is no Unicode, which msgpack cannot spell; then nothing is sent."""
        content = self._encode((number, item))
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame(content))

    def close(self) -> None:
        """Send what is queued, then let go."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for content in self._frames.feed(data):
            number, item = self._decoder.decode(content)
            self._on_item(number, item)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_end()


class Apart(Generic[T]):
    """The gateway's side of a process that answers requests with a `T`: begun, asked, replaced when it ends."""

    def __init__(self, module: str, settings: Any, kind: type[T], *, patient: bool) -> None:
        """The process runs `main` of `module`, given the number of its socket and `settings` as JSON.

        `patient`: what is asked while it is being replaced waits for the next one; otherwise it fails.
        """
        self._module = module
        self._settings = msgspec.json.encode(settings).decode()
        self._kind = kind
        self._patient = patient
        self._numbers = itertools.count()
        self._under_way: dict[int, asyncio.Future[T]] = {}
        self._channel: Channel[T] | None = None
        self._connected = asyncio.Event()
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._begin()
        self._keeper = asyncio.create_task(self._keep(), name=self._module)

    def ask(self, request: Any) -> Awaitable[T]:
        """Raises ConnectionError where the process ended before it answered: it may have done it, or not."""
        return self._ask_later(request) if self._channel is None else self._ask(self._channel, request)

    def _ask(self, channel: Channel[T], request: Any) -> asyncio.Future[T]:
        number = next(self._numbers)
        channel.send(number, request)
        answer = self._under_way[number] = self._loop.create_future()
        return answer

    async def _ask_later(self, request: Any) -> T:
        if not self._patient:
            raise ConnectionError(f"{self._module} has ended and is being replaced")
        await self._connected.wait()
        assert self._channel is not None, "connected"
        return await self._ask(self._channel, request)

    async def stop(self) -> None:
        """Let go of it; returns once it has ended."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            await self._process.wait()

    async def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            program = f"from {self._module} import main; main()"
            arguments = (str(theirs.fileno()), self._settings)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", program, *arguments, pass_fds=(theirs.fileno(),)
                )
            except BaseException:
                ours.close()
                raise
        _, self._channel = await self._loop.create_connection(
            lambda: Channel[T](self._kind, self._settle, self._lost), sock=ours
        )
        self._connected.set()

    async def _keep(self) -> None:
        while True:
            assert self._process is not None, "begun"
            status = await self._process.wait()
            log.error("%s ended (status %d): another one is started", self._module, status)
            await self._replace()

    async def _replace(self) -> None:
        while True:
            await asyncio.sleep(RESTART_AFTER)
            try:
                return await self._begin()
            except OSError as error:
                log.error("%s cannot be started: %s", self._module, error)

    def _settle(self, number: int, answer: T) -> None:
        under_way = self._under_way.pop(number, None)
        if under_way is not None and not under_way.done():
            under_way.set_result(answer)

    def _lost(self) -> None:
        self._channel = None
        self._connected.clear()
        for under_way in self._under_way.values():
            if not under_way.done():
                under_way.set_exception(ConnectionError(f"{self._module} ended before it answered"))
        self._under_way.clear()


def calm_the_collector() -> None:
    """Nearly all garbage here is freed by counting references; with the collector's defaults it would go through
    everything in memory again and again (docs/performance.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def of_gateway() -> tuple[int, bytes]:
    """Called first by such a process: the number of its socket, and its settings as JSON."""
    # A Ctrl-C, and a service manager's SIGTERM, reach both: the gateway finishes what is under way, then ends us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    telemetry.configure("warning")
    calm_the_collector()
    return int(sys.argv[1]), sys.argv[2].encode()
