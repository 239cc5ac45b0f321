"""The simulated carrier: an SMPP server (SMSC) that does to every segment what its scenario says.

`tidings serve` runs one in development and speaks to it over loopback with the ordinary SMPP carrier;
`tidings smsc` runs one alone; fault tests and the benchmark drive it directly. It keeps no task per message:
what comes in is answered in the same turn of the loop, what is due later waits in `timers`.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from tidings.carriers.simulator import inbound
from tidings.carriers.simulator.connection import Connection
from tidings.carriers.simulator.counts import Counts
from tidings.carriers.simulator.inbound import Segmentation
from tidings.carriers.simulator.ledger import Log, Submitted
from tidings.carriers.simulator.outbox import Delivery, Outbox
from tidings.carriers.simulator.scenario import Binding, Scenario
from tidings.carriers.simulator.submissions import Submissions
from tidings.carriers.simulator.timers import Timers
from tidings.carriers.smpp.link import RINVCMDID, Link
from tidings.carriers.smpp.pdu import Bind, BindResp, Command, Pdu, Tag
from tidings.carriers.smpp.session import BINDS, Role
from tidings.clock import AlarmClock, SystemClock

RINVPASWD: Final = 0x0E
RINVSYSID: Final = 0x0F

SYSTEM_ID: Final = "tidings-smsc"
SMPP_34: Final = b"\x34"

STOP_TIMEOUT: Final = 5.0
"""Seconds a client may take to let go of its connection."""


class Settings(msgspec.Struct, frozen=True):
    """Seconds; `None` for credentials lets everybody in."""

    system_id: str | None = None
    password: str | None = None
    window: int = 100
    """Unanswered deliver_sm a bind."""
    owed: int = 100_000
    """Receipts owed to a system_id that takes none; more are dropped."""
    remembered: int = 100_000
    """Messages query_sm can be asked about."""
    retry: float = 1.0
    """After a receipt was refused."""
    response_timeout: float = 60.0
    enquire_link: float = 30.0
    submitted: Path | None = None
    """Where to log what was submitted (`ledger.read_log` reads it)."""


class Smsc:
    """A simulated carrier. `observe` is told of every submission before it is answered.

    Without a scenario it is healthy. `clock` decides when things are due.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        settings: Settings | None = None,
        *,
        clock: AlarmClock | None = None,
        tls: ssl.SSLContext | None = None,
        observe: Callable[[Submitted], None] | None = None,
    ) -> None:
        self.counts = Counts()
        self._settings = settings or Settings()
        self._clock = clock or SystemClock()
        self._tls = tls
        self._observe = observe
        scenario = scenario or Scenario()
        self._faults = scenario.faults
        self._tls_drops = scenario.faults.tls_drops
        self._timers = Timers(self._clock)
        submissions = Submissions(
            scenario,
            clock=self._clock,
            timers=self._timers,
            counts=self.counts,
            remembered=self._settings.remembered,
            tell=self._tell if observe or self._settings.submitted else None,
        )
        self._handlers: Mapping[int, Callable[[Connection, Pdu], None]] = {
            **dict.fromkeys(BINDS, self._bind),
            Command.SUBMIT_SM: submissions.submit,
            Command.QUERY_SM: submissions.query,
        }
        self._log: Log | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._outboxes: dict[str, Outbox] = {}
        self._injected: set[asyncio.Future[None]] = set()
        self._injections = 0
        self._bind_requests = 0
        self._change = asyncio.Event()

    # What the owner does

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port, which the system chooses for 0. Raises OSError."""
        if self._settings.submitted:
            self._log = Log(self._settings.submitted)
        if self._tls and self._tls_drops:
            self._tls.sni_callback = self._drop_handshake
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port, ssl=self._tls)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Close everything. What was owed is forgotten; `inject` raises ConnectionError."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.link.close("the simulated carrier stops")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until(lambda: not self._connections), STOP_TIMEOUT)
        self._timers.clear()
        for acknowledged in self._injected:
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionError("the simulated carrier stopped"))
        if self._log:
            self._log.close()
            self._log = None

    async def until(self, condition: Callable[[Counts], bool]) -> None:
        """Wait until the counts meet a condition: `await smsc.until(lambda counts: counts.submitted >= 3)`."""
        await self._until(lambda: condition(self.counts))

    async def inject(
        self,
        source: str,
        destination: str,
        text: str,
        how: Segmentation | None = None,
        *,
        system_id: str | None = None,
    ) -> None:
        """Have a handset send a text; returns when a client (of that system_id) has acknowledged all its parts.

        Waits for a client that receives, and repeats what it refuses: put a timeout around it. Raises
        NoSuchSegment.
        """
        self._injections += 1
        bodies = inbound.bodies(source, destination, text, self._injections % 65_536, how or Segmentation())
        await self._until(lambda: self._receiving(system_id) is not None)
        outbox = self._receiving(system_id)
        assert outbox is not None
        deliveries = [
            Delivery(Command.DELIVER_SM, body, done=asyncio.get_running_loop().create_future()) for body in bodies
        ]
        acknowledged = {delivery.done for delivery in deliveries if delivery.done}
        self._injected |= acknowledged
        try:
            for delivery in deliveries:
                outbox.send(delivery)
            await asyncio.gather(*acknowledged)
        finally:
            self._injected -= acknowledged

    # Connections

    def _accept(self) -> Link:
        connection = Connection(self._outbox(""))
        connection.link = Link(
            Role.SMSC,
            on_request=partial(self._take, connection),
            on_connected=lambda _: self._connections.add(connection),
            on_lost=lambda _: self._lost(connection),
            on_writable=lambda: self._writable(connection),
            response_timeout=self._settings.response_timeout,
            enquire_link=self._settings.enquire_link,
            name="simulated carrier",
        )
        connection.link.sequence = self._faults.first_sequence - 1
        connection.link.answer_enquire_link = not self._faults.ignore_enquire_link
        return connection.link

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.outbox.detach(connection.link)
        self._changed()

    def _writable(self, connection: Connection) -> None:
        connection.link.resume_reading()
        connection.outbox.pump()

    def _drop_handshake(self, *_: object) -> int | None:
        if not self._tls_drops:
            return None
        self._tls_drops -= 1
        return ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE

    def _take(self, connection: Connection, request: Pdu) -> None:
        if not connection.link.writable:  # it does not read our answers: take no more questions
            connection.link.pause_reading()
        if handler := self._handlers.get(request.command):
            handler(connection, request)
        else:
            connection.link.respond(request, RINVCMDID)
        self._changed()

    # Requests

    def _bind(self, connection: Connection, request: Pdu) -> None:
        assert isinstance(request.body, Bind)
        status = self._bind_status(request.body)
        if status is None:
            return
        if status:
            connection.link.respond(request, status)
            return
        connection.system_id = request.body.system_id
        connection.outbox = outbox = self._outbox(connection.system_id)
        receives = request.command != Command.BIND_TRANSMITTER
        early = receives and self._faults.receipts_before_bind_resp
        if early:
            outbox.attach(connection.link)
        connection.link.respond(request, 0, BindResp(SYSTEM_ID), {Tag.SC_INTERFACE_VERSION: SMPP_34})
        if receives and not early:
            outbox.attach(connection.link)
        for answer in outbox.owed_answers:
            connection.link.write(answer)
        outbox.owed_answers.clear()
        self.counts.binds += 1

    def _bind_status(self, bind: Bind) -> int | None:
        """The answer to a bind request, None for none."""
        self._bind_requests += 1
        faults = self._faults
        if faults.bind is not Binding.ACCEPT and not 0 < faults.bind_times < self._bind_requests:
            return faults.bind_status if faults.bind is Binding.REFUSE else None
        if self._settings.system_id not in (None, bind.system_id):
            return RINVSYSID
        return RINVPASWD if self._settings.password not in (None, bind.password) else 0

    # Clients

    def _outbox(self, system_id: str) -> Outbox:
        outbox = self._outboxes.get(system_id)
        if outbox is None:
            outbox = self._outboxes[system_id] = Outbox(
                clock=self._clock,
                timers=self._timers,
                counts=self.counts,
                changed=self._changed,
                window=self._settings.window,
                limit=self._settings.owed,
                retry=self._settings.retry,
            )
        return outbox

    def _receiving(self, system_id: str | None) -> Outbox | None:
        """The outbox of a client that is bound to receive."""
        for name, outbox in self._outboxes.items():
            if outbox.receivers and system_id in (None, name):
                return outbox
        return None

    # Observation

    def _tell(self, submitted: Submitted) -> None:
        if self._log:
            self._log.write(submitted)
        if self._observe:
            self._observe(submitted)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._change.wait()

    def _changed(self) -> None:
        """Wake those who wait for something to have happened."""
        self._change.set()
        self._change.clear()
