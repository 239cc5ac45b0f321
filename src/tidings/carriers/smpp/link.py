"""One SMPP connection, the same for both roles: our carriers (`bind`) and the SMSC simulator build on it.

A thin asyncio shell around `pdu` (the wire format) and `session` (who may send what when). It frames, numbers,
pairs responses with requests, answers enquire_link and unbind, tests the peer with enquire_link, and survives
what peers get wrong. It knows nothing of messages: requests of the peer go to `on_request`, and whoever owns the
link answers them with `respond`, now or later.

The response timer runs from the write. A request nobody answers fails with NoResponse; an answer that comes
later still reaches the request's `late` callback (see `requests`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, cast

from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp.pdu import RESPONSE, RINVCMDLEN, Body, Command, Framer, FramingError, Pdu, PduError
from tidings.carriers.smpp.requests import Requests
from tidings.carriers.smpp.session import BINDS, BOUND, MAY_SEND, PEER, Role, State, after
from tidings.ids import random_hex

log = logging.getLogger(__name__)

RINVCMDID: Final = 0x03
RINVBNDSTS: Final = 0x04
RALYBND: Final = 0x05
RSYSERR: Final = 0x08

_SECRET: Final = BINDS | {Command.OUTBIND}
_HEX_LOGGED: Final = 512
"""Octets of a bad PDU that go to the log."""
_UNREAD_BY_PEER: Final = 16 * 1024 * 1024
"""Octets that may wait for a peer that asks and does not read; above, the connection is given up."""
_COMPLAINTS: Final = 100
"""Different complaints a link logs before it only counts."""


class NotWritten(Exception):
    """The link could not take the request: none of it left us."""


class NoResponse(Exception):
    """The request left us and no answer came, in time or before the connection closed."""


class Link(asyncio.Protocol):
    """Give it to `loop.create_connection` (Role.ESME) or `loop.create_server` (Role.SMSC).

    `on_request(pdu)` gets every request but enquire_link and unbind, synchronously and in order;
    `on_lost(reason)` is called once, when the connection is gone; `on_writable()` when the peer takes data
    again after it did not. Seconds everywhere; `enquire_link=0` sends none. `clock` is the loop's own
    unless a test winds another.
    """

    def __init__(
        self,
        role: Role,
        *,
        on_request: Callable[[Pdu], None],
        on_lost: Callable[[str], None] | None = None,
        on_writable: Callable[[], None] | None = None,
        on_connected: Callable[["Link"], None] | None = None,
        response_timeout: float = 10.0,
        enquire_link: float = 30.0,
        clock: Callable[[], float] | None = None,
        counts: Counter[str] | None = None,
        name: str = "smpp",
    ) -> None:
        self.role = role
        self.name = name
        self.connection: Final = random_hex()
        """Names this connection: none before or after it, here or elsewhere, has the same name."""
        self.state = State.OPEN
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.answer_enquire_link = True
        """False plays dead (simulator)."""
        self.last_received = 0.0
        self._on_request = on_request
        self._on_lost = on_lost
        self._on_writable = on_writable
        self._on_connected = on_connected
        self._response_timeout = response_timeout
        self._enquire_link = enquire_link
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._requests = Requests(response_timeout)
        self._enquiring = False
        self._peer_unbinds: Pdu | None = None
        self._writable = True
        self._reading = True
        self._drained: asyncio.Future[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._aborter: asyncio.TimerHandle | None = None
        self._retiring = ""
        self._closing = ""
        self._complaints: set[str] = set()

    # What the owner does

    @property
    def bound(self) -> bool:
        return self.state in BOUND

    @property
    def up(self) -> bool:
        """Connected: what is written now goes to the peer."""
        return self._transport is not None and not self._closing

    @property
    def writable(self) -> bool:
        """False while the peer does not read what we wrote, and once the link closes or retires."""
        return self._writable and not self._closing and not self._retiring

    @property
    def unanswered(self) -> int:
        return len(self._requests)

    @property
    def sequence(self) -> int:
        """The number of our latest request; the next has the next one."""
        return self._requests.sequence

    @sequence.setter
    def sequence(self, latest: int) -> None:
        self._requests.sequence = latest

    @property
    def peername(self) -> str:
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "")

    def request(
        self,
        command: int,
        body: Body | None = None,
        tlvs: Mapping[int, bytes] | None = None,
        *,
        late: Callable[[Pdu], None] | None = None,
    ) -> asyncio.Future[Pdu]:
        """Write a request now; the future is its response, a generic_nack included, or raises NoResponse.

        `late(pdu)` is called with a response that came after that. Raises NotWritten when the link is closing,
        ValueError for a body that cannot be encoded; nothing has left us in either case.
        """
        if self._transport is None or self._closing or self._retiring:
            raise NotWritten(self._closing or self._retiring or "not connected")
        sequence = self._requests.next()
        self.write(codec.encode(command, sequence, body, tlvs=tlvs))
        self.state = after(self.state, command, 0)
        answer: asyncio.Future[Pdu] = self._loop.create_future()
        self._requests.add(sequence, command, answer, late, self._clock())
        return answer

    def respond(
        self,
        request: Pdu,
        status: int = 0,
        body: Body | None = None,
        tlvs: Mapping[int, bytes] | None = None,
    ) -> bool:
        """Answer a request of the peer. False when the link is gone and nothing was written."""
        command = request.command | RESPONSE
        if not self.write(codec.encode(command, request.sequence, body, status=status, tlvs=tlvs)):
            return False
        self.state = after(self.state, command, status)
        return True

    def nack(self, status: int, sequence: int) -> None:
        self.write(codec.encode(Command.GENERIC_NACK, sequence, status=status))

    def write(self, data: bytes) -> bool:
        """Queue octets for the end of this loop tick, unchecked. False when the link is gone."""
        if self._transport is None or self._closing:
            return False
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        return True

    async def drained(self) -> None:
        """Wait until the peer takes data (at once when it does, or when the link is gone)."""
        while self._transport is not None and not self._closing and not self._writable:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    def pause_reading(self) -> None:
        """Stop taking anything from the peer; its silence is not held against it meanwhile."""
        if self._transport and self._reading and not self._closing:
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport and not self._reading and not self._closing:
            self._reading = True
            self.last_received = self._clock()
            self._transport.resume_reading()

    async def unbind(self, reason: str = "unbound by us", patience: float = 2.0) -> None:
        """Say goodbye, wait `patience` seconds at most for the answer, and close."""
        try:
            async with asyncio.timeout(patience):
                await self.request(Command.UNBIND)
        except (NotWritten, NoResponse, TimeoutError):
            pass
        finally:
            self.close(reason)

    def retire(self, reason: str) -> None:
        """Take no more requests, and close once those under way are answered or their timers have run out."""
        self._retiring = self._retiring or reason
        self._settled()

    def close(self, reason: str) -> None:
        """Send what is queued and close. Requests without an answer fail with NoResponse."""
        self._end(reason)
        if self._transport is not None and self._aborter is None:
            self._transport.close()
            self._aborter = self._loop.call_later(self._response_timeout, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Close at once, for a peer that would not read what is queued."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str) -> None:
        if not self._closing:
            self._flush()
            self._closing = reason
            self.state = State.CLOSED

    def sweep(self) -> None:
        """Fail what waited too long, forget what is too old, test a silent peer. Runs ten times a timeout."""
        now = self._clock()
        for asked in self._requests.expire(now):
            self.counts["response_timeouts"] += 1
            if not asked.answer.done():
                asked.answer.set_exception(NoResponse(f"no response in {self._response_timeout:g} s"))
        self._settled()
        if self._transport and self._transport.get_write_buffer_size() > _UNREAD_BY_PEER:
            self.abort("the peer does not read what we send")
        if self._silent_at(now):
            self._enquire()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.last_received = self._clock()
        self._schedule_sweep()
        if self._on_connected:
            self._on_connected(self)

    def data_received(self, data: bytes) -> None:
        self.last_received = self._clock()
        try:
            frames = self._framer.feed(data)
        except FramingError as error:
            self._take(error.frames)
            self.counts["framing_errors"] += 1
            self._complain(f"cannot be framed ({error})", error.rest)
            self.nack(RINVCMDLEN, 0)
            self.close(f"framing lost: {error}")
        else:
            self._take(frames)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._release_drained()
        if self._on_writable:
            self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._closing or (str(exc) or type(exc).__name__ if exc else "closed by the peer")
        self._closing = reason
        self.state = State.CLOSED
        self._transport = None
        self._out.clear()
        for timer in (self._sweeper, self._aborter):
            if timer:
                timer.cancel()
        for asked in self._requests.abandon():
            if not asked.answer.done():
                asked.answer.set_exception(NoResponse(f"connection closed before the response: {reason}"))
        self._release_drained()
        if self._on_lost:
            self._on_lost(reason)

    # What happens inside

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._closing:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _take(self, frames: list[bytes]) -> None:
        for frame in frames:
            if self._closing:
                return
            try:
                pdu = codec.decode(frame)
            except PduError as error:
                self._refuse_malformed(frame, error)
                continue
            if pdu.problems:
                self.counts["tolerated_pdus"] += 1
                self._complain("; ".join(pdu.problems), frame)
            if pdu.command & RESPONSE:
                self._take_response(pdu)
            else:
                self._take_request(pdu, frame)

    def _refuse_malformed(self, frame: bytes, error: PduError) -> None:
        self.counts["malformed_pdus"] += 1
        self._complain(error.reason, frame)
        command = int.from_bytes(frame[4:8])
        self.write(codec.encode(command | RESPONSE, error.sequence, status=error.command_status))

    def _take_request(self, pdu: Pdu, frame: bytes) -> None:
        command = pdu.command
        if command == Command.ENQUIRE_LINK:
            if self.answer_enquire_link:
                self.respond(pdu)
        elif command == Command.UNBIND:
            self.state = State.UNBINDING
            self._peer_unbinds = pdu
            self.retire("unbound by the peer")
        elif command == Command.ALERT_NOTIFICATION:  # knows no response (SMPP 3.4 §4.12)
            self.counts["alert_notifications"] += 1
        elif command not in codec.SHAPES:
            self.counts["unknown_commands"] += 1
            self._complain(f"unknown command 0x{command:08X}", frame)
            self.nack(RINVCMDID, pdu.sequence)
        elif command not in MAY_SEND[PEER[self.role]][self.state]:
            self.counts["misplaced_requests"] += 1
            status = RALYBND if command in BINDS else RINVBNDSTS
            self.write(codec.encode(command | RESPONSE, pdu.sequence, status=status))
        else:
            self.state = after(self.state, command, 0)
            self._hand_over(pdu, frame)

    def _hand_over(self, pdu: Pdu, frame: bytes) -> None:
        try:
            self._on_request(pdu)
        except Exception:
            self.counts["handler_errors"] += 1
            log.exception("%s: handling %s failed", self.name, _shown(frame))
            self.respond(pdu, RSYSERR)

    def _take_response(self, pdu: Pdu) -> None:
        asked = self._requests.match(pdu)
        if asked is None:
            self.counts["unmatched_responses"] += 1
            self._complain(
                f"response 0x{pdu.command:08X}, status 0x{pdu.status:08X}, to nothing we asked", pdu.raw
            )
            return
        if asked.command in BINDS or asked.command == Command.UNBIND:
            self.state = after(self.state, asked.command | RESPONSE, pdu.status)
        if not asked.answer.done():
            asked.answer.set_result(pdu)
        else:
            self.counts["late_responses"] += 1
            self._tell_late(asked.late, pdu)
        self._settled()

    def _tell_late(self, late: Callable[[Pdu], None] | None, pdu: Pdu) -> None:
        if late is None:
            return
        try:
            late(pdu)
        except Exception:
            self.counts["handler_errors"] += 1
            log.exception("%s: handling the late response %s failed", self.name, _shown(pdu.raw))

    def _settled(self) -> None:
        """A peer that unbinds gets its answer only now: until then it may still answer us."""
        if self._retiring and not self._requests:
            if self._peer_unbinds:
                self.respond(self._peer_unbinds)
            self.close(self._retiring)

    def _silent_at(self, now: float) -> bool:
        return (
            self._enquire_link > 0
            and self._reading
            and not self._enquiring
            and not self._closing
            and not self._retiring
            and now - self.last_received >= self._enquire_link
        )

    def _enquire(self) -> None:
        self._enquiring = True
        self.request(Command.ENQUIRE_LINK).add_done_callback(self._enquired)

    def _enquired(self, answer: asyncio.Future[Pdu]) -> None:
        self._enquiring = False
        heard = self._clock() - self.last_received < self._response_timeout
        if answer.exception() and self._reading and not heard:
            self.counts["enquire_link_timeouts"] += 1
            self.abort("enquire_link was not answered")

    def _schedule_sweep(self) -> None:
        shortest = min(self._response_timeout, self._enquire_link or self._response_timeout)
        self._sweeper = self._loop.call_later(shortest / 10, self._sweep_again)

    def _sweep_again(self) -> None:
        self.sweep()
        if self._transport is not None:
            self._schedule_sweep()

    def _release_drained(self) -> None:
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _complain(self, what: str, octets: bytes) -> None:
        """Log each kind of trouble once a link, and at most so many kinds: a peer must not fill the disk."""
        if what in self._complaints or len(self._complaints) >= _COMPLAINTS:
            return
        self._complaints.add(what)
        log.warning(
            "%s: PDU from %s: %s; %d octets: %s", self.name, self.peername, what, len(octets), _shown(octets)
        )


def _shown(octets: bytes) -> str:
    """A PDU for the log; of those that hold a password only the header."""
    longest = 16 if int.from_bytes(octets[4:8]) in _SECRET else _HEX_LOGGED
    return octets[:longest].hex() + ("…" if len(octets) > longest else "")
