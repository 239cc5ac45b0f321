"""The transport over TLS: who is trusted, and what a bad certificate is called."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import pytest

from tests.callbacks.faults import Authority
from tidings.callbacks.guard import Guard
from tidings.callbacks.transport import Kind, Request, Timeouts, Transport, TransportError
from tidings.callbacks.url import parse_url


class Local(Guard):
    """Every name is this machine."""

    def known(self, host: str, port: int) -> tuple[str, ...] | None:
        return ("127.0.0.1",)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Serve(Protocol):
    async def __call__(self, tls: ssl.SSLContext | None, handler: Handler = ...) -> int: ...


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """204 to each packet."""
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server; returns its port."""
    servers: list[asyncio.Server] = []
    serving: set[asyncio.Task[None]] = set()

    async def start(tls: ssl.SSLContext | None, handler: Handler = answer) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.add(task)
            with contextlib.suppress(OSError):
                await handler(reader, writer)
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()
            serving.discard(task)

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    if serving:
        await asyncio.wait(serving, timeout=5)


async def attempt(
    port: int, tls: ssl.SSLContext, host: str = "app.example", times: int = 1, *, sni: bool = True
) -> list[int | TransportError]:
    transport = Transport(Local(), tls=tls, tick=0.01)
    outcomes: list[int | TransportError] = []
    url = parse_url(f"https://{host}:{port}/cb")
    request = Request("POST", url, body=b"a=1", timeouts=Timeouts(connect=0.5), sni=sni)
    for _ in range(times):
        try:
            outcomes.append((await transport.send(request)).status)
        except TransportError as error:
            outcomes.append(error)
    await transport.close()
    return outcomes


@pytest.mark.parametrize("host", ["app.example", "app.example.", "127.0.0.1"])
async def test_trusted_certificate_is_accepted_and_the_connection_kept(
    serve: Serve, authority: Authority, host: str
) -> None:
    context = authority.server("app.example", "127.0.0.1")
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    assert await attempt(await serve(context), authority.client, host, times=3) == [204] * 3
    assert asked == [None if host == "127.0.0.1" else "app.example"]  # RFC 6066: no addresses in SNI


@pytest.mark.parametrize(
    ("names", "days", "host", "kind", "code"),
    [
        (("other.example",), (-1, 1), "app.example", Kind.TLS_NAME, 11235),
        (("app.example",), (-1, 1), "127.0.0.1", Kind.TLS_NAME, 11235),
        (("app.example",), (-2, -1), "app.example", Kind.TLS_EXPIRED, 11236),
    ],
)
async def test_bad_certificate_is_called_by_its_fault(
    serve: Serve,
    authority: Authority,
    names: Sequence[str],
    days: tuple[int, int],
    host: str,
    kind: Kind,
    code: int,
) -> None:
    [error] = await attempt(await serve(authority.server(*names, days=days)), authority.client, host)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (kind, code)
    assert host in error.detail


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("app.example",), "app.example"),
        (("APP.example", "other.example"), "app.example."),
        (("*.app.example",), "a.app.example"),
        (("127.0.0.1",), "127.0.0.1"),
        (("::1",), "[::1]"),
    ],
)
async def test_without_sni_the_certificate_is_checked_all_the_same(
    serve: Serve, authority: Authority, names: Sequence[str], host: str
) -> None:
    context = authority.server(*names)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    assert await attempt(await serve(context), authority.client, host, times=3, sni=False) == [204] * 3
    assert asked == [None]


@pytest.mark.parametrize(
    ("names", "days", "host", "kind"),
    [
        (("other.example",), (-1, 1), "app.example", Kind.TLS_NAME),
        (("*.example",), (-1, 1), "app.example", Kind.TLS_NAME),
        (("*.app.example",), (-1, 1), "app.example", Kind.TLS_NAME),
        (("*.app.example",), (-1, 1), "a.b.app.example", Kind.TLS_NAME),
        (("a*.app.example",), (-1, 1), "ab.app.example", Kind.TLS_NAME),
        (("app.example",), (-1, 1), "127.0.0.1", Kind.TLS_NAME),
        (("127.0.0.2",), (-1, 1), "127.0.0.1", Kind.TLS_NAME),
        (("127.0.0.1",), (-1, 1), "app.example", Kind.TLS_NAME),
        ((), (-1, 1), "server", Kind.TLS_NAME),  # its common name, which does not count
        (("app.example",), (-2, -1), "app.example", Kind.TLS_EXPIRED),
    ],
)
async def test_without_sni_a_bad_certificate_is_refused_before_a_byte_is_sent(
    serve: Serve, authority: Authority, names: Sequence[str], days: tuple[int, int], host: str, kind: Kind
) -> None:
    said: list[bytes] = []
    heard = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            said.append(await reader.read(1))
        if said[-1:] == [b"x"]:
            heard.set()

    port = await serve(authority.server(*names, days=days), listen)
    [error] = await attempt(port, authority.client, host, sni=False)
    assert isinstance(error, TransportError)
    assert error.kind is kind
    assert host in error.detail

    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(b"x")
    await asyncio.wait_for(heard.wait(), 5)  # by now, whatever came before is heard too
    writer.close()
    assert b"P" not in said


async def test_without_sni_an_unknown_issuer_is_not_trusted(serve: Serve, authority: Authority) -> None:
    port = await serve(authority.server("app.example"))
    [error] = await attempt(port, ssl.create_default_context(), sni=False)
    assert isinstance(error, TransportError)
    assert error.kind is Kind.TLS_UNTRUSTED


async def test_connections_with_and_without_sni_are_not_exchanged(serve: Serve, authority: Authority) -> None:
    context = authority.server("app.example")
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    url = parse_url(f"https://app.example:{await serve(context)}/cb")
    transport = Transport(Local(), tls=authority.client, tick=0.01)
    for sni in (True, False, True, False):
        assert (await transport.send(Request("POST", url, sni=sni))).status == 204
    await transport.close()
    assert asked == ["app.example", None]


async def test_unknown_issuer_is_not_trusted_by_default(serve: Serve, authority: Authority) -> None:
    port = await serve(authority.server("app.example"))
    [error] = await attempt(port, ssl.create_default_context())
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.TLS_UNTRUSTED, 11237)


async def test_plain_http_behind_https_is_a_failed_handshake(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None), authority.client)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.TLS, 11220)


async def test_handshake_that_never_ends_is_a_connect_timeout(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None, mute), authority.client)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.CONNECT_TIMEOUT, 11201)
    assert 0.49 < error.elapsed < 5  # uvloop counts milliseconds


async def test_handshake_cut_by_the_server_is_a_failed_handshake(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None, cut), authority.client)
    assert isinstance(error, TransportError)
    assert error.kind is Kind.TLS
