"""The simulated carrier of media messages as a gateway sees it: an MMSC on a loopback port, an MM7 carrier to it.

Nothing between the two is short-circuited: what works here works with any MMSC.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from tidings.carriers.base import Part, Sink, Slot
from tidings.carriers.mm7.carrier import Mm7Carrier
from tidings.carriers.mm7.inbox import Delivered
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.simulator.inbound import Segmentation
from tidings.carriers.simulator.mmsc import PATH, Mmsc, Vasp
from tidings.clock import Clock
from tidings.text import Encoding

HOST: Final = "127.0.0.1"
TIMEOUT: Final = 10.0
"""Seconds until a submission that the MMSC does not answer is uncertain."""


class MmsSimulatorSettings(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mms_simulator"
):
    """A `[[carrier]]` table with kind = "mms_simulator"."""

    name: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """Port the MMSC listens on; 0: any that is free."""
    window: Annotated[int, msgspec.Meta(ge=1)] = 10


class MmsSimulatorCarrier:
    """Implements `carriers.base.Carrier`: starts its MMSC before it connects, stops it last."""

    channels: Final = Mm7Carrier.channels

    def __init__(self, settings: MmsSimulatorSettings, clock: Clock) -> None:
        self.name = settings.name
        self.settings = settings
        # Each side knows the other by a password of this run.
        self._ours, self._theirs = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.mmsc = Mmsc(user="tidings", password=self._ours, clock=clock)
        self._clock = clock
        self._mm7 = self._connected_to(settings.port or 1)
        self._started = asyncio.Event()

    def _connected_to(self, port: int) -> Mm7Carrier:
        settings = Mm7Settings(
            name=self.name,
            url=f"http://{HOST}:{port}{PATH}",
            user="tidings",
            password=self._ours,
            vasp_id="tidings",
            window=self.settings.window,
            timeout=TIMEOUT,
            inbound_user="mmsc",
            inbound_password=self._theirs,
        )
        return Mm7Carrier(settings, self._clock)

    def serve_at(self, base_url: str) -> None:
        """Tell the MMSC where the gateway listens ("http://127.0.0.1:8080"), so that it can deliver."""
        url = f"{base_url.rstrip('/')}/carriers/{quote(self.name, safe='')}/mm7"
        self.mmsc.vasp = Vasp(url, "mmsc", self._theirs)

    async def receive(
        self,
        source: str,
        destination: str,
        text: str = "",
        parts: Sequence[Part] = (),
        subject: str = "",
        *,
        how: Segmentation | None = None,
    ) -> None:
        """Have a handset send a media message to the gateway, which has acknowledged it once this returns.

        Raises NotDelivered.
        """
        assert how is None, "media messages have no segments"
        await self.mmsc.inbound(source, destination, text, parts, subject)

    @property
    def capacity(self) -> int:
        return self._mm7.capacity

    @property
    def up(self) -> bool:
        return self._mm7.up

    def split(self, body: str, encoding: Encoding) -> list[str]:
        return self._mm7.split(body, encoding)

    def key(self, carrier_id: str) -> str:
        return self._mm7.key(carrier_id)

    def slot_now(self) -> Slot | None:
        return self._mm7.slot_now()

    async def slot(self) -> Slot:
        await self._started.wait()  # whom to ask for room is known once the MMSC has a port
        return await self._mm7.slot()

    def admits(self, headers: Mapping[bytes, bytes]) -> bool:
        return self._mm7.admits(headers)

    async def deliver(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivered:
        return await self._mm7.deliver(headers, body)

    async def start(self, sink: Sink) -> None:
        self._mm7 = self._connected_to(await self.mmsc.start(HOST, self.settings.port))
        self._started.set()
        await self._mm7.start(sink)

    async def stop(self, drain: float) -> None:
        await self._mm7.stop(drain)
        await self.mmsc.stop()
