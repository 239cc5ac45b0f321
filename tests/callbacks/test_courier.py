"""A round is the same whether it is made on the gateway's loop or by the courier."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import pytest
from twilio.request_validator import RequestValidator

from tidings.callbacks.attempt import Attempts, Outcome, Telling, Terms
from tidings.callbacks.courier import Courier
from tidings.callbacks.round import InProcess
from tidings.clock import SECOND
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, Message, Target
from tidings.text import Encoding

pytestmark = pytest.mark.timeout(15)

NOON: Final = 1_790_000_000 * SECOND
TERMS: Final = Terms(True, (), (), (), connections=64, per_host=16, user_agent="Tidings/test")
ACCOUNT: Final = Account("0a" * 16, "first", "a secret token", NOON)
MAKERS: Final = pytest.mark.parametrize("maker", [InProcess, Courier])

ANSWERED: Final = {
    b"200 OK": Outcome(200, None),
    b"204 No Content": Outcome(204, None),
    b"299 Fine": Outcome(299, None),
    b"302 Found": Outcome(302, 11200),
    b"404 Not Found": Outcome(404, 11200),
    b"500 Oh": Outcome(500, 11200),
    b"503 Later": Outcome(503, 11200),
}
"""What an application says → what comes of it."""


class Application:
    """Keeps the requests as they came; answers what the path of each asks for."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target, headers, body = read(head)
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append(head + body)
                if target == "/garbage":
                    writer.write(b"this is no HTTP\r\n\r\n")
                    break
                if target == "/silence":
                    break
                said = target.removeprefix("/").replace("%20", " ").partition("?")[0].encode()
                writer.write(b"HTTP/1.1 " + said + b"\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


def read(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """(target, headers by their lower-case names, body)"""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return first.split(" ")[1], headers, body


def a_telling(url: str, **changes: str) -> Telling:
    message_id = "5" * 32
    message = Message(
        message_id,
        ACCOUNT.id,
        "twilio",
        Direction.OUTBOUND_API,
        "+15005550006",
        "+15551230000",
        "grüße & 漢字 👩\u200d👧 100%",
        Encoding.UCS2,
        1,
        url,
        None,
        NOON,
    )
    event = Event(
        message_id,
        4,
        ACCOUNT.id,
        NOON,
        Kind.UNDELIVERED,
        Status.UNDELIVERED,
        True,
        True,
        1,
        30003,
        {"word": "UNDELIV"},
    )
    return Telling(msgspec.structs.replace(message, **changes), event, Target.MESSAGE, ACCOUNT, NOON, 0)


def said(outcome: Outcome) -> Outcome:
    """An outcome without what is kept of its attempts."""
    return msgspec.structs.replace(outcome, attempts=())


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def application(stack: AsyncExitStack) -> Application:
    application = Application()
    await application.listen()
    stack.push_async_callback(application.close)
    return application


async def begun(stack: AsyncExitStack, maker: type[InProcess | Courier], terms: Terms = TERMS) -> Attempts:
    attempts = maker(terms)
    await attempts.start()
    stack.push_async_callback(attempts.stop)
    return attempts


async def test_both_write_the_same_bytes(stack: AsyncExitStack, application: Application) -> None:
    telling = a_telling(application.url + "/200%20OK?of=all&q=%26")
    for maker in (InProcess, Courier):
        attempts = await begun(stack, maker)
        assert said(await attempts.make(telling)) == Outcome(200, None)
    here, apart = application.requests
    assert here == apart


@MAKERS
async def test_a_request_is_signed_named_and_says_what_happened(
    stack: AsyncExitStack, application: Application, maker: type[InProcess | Courier]
) -> None:
    url = application.url + "/200%20OK?of=all"
    attempts = await begun(stack, maker)
    await attempts.make(a_telling(url))
    await attempts.make(a_telling(url))
    first, again = application.requests
    assert first == again
    target, headers, body = read(first)
    params = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert target == "/200%20OK?of=all"
    assert headers["user-agent"] == "Tidings/test"
    assert headers["i-twilio-idempotency-token"]
    assert RequestValidator(ACCOUNT.auth_token).validate(url, params, headers["x-twilio-signature"])
    assert (params["MessageSid"], params["MessageStatus"]) == ("SM" + "5" * 32, "undelivered")
    assert params["ErrorCode"] == "30003"


@MAKERS
async def test_every_answer_has_its_outcome(
    stack: AsyncExitStack, application: Application, maker: type[InProcess | Courier]
) -> None:
    attempts = await begun(stack, maker)
    urls = [f"{application.url}/{said.decode().replace(' ', '%20')}" for said in ANSWERED]
    outcomes = await asyncio.gather(*(attempts.make(a_telling(url)) for url in urls))
    assert [said(outcome) for outcome in outcomes] == [*ANSWERED.values()]
    assert [len(outcome.attempts) for outcome in outcomes] == [1] * len(urls)


@MAKERS
async def test_whatever_is_no_answer_has_its_debugger_code(
    stack: AsyncExitStack, application: Application, maker: type[InProcess | Courier]
) -> None:
    attempts = await begun(stack, maker)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        refusing = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        outcomes = [
            said(await attempts.make(a_telling(url)))
            for url in (refusing, application.url + "/garbage", application.url + "/silence")
        ]
    assert outcomes == [Outcome(None, 11202), Outcome(None, 11206), Outcome(None, 11200)]


@MAKERS
async def test_a_guarded_address_is_not_connected_to(
    stack: AsyncExitStack, application: Application, maker: type[InProcess | Courier]
) -> None:
    attempts = await begun(stack, maker, msgspec.structs.replace(TERMS, allow_private=False))
    assert said(await attempts.make(a_telling(application.url + "/200%20OK"))) == Outcome(None, 11200)
    assert application.requests == []


@MAKERS
async def test_an_attempt_that_cannot_be_made_fails_and_disturbs_no_other(
    stack: AsyncExitStack, application: Application, maker: type[InProcess | Courier]
) -> None:
    attempts = await begun(stack, maker)
    url = application.url + "/200%20OK"
    made, other = await asyncio.gather(
        attempts.make(a_telling(url, dialect="none that is known")),
        attempts.make(a_telling(url)),
    )
    assert said(made) == Outcome(None, 11200)
    assert said(other) == Outcome(200, None)
