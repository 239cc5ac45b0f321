"""The application that is called back, on a real socket: it keeps what it is told and answers what a test says."""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from twilio.request_validator import RequestValidator

ACCOUNT: Final = "0a" * 16
TOKEN: Final = "token of the first"
SENDER: Final = "+15005550006"
SECOND_SENDER: Final = "+15005550007"
RECIPIENT: Final = "+15551230000"
WAIT: Final = 20.0


class Told(msgspec.Struct):
    """One callback, as the application got it."""

    sid: str
    status: str
    token: str
    genuine: bool
    """Whether its signature is right."""
    params: dict[str, str]
    answer: int


class App:
    """The application: keeps what it is told, and answers what `answer` says."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.answer: Callable[[str], int] = lambda status: 204
        """HTTP status by the message's status."""
        self.headers: dict[str, str] = {}
        """Sent with every answer."""
        self.open = asyncio.Event()
        """Cleared, nobody gets an answer."""
        self.open.set()
        self.url = ""
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/status?of=all"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def statuses(self, message_id: str, *, taken: bool = True) -> list[str]:
        """What it was told of a message, in order; with `taken`, what it said yes to."""
        return [
            told.status for told in self.told if told.sid[2:] == message_id and (not taken or told.answer < 300)
        ]

    async def hears(self, message_id: str, *statuses: str) -> None:
        """Wait until it has taken exactly these of a message, in this order."""
        await self.until(
            lambda: len(self.statuses(message_id)) >= len(statuses), f"{' '.join(statuses)} of {message_id}"
        )
        assert self.statuses(message_id) == list(statuses)

    async def attempted(self, number: int) -> None:
        """Wait until it was called so often, whatever it answered."""
        await self.until(lambda: len(self.told) >= number, f"{number} attempts")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT):
                while not condition():
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} awaited; it was told {self.told}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body = (await reader.readexactly(int(headers["content-length"]))).decode()
                status = self._take(headers, dict(parse_qsl(body, keep_blank_values=True)))
                extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                await self.open.wait()
                writer.write(f"HTTP/1.1 {status} Said\r\n{extra}Content-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, headers: dict[str, str], params: dict[str, str]) -> int:
        status = self.answer(params["MessageStatus"])
        genuine = RequestValidator(TOKEN).validate(self.url, params, headers["x-twilio-signature"])
        token = headers["i-twilio-idempotency-token"]
        self.told.append(Told(params["MessageSid"], params["MessageStatus"], token, genuine, params, status))
        self._news.set()
        self._news = asyncio.Event()
        return status
