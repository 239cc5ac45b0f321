"""Redirects and credentials, over real sockets."""

import asyncio
import base64
import hashlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.callbacks.faults import OK, FaultServer, Peer, Script, Serve, answer, answering, serving
from tidings.callbacks.agent import Fetched, fetch
from tidings.callbacks.exchange import Kind, Request, Timeouts
from tidings.callbacks.guard import Guard
from tidings.callbacks.transport import Transport
from tidings.callbacks.url import parse_url

HEADERS = ((b"Content-Type", b"text/plain"), (b"X-Twilio-Signature", b"abc="))
BASIC = "WWW-Authenticate: Basic realm=r"
DIGEST = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the default one takes long to make
    transport = Transport(Guard(allow_private=True), tick=0.01, tls=unused)
    yield transport
    await transport.close()


def post(server: FaultServer, target: str = "/cb", *, host: str = "127.0.0.1") -> Request:
    return Request("POST", parse_url(f"http://{host}:{server.port}{target}"), HEADERS, b"a=1")


async def fetched(transport: Transport, request: Request, redirects: int = 10) -> Fetched:
    return await fetch(transport, request, redirects, time.monotonic() + 5)


def targets(server: FaultServer) -> list[str]:
    """Method and target of each request that came."""
    return [request.partition(b" HTTP/1.1")[0].decode() for request in server.requests]


def pages(**answers: bytes) -> Script:
    """Answers by path."""

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            peer.send(answers[request.split()[1].partition(b"?")[0][1:].decode()])

    return script


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_redirect_becomes_a_get_without_a_body(serve: Serve, transport: Transport, status: int) -> None:
    server = await serve(pages(cb=answer(status, "Location: /next?x=%20"), next=OK))
    got = await fetched(transport, post(server))
    assert got.response is not None
    assert (got.response.status, got.failure) == (200, None)
    assert got.notes == (f"redirected to http://127.0.0.1:{server.port}/next?x=%20",)
    host = b"Host: 127.0.0.1:%d\r\n" % server.port
    assert server.requests[1] == b"GET /next?x=%20 HTTP/1.1\r\n" + host + b"X-Twilio-Signature: abc=\r\n\r\n"


@pytest.mark.parametrize("status", [307, 308])
async def test_redirect_repeats_method_headers_and_body(serve: Serve, transport: Transport, status: int) -> None:
    server = await serve(pages(cb=answer(status, "Location: next"), next=OK))
    got = await fetched(transport, post(server))
    assert got.response is not None
    assert got.response.status == 200
    assert server.requests[1] == server.requests[0].replace(b"/cb", b"/next")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/next", "GET /next"),
        ("next", "GET /a/next"),
        ("../next", "GET /next"),
        ("?next=1", "GET /a/cb?next=1"),
        ("//127.0.0.1:{port}/next", "GET /next"),
        ("http://127.0.0.1:{port}/next#fragment", "GET /next"),
        ("http://127.0.0.1:{port}", "GET /"),
    ],
)
async def test_location_may_be_relative(serve: Serve, transport: Transport, location: str, expected: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer(302, f"Location: {location.format(port=peer.server.port)}"))
        await peer.answer(OK)

    server = await serve(script)
    await fetched(transport, post(server, "/a/cb?x=1"))
    assert targets(server) == ["POST /a/cb?x=1", expected]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Location:",),
        ("Location: ftp://example.com/",),
        ("Location: mailto:a@example.com",),
        ("Location: http://",),
        ("Location: http:/next",),
        ("Location: http:///next",),
        ("Location: http://[::1/",),
        ("Location: http://my_host/",),
        ("Location: /caf\u00e9",),
        ("Location: /a b",),
        ("Location: /" + "a" * 5000,),
    ],
)
async def test_location_that_cannot_be_called_leaves_the_redirect_as_the_answer(
    serve: Serve, transport: Transport, headers: Sequence[str]
) -> None:
    server = await serve(answering(answer(302, *headers)))
    got = await fetched(transport, post(server))
    assert got.response is not None
    assert (got.response.status, got.failure, got.notes) == (302, None, ())
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
async def test_other_3xx_are_not_redirects(serve: Serve, transport: Transport, status: int) -> None:
    server = await serve(answering(answer(status, "Location: /next")))
    got = await fetched(transport, post(server))
    assert got.response is not None
    assert got.response.status == status
    assert len(server.requests) == 1


async def test_without_leave_to_follow_a_redirect_is_an_answer(serve: Serve, transport: Transport) -> None:
    server = await serve(answering(answer(307, "Location: /next")))
    got = await fetched(transport, post(server), redirects=0)
    assert got.response is not None
    assert (got.response.status, got.failure, len(server.requests)) == (307, None, 1)


@pytest.mark.parametrize(("hops", "followed"), [(3, True), (4, False)])
async def test_so_many_redirects_and_no_more(
    serve: Serve, transport: Transport, hops: int, followed: bool
) -> None:
    ways = {str(n): answer(307, f"Location: /{n + 1}") for n in range(hops)}
    server = await serve(pages(**ways, **{str(hops): OK}))
    got = await fetched(transport, post(server, "/0"), redirects=3)
    assert targets(server) == ["POST /0", "POST /1", "POST /2", "POST /3"]
    assert got.response is not None
    if followed:
        assert (got.response.status, got.failure) == (200, None)
    else:
        assert got.failure is not None
        assert (got.failure.kind, got.failure.heard, got.response.status) == (Kind.REDIRECTS, True, 307)
        assert "more than 3" in got.failure.detail


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"cb": answer(307, "Location: /cb")}, ["POST /cb"]),
        ({"cb": answer(302, "Location: /cb")}, ["POST /cb", "GET /cb"]),
        ({"cb": answer(308, "Location: /b"), "b": answer(307, "Location: /cb#x")}, ["POST /cb", "POST /b"]),
    ],
)
async def test_loop_is_left(
    serve: Serve, transport: Transport, ways: dict[str, bytes], expected: Sequence[str]
) -> None:
    server = await serve(pages(**ways))
    got = await fetched(transport, post(server))
    assert targets(server) == expected
    assert got.failure is not None
    assert (got.failure.kind, got.failure.code) == (Kind.REDIRECTS, 11215)
    assert "loop" in got.failure.detail


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://169.254.169.254/latest/meta-data/", Kind.GUARDED),
        ("http://[::ffff:169.254.169.254]/", Kind.GUARDED),
        ("http://nowhere.invalid/", Kind.DNS),
        ("https://127.0.0.1:{port}/", Kind.TLS),
    ],
)
async def test_every_hop_is_guarded_and_may_fail(
    serve: Serve, transport: Transport, location: str, kind: Kind
) -> None:
    async def script(peer: Peer) -> None:
        if peer.server.connections == 1:
            await peer.answer(answer(302, f"Location: {location.format(port=peer.server.port)}"))

    server = await serve(script)
    got = await fetched(transport, post(server))
    assert got.failure is not None
    assert (got.failure.kind, got.response) == (kind, None)
    assert got.notes == (f"redirected to {location.format(port=server.port)}",)


async def test_guard_without_leave_lets_no_redirect_to_this_machine_through(serve: Serve) -> None:
    inner = await serve(answering(OK))
    outer = await serve(answering(answer(302, f"Location: http://localhost:{inner.port}/")), "127.0.0.2")
    transport = Transport(Guard(allow_networks=["127.0.0.2/32"]), tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    got = await fetched(transport, post(outer, host="127.0.0.2"))
    await transport.close()
    assert got.failure is not None
    assert (got.failure.kind, inner.connections) == (Kind.GUARDED, 0)


async def test_deadline_and_times_are_those_of_all_hops(serve: Serve, transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await asyncio.sleep(0.05)  # what is measured
            peer.send(answer(307, f"Location: /{len(peer.server.requests)}"))
        await peer.request()
        if whole:
            peer.send(OK)
        await peer.until_closed()

    for whole in (True, False):
        server = await serve(script)
        began = time.monotonic()
        got = await fetch(transport, post(server), 10, began + 0.5)
        assert got.answer.connected is not None
        assert 0 <= got.answer.connected < got.answer.elapsed - 0.09
        if whole:
            assert got.answer.first_byte is not None
            assert 0.1 <= got.answer.first_byte <= got.answer.elapsed < 0.5
        else:
            assert got.failure is not None
            assert (got.failure.kind, got.failure.first_byte) == (Kind.TOTAL_TIMEOUT, None)
            assert 0.49 < got.failure.elapsed <= time.monotonic() - began


# Credentials


def behind(challenge: str, right: str) -> Script:
    """401 with `challenge` until an Authorization matches the pattern `right`."""

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            given = re.search(rb"\r\nAuthorization: ([^\r]*)", request)
            good = given is not None and re.fullmatch(right, given[1].decode())
            peer.send(OK if good else answer(401, challenge))

    return script


def basic(user: str, password: str) -> str:
    return re.escape("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


async def test_basic_credentials_are_given_when_asked_for(serve: Serve, transport: Transport) -> None:
    server = await serve(behind(BASIC, basic("al@ice", "p:ss")))
    got = await fetched(transport, post(server, host="al%40ice:p%3Ass@127.0.0.1"))
    assert got.response is not None
    assert (got.response.status, got.notes) == (200, ("answered a Basic challenge",))
    first, second = server.requests
    assert b"Authorization" not in first
    assert re.sub(rb"Authorization: .*\r\n", b"", second) == first


async def test_digest_is_what_the_server_works_out_too(serve: Serve, transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer(401, BASIC, DIGEST))
        given = dict(re.findall(r'(\w+)="?([^",\s]+)', (await peer.request()).decode()))
        secret = hashlib.sha256(b"user:r:secret").hexdigest()
        asked = hashlib.sha256(b"POST:/cb?x=1").hexdigest()
        expected = hashlib.sha256(f"{secret}:n:{given['nc']}:{given['cnonce']}:auth:{asked}".encode()).hexdigest()
        peer.send(OK if given["response"] == expected else answer(403))

    got = await fetched(transport, post(await serve(script), "/cb?x=1", host="user:secret@127.0.0.1"))
    assert got.response is not None
    assert (got.response.status, got.notes) == (200, ("answered a Digest challenge",))


@pytest.mark.parametrize(
    ("userinfo", "challenge", "requests"),
    [
        ("", BASIC, 1),
        ("user:wrong@", BASIC, 2),
        ("user:wrong@", DIGEST, 2),
        ("user:secret@", "WWW-Authenticate: Negotiate", 1),
        ("user:secret@", "X: y", 1),
    ],
)
async def test_401_is_the_answer_where_nothing_helps(
    serve: Serve, transport: Transport, userinfo: str, challenge: str, requests: int
) -> None:
    server = await serve(behind(challenge, basic("user", "secret")))
    got = await fetched(transport, post(server, host=f"{userinfo}127.0.0.1"))
    assert got.response is not None
    assert (got.response.status, got.failure, len(server.requests)) == (401, None, requests)


@pytest.mark.parametrize("location", ["/inner", "http://127.0.0.1:{port}/inner"])
async def test_credentials_are_given_again_after_a_redirect_to_the_same_origin(
    serve: Serve, transport: Transport, location: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer(401, BASIC))
        await peer.answer(answer(307, f"Location: {location.format(port=peer.server.port)}"))
        await peer.answer(answer(401, BASIC))
        await peer.answer(OK)

    server = await serve(script)
    got = await fetched(transport, post(server, host="user:secret@127.0.0.1"))
    assert got.response is not None
    assert got.response.status == 200
    assert [b"Authorization: Basic" in request for request in server.requests] == [False, True, False, True]
    assert [note.partition(" to ")[0] for note in got.notes] == [
        "answered a Basic challenge",
        "redirected",
        "answered a Basic challenge",
    ]
    assert "secret" not in "".join(got.notes)


@pytest.mark.parametrize("userinfo", ["", "user:secret@", "other:word@"])
async def test_credentials_go_to_no_other_origin(serve: Serve, transport: Transport, userinfo: str) -> None:
    other = await serve(answering(answer(401, BASIC)))
    location = f"Location: http://{userinfo}127.0.0.1:{other.port}/"

    async def script(peer: Peer) -> None:
        await peer.answer(answer(401, BASIC))
        await peer.answer(answer(307, location))

    server = await serve(script)
    got = await fetched(transport, post(server, host="user:secret@127.0.0.1"))
    assert got.response is not None
    assert (got.response.status, len(server.requests), len(other.requests)) == (401, 2, 1)
    assert b"Authorization" not in other.requests[0]
    assert b"X-Twilio-Signature: abc=" in other.requests[0]
    assert "secret" not in "".join(got.notes)
    assert "word" not in "".join(got.notes)


async def test_failure_behind_a_challenge_is_told_with_what_was_done(serve: Serve, transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer(401, BASIC))
        await peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    request = post(await serve(script), host="user:secret@127.0.0.1")
    got = await fetched(transport, request)
    assert got.failure is not None
    assert (got.failure.kind, got.failure.heard) == (Kind.RESET, True)
    assert got.failure.connected is not None
    assert got.failure.first_byte is not None
    assert got.failure.connected < got.failure.first_byte < got.failure.elapsed
    assert got.notes == ("answered a Basic challenge",)


async def test_single_exchange_is_handed_on_as_it_is(serve: Serve, transport: Transport) -> None:
    server = await serve(answering(OK))
    got = await fetched(transport, post(server))
    assert got.response is got.answer
    assert (got.notes, targets(server)) == ((), ["POST /cb"])
    await server.stop()
    await transport.close()
    got = await fetched(transport, Request("GET", post(server).url, timeouts=Timeouts(connect=0.2)))
    assert (got.response, got.failure) == (None, got.answer)
