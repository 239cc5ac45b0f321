"""The HTTP server over TLS, and WebSockets with and without: whole answers, bounded messages, quick stops."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

import pytest
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tidings import server
from tidings.clock import SystemClock
from tidings.relay.frames import MAX_FRAME
from tidings.server import HttpServer, listen
from tidings.tls import LOCAL_NAMES, LocalAuthority, ShownCertificate

pytestmark = pytest.mark.timeout(20)
LARGE: Final = 3_000_000
PATIENCE: Final = 10.0
Scheme = Literal["ws", "wss"]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `/large` with many bytes, everything else with the scheme; a WebSocket hears what it says."""
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        async for text in socket.iter_bytes():  # the text that it is: uvicorn is kept from decoding it
            await socket.send_text(f"{scope['scheme']} {text.decode()}")
        return
    body = b"x" * LARGE if scope["path"] == "/large" else scope["scheme"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Site:
    """The application on two ports."""

    def __init__(self, stack: AsyncExitStack, directory: Path) -> None:
        self._stack = stack
        shown = ShownCertificate(LocalAuthority(directory, LOCAL_NAMES), SystemClock())
        self.trusting = ssl.create_default_context(cafile=shown.authority)
        self.servers = {"ws": HttpServer(application), "wss": HttpServer(application, shown.context)}
        listeners = {scheme: listen("127.0.0.1", 0) for scheme in self.servers}
        self.ports: dict[str, int] = {scheme: at.getsockname()[1] for scheme, at in listeners.items()}
        self.serving = [
            asyncio.create_task(one.serve(sockets=[listeners[scheme]])) for scheme, one in self.servers.items()
        ]

    async def stop(self) -> None:
        for one in self.servers.values():
            one.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self.serving)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the https port."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.ports["wss"], ssl=self.trusting, server_hostname="localhost"
        )
        self._stack.callback(writer.transport.abort)
        return reader, writer

    async def socket(self, scheme: Scheme) -> ClientConnection:
        url = f"{scheme}://localhost:{self.ports[scheme]}/"
        tls = self.trusting if scheme == "wss" else None
        return await self._stack.enter_async_context(connect(url, ssl=tls, proxy=None))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        site = Site(stack, tmp_path)
        stack.push_async_callback(site.stop)
        yield site


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: test", *headers, "", "")).encode()


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    _, _, rest = head.partition(b"content-length: ")
    return await reader.readexactly(int(rest.partition(b"\r\n")[0]))


async def test_answers_over_tls_are_whole_and_their_connection_is_kept(site: Site) -> None:
    reader, writer = await site.connect()
    for path, body in (("/", b"https"), ("/large", b"x" * LARGE), ("/", b"https")):
        writer.write(request(path))
        assert await answer(reader) == body
    writer.write(request("/large", "Connection: close"))
    assert await answer(reader) == b"x" * LARGE
    assert await reader.read() == b""


async def test_who_speaks_plain_http_to_the_https_port_disturbs_no_other(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["wss"])
    writer.write(request("/"))
    assert b"HTTP" not in await reader.read()
    writer.close()

    reader, writer = await site.connect()
    writer.write(request("/"))
    assert await answer(reader) == b"https"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_is_answered_on_either_port(site: Site, scheme: Scheme) -> None:
    socket = await site.socket(scheme)
    longest = "x" * (MAX_FRAME - 1) + "y"

    for text in ("hello", longest):
        await socket.send(text)
        assert await socket.recv() == f"{scheme} {text}"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_message_that_is_too_long_ends_its_websocket(site: Site, scheme: Scheme) -> None:
    socket = await site.socket(scheme)

    await socket.send("x" * (MAX_FRAME + 1))

    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_no_websocket_is_compressed_at_its_clients_wish(site: Site) -> None:
    socket = await site.socket("ws")

    assert socket.request is not None
    assert socket.response is not None
    assert "permessage-deflate" in socket.request.headers["Sec-WebSocket-Extensions"]
    assert "Sec-WebSocket-Extensions" not in socket.response.headers


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_stop_tells_websockets_that_the_service_restarts(site: Site, scheme: Scheme) -> None:
    socket = await site.socket(scheme)
    await socket.send("hello")
    await socket.recv()

    await site.stop()

    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def websocket_request() -> bytes:
    return request(
        "/",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==",
    )


@pytest.mark.parametrize("first", [lambda: request("/"), websocket_request], ids=["https", "wss"])
async def test_a_stop_does_not_wait_for_a_client_that_never_looks_at_its_connection(
    site: Site, first: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As connections in a pool: asyncio alone would give them 30 s to say goodbye."""
    monkeypatch.setattr(server, "GOODBYE", 0.05)
    reader, writer = await site.connect()
    writer.write(first())
    await reader.readuntil(b"\r\n\r\n")
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()

    await site.stop()
