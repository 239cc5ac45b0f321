"""A small HTTP/1.1 server for the simulated MMSC, which may also do what no web server does: hang up.

`mmsc` gives it a handler, which may keep a client waiting for good. One request at a time on a connection, as HTTP
clients ask.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, cast

import msgspec
from httptools import HttpParserError, HttpRequestParser

log = logging.getLogger(__name__)

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of a request."""


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    headers: dict[bytes, bytes]
    """Names in lower case."""
    body: bytes


class Response(msgspec.Struct, frozen=True):
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class HangUp(Exception):
    """A handler's way to close the connection without an answer."""


Handler = Callable[[Request], Awaitable[Response]]


class HttpServer:
    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """Requests under way."""
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses for 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Close everything; requests under way are not answered."""
        if self._server is None:
            return
        self._server.close()
        for connection in self.connections:
            connection.hang_up()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Connection(asyncio.Protocol):
    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = HttpRequestParser(self)
        self._path = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.hang_up()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > MAX_BODY:
            self.hang_up()

    def on_message_complete(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        request = Request(
            self._parser.get_method().decode(), self._path.decode("latin-1"), self._headers, bytes(self._body)
        )
        keep_alive = self._parser.should_keep_alive()
        self._task = asyncio.get_running_loop().create_task(self._answer(request, keep_alive))
        self._server.tasks.add(self._task)
        self._task.add_done_callback(self._server.tasks.discard)

    async def _answer(self, request: Request, keep_alive: bool) -> None:
        try:
            response = await self._server.handler(request)
        except HangUp:
            self.hang_up()
            return
        except Exception:
            log.exception("simulated MMSC: %s %s failed", request.method, request.path)
            self.hang_up()
            return
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": len(response.body),
            "Connection": "keep-alive" if keep_alive else "close",
            **dict(response.headers),
        }
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._begin()
        self._write("\r\n".join(lines).encode() + b"\r\n\r\n" + response.body)
        if not keep_alive and self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
