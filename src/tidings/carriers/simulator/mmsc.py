"""The simulated MMSC: takes media messages over MM7 as an operator's would, and delivers what handsets send.

The development setting runs one and submits to it over loopback with the ordinary MM7 carrier; tests drive it
directly. What it does with a message is chosen by the recipient's last four digits.
"""

import asyncio
import hmac
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import msgspec

from tidings.carriers.base import Part
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.mime import Malformed
from tidings.carriers.mm7.soap import Schema, text
from tidings.carriers.mm7.wire import Envelope
from tidings.carriers.simulator.mmsc_http import HangUp, HttpServer, Request, Response
from tidings.clock import Clock, SystemClock

PATH: Final = "/mm7"
"""Where submissions go."""
REMEMBERED: Final = 100
REMEMBERED_BYTES: Final = 64 * 1024 * 1024
"""Of what was taken, the newest."""
DELIVERY_TIMEOUT: Final = 30.0
"""Seconds."""

ADDRESS_ERROR: Final = 2002
VALIDATION_ERROR: Final = 4004
UNSUPPORTED_OPERATION: Final = 4003
"""Status codes of TS 23.140 §8.7."""


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one submission."""

    code: int = wire.SUCCESS
    words: str = "Success"
    times: int = 0
    """So many submissions to a recipient meet the above, the next one is taken; 0: all meet it."""
    answered: bool = True
    """False: it is not taken, and its connection stays open without an answer."""
    closed: bool = False
    """Whether the connection is closed in place of an answer."""


TAKEN: Final = Outcome()

NUMBERS: Final[Mapping[str, Outcome]] = {
    "0200": TAKEN,
    "0404": Outcome(2003, "Address not found"),
    "0413": Outcome(2004, "Multimedia content refused"),
    "0429": Outcome(3100, "Throughput exceeded", times=3),
    "0500": Outcome(3002, "Message rejected"),
    "0503": Outcome(closed=True),
    "0504": Outcome(answered=False),
}
"""Last four digits of the recipient -> outcome. All others are taken."""


class Taken(msgspec.Struct, frozen=True):
    """A message that the MMSC has."""

    at: int
    message_id: str
    """As it was given out."""
    transaction: str
    sender: str
    recipient: str
    text: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return len(self.text) + sum(len(part.content) for part in self.parts)


class Vasp(msgspec.Struct, frozen=True):
    """Where a gateway takes deliveries, and the credentials it wants."""

    url: str
    user: str
    password: str


class NotDelivered(ConnectionError):
    """The gateway did not acknowledge a delivery; the message says how it answered."""


class Mmsc:
    """`user` "" lets everybody in. Nothing can be delivered before `vasp` says where."""

    def __init__(self, *, user: str = "", password: str = "", clock: Clock | None = None) -> None:
        self.taken: deque[Taken] = deque()
        self.submitted = 0
        """SubmitReq read, whatever became of them."""
        self.vasp: Vasp | None = None
        self._authorization = b64encode(f"{user}:{password}".encode()) if user else b""
        self._clock = clock or SystemClock()
        self._schema = Schema()
        self._met: Counter[str] = Counter()
        self._http = HttpServer(self._handle)
        self._remembered = 0
        self._numbers = self._clock.now()
        """Ids count up from the time, so that no restart repeats one."""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port, which the system chooses for 0. Raises OSError."""
        return await self._http.start(host, port)

    async def stop(self) -> None:
        """Close everything; who still waits for an answer gets none."""
        await self._http.stop()

    async def inbound(
        self, source: str, destination: str, text: str = "", parts: Sequence[Part] = (), subject: str = ""
    ) -> None:
        """Have a handset send a media message; returns once the gateway has acknowledged it.

        Raises NotDelivered.
        """
        if self.vasp is None:
            raise NotDelivered("nobody has said where the gateway is")
        transaction = self._number()
        content_type, body = wire.deliver_request(
            source, destination, subject, text, parts, transaction, self._schema
        )
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT, trust_env=False) as http:
            try:
                response = await http.post(
                    self.vasp.url,
                    content=body,
                    headers={"Content-Type": content_type, "SOAPAction": '""'},
                    auth=(self.vasp.user, self.vasp.password),
                )
                answer = wire.read(response.headers.get("content-type", ""), response.content)
            except httpx.TransportError as error:
                raise NotDelivered(f"{type(error).__name__}: {error}") from error
            except Malformed as error:
                raise NotDelivered(f"HTTP {response.status_code}: {error}") from error
        status = wire.status(answer)
        if (answer.operation, answer.transaction, status.code) != ("DeliverRsp", transaction, wire.SUCCESS):
            raise NotDelivered(f"HTTP {response.status_code}: {answer.operation} {status.code} {status.words}")

    # What a VASP posts

    async def _handle(self, request: Request) -> Response:
        if request.method != "POST" or request.path != PATH:
            return Response(404, "text/plain", b"submissions are posted to /mm7")
        if not self._admits(request):
            challenge = ("WWW-Authenticate", 'Basic realm="simulated MMSC"')
            return Response(401, "text/plain", b"wrong user or password", (challenge,))
        try:
            envelope = wire.read(request.headers.get(b"content-type", b"").decode("latin-1"), request.body)
        except Malformed as error:
            return self._refused("", VALIDATION_ERROR, str(error))
        if envelope.operation != "SubmitReq":
            return self._refused(envelope.transaction, UNSUPPORTED_OPERATION, "only SubmitReq is taken")
        return await self._submitted(envelope)

    def _admits(self, request: Request) -> bool:
        scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
        expected = self._authorization
        return not expected or (scheme.lower() == b"basic" and hmac.compare_digest(given.strip(), expected))

    async def _submitted(self, envelope: Envelope) -> Response:
        self.submitted += 1
        to = wire.recipients(envelope)
        identification = envelope.element.child("SenderIdentification")
        sender = wire.address(identification.child("SenderAddress")) if identification else ""
        if not sender or not envelope.element.said("VASPID"):
            return self._refused(envelope.transaction, VALIDATION_ERROR, "VASPID or SenderAddress is missing")
        if len(to) != 1:
            return self._refused(envelope.transaction, ADDRESS_ERROR, "one recipient is served at a time")
        if not envelope.leaves:
            return self._refused(envelope.transaction, VALIDATION_ERROR, "the message has no content")
        outcome = self._outcome(to[0])
        if outcome.closed:
            raise HangUp
        if not outcome.answered:
            await asyncio.Event().wait()
        taken = outcome.code == wire.SUCCESS
        more = [text("MessageID", self._take(envelope, sender, to[0]))] if taken else []
        answer = wire.answer("SubmitRsp", envelope.transaction, outcome.code, outcome.words, self._schema, *more)
        return Response(200, wire.XML, answer)

    def _outcome(self, recipient: str) -> Outcome:
        outcome = NUMBERS.get(recipient[-4:], TAKEN)
        if not outcome.times:
            return outcome
        self._met[recipient] += 1
        if self._met[recipient] <= outcome.times:
            return outcome
        del self._met[recipient]
        return TAKEN

    def _take(self, envelope: Envelope, sender: str, recipient: str) -> str:
        """Keep a message; its id."""
        words, parts = wire.content(envelope.leaves)
        taken = Taken(self._clock.now(), self._number(), envelope.transaction, sender, recipient, words, parts)
        self.taken.append(taken)
        self._remembered += taken.size
        while len(self.taken) > 1 and (len(self.taken) > REMEMBERED or self._remembered > REMEMBERED_BYTES):
            self._remembered -= self.taken.popleft().size
        return taken.message_id

    def _number(self) -> str:
        self._numbers += 1
        return str(self._numbers)

    def _refused(self, transaction: str, code: int, words: str) -> Response:
        said = wire.refusal("RSErrorRsp", transaction, "Client", code, words, self._schema)
        return Response(500, wire.XML, said)
