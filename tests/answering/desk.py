"""What answers a number of ours, played by a test: an application on a real socket, and a handset that writes.

`Desk` is the application: it keeps whatever it is asked, and answers by path what a test has put there. `Line` is
a whole gateway between a message centre and that application.
"""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from signalwire.core.security.webhook_validator import validate_webhook_signature
from twilio.request_validator import RequestValidator

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER, TOKEN, WAIT
from tests.gateway.centre import Centre
from tidings.arranged import Handler, Handling, Sender
from tidings.carriers.base import InboundMedia, Part
from tidings.carriers.smpp.pdu import ShortMessage
from tidings.model import Attempt, Callback, CallbackState, Direction, Message, Standing, Target
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

TWILIO, COMPAT, REST = "twilio", "signalwire_compat", "signalwire_rest"
DIALECTS: Final = [TWILIO, COMPAT, REST]

FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"
JSON: Final = "application/json; charset=utf-8"
UCS2: Final = 0x08
"""data_coding (SMPP 3.4 §5.2.19)."""


class Asked(msgspec.Struct):
    """One request, as the application got it."""

    method: str
    url: str
    """With its query, as a server puts it together."""
    headers: dict[str, str]
    body: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def params(self) -> dict[str, str]:
        """Of the form, or of the query where there is none."""
        given = self.body if self.headers.get("content-type") == FORM else urlsplit(self.url).query
        return dict(parse_qsl(given, keep_blank_values=True, strict_parsing=True))

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == JSON
        return json.loads(self.body)

    @property
    def token(self) -> str:
        (token,) = (value for name, value in self.headers.items() if name.endswith("idempotency-token"))
        return token

    def signed(self, dialect: str, key: str = TOKEN) -> bool:
        """Whether the vendor's own validator takes it, used as its documentation has it."""
        if dialect == TWILIO:
            params = self.params if self.method == "POST" else {}
            return bool(RequestValidator(key).validate(self.url, params, self.headers["x-twilio-signature"]))
        return validate_webhook_signature(key, self.headers["x-signalwire-signature"], self.url, self.body)


class Answer(msgspec.Struct):
    status: int = 200
    kind: str = "text/xml"
    """"" for no Content-Type."""
    body: bytes = b""
    headers: dict[str, str] = {}


Answers = Answer | Callable[[Asked], Answer] | None
"""None: nobody gets an answer."""


def twiml(inside: str, **more: Any) -> Answer:
    return Answer(body=f"<Response>{inside}</Response>".encode(), **more)


def swml(document: Any) -> Answer:
    return Answer(kind="application/json", body=json.dumps(document).encode())


def steps(*main: Any) -> Answer:
    return swml({"sections": {"main": list(main)}})


def says(dialect: str, text: str) -> Answer:
    """A document that sends one reply."""
    return swml({"reply": text}) if dialect == REST else twiml(f"<Message>{text}</Message>")


class Desk:
    def __init__(self) -> None:
        self.answers: dict[str, list[Answers]] = {}
        """By path, in turn; the last one again and again."""
        self.asked: list[Asked] = []
        self.base = ""
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def put(self, path: str, *answers: Answers) -> str:
        """What is answered there from now on; returns the URL."""
        self.answers[path.partition("?")[0]] = list(answers)
        return self.base + path

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    async def until_asked(self, number: int) -> Asked:
        """The n-th request."""
        try:
            async with asyncio.timeout(WAIT):
                while len(self.asked) < number:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"request {number} awaited; it was asked {self.paths}") from None
        return self.asked[number - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                answer = self._answer(await _read(reader))
                if answer is None:
                    await reader.read()
                    return
                lines = [f"HTTP/1.1 {answer.status} Said", f"Content-Length: {len(answer.body)}"]
                lines += [f"Content-Type: {answer.kind}"] if answer.kind else []
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + answer.body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    def _answer(self, asked: Asked) -> Answer | None:
        self.asked.append(asked)
        self._news.set()
        self._news = asyncio.Event()
        left = self.answers.get(asked.path, [Answer(404)])
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer(asked) if callable(answer) else answer


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.split("\r\n")[:-2]
    method, target, _ = line.split(" ")
    pairs = [(name.lower(), value) for name, value in (one.split(": ", 1) for one in lines)]
    headers = dict(pairs)
    assert len(headers) == len(pairs), f"a header came twice: {lines}"
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
    return Asked(method, f"http://{headers['host']}{target}", headers, body)


class Line:
    """A number of ours, the handset at the other end, and what the gateway keeps of both."""

    def __init__(self, bench: "Bench", desk: Desk, centre: Centre, site: "Site") -> None:
        self.bench = bench
        self.desk = desk
        self.centre = centre
        self.site = site
        centre.answer_all()

    async def answered_by(self, dialect: str, url: str | None, **handling: Any) -> None:
        """The number is answered by this from now on."""
        handler = Handler.SWML if dialect == REST else Handler.MARKUP
        usual = Handling(handler=handler, dialect=dialect, url=url)
        await self.handled(msgspec.structs.replace(usual, **handling))

    async def handled(self, handling: Handling) -> None:
        await self.site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=handling))

    async def account(self, **changes: Any) -> None:
        """The account, from now on."""
        known = await self.site.store.account(ACCOUNT)
        assert known is not None
        await self.site.store.put_account(msgspec.structs.replace(known, **changes))
        self.site.gateway.accounts.forget(ACCOUNT)

    async def hears(self, text: str = "hello", source: str = RECIPIENT) -> str:
        """The handset writes; returns the message's id."""
        await self.centre.deliver(
            ShortMessage(
                source_addr=source.lstrip("+"),
                destination_addr=SENDER[1:],
                data_coding=UCS2,
                short_message=text.encode("utf-16-be"),
            )
        )
        return (await self._messages(Direction.INBOUND))[0][0].id

    async def sees(self, *parts: Part, text: str = "look") -> str:
        """The handset sends media; returns the message's id."""
        now = self.site.gateway.clock.now()
        received = InboundMedia("main", now, RECIPIENT[1:], SENDER[1:], text, "", parts, "raw", "1")
        await self.site.gateway.inbound.take_media(received)
        return (await self._messages(Direction.INBOUND))[0][0].id

    async def settled(self, message: str, state: CallbackState = CallbackState.DONE) -> Callback:
        """The conversation about a message, once it is kept as this."""
        return await self.site.until_callback(message, state, Target.WEBHOOK)

    async def attempts(self, message: str) -> list[Attempt]:
        (callback,) = [one for one in await self.site.store.callbacks(message) if one.target is Target.WEBHOOK]
        return await self.site.attempts(callback)

    async def replies(self) -> list[tuple[Message, Standing]]:
        """All that there are, in their order."""
        return (await self._messages(Direction.OUTBOUND_REPLY))[::-1]

    async def said(self) -> list[str]:
        return [message.body for message, _ in await self.replies()]

    async def _messages(self, direction: Direction) -> list[tuple[Message, Standing]]:
        found = await self.site.store.messages(ACCOUNT, MessageFilter(), 1000)
        return [(message, standing) for message, standing in found if message.direction is direction]

    async def crashed(self) -> "Line":
        """The same after a SIGKILL now."""
        path = await self.bench.crash(self.site)
        site = await self.bench.site(self.bench.smpp(self.centre), path=path)
        await self.centre.bound()
        return Line(self.bench, self.desk, self.centre, site)
