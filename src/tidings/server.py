"""Runs a gateway behind uvicorn until it is told to stop, then stops it in order.

`tidings serve` and `tidings demo` call `serve`: http and ws on one port, https and wss on a second one if asked,
and one application behind both. SIGTERM and SIGINT drain: no new connections, requests under way are answered,
then the gateway stops as `app` says. A second signal ends at once.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidings.apart import calm_the_collector
from tidings.app import Gateway
from tidings.tls import ShownCertificate
from tidings.web.app import build
from tidings.web.relay import UVICORN

log = logging.getLogger(__name__)

GOODBYE: Final = 2.0
"""Seconds that a stop waits at least for a client to answer the end of TLS."""
CERTIFICATE_LOOK: Final = 3600.0
"""Seconds between two looks at whether the certificate's files have changed, or must be made anew."""


class _Corked:
    """A transport that writes once a turn of the loop: uvicorn writes the head of an answer and its body apart."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._out: list[bytes] = []
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        if not self.is_closing():  # closed twice, a transport of asyncio's TLS can no longer be aborted
            self._transport.close()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, _Corked(cast(asyncio.Transport, transport), self.loop)))


class HttpServer(uvicorn.Server):
    """uvicorn in front of one application, with signals and logging left to us."""

    def __init__(self, application: ASGIApp, tls: ssl.SSLContext | None = None) -> None:
        """With `tls`, it answers https and wss only."""
        config = uvicorn.Config(
            application,
            interface="asgi3",
            http=_Protocol,
            **UVICORN,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        leaving = asyncio.create_task(self._leave_the_silent()) if self.config.ssl else None
        await super().shutdown(sockets)
        if leaving:
            leaving.cancel()

    async def _leave_the_silent(self) -> None:
        """End connections whose clients do not answer TLS's goodbye, as pools do not: asyncio gives them 30 s."""
        told: set[asyncio.Transport] = set()
        while True:
            closing = {one.transport for one in self.server_state.connections if one.transport.is_closing()}
            for transport in closing & told:
                transport.abort()
            told = closing
            await asyncio.sleep(GOODBYE)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    listener.setblocking(False)
    return listener


@dataclass(frozen=True, slots=True)
class Secured:
    """A second listening socket, for https and wss."""

    listener: socket.socket
    certificate: ShownCertificate


async def serve(
    gateway: Gateway,
    listener: socket.socket,
    while_running: Callable[[asyncio.Event], Awaitable[Any]] | None = None,
    secured: Secured | None = None,
) -> None:
    """Serve until a signal comes or `while_running` returns; it is given the event that a signal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_or_end, stop)
    _tune_the_interpreter()
    await gateway.start()
    application = build(gateway)
    doors = {HttpServer(application): listener}
    background = []
    if secured:
        doors[HttpServer(application, secured.certificate.context)] = secured.listener
        background.append(asyncio.create_task(_keep_current(secured.certificate)))
    serving = [asyncio.create_task(server.serve(sockets=[door])) for server, door in doors.items()]
    running = asyncio.create_task(_until(stop, while_running))
    try:
        await asyncio.wait((*serving, running), return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping: what is in flight is finished first")
    finally:
        gateway.draining = True
        await gateway.hub.drain()
        for server in doors:
            server.should_exit = True
        await asyncio.gather(*serving, return_exceptions=True)
        for task in (running, *background):
            task.cancel()
        await gateway.stop()
    if running.done() and not running.cancelled():
        running.result()


async def _keep_current(certificate: ShownCertificate) -> None:
    while True:
        await asyncio.sleep(CERTIFICATE_LOOK)
        certificate.refresh()


def _tune_the_interpreter() -> None:
    # A thread that reads the store for a moment should not wait 5 ms for a busy event loop to let it in.
    sys.setswitchinterval(0.0005)
    calm_the_collector()


async def _until(stop: asyncio.Event, work: Callable[[asyncio.Event], Awaitable[Any]] | None) -> None:
    if work is None:
        await stop.wait()
    else:
        await work(stop)


def _stop_or_end(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise SystemExit(1)
    stop.set()
