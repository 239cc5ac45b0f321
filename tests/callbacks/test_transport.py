"""The transport against a server that does wrong what servers do wrong, over real sockets."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import pytest

from tests.callbacks.faults import OK, FaultServer, Peer, Serve, answering, serving
from tidings.callbacks.connection import MAX_BODY, MAX_HEAD
from tidings.callbacks.exchange import CODES
from tidings.callbacks.guard import Guard, Unresolved
from tidings.callbacks.transport import Kind, Request, Response, Timeouts, Transport, TransportError
from tidings.callbacks.url import parse_url

USUAL = Timeouts()
QUICK = Timeouts(connect=0.15, read=0.15, total=2.0)
WAIT = 5.0
"""Seconds after which a test stops waiting for what should have happened."""


class Names(Guard):
    """A guard whose names have the addresses the test says."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(allow_private=True)
        self.addresses = addresses

    def known(self, host: str, port: int) -> tuple[str, ...] | None:
        return self.addresses or None

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        if not self.addresses:
            raise Unresolved(f"{host}: no such host")
        return self.addresses


class Client(Protocol):
    def __call__(
        self, guard: Guard | None = ..., *, per_host: int = ..., total: int = ..., idle: float = ...
    ) -> Transport: ...


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    transports: list[Transport] = []
    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the default one takes long to make

    def make(
        guard: Guard | None = None, *, per_host: int = 32, total: int = 1024, idle: float = 15.0
    ) -> Transport:
        guard = guard or Guard(allow_private=True)
        headers = ((b"User-Agent", b"test"),)
        transports.append(
            Transport(guard, headers=headers, per_host=per_host, total=total, idle=idle, tick=0.01, tls=unused)
        )
        return transports[-1]

    yield make
    for transport in transports:
        await transport.close()


def post(
    server: FaultServer | int,
    target: str = "/cb",
    *,
    host: str = "127.0.0.1",
    body: bytes = b"a=1",
    timeouts: Timeouts = USUAL,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Request:
    port = server if isinstance(server, int) else server.port
    url = parse_url(f"http://{host}:{port}{target}")
    return Request("POST", url, headers, body, timeouts)


async def failure(transport: Transport, request: Request) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transport.send(request)
    return caught.value


# What goes out


async def test_request_is_written_whole_and_exactly(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    request = post(server, "/cb?x=%20#rc=2", headers=((b"X-Twilio-Signature", b"abc="),), body=b"a=1&b=2")
    response = await client().send(request)
    assert (response.status, response.body) == (200, b"ok")
    assert server.requests == [
        b"POST /cb?x=%20 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(server.port).encode() + b"\r\n"
        b"User-Agent: test\r\n"
        b"X-Twilio-Signature: abc=\r\n"
        b"Content-Length: 7\r\n\r\na=1&b=2"
    ]


async def test_get_has_no_body_and_no_length(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    await client().send(Request("GET", parse_url(f"http://127.0.0.1:{server.port}/doc")))
    assert server.requests[0].startswith(b"GET /doc HTTP/1.1\r\n")
    assert b"Content-Length" not in server.requests[0]


async def test_credentials_in_the_url_are_not_sent(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    await client().send(post(server, host="user:secret@127.0.0.1"))
    assert b"Host: 127.0.0.1:" in server.requests[0]
    assert b"Authorization" not in server.requests[0]
    assert b"secret" not in server.requests[0]


async def test_line_break_in_a_header_is_refused(client: Client) -> None:
    for value in (b"a\r\nX: y", b"a\nX: y"):
        with pytest.raises(ValueError, match="line break"):
            await client().send(post(1, headers=((b"X-A", value),)))


# What comes back


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy", 503, b"busy"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: z\r\n\r\n",
            200,
            b"abcde",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True])
async def test_response_is_read_and_the_connection_kept(
    serve: Serve, client: Client, answer: bytes, status: int, body: bytes, bytewise: bool
) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            await peer.request()
            for piece in [answer[i : i + 1] for i in range(len(answer))] if bytewise else [answer]:
                peer.send(piece)
                await asyncio.sleep(0)

    server = await serve(script)
    transport = client()
    for _ in range(3):
        response = await transport.send(post(server))
        assert (response.status, response.body, response.truncated) == (status, body, False)
        assert not any(name in (b"Link", b"T") for name, _ in response.headers)
        assert 0 < response.elapsed < WAIT
    assert server.connections == 1


async def test_header_is_found_whatever_its_case(serve: Serve, client: Client) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nRETRY-After: 7\r\nContent-Length: 0\r\n\r\n"))
    response = await client().send(post(server))
    assert (response.header(b"retry-after"), response.header(b"location")) == (b"7", None)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_response_ended_by_closing_is_whole(serve: Serve, client: Client, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer)

    server = await serve(script)
    transport = client()
    for _ in range(2):
        assert (await transport.send(post(server))).body == b"ok"
    assert server.connections == 2


async def test_oversize_response_is_cut_closed_and_still_counts(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                peer.send(b"x" * 65536)
                await peer.writer.drain()
        peer.server.closed_by_client.set()

    server = await serve(script)
    response = await client().send(post(server))
    assert (response.status, response.truncated, response.body) == (200, True, b"x" * MAX_BODY)
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)


async def test_body_of_just_the_limit_is_whole(serve: Serve, client: Client) -> None:
    server = await serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_BODY + b"x" * MAX_BODY))
    transport = client()
    for _ in range(2):
        response = await transport.send(post(server))
        assert (len(response.body), response.truncated) == (MAX_BODY, False)
    assert server.connections == 1


async def test_endless_trailers_are_cut(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
        while True:
            peer.send(b"X: " + b"x" * 60000 + b"\r\n")
            await peer.writer.drain()

    response = await client().send(post(await serve(script)))
    assert (response.status, response.body, response.truncated) == (200, b"ok", True)


async def test_early_response_counts_and_ends_the_connection(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.until_closed()

    server = await serve(script)
    response = await client().send(post(server, body=b"x" * 20_000_000))
    assert response.status == 413
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)


async def test_response_tells_when_there_was_a_connection_and_when_it_began(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.03)  # what is measured
            peer.send(OK[:9])
            await asyncio.sleep(0.03)
            peer.send(OK[9:])

    server = await serve(script)
    transport = client()
    for _ in range(2):  # on a connection of its own, and on a kept one
        response = await transport.send(post(server))
        assert 0 <= response.connected < response.first_byte - 0.025 < response.elapsed - 0.05


async def test_request_ends_with_the_deadline_of_its_caller(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    server = await serve(script)
    with pytest.raises(TransportError) as caught:
        await client().send(post(server), time.monotonic() + 0.1)
    assert caught.value.kind is Kind.TOTAL_TIMEOUT
    assert 0.1 <= caught.value.elapsed < WAIT


# What goes wrong


@pytest.mark.parametrize(
    ("start", "began"), [(b"", False), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", True)]
)
@pytest.mark.parametrize("ending", [Peer.close, Peer.reset, Peer.until_closed])
async def test_failure_tells_how_far_it_came(
    serve: Serve, client: Client, start: bytes, began: bool, ending: Callable[[Peer], Awaitable[None] | None]
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(start)
        await peer.writer.drain()
        if waiting := ending(peer):
            await waiting

    error = await failure(client(), post(await serve(script), timeouts=QUICK))
    assert error.connected is not None
    assert 0 < error.connected < error.elapsed
    if not began:
        assert error.first_byte is None
    elif error.first_byte is not None:  # RST overtakes what was sent
        assert error.connected < error.first_byte < error.elapsed


async def test_failure_to_connect_has_no_time_of_connection(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await failure(client(), post(unused.getsockname()[1]))
    assert (error.connected, error.first_byte) == (None, None)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nBad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
    ],
)
async def test_what_is_not_http_is_a_protocol_failure(serve: Serve, client: Client, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer)
        await peer.until_closed()

    server = await serve(script)
    error = await failure(client(), post(server, timeouts=Timeouts(read=WAIT)))
    assert (error.kind, error.code, error.heard) == (Kind.PROTOCOL, 11206, True)
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HT",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_connection_closed_before_the_end_is_reset(serve: Serve, client: Client, start: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(start)

    server = await serve(script)
    error = await failure(client(), post(server))
    assert (error.kind, error.code, error.heard) == (Kind.RESET, 11200, bool(start))
    assert server.connections == 1


async def test_rst_is_reset(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    assert (await failure(client(), post(await serve(script)))).kind is Kind.RESET


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"]
)
async def test_silence_is_a_read_timeout(serve: Serve, client: Client, start: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(start)
        await peer.until_closed()

    server = await serve(script)
    error = await failure(client(), post(server, timeouts=QUICK))
    assert (error.kind, error.code, error.heard) == (Kind.READ_TIMEOUT, 11203, bool(start))
    assert QUICK.read <= error.elapsed < QUICK.total
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)


async def test_dripping_bytes_hold_off_the_read_timeout_but_not_the_total(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            peer.send(b"x")
            await peer.writer.drain()
            await asyncio.sleep(0.02)  # the dripping itself is what is tested

    server = await serve(script)
    error = await failure(client(), post(server, timeouts=Timeouts(read=0.4, total=0.6)))
    assert (error.kind, error.code, error.heard) == (Kind.TOTAL_TIMEOUT, 11203, True)
    assert 0.6 <= error.elapsed < WAIT


async def test_nobody_listening_is_refused(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await failure(client(), post(unused.getsockname()[1]))
    assert (error.kind, error.code) == (Kind.REFUSED, 11202)


async def test_next_address_is_tried_when_one_refuses(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK), "127.0.0.1")
    transport = client(Names("127.0.0.2", "127.0.0.1"))
    assert (await transport.send(post(server, host="app.example"))).status == 200
    assert b"Host: app.example:" in server.requests[0]


async def test_failed_connect_gives_its_place_back(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK), "127.0.0.1")
    names = Names("127.0.0.2")
    transport = client(names, per_host=1, total=1)
    for _ in range(2):
        assert (await failure(transport, post(server, host="app.example"))).kind is Kind.REFUSED
    names.addresses = ("127.0.0.1",)
    assert (await transport.send(post(server, host="app.example"))).status == 200


async def test_unknown_host_is_a_dns_failure(client: Client) -> None:
    error = await failure(client(Names()), post(80, host="app.example"))
    assert (error.kind, error.code) == (Kind.DNS, 11210)


async def test_resolver_that_does_not_answer_is_a_dns_failure(client: Client) -> None:
    class Mute(Names):
        async def resolve(self, host: str, port: int) -> tuple[str, ...]:
            await asyncio.Event().wait()
            return ()

    error = await failure(client(Mute()), post(80, host="app.example", timeouts=QUICK))
    assert error.kind is Kind.DNS
    assert error.elapsed > QUICK.connect - 0.01  # uvloop counts milliseconds


async def test_guarded_address_is_never_connected_to(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    for host in ("127.0.0.1", "localhost"):
        error = await failure(client(Guard()), post(server, host=host))
        assert (error.kind, error.code) == (Kind.GUARDED, 11200)
        assert "loopback" in error.detail
    assert server.connections == 0


def test_every_failure_has_a_debugger_code() -> None:
    assert set(CODES) == set(Kind)


# The pool


async def test_stale_connection_is_replaced_silently_once(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.request()  # read, and not a byte in answer

    server = await serve(script)
    transport = client()
    for _ in range(3):
        assert (await transport.send(post(server))).status == 200
    assert server.connections == 3
    assert len(server.requests) == 5


async def test_fresh_connection_is_not_retried_when_it_breaks_too(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        if peer.server.connections == 1:
            await peer.answer()
        await peer.request()

    server = await serve(script)
    transport = client()
    await transport.send(post(server))
    error = await failure(transport, post(server))
    assert (error.kind, error.heard) == (Kind.RESET, False)
    assert server.connections == 2


async def test_broken_response_on_a_used_connection_is_not_retried(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.answer(b"H")

    server = await serve(script)
    transport = client()
    await transport.send(post(server))
    error = await failure(transport, post(server))
    assert (error.kind, error.heard) == (Kind.RESET, True)
    assert server.connections == 1


async def test_silent_retry_stays_within_the_total_time(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        if peer.server.connections == 1:
            await peer.answer()
            await peer.request()
            await asyncio.sleep(0.3)  # uses up most of the total: the retry must not get all of it anew
        else:
            await peer.until_closed()

    server = await serve(script)
    transport = client()
    await transport.send(post(server))
    error = await failure(transport, post(server, timeouts=Timeouts(total=0.4)))
    assert (error.kind, server.connections) == (Kind.TOTAL_TIMEOUT, 2)
    assert 0.4 <= error.elapsed < 0.7


async def test_connection_with_something_left_over_is_not_used_again(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK + OK, OK))
    transport = client()
    for _ in range(2):
        assert (await transport.send(post(server))).body == b"ok"
    assert server.connections == 2


async def test_connection_that_talks_unasked_is_closed(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        if peer.server.connections == 1:
            peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.until_closed()

    server = await serve(script)
    transport = client()
    assert (await transport.send(post(server))).status == 200
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)
    assert (await transport.send(post(server))).status == 200


async def test_requests_wait_in_line_for_the_connections_of_a_host(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    transport = client(per_host=2)
    responses = await asyncio.gather(*(transport.send(post(server, f"/{n}")) for n in range(20)))
    assert [response.status for response in responses] == [200] * 20
    assert (server.most_open, server.connections) == (2, 2)


async def test_closed_connections_make_place_for_those_in_line(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    server = await serve(script)
    responses = await asyncio.gather(*(_many(client(per_host=2), server, 7)))
    assert [response.status for response in responses] == [200] * 7
    assert server.connections == 7


def _many(transport: Transport, server: FaultServer, count: int) -> list[Awaitable[Response]]:
    return [transport.send(post(server)) for _ in range(count)]


async def test_line_that_does_not_move_is_too_many_connections(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    server = await serve(script)
    transport = client(per_host=1)
    busy = asyncio.create_task(failure(transport, post(server, timeouts=Timeouts(read=0.4))))
    await asyncio.sleep(0)
    error = await failure(transport, post(server, timeouts=QUICK))
    assert (error.kind, error.code) == (Kind.TOO_MANY_CONNECTIONS, 11200)
    assert error.elapsed >= QUICK.connect
    assert (await busy).kind is Kind.READ_TIMEOUT
    assert server.connections == 1


async def test_idle_connection_makes_room_for_another_host(serve: Serve, client: Client) -> None:
    first, second = await serve(answering(OK)), await serve(answering(OK))
    transport = client(total=1)
    for server in (first, second, first):
        assert (await transport.send(post(server))).status == 200
    assert (first.connections, second.connections) == (2, 1)


async def test_no_room_at_all_fails_at_once(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        reached.set()
        await peer.until_closed()

    reached = asyncio.Event()
    first, second = await serve(script), await serve(answering(OK))
    transport = client(total=1)
    busy = asyncio.create_task(failure(transport, post(first, timeouts=Timeouts(read=0.3))))
    await asyncio.wait_for(reached.wait(), WAIT)
    assert (await failure(transport, post(second))).kind is Kind.TOO_MANY_CONNECTIONS
    await busy
    assert (await transport.send(post(second))).status == 200


async def test_cancelled_request_gives_its_place_back(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.server.connections == 1:
            reached.set()
            await peer.until_closed()
        peer.send(OK)

    reached = asyncio.Event()
    server = await serve(script)
    transport = client(per_host=1)
    held = asyncio.create_task(transport.send(post(server)))
    await asyncio.wait_for(reached.wait(), WAIT)
    waiting = asyncio.create_task(transport.send(post(server)))
    leaving = asyncio.create_task(transport.send(post(server)))
    await asyncio.sleep(0)
    leaving.cancel()
    held.cancel()
    assert (await waiting).status == 200
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)
    assert held.cancelled()
    assert leaving.cancelled()


async def test_connection_handed_to_a_cancelled_request_goes_to_the_next(serve: Serve, client: Client) -> None:
    server = await serve(answering(OK))
    transport = client(per_host=1)
    await transport.send(post(server))
    waiting: list[asyncio.Task[Response]] = []

    async def first() -> None:
        await transport.send(post(server))
        waiting[0].cancel()  # the connection is its already, and it has not run yet

    start = asyncio.create_task(first())
    await asyncio.sleep(0)
    waiting.extend(asyncio.create_task(transport.send(post(server))) for _ in range(2))
    await start
    assert (await waiting[1]).status == 200
    assert waiting[0].cancelled()
    assert server.connections == 1


async def test_unused_connection_is_closed_after_a_while(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.until_closed()

    server = await serve(script)
    started = time.monotonic()
    await client(idle=0.1).send(post(server))
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)
    assert time.monotonic() - started >= 0.1


async def test_connection_to_an_address_the_host_left_is_not_used(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + peer.local.encode())

    server = await serve(script)
    names = Names("127.0.0.1")
    transport = client(names)
    reached = []
    for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
        names.addresses = (address,)
        reached.append((await transport.send(post(server, host="app.example"))).body.decode())
    assert reached == ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
    assert server.connections == 2


async def test_closing_ends_what_is_under_way_in_line_and_to_come(serve: Serve, client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.request()
        reached.set()
        await peer.until_closed()

    reached = asyncio.Event()
    server = await serve(script)
    transport = client(per_host=1)
    await transport.send(post(server))
    busy = asyncio.create_task(failure(transport, post(server)))
    waiting = asyncio.create_task(failure(transport, post(server)))
    await asyncio.wait_for(reached.wait(), WAIT)
    await transport.close()
    for error in (await busy, await waiting, await failure(transport, post(server))):
        assert error.kind is Kind.RESET
        assert "stopping" in error.detail
    await asyncio.wait_for(server.closed_by_client.wait(), WAIT)
    assert server.connections == 1
