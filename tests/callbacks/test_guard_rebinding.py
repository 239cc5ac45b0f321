"""Names that answer one thing when they are checked and another when they are used: over real sockets, to
127.0.0.2, which callbacks may reach here, and never to 127.0.0.1, which they may not."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterable

import pytest

from tidings.callbacks.exchange import Kind, Request, TransportError
from tidings.callbacks.guard import GRACE, TTL, Guard
from tidings.callbacks.transport import Transport
from tidings.callbacks.url import parse_url

WAIT = 10.0
"""Seconds after which a test stops waiting for what should have happened."""
GOOD = "127.0.0.2"
MOVED = "127.0.0.3"
BAD = "127.0.0.1"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%b/\r\nContent-Length: 0\r\n\r\n"


class Application:
    """Listens on every address of 127.0.0.0/8, and writes down which of them was connected to."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        """The address of each connection, as the client chose it."""
        self.requests: list[str] = []
        """The address each request came to."""
        self.answer: bytes | None = OK
        """None closes the connection instead."""
        self.closed = asyncio.Event()
        """A client closed its connection."""

    async def start(self) -> "Application":
        self.server = await asyncio.start_server(self._serve, "0.0.0.0", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        self.reached.append(address)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(address)
                if self.answer is None:
                    break
                writer.write(self.answer)
        if reader.at_eof():
            self.closed.set()
        writer.close()


class Fickle:
    """Answers lookups from a list, one after the other; the last one for ever."""

    def __init__(self, answers: Iterable[tuple[str, ...]]) -> None:
        self.answers = list(answers)
        self.lookups = 0

    def __call__(self, host: str) -> tuple[str, ...]:
        assert host == "app.example"
        self.lookups += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Client:
    """A transport behind a guard that lets 127.0.0.2 and 127.0.0.3 through, and a clock for both."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seconds = 1000.0

    def start(self, lookup: Fickle, ports: frozenset[int] | None = None) -> "Client":
        self.guard = Guard(
            allow_networks=(GOOD, MOVED), lookup=lookup, now=lambda: self.seconds, ports=ports, limit=WAIT
        )
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the default one takes long to make
        self.transport = Transport(self.guard, tls=unused)
        return self

    def age(self) -> None:
        """Let what the guard knows grow too old."""
        self.seconds += TTL + 0.1

    async def send(self) -> int | Kind:
        """The status of the response, or the kind of the failure."""
        url = parse_url(f"http://app.example:{self.port}/cb")
        try:
            return (await self.transport.send(Request("POST", url, body=b"a=1"))).status
        except TransportError as error:
            return error.kind


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    application = await Application().start()
    yield application
    application.server.close()


@pytest.fixture
async def client(application: Application, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr("tidings.callbacks.guard.PATIENCE", WAIT)  # however slow this machine is
    client = Client(application.port)
    yield client
    await client.transport.close()
    client.guard.close()


async def test_address_that_was_checked_is_the_one_connected_to(application: Application, client: Client) -> None:
    fickle = Fickle([(GOOD,), (BAD,)])
    assert await client.start(fickle).send() == 200
    assert application.reached == [GOOD]
    assert fickle.lookups == 1


async def test_nobody_asks_for_the_name_again_in_order_to_connect(
    application: Application, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def getaddrinfo(host: object, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (BAD, application.port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await client.start(Fickle([(GOOD,)])).send() == 200
    assert application.reached == [GOOD]
    assert asked == []


@pytest.mark.parametrize("answer", [(BAD,), (BAD, GOOD), (GOOD, BAD), (GOOD, MOVED, BAD, GOOD)])
async def test_one_bad_address_refuses_all(
    application: Application, client: Client, answer: tuple[str, ...]
) -> None:
    assert await client.start(Fickle([answer])).send() is Kind.GUARDED
    assert application.reached == []


async def test_address_that_refuses_connections_is_followed_by_a_checked_one_only(
    application: Application, client: Client
) -> None:
    closed = socket.create_server((MOVED, 0))
    client.port = closed.getsockname()[1]
    closed.close()
    fickle = Fickle([(GOOD, MOVED), (BAD,)])
    assert await client.start(fickle).send() is Kind.REFUSED
    assert (application.reached, fickle.lookups) == ([], 1)


async def test_name_that_turns_bad_is_refused_when_its_answer_is_old(
    application: Application, client: Client
) -> None:
    client.start(Fickle([(GOOD,), (BAD,)]))
    assert [await client.send(), await client.send()] == [200, 200]
    client.age()
    assert [await client.send(), await client.send()] == [Kind.GUARDED, Kind.GUARDED]
    assert application.reached == [GOOD]
    assert application.requests == [GOOD, GOOD]  # the kept connection was not used either


async def test_name_that_changes_its_mind_each_time_is_reached_where_it_may_be(
    application: Application, client: Client
) -> None:
    client.start(Fickle([(GOOD,), (BAD,), (MOVED,), (BAD, MOVED), (GOOD, BAD)] * 4))
    outcomes = []
    for _ in range(20):
        outcomes.append(await client.send())
        client.age()
    assert outcomes == [200, Kind.GUARDED, 200, Kind.GUARDED, Kind.GUARDED] * 4
    assert application.requests == [GOOD, MOVED] * 4
    assert BAD not in application.reached


async def test_kept_connection_to_an_address_that_is_no_longer_the_names_is_closed(
    application: Application, client: Client
) -> None:
    client.start(Fickle([(GOOD,), (MOVED,)]))
    assert await client.send() == 200
    client.age()
    assert await client.send() == 200
    assert application.requests == application.reached == [GOOD, MOVED]
    await asyncio.wait_for(application.closed.wait(), WAIT)


async def test_kept_connection_to_an_address_that_is_still_the_names_is_used(
    application: Application, client: Client
) -> None:
    client.start(Fickle([(GOOD,), (MOVED, GOOD)]))
    assert await client.send() == 200
    client.age()
    assert await client.send() == 200
    assert application.requests == [GOOD, GOOD]
    assert application.reached == [GOOD]


async def test_fresh_connection_for_one_that_went_stale_is_checked_like_the_first(
    application: Application, client: Client
) -> None:
    client.start(Fickle([(GOOD,), (BAD,)]))
    assert await client.send() == 200
    application.answer = None
    sending = asyncio.create_task(client.send())
    await asyncio.sleep(0)  # it has taken the kept connection
    client.age()
    assert await sending is Kind.GUARDED
    assert application.requests == [GOOD, GOOD]
    assert application.reached == [GOOD]


async def test_last_good_address_stands_in_until_the_resolver_says_better(
    application: Application, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()

    class Hanging(Fickle):
        def __call__(self, host: str) -> tuple[str, ...]:
            answer = super().__call__(host)
            if self.lookups > 1:
                assert opened.wait(WAIT)
            return answer

    client.start(Hanging([(GOOD,), (BAD,)]))
    assert await client.send() == 200
    client.age()
    with monkeypatch.context() as patch:
        patch.setattr("tidings.callbacks.guard.PATIENCE", 0.0)
        assert await client.send() == 200
    client.age()
    asking = asyncio.create_task(client.send())
    await asyncio.sleep(0)
    opened.set()
    assert await asking is Kind.GUARDED
    assert await client.send() is Kind.GUARDED
    assert application.requests == [GOOD, GOOD]
    assert application.reached == [GOOD]


async def test_nothing_stands_in_once_the_grace_is_over(application: Application, client: Client) -> None:
    class Failing(Fickle):
        def __call__(self, host: str) -> tuple[str, ...]:
            answer = super().__call__(host)
            if self.lookups > 1:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return answer

    client.start(Failing([(GOOD,)]))
    assert await client.send() == 200
    client.age()
    assert await client.send() == 200
    client.seconds += GRACE
    assert await client.send() is Kind.DNS
    assert application.requests == [GOOD, GOOD]


async def test_port_that_is_not_allowed_is_refused_before_any_question(
    application: Application, client: Client
) -> None:
    fickle = Fickle([(GOOD,)])
    client.start(fickle, ports=frozenset({80, 443}))
    assert await client.send() is Kind.GUARDED
    assert (application.reached, fickle.lookups) == ([], 0)


async def test_port_that_is_allowed_is_reached(application: Application, client: Client) -> None:
    client.start(Fickle([(GOOD,)]), ports=frozenset({application.port}))
    assert await client.send() == 200
    assert application.reached == [GOOD]


async def test_redirect_to_a_bad_address_is_given_to_the_caller_and_not_followed(
    application: Application, client: Client
) -> None:
    application.answer = REDIRECT % f"{BAD}:{application.port}".encode()
    assert await client.start(Fickle([(GOOD,)])).send() == 307
    assert application.reached == [GOOD]
