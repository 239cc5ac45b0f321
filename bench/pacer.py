"""A load tool that keeps a pace, which wrk cannot: every request has its time, whatever became of those before it.

Run as `python -m bench.pacer URL AUTHORIZATION FORMS SECONDS CONNECTIONS RATE` by `load`; prints one line of JSON
like messages.lua. Latency counts from the time a request was due, so waiting for a free connection is part of it.
"""

import asyncio
import sys
import time
from collections import deque
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

TICK: Final = 0.002
"""Seconds between looks at what is due."""
PATIENCE: Final = 10.0
"""Seconds to wait for the last answers."""


class Pacer:
    def __init__(self, requests: list[bytes]) -> None:
        self._requests = cycle(requests)
        self._due: deque[float] = deque()
        self._idle: list[Connection] = []
        self._unanswered = 0
        self._ending = False
        self._ended = asyncio.Event()
        self.latencies: list[float] = []
        self.refused = 0
        self.broken = 0

    async def run(self, seconds: float, rate: float) -> None:
        start = time.perf_counter()
        asked = 0
        while (now := time.perf_counter()) < start + seconds:
            while start + asked / rate <= now:
                self._due.append(start + asked / rate)
                asked += 1
            while self._idle and self._due:
                self._ask(self._idle.pop())
            await asyncio.sleep(TICK)
        self._ending = True
        self._end_if_done()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), PATIENCE)
        self.broken += len(self._due) + self._unanswered

    def free(self, connection: "Connection") -> None:
        if self._due:
            self._ask(connection)
        else:
            self._idle.append(connection)

    def _ask(self, connection: "Connection") -> None:
        self._unanswered += 1
        connection.ask(next(self._requests), self._due.popleft())

    def answered(self, connection: "Connection", due: float, status: int) -> None:
        self._unanswered -= 1
        self.latencies.append(time.perf_counter() - due)
        self.refused += status != 201
        self.free(connection)
        self._end_if_done()

    def lost(self, connection: "Connection", *, asked: bool) -> None:
        self._unanswered -= asked
        self.broken += asked
        if connection in self._idle:
            self._idle.remove(connection)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._ending and not self._due and not self._unanswered:
            self._ended.set()


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time; called by httptools as it reads."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._parser = httptools.HttpResponseParser(self)
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pacer.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._pacer.lost(self, asked=self._due is not None)

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        due, self._due = self._due, None
        assert due is not None, "nothing comes unasked"
        self._pacer.answered(self, due, self._parser.get_status_code())


def _request(url: str, authorization: str, form: str) -> bytes:
    place = urlsplit(url)
    return (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
    ).encode()


async def main(
    address: tuple[str, int], requests: list[bytes], seconds: float, connections: int, rate: float
) -> None:
    pacer = Pacer(requests)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(pacer), *address)
    began = time.perf_counter()
    await pacer.run(seconds, rate)
    taken = sorted(pacer.latencies) or [0.0]
    result = {
        "requests": len(pacer.latencies),
        "refused": pacer.refused,
        "broken": pacer.broken,
        "seconds": time.perf_counter() - began,
        "p50": int(taken[len(taken) // 2] * 1e6),
        "p99": int(taken[len(taken) * 99 // 100] * 1e6),
        "worst": int(taken[-1] * 1e6),
    }
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    url, authorization, forms, seconds, connections, rate = sys.argv[1:]
    place = urlsplit(url)
    requests = [_request(url, authorization, form) for form in Path(forms).read_text("ascii").splitlines()]
    address = (place.hostname or "", place.port or 80)
    uvloop.run(main(address, requests, float(seconds), int(connections), float(rate)))
