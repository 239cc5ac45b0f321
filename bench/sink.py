"""The application's end of the benchmark: answers every status callback with 204 and counts them per message.

Run as `python -m bench.sink` by `rig`, which reads the counts with GET / and what came when with GET /arrivals.
"""

import asyncio
import re
import time
from typing import Final, NamedTuple, cast

import httptools
import msgspec
import uvloop

from bench.child import announce, told_to_end

NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_TOLD: Final = re.compile(rb"SmsSid=(SM[0-9a-f]{32})&SmsStatus=(sent|delivered)&")
_FLAGS: Final = {b"sent": 1, b"delivered": 2}
_BOTH: Final = 3


class Counts(msgspec.Struct):
    callbacks: int = 0
    messages: int = 0
    """Messages that anything was told of."""
    complete: int = 0
    """Messages of which both `sent` and `delivered` was told."""
    repeated: int = 0
    """Told a second time."""
    early: int = 0
    """`delivered` told before `sent`."""
    unexpected: int = 0
    """Anything but a `sent` or `delivered` callback."""
    last_at: int = 0
    """When the last callback came: microseconds since 1970."""


class Arrival(NamedTuple):
    message: str
    """Its SID."""
    status: str
    at: int
    """Microseconds since 1970."""


class Sink:
    def __init__(self) -> None:
        self.counts = Counts()
        self._arrivals: list[tuple[bytes, bytes, int]] = []
        self._told: dict[bytes, int] = {}

    def take(self, form: bytes) -> None:
        counts = self.counts
        counts.callbacks += 1
        counts.last_at = time.time_ns() // 1000
        found = _TOLD.search(form)
        if found is None:
            counts.unexpected += 1
            return
        self._arrivals.append((found[1], found[2], counts.last_at))
        message, now = found[1], _FLAGS[found[2]]
        before = self._told.get(message, 0)
        self._told[message] = before | now
        counts.messages += not before
        counts.complete += before != _BOTH == before | now
        counts.repeated += bool(before & now)
        counts.early += not before and now == _FLAGS[b"delivered"]

    def arrivals(self) -> list[Arrival]:
        return [Arrival(message.decode(), status.decode(), at) for message, status, at in self._arrivals]


class Connection(asyncio.Protocol):
    """One kept-alive connection; called by httptools as it reads."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            self._sink.take(self._body)
            self._body = b""
            self._transport.write(NO_CONTENT)
        else:
            asked = self._sink.arrivals() if self._url == b"/arrivals" else self._sink.counts
            answer = msgspec.json.encode(asked)
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


async def main() -> None:
    sink = Sink()
    ended = told_to_end()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(sink), "127.0.0.1", 0, backlog=1024)
    announce(server.sockets[0].getsockname()[1])
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
