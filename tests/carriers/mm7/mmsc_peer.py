"""An MMSC as the tests want it: any bytes for an answer, or none, over a real socket; and hand-written SOAP."""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from tidings.carriers.base import InboundMedia, InboundSegment, Part, Receipt, Submission
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.text import Encoding

REL_5 = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2"
REL_6 = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4"

EVERY_BYTE = bytes(range(256)) * 4 + b"\r\n--\r\n\n\r"
"""What text-minded code breaks on: every octet, bare line ends, and a line end last."""
PICTURE = Part("image/jpeg", EVERY_BYTE, "photo.jpg")


def settings(**more: Any) -> Mm7Settings:
    given: dict[str, Any] = {
        "name": "mms",
        "url": "http://127.0.0.1:1/mm7",
        "vasp_id": "us",
        "timeout": 5.0,
        "connect_timeout": 2.0,
        "reconnect_min": 0.01,
        "reconnect_max": 0.05,
        "refused_min": 0.01,
        "refused_max": 0.05,
        "inbound_user": "mmsc",
        "inbound_password": "let me in",
    }
    return Mm7Settings(**(given | more))


def submission(**more: Any) -> Submission:
    given: dict[str, Any] = {
        "message_id": "0198f7a0c1d27e4f8a3b5c6d7e8f9a0b",
        "part": 1,
        "parts": 1,
        "sender": "+15005550006",
        "recipient": "+15551230200",
        "text": "Grüße ☃",
        "encoding": Encoding.UCS2,
        "media": (PICTURE,),
    }
    return Submission(**(given | more))


class Kept:
    """A sink that keeps what it is given, unless told to fail."""

    def __init__(self) -> None:
        self.media: list[InboundMedia] = []
        self.failing = False

    async def receipt(self, receipt: Receipt) -> None:
        raise AssertionError("MM7 has no receipts for us")

    async def inbound(self, segment: InboundSegment) -> None:
        raise AssertionError("MM7 has no segments")

    async def inbound_media(self, message: InboundMedia) -> None:
        if self.failing:
            raise OSError("the disk is full")
        self.media.append(message)


def submit_rsp(transaction: str, code: int, message_id: str = "m-1", namespace: str = REL_6) -> str:
    """As Sinch's and Skycore's MMSCs write it: MM7's namespace is that of everything without a prefix."""
    named = f"<MessageID>{message_id}</MessageID>" if message_id else ""
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns=
"{namespace}">
   <soap-env:Header>
      <TransactionID soap-env:mustUnderstand="1">{transaction}</TransactionID>
   </soap-env:Header>
   <soap-env:Body>
      <SubmitRsp>
         <MM7Version>6.8.0</MM7Version>
         <Status>
            <StatusCode>{code}</StatusCode>
            <StatusText>in so many words</StatusText>
         </Status>
         {named}
      </SubmitRsp>
   </soap-env:Body>
</soap-env:Envelope>"""


def fault(transaction: str, faultcode: str, status: str = "") -> str:
    """A SOAP fault, with prefixes on everything."""
    return f"""<?xml version="1.0"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
  <env:Header><mm7:TransactionID xmlns:mm7="{REL_5}" env:mustUnderstand="1"> {transaction} </mm7:TransactionID>
  </env:Header>
  <env:Body><env:Fault><faultcode>env:{faultcode}</faultcode><faultstring>it went wrong</faultstring>
    <detail><mm7:RSErrorRsp xmlns:mm7="{REL_5}"><mm7:MM7Version>5.3.0</mm7:MM7Version>{status}</mm7:RSErrorRsp>
    </detail></env:Fault></env:Body>
</env:Envelope>"""


def http(status: int, body: str | bytes = b"", content_type: str = "text/xml", headers: str = "") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n{headers}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@dataclass
class Seen:
    """One request."""

    head: str
    body: bytes

    @property
    def transaction(self) -> str:
        found = re.search(rb"<TransactionID[^>]*>([^<]*)<", self.body)
        assert found is not None
        return found.group(1).decode()

    def header(self, name: str) -> str:
        found = re.search(rf"^{name}: (.*)\r$", self.head, re.MULTILINE | re.IGNORECASE)
        return found.group(1) if found else ""


@dataclass
class Step:
    """What the peer does with a request."""

    data: bytes = b""
    then: Literal["keep", "close", "reset", "hang"] = "keep"


def taken(seen: Seen) -> Step:
    return Step(http(200, submit_rsp(seen.transaction, 1000)))


class Peer:
    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.step: Callable[[Seen], Step] = taken
        self.asked = asyncio.Event()
        """Set by every request."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0)  # the loop says connection_lost in its next round

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mm7"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            writer.close()
            self._serving.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            seen = Seen(head, await reader.readexactly(int(length.group(1))))
            self.seen.append(seen)
            self.asked.set()
            step = self.step(seen)
            writer.write(step.data)
            await writer.drain()
            if step.then == "hang":
                await asyncio.Event().wait()
            if step.then == "reset":
                writer.transport.abort()
            if step.then != "keep":
                return
