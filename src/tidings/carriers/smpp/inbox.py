"""What a carrier delivers: receipts and messages from handsets, kept first and acknowledged after.

`carrier` gives every request of every bind here. The response leaves once the sink has returned; if the sink
raises, the carrier is told to deliver again. A bind whose deliveries pile up is not read until half are answered.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tidings.carriers.base import Sink
from tidings.carriers.smpp import receipt, segment
from tidings.carriers.smpp.bind import Bind
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import Command, DataSm, MessageIdResp, Pdu, ShortMessage, content
from tidings.carriers.smpp.profile import Profile
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import Clock

log = logging.getLogger(__name__)

RX_T_APPN: Final = 0x64
"""deliver_sm_resp: not now, try again (SMPP 3.4 §5.1.3)."""

_DELIVERIES: Final = frozenset({Command.DELIVER_SM, Command.DATA_SM})


class Inbox:
    def __init__(
        self,
        settings: SmppSettings,
        profile: Profile,
        clock: Clock,
        counts: Counter[str],
        on_empty: Callable[[], None],
    ) -> None:
        self.sink: Sink | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        """What the sink has not kept yet."""
        self._settings = settings
        self._profile = profile
        self._clock = clock
        self._counts = counts
        self._on_empty = on_empty
        self._bringers: set[Bind] = set()
        """Binds that have brought anything."""

    def take(self, bind: Bind, pdu: Pdu) -> None:
        if pdu.command not in _DELIVERIES or bind.link is None:
            return  # outbind asks us to bind, which we do anyway
        self._bringers.add(bind)
        task = asyncio.get_running_loop().create_task(self._keep(bind, bind.link, pdu))
        self.tasks.add(task)
        task.add_done_callback(self._done)
        bind.undecided += 1
        if bind.undecided >= self._settings.inbound_window:
            bind.link.pause_reading()

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not self.tasks:
            self._on_empty()

    async def _keep(self, bind: Bind, link: Link, pdu: Pdu) -> None:
        status = 0
        try:
            await self._handed_in(link, pdu)
        except Exception:
            self._counts["not_kept"] += 1
            log.exception("%s: PDU %d not kept, to be delivered again", bind.name, pdu.sequence)
            status = RX_T_APPN
        finally:
            bind.undecided -= 1
            if bind.undecided <= self._settings.inbound_window // 2:
                link.resume_reading()
        link.respond(pdu, status, MessageIdResp())

    def _handed_in(self, link: Link, pdu: Pdu) -> Coroutine[Any, Any, None]:
        """What the sink does with it."""
        body = pdu.body
        if self.sink is None or not isinstance(body, ShortMessage | DataSm):
            raise TypeError(f"command 0x{pdu.command:08X} carries no message")
        name, now, octets = self._settings.name, self._clock.now(), content(pdu)
        if not receipt.is_receipt(body.esm_class, octets, pdu.tlvs, self._profile):
            self._counts["inbound"] += 1
            return self.sink.inbound(
                segment.read(
                    pdu,
                    carrier=name,
                    received_at=now,
                    settings=self._settings,
                    connection=link.connection,
                    live=self._live(),
                )
            )
        self._counts["receipts"] += 1
        return self.sink.receipt(
            receipt.parse(
                carrier=name,
                received_at=now,
                source=body.source_addr,
                destination=body.destination_addr,
                esm_class=body.esm_class,
                text=octets,
                tlvs=pdu.tlvs,
                raw=pdu.raw.hex(),
                profile=self._profile,
                problems=pdu.problems,
            )
        )

    def _live(self) -> frozenset[str]:
        """The connections that are up, of those that have brought anything."""
        links = (bind.link for bind in self._bringers)
        return frozenset(link.connection for link in links if link is not None and link.up)
