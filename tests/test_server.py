"""The HTTP server in front of an application: answers whole and in order, and none lost by a stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeAlias

import pytest
from starlette.types import Receive, Scope, Send

from tidings.server import HttpServer, listen

pytestmark = pytest.mark.timeout(20)
LARGE: Final = 3_000_000
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Step: TypeAlias = bytes | Callable[[], Awaitable[object]]
"""A piece of a body, or what the next one waits for."""


class Application:
    """Answers `/WORD` with WORD; some words mean more."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        """The words whose requests have come in."""
        self.go_on = asyncio.Event()
        """What held requests wait for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        word = scope["path"].removeprefix("/")
        self.begun.put_nowait(word)
        posted = (await receive())["body"]
        steps: dict[str, list[Step]] = {
            "empty": [],
            "large": [b"x" * LARGE],
            "halves": [b"first,", self.go_on.wait, b"second"],
            "held": [self.go_on.wait, b"held"],
            "posted": [posted],
        }
        await send({"type": "http.response.start", "status": 204 if word == "empty" else 200, "headers": []})
        for step in steps.get(word, [word.encode()]):
            if isinstance(step, bytes):
                await send({"type": "http.response.body", "body": step, "more_body": True})
            else:
                await step()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Site:
    """A served application, and connections to it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.application = Application()
        self.server = HttpServer(self.application)
        self._stack = stack
        listener = listen("127.0.0.1", 0)
        self.port: int = listener.getsockname()[1]
        self.serving = asyncio.create_task(self.server.serve(sockets=[listener]))

    async def stop(self) -> None:
        self.application.go_on.set()
        self.server.should_exit = True
        await self.serving

    async def connect(self) -> tuple[Reader, Writer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._stack.callback(writer.close)
        return reader, writer


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        site = Site(stack)
        stack.push_async_callback(site.stop)
        yield site


def request(word: str, *headers: str, body: bytes = b"") -> bytes:
    first = f"{'POST' if body else 'GET'} /{word} HTTP/1.1"
    lines = (first, "Host: test", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


async def answer(reader: Reader) -> tuple[int, bytes]:
    """(status, body) of the next answer; its body is chunked."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    if status == 204:
        return status, b""
    assert b"transfer-encoding: chunked" in head.lower()
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        assert await reader.readline() == b"\r\n"
    assert await reader.readline() == b"\r\n"
    return status, body


@pytest.mark.parametrize(
    ("word", "said"), [("hello", (200, b"hello")), ("empty", (204, b"")), ("large", (200, b"x" * LARGE))]
)
async def test_an_answer_is_whole_before_the_connection_closes(
    site: Site, word: str, said: tuple[int, bytes]
) -> None:
    reader, writer = await site.connect()
    writer.write(request(word, "Connection: close"))
    assert await answer(reader) == said
    assert await reader.read() == b""


async def test_a_connection_carries_one_request_after_the_other(site: Site) -> None:
    reader, writer = await site.connect()
    for word in ("one", "large", "empty", "two"):
        writer.write(request(word))
        status, body = await answer(reader)
        assert (status, len(body)) == {"large": (200, LARGE), "empty": (204, 0)}.get(word, (200, 3))


async def test_pipelined_requests_are_answered_in_their_order(site: Site) -> None:
    reader, writer = await site.connect()
    words = ["held", "large", *(f"word{number}" for number in range(20)), "empty", "posted", "last"]
    bodies = {"posted": b"what was posted"}
    writer.write(b"".join(request(word, body=bodies.get(word, b"")) for word in words))
    assert await site.application.begun.get() == "held"
    site.application.go_on.set()
    whole = {"empty": (204, b""), "large": (200, b"x" * LARGE), "posted": (200, bodies["posted"])}
    assert [await answer(reader) for _ in words] == [whole.get(word, (200, word.encode())) for word in words]


async def test_what_is_written_leaves_while_the_rest_is_being_made(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(request("halves"))
    await reader.readuntil(b"first,\r\n")
    site.application.go_on.set()
    await reader.readuntil(b"second\r\n0\r\n\r\n")


async def test_a_client_that_goes_away_disturbs_no_other(site: Site) -> None:
    (_, gone), (reader, writer) = await site.connect(), await site.connect()
    for one in (gone, writer):
        one.write(request("held"))
        assert await site.application.begun.get() == "held"
    gone.transport.abort()
    site.application.go_on.set()
    assert await answer(reader) == (200, b"held")


async def test_a_request_that_is_none_is_refused_and_its_connection_closed(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"this is no HTTP\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_a_stop_answers_what_is_under_way_and_takes_nothing_new(site: Site) -> None:
    (under_way, writer), (idle, other) = await site.connect(), await site.connect()
    other.write(request("before"))
    assert await answer(idle) == (200, b"before")
    assert await site.application.begun.get() == "before"
    writer.write(request("held"))
    assert await site.application.begun.get() == "held"
    site.server.should_exit = True
    assert await idle.read() == b""  # it has begun to stop
    with pytest.raises(ConnectionRefusedError):
        await site.connect()
    assert not site.serving.done()
    site.application.go_on.set()
    assert await answer(under_way) == (200, b"held")
    assert await under_way.read() == b""
    await site.serving
