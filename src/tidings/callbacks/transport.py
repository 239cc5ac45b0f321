"""HTTP/1.1 client for callbacks and webhooks: a pool of kept-alive connections and `send`.

The delivery engine is the caller. Deliveries are most of what a gateway does, so a request on a connection
that is already open costs no Task, no timer and no lookup: one shared sweep watches every deadline, the
guard's answer and the head of the request are kept. Connections go to addresses the guard has checked.
"""

import asyncio
import math
import ssl
import time
from collections import deque
from collections.abc import Sequence

from tidings.callbacks.certificate import made_for
from tidings.callbacks.connection import MAX_BODY, Connection, Stale
from tidings.callbacks.exchange import (
    METHODS,
    Headers,
    Kind,
    Request,
    Response,
    Timeouts,
    TransportError,
    connect_failure,
)
from tidings.callbacks.guard import Guard, Refused, Unresolved
from tidings.callbacks.url import Url

__all__ = ["Kind", "Request", "Response", "Timeouts", "Transport", "TransportError"]

PER_HOST = 32
"""Connections to one scheme, host and port."""
TOTAL = 1024
"""Connections to all hosts."""
IDLE = 15.0
"""Seconds an unused connection is kept."""
TICK = 0.05
"""Seconds between sweeps: by so much a timeout can be late. The shortest anyone may ask for is 0.1 s."""
TLS_SHUTDOWN = 1.0
"""Seconds a peer has to answer close_notify; its place in the pool is taken meanwhile."""

_Key = tuple[str, str, int] | tuple[str, str, int, bool]
"""What connections are kept by: scheme, host and port, and False behind them where TLS did not name the host."""

_METHODS = {method: method.encode() + b" " for method in METHODS}
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""Methods that say how long their content is even where there is none (RFC 9110 §8.6)."""


class _Origin:
    """The connections to one scheme, host and port, and who waits for one of them."""

    __slots__ = ("idle", "key", "places", "waiting")

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.places = 0
        """Connections open or being opened."""
        self.idle: list[Connection] = []
        """The one used last is taken first, so that those not needed grow old."""
        self.waiting: deque[tuple[asyncio.Future[Connection | None], float]] = deque()
        """With the time until when; the result is a connection, or None for a place to open one in."""

    def take(self, addresses: Sequence[str]) -> Connection | None:
        """An idle connection to one of these addresses; those to others are closed."""
        while self.idle:
            connection = self.idle.pop()
            if connection.address in addresses and not connection.closed:
                return connection
            connection.close()
        return None


class Transport:
    """Sends requests to applications. Belongs to one event loop."""

    def __init__(
        self,
        guard: Guard,
        *,
        headers: Headers = (),
        per_host: int = PER_HOST,
        total: int = TOTAL,
        idle: float = IDLE,
        tick: float = TICK,
        tls: ssl.SSLContext | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        """
        Args:
            headers: sent with every request (User-Agent, Accept).
            per_host: connections to one origin; further requests wait in line for one.
            total: connections altogether; an idle one makes room, without one a request fails at once.
            idle: seconds an unused connection is kept.
            tick: seconds by which a timeout may be late.
            tls: replaces the system's trust store; it must verify certificates and host names.
            max_body: bytes of a response's body that are kept.
        """
        self._guard = guard
        self._common = b"".join(_line(name, value) for name, value in headers)
        self._per_host = per_host
        self._total = total
        self._idle_seconds = idle
        self._tick = tick
        self._max_body = max_body
        self._tls = tls or ssl.create_default_context()
        self._origins: dict[_Key, _Origin] = {}
        self._connections: dict[Connection, _Origin] = {}
        self._places = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._closing = False

    async def send(self, request: Request, deadline: float = math.inf) -> Response:
        """One request, one response, within the request's own total time and before `deadline` (monotonic clock).

        A kept connection that turns out closed before a byte of response came is replaced by a fresh one,
        once: the server had most likely closed it before the request arrived.

        Raises:
            TransportError: no response came; `kind` says why.
            ValueError: a header has a line break.
        """
        started = time.monotonic()
        deadline = min(deadline, started + request.timeouts.total)
        payload = self._encode(request)
        try:
            connection = self._idle(request) or await self._obtain(request, deadline, fresh=False)
            try:
                return await self._ask(connection, request, payload, started, deadline)
            except Stale:
                connection = await self._obtain(request, deadline, fresh=True)
                return await self._ask(connection, request, payload, started, deadline)
        except TransportError as error:
            error.elapsed = time.monotonic() - started
            raise

    async def close(self) -> None:
        """Close every connection. Requests under way or in line fail with `reset`, as do those to come."""
        self._closing = True
        for origin in self._origins.values():
            for waiter, _ in origin.waiting:
                if not waiter.done():
                    waiter.set_exception(_stopping())
        for connection in list(self._connections):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        await asyncio.sleep(0)  # the loop says connection_lost in its next round

    async def _ask(
        self, connection: Connection, request: Request, payload: bytes, started: float, deadline: float
    ) -> Response:
        answer = connection.exchange(payload, request.timeouts.read, started, deadline)
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.cancelled():
                connection.abort()
            raise

    def _encode(self, request: Request) -> bytes:
        parts = [_METHODS[request.method], request.url.wire, self._common]
        parts.extend([_line(name, value) for name, value in request.headers])
        if request.body or request.method in _WITH_CONTENT:
            parts.append(b"Content-Length: %d\r\n" % len(request.body))
        parts.append(b"\r\n")
        parts.append(request.body)
        return b"".join(parts)

    # From here to a connection

    def _idle(self, request: Request) -> Connection | None:
        url = request.url
        origin = self._origins.get(url.origin if request.sni else _unnamed(url))
        if origin is None or not origin.idle:
            return None
        addresses = self._guard.known(url.host, url.port)
        return origin.take(addresses) if addresses else None

    async def _obtain(self, request: Request, deadline: float, *, fresh: bool) -> Connection:
        """A connection when none was idle: a new one if there is a place for it, else the next to get free."""
        if self._closing:
            raise _stopping()
        url = request.url
        key = url.origin if request.sni else _unnamed(url)
        due = min(deadline, time.monotonic() + request.timeouts.connect)
        addresses = self._guard.known(url.host, url.port) or await self._resolve(url, due)
        origin = self._origins.get(key)
        if origin is not None and not fresh and (connection := origin.take(addresses)):
            return connection
        if origin is None or origin.places < self._per_host:
            self._make_room()
            origin = self._origins.setdefault(key, _Origin(key))
            origin.places += 1
            self._places += 1
        else:
            if fresh and origin.idle:
                origin.idle.pop().abort()
            while handed := await self._wait(origin, due, first=fresh):
                if not fresh:
                    return handed
                handed.abort()
        return await self._connect(origin, request, addresses, deadline)

    async def _resolve(self, url: Url, due: float) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(due - time.monotonic()):
                return await self._guard.resolve(url.host, url.port)
        except Refused as error:
            raise TransportError(Kind.GUARDED, error.reason) from error
        except Unresolved as error:
            raise TransportError(Kind.DNS, error.reason) from error
        except TimeoutError as error:
            raise TransportError(Kind.DNS, f"{url.host}: no answer from the resolver in time") from error

    async def _wait(self, origin: _Origin, due: float, *, first: bool) -> Connection | None:
        """In line for a connection to get free, or (None) for the place of one that was closed."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        (origin.waiting.appendleft if first else origin.waiting.append)((waiter, due))
        self._sweep_later()
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._give_back(origin, waiter.result())
            raise

    def _give_back(self, origin: _Origin, handed: Connection | None) -> None:
        if handed is None:
            self._vacate(origin)
        elif not handed.closed:
            self.released(handed)

    async def _connect(
        self, origin: _Origin, request: Request, addresses: Sequence[str], deadline: float
    ) -> Connection:
        """Open a connection in the place that was taken for it; without one the place is given back."""
        failure = TransportError(Kind.DNS, f"{request.url.host} has no address")
        try:
            for address in addresses:
                try:
                    return await self._open(origin, request, address, deadline)
                except TransportError as error:
                    failure = error
                    if error.kind is Kind.TOTAL_TIMEOUT:
                        break
            raise failure
        except BaseException:
            self._vacate(origin)
            raise

    async def _open(self, origin: _Origin, request: Request, address: str, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        connection = Connection(self, loop, address, self._idle_seconds, self._max_body)
        url = request.url
        secure = url.scheme == "https"
        name = url.host.removesuffix(".")
        try:
            async with asyncio.timeout(min(request.timeouts.connect, deadline - time.monotonic())):
                transport, _ = await loop.create_connection(
                    lambda: connection,
                    address,
                    url.port,
                    ssl=self._tls if secure else None,
                    # "" is no name for the server to see, nor one for OpenSSL to check, which is then done here.
                    server_hostname=(name if request.sni else "") if secure else None,
                    ssl_shutdown_timeout=TLS_SHUTDOWN if secure else None,
                )
            if secure and not request.sni and not made_for(name, transport.get_extra_info("peercert")):
                raise TransportError(Kind.TLS_NAME, f"{url.host} ({address}): certificate is for other names")
            if self._closing:
                raise _stopping()
            if connection.closed:
                raise ConnectionResetError
            self._connections[connection] = origin
        except OSError as error:
            if time.monotonic() >= deadline:
                raise TransportError(Kind.TOTAL_TIMEOUT, f"{url.host}: no connection in time") from error
            raise connect_failure(error, url.scheme, f"{url.host} ({address}) port {url.port}") from error
        finally:
            if connection not in self._connections:
                connection.abort()
        self._sweep_later()
        return connection

    def _make_room(self) -> None:
        """Give up the connections unused for longest until there is a place for another."""
        while self._places >= self._total:
            oldest = min(
                (origin.idle[0] for origin in self._origins.values() if origin.idle), key=_due, default=None
            )
            if oldest is None:
                raise TransportError(Kind.TOO_MANY_CONNECTIONS, f"all {self._total} connections are in use")
            oldest.abort()
            self.lost(oldest)

    # What connections say

    def released(self, connection: Connection) -> None:
        origin = self._connections[connection]
        while origin.waiting:
            waiter, _ = origin.waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        origin.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        origin = self._connections.pop(connection, None)
        if origin is None:  # never came into use, or made room for another
            return
        if connection in origin.idle:
            origin.idle.remove(connection)
        self._vacate(origin)

    def _vacate(self, origin: _Origin) -> None:
        while origin.waiting:
            waiter, _ = origin.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        origin.places -= 1
        self._places -= 1
        if not origin.places:
            del self._origins[origin.key]

    # The clock

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._tick, self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [connection for connection in self._connections if connection.due <= now]:
            connection.overdue(now)
        for origin in self._origins.values():
            if origin.waiting:
                for waiter, due in origin.waiting:
                    if due <= now and not waiter.done():
                        waiter.set_exception(_no_connection(origin))
                origin.waiting = deque(entry for entry in origin.waiting if not entry[0].done())
        self._sweeping = None
        if self._origins:
            self._sweep_later()


def _unnamed(url: Url) -> _Key:
    return (*url.origin, False)


def _stopping() -> TransportError:
    return TransportError(Kind.RESET, "the gateway is stopping")


def _due(connection: Connection) -> float:
    return connection.due


def _no_connection(origin: _Origin) -> TransportError:
    busy = f"all {origin.places} connections to {origin.key[1]} stayed busy"
    return TransportError(Kind.TOO_MANY_CONNECTIONS, busy)


def _line(name: bytes, value: bytes) -> bytes:
    if b"\n" in value or b"\r" in value:
        raise ValueError(f"header {name.decode('latin-1')} has a line break in its value")
    return b"%b: %b\r\n" % (name, value)
