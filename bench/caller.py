"""One HTTP client that makes the same callback request again and again, in turns, and tells what that cost.

Run as `python -m bench.caller CLIENT PORT` by `transport`, which writes a line for each turn, its concurrency and
seconds, and reads the `Turn` as a line of JSON. What a client needs is imported by that client's process only.
"""

import asyncio
import itertools
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, cast
from urllib.parse import urlencode

import msgspec
import uvloop

from bench.child import announce
from bench.processes import Cpu
from tidings.apart import calm_the_collector

BODY: Final = urlencode(
    {
        "SmsSid": f"SM{0xA5:032x}",
        "SmsStatus": "delivered",
        "MessageStatus": "delivered",
        "To": "+15551239999",
        "MessageSid": f"SM{0xA5:032x}",
        "AccountSid": f"AC{0xBE:032x}",
        "From": "+15552230000",
        "ApiVersion": "2010-04-01",
        "RawDlrDoneDate": "2611211728",
        "TidingsSequence": "4",
        "TidingsTimestamp": "2026-11-21T17:28:16.000123Z",
    }
).encode()
"""About what a status callback has."""
COMMON: Final = ((b"User-Agent", b"Tidings"), (b"Accept", b"*/*"), (b"X-Home-Region", b"us1"))
OWN: Final = (
    (b"Content-Type", b"application/x-www-form-urlencoded; charset=UTF-8"),
    (b"X-Twilio-Signature", b"RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    (b"I-Twilio-Idempotency-Token", b"019c6a1e-7f3a-7b1e-8a51-3f1f6f0d2c11"),
)
"""With those in common, Host and Content-Length, they are eight."""
MOST: Final = 256
"""Connections to the host."""
TELLINGS: Final = 100
"""Different callbacks of which rounds are made; they repeat after that."""

Post = Callable[[], Awaitable[object]]
Client = Callable[[int, float], Awaitable[int]]
"""Requests until so many seconds are over, so many at a time; returns how many there were."""


class Turn(msgspec.Struct, frozen=True):
    requests: int
    seconds: float
    cpu: Cpu
    """Of the client's process, all its threads."""


def _repeat(post: Post) -> Client:
    """A client that is given one request at a time."""

    async def one(ends: float) -> int:
        made = 0
        while time.monotonic() < ends:
            await post()
            made += 1
        return made

    async def call(concurrency: int, seconds: float) -> int:
        ends = time.monotonic() + seconds
        return sum(await asyncio.gather(*(one(ends) for _ in range(concurrency))))

    return call


# --- the clients
class _Bare(asyncio.Protocol):
    """Writes the same bytes whenever the head of an answer is there: what no client can do without."""

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, ends: float) -> asyncio.Future[int]:
        self._ends = ends
        self._made = 0
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return self._done

    def data_received(self, data: bytes) -> None:
        if data.find(b"\r\n\r\n") < 0:
            return  # an answer has one such place, and nothing behind it
        self._made += 1
        if time.monotonic() < self._ends:
            self._transport.write(self._request)
        else:
            self._done.set_result(self._made)


def _bare(port: int) -> Client:
    lines = [(b"Host", b"127.0.0.1:%d" % port), *COMMON, *OWN, (b"Content-Length", b"%d" % len(BODY))]
    head = b"".join(b"%b: %b\r\n" % line for line in lines)
    request = b"POST /status HTTP/1.1\r\n" + head + b"\r\n" + BODY
    connections: list[_Bare] = []

    async def call(concurrency: int, seconds: float) -> int:
        while len(connections) < concurrency:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Bare(request), "127.0.0.1", port
            )
            connections.append(connection)
        ends = time.monotonic() + seconds
        return sum(await asyncio.gather(*(each.begin(ends) for each in connections[:concurrency])))

    return call


def _transport(port: int) -> Client:
    from tidings.callbacks.exchange import Request
    from tidings.callbacks.guard import Guard
    from tidings.callbacks.transport import Transport
    from tidings.callbacks.url import parse_url

    transport = Transport(Guard(allow_private=True), headers=COMMON, per_host=MOST)
    request = Request("POST", parse_url(f"http://127.0.0.1:{port}/status"), OWN, BODY)

    async def post() -> None:
        response = await transport.send(request)
        assert response.status == 204, response

    return _repeat(post)


def _aiohttp(port: int) -> Client:
    import aiohttp

    url = f"http://127.0.0.1:{port}/status"
    headers = {name.decode(): value.decode() for name, value in (*COMMON, *OWN)}
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MOST),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=15, connect=5, sock_connect=5, sock_read=15),
        skip_auto_headers=("Accept-Encoding",),
    )

    async def post() -> None:
        async with session.post(url, data=BODY, headers=headers, allow_redirects=False) as response:
            await response.read()
            assert response.status == 204, response

    return _repeat(post)


def _round(port: int) -> Client:
    from bench.sample import message, telling
    from tidings.callbacks.attempt import Terms
    from tidings.callbacks.round import InProcess

    rounds = InProcess(Terms(True, (), (), (), MOST, MOST, "Tidings"))
    url = f"http://127.0.0.1:{port}/status"
    tellings = itertools.cycle([telling(message(url)) for _ in range(TELLINGS)])

    async def post() -> None:
        outcome = await rounds.make(next(tellings))
        assert outcome.error is None, outcome

    return _repeat(post)


CLIENTS: Final[dict[str, Callable[[int], Client]]] = {
    "bare": _bare,
    "transport": _transport,
    "round": _round,
    "aiohttp": _aiohttp,
}


async def _begin(name: str, port: int) -> Client:
    return CLIENTS[name](port)


async def _turn(call: Client, concurrency: int, seconds: float) -> Turn:
    began, used = time.perf_counter(), _used()
    requests = await call(concurrency, seconds)
    return Turn(requests, time.perf_counter() - began, _used().since(used))


def _used() -> Cpu:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Cpu(usage.ru_utime, usage.ru_stime)


def main(name: str, port: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        client = runner.run(_begin(name, port))
        calm_the_collector()
        announce(port)
        for line in sys.stdin:
            concurrency, seconds = line.split()
            turn = runner.run(_turn(client, int(concurrency), float(seconds)))
            print(msgspec.json.encode(turn).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
