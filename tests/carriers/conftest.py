"""A bench for the simulated carrier: the carrier, a clock to wind, and clients made of the SMPP link alone."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
import pytest

from tidings.carriers.base import Receipt
from tidings.carriers.simulator.ledger import Submitted
from tidings.carriers.simulator.scenario import Scenario, parse
from tidings.carriers.simulator.server import Settings, Smsc
from tidings.carriers.smpp import profile, receipt
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import Bind, Command, DataSm, MessageIdResp, Pdu, QuerySm, ShortMessage, content
from tidings.carriers.smpp.session import Role, State
from tidings.clock import SECOND, AlarmClock, WindableClock

NOON = 1_790_000_000 * SECOND
PROFILE = profile.load("simulator")


class Client:
    """An ESME: the link, and what it was sent, acknowledged with `status` (None: not at all)."""

    def __init__(self) -> None:
        self.delivered: asyncio.Queue[Pdu] = asyncio.Queue()
        self.states: list[State] = []
        """What the session was in at each delivery."""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.status: int | None = 0
        self.link = Link(Role.ESME, on_request=self._take, on_lost=self.lost.set_result, enquire_link=0)

    def _take(self, pdu: Pdu) -> None:
        self.delivered.put_nowait(pdu)
        self.states.append(self.link.state)
        if self.status is not None:
            self.link.respond(pdu, self.status, MessageIdResp())

    def submit(self, to: str = "15551239999", text: str = "hello", **fields: int | bytes) -> asyncio.Future[Pdu]:
        plain = ShortMessage(
            source_addr="15550001111",
            destination_addr=to,
            registered_delivery=1,
            short_message=text.encode(),
        )
        return self.link.request(Command.SUBMIT_SM, msgspec.structs.replace(plain, **fields))

    async def accepted(self, to: str = "15551239999", text: str = "hello", **fields: int | bytes) -> str:
        """Submit; the message id it was given."""
        answer = await self.submit(to, text, **fields)
        assert answer.status == 0
        assert isinstance(answer.body, MessageIdResp)
        return answer.body.message_id

    async def receipt(self) -> Receipt:
        return self.read(await asyncio.wait_for(self.delivered.get(), 5))

    async def nothing_came(self) -> bool:
        """Whether all that was sent has been looked at: an answer passes nothing that was written before it."""
        await self.query("none")
        return self.delivered.empty()

    async def query(self, message_id: str) -> Pdu:
        return await self.link.request(Command.QUERY_SM, QuerySm(message_id))

    @staticmethod
    def read(pdu: Pdu) -> Receipt:
        """The receipt in a PDU, as our own carrier reads it."""
        body = pdu.body
        assert isinstance(body, ShortMessage | DataSm)
        assert receipt.is_receipt(body.esm_class, content(pdu), pdu.tlvs, PROFILE)
        return receipt.parse(
            carrier="simulator",
            received_at=NOON,
            source=body.source_addr,
            destination=body.destination_addr,
            esm_class=body.esm_class,
            text=content(pdu),
            tlvs=pdu.tlvs,
            raw="",
            profile=PROFILE,
            problems=pdu.problems,
        )


class Bench:
    """A simulated carrier, its clock, which stands still until it is wound, and clients to it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = WindableClock(lambda: NOON)
        self._stack = stack
        self.seen: list[Submitted] = []

    async def start(
        self,
        scenario: str | Scenario = "",
        settings: Settings | None = None,
        tls: ssl.SSLContext | None = None,
        clock: AlarmClock | None = None,
    ) -> "Bench":
        scenario = parse(scenario) if isinstance(scenario, str) else scenario
        self.smsc = Smsc(scenario, settings, clock=clock or self.clock, tls=tls, observe=self.seen.append)
        self.port = await self.smsc.start()
        self._stack.push_async_callback(self.smsc.stop)
        return self

    def wind(self, seconds: float) -> None:
        self.clock.wind(int(seconds * SECOND))

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        client = Client()
        loop = asyncio.get_running_loop()
        hostname = "localhost" if tls else None
        await loop.create_connection(
            lambda: client.link, "127.0.0.1", self.port, ssl=tls, server_hostname=hostname
        )
        self._stack.callback(client.link.close, "test over")
        return client

    async def bind(
        self, command: Command = Command.BIND_TRANSCEIVER, system_id: str = "a", tls: ssl.SSLContext | None = None
    ) -> Client:
        client = await self.connect(tls)
        answer = await client.link.request(command, Bind(system_id, "secret"))
        assert answer.status == 0
        return client


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(stack)
