"""The simulated carrier as a gateway sees it: an SMSC on a loopback port, and an SMPP carrier bound to it.

Nothing between the two is short-circuited: what works here works with any SMSC.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tidings.carriers.base import Answer, Part, Receipt, Sink, Slot, Submission
from tidings.carriers.simulator.inbound import Segmentation
from tidings.carriers.simulator.scenario import PROFILES, Scenario, load, profile
from tidings.carriers.simulator.server import Smsc
from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import AlarmClock
from tidings.text import Encoding

HOST = "127.0.0.1"


class SimulatorSettings(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="simulator"
):
    """A `[[carrier]]` table with kind = "simulator"."""

    name: str
    scenario: str = "healthy"
    """The name of a scenario in the box, or the path of one."""
    port: int = 0
    """Port the SMSC listens on; 0: any that is free."""
    window: int = 100
    binds: int = 1


class SimulatorCarrier:
    """Implements `carriers.base.Carrier`: starts its SMSC before it binds, stops it after it has unbound."""

    channels: Final = SmppCarrier.channels

    def __init__(
        self, settings: SimulatorSettings, clock: AlarmClock, on_late: Callable[[Submission, Answer], None] | None
    ) -> None:
        """Raises ScenarioError for a scenario that cannot be read."""
        self.name = settings.name
        self.settings = settings
        self.smsc = Smsc(_scenario(settings.scenario), clock=clock)
        self._clock = clock
        self._on_late = on_late
        self._smpp = self._bound_to(settings.port or 1)
        self._started = asyncio.Event()

    def _bound_to(self, port: int) -> SmppCarrier:
        settings = SmppSettings(
            name=self.name,
            host=HOST,
            port=port,
            system_id="tidings",
            password="tidings",  # noqa: S106 - the simulator takes any
            profile="simulator",
            window=self.settings.window,
            binds=self.settings.binds,
        )
        return SmppCarrier(settings, clock=self._clock, on_late=self._on_late)

    async def receive(
        self,
        source: str,
        destination: str,
        text: str,
        parts: Sequence[Part] = (),
        *,
        how: Segmentation | None = None,
    ) -> None:
        """Have a handset send a text to the gateway, which has acknowledged all of it once this returns.

        It waits for a bind that receives, however long. Raises NoSuchSegment, and ConnectionError where the SMSC
        stops meanwhile.
        """
        assert not parts, "SMPP carries no media"
        await self.smsc.inject(source, destination, text, how)

    @property
    def capacity(self) -> int:
        return self._smpp.capacity

    @property
    def up(self) -> bool:
        return self._smpp.up

    def split(self, body: str, encoding: Encoding) -> list[str]:
        return self._smpp.split(body, encoding)

    def key(self, carrier_id: str) -> str:
        return self._smpp.key(carrier_id)

    @property
    def answers_queries(self) -> bool:
        return self._smpp.answers_queries

    async def query(self, carrier_id: str, sender: str) -> Receipt | None:
        return await self._smpp.query(carrier_id, sender)

    def slot_now(self) -> Slot | None:
        return self._smpp.slot_now()

    async def slot(self) -> Slot:
        await self._started.wait()  # whom to ask for room is known once the SMSC has a port
        return await self._smpp.slot()

    async def start(self, sink: Sink) -> None:
        self._smpp = self._bound_to(await self.smsc.start(HOST, self.settings.port))
        self._started.set()
        await self._smpp.start(sink)

    async def stop(self, drain: float) -> None:
        await self._smpp.stop(drain)
        await self.smsc.stop()


def _scenario(name: str) -> Scenario:
    return profile(name) if name in PROFILES else load(Path(name))
