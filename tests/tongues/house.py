"""A whole gateway as applications see it: development setting, real HTTP in front, simulated carriers behind.

And the application: it keeps every request that it gets, and answers 204 where it has no document.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
import msgspec

from tidings.app import Gateway
from tidings.arranged import Sender
from tidings.callbacks.delivery import DeliverySettings
from tidings.clock import WindableClock
from tidings.gateway.routes import Route
from tidings.ids import dashed, sid
from tidings.model import Account
from tidings.server import HttpServer, listen
from tidings.settings import Settings, development
from tidings.store.sqlite import SqliteStore
from tidings.web.app import build

ACCOUNT: Final = Account("0a" * 16, "first", "token of the first", 0, signing_key="PSK_of_the_first")
TWILIO_ONLY: Final = Account("0b" * 16, "second", "token of the second", 0, dialects=("twilio",))
SENDER: Final = "+15005550006"
WAIT: Final = 20.0


class Got(msgspec.Struct, frozen=True):
    """One request that the application got."""

    path: str
    url: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Application:
    def __init__(self) -> None:
        self.got: list[Got] = []
        self.media = b"\x89PNG as far as anybody looks"
        """What any GET is answered with."""
        self.documents: dict[str, bytes] = {}
        """Path → the XML that a POST is answered with there."""
        self.broken = False
        """It answers every POST with 500."""
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def until(self, enough: Callable[[list[Got]], bool], path: str = "/") -> list[Got]:
        """What came for `path`, once it is enough."""
        try:
            async with asyncio.timeout(WAIT):
                while not enough(found := [got for got in self.got if got.path.startswith(path)]):
                    await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not enough at {path}: {[got.body for got in self.got]}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if method == "GET":
                    kind = (
                        f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(self.media)}\r\n\r\n"
                    )
                    writer.write(kind.encode() + self.media)
                    continue
                self.got.append(Got(target.partition("?")[0], self.url + target, headers, body))
                news, self._news = self._news, asyncio.Event()
                news.set()
                if self.broken:
                    writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
                elif document := self.documents.get(self.got[-1].path):
                    kind = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(document)}\r\n\r\n"
                    writer.write(kind.encode() + document)
                else:
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()


class House:
    """The gateway, its address, and the application that it calls back."""

    def __init__(self, gateway: Gateway, url: str, application: Application) -> None:
        self.gateway = gateway
        self.url = url
        self.application = application

    def http(self, account: Account = ACCOUNT, *, spelled: Callable[[str], str] = dashed) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, auth=(spelled(account.id), account.auth_token), timeout=WAIT, trust_env=False
        )


def ac(account: str) -> str:
    return sid("AC", account)


@contextlib.asynccontextmanager
async def served(data: Path, settings: Settings | None = None) -> AsyncIterator[House]:
    application = Application()
    await application.open()
    chosen = settings or msgspec.structs.replace(
        development(),
        route=(Route("+", ("simulator", "simulator-mms"), price=0.0079, media_price=0.02),),
        callbacks=DeliverySettings(allow_private=True),
    )
    door = listen("127.0.0.1", 0)
    port = door.getsockname()[1]
    server = msgspec.structs.replace(chosen.server, port=port)
    gateway = Gateway(
        msgspec.structs.replace(chosen, server=server), SqliteStore(data / "tidings.db"), WindableClock()
    )
    gateway.serve_at(f"http://127.0.0.1:{port}")
    await gateway.start()
    for account in (ACCOUNT, TWILIO_ONLY):
        await gateway.store.put_account(account)
    await gateway.store.put_sender(Sender(SENDER, ACCOUNT.id))
    http = HttpServer(build(gateway))
    serving = asyncio.create_task(http.serve(sockets=[door]))
    try:
        yield House(gateway, f"http://127.0.0.1:{port}", application)
    finally:
        http.should_exit = True
        await serving
        await gateway.stop()
        application.close()
