"""One bind: a connection that a carrier keeps, connecting, binding and coming back for good.

`carrier` owns one or several and decides which takes the next submission; a bind only knows whether it can.
It tries again after a lost connection or a refused bind, each time later, up to a limit and never giving up; a
refusal that speaks of credentials or of the bind itself starts slower, for it takes a person to mend.
"""

import asyncio
import logging
import random
import ssl
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp.command_status import classify
from tidings.carriers.smpp.link import Link, NoResponse, NotWritten
from tidings.carriers.smpp.pdu import Command, Pdu, Tag
from tidings.carriers.smpp.profile import Profile
from tidings.carriers.smpp.session import Role
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import Clock

log = logging.getLogger(__name__)

TRANSMITS: Final = frozenset({Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})


class BindState(StrEnum):
    STARTING = "starting"
    """Not tried yet."""
    BINDING = "binding"
    """Connecting, or waiting for the answer to the bind."""
    BOUND = "bound"
    THROTTLED = "throttled"
    """Bound, and told to slow down."""
    LOST = "lost"
    """Waiting to try again."""


class BindView(msgspec.Struct, frozen=True):
    """A bind as an operator sees it."""

    name: str
    kind: str
    """transmitter, receiver or transceiver."""
    state: BindState
    since: int
    """Microseconds since 1970."""
    reason: str
    """Why it was lost, or what the carrier said; "" when nothing is wrong."""
    in_flight: int
    window: int
    peer: str


class BindRefused(Exception):
    def __init__(self, status: int, profile: Profile) -> None:
        rule = classify(status, profile)
        super().__init__(f"bind refused: {rule.name} (0x{status:02X})")
        self.slowly = rule.after > 0
        """The table has a pause for those that only a person can mend."""


class Bind:
    """`on_request(bind, pdu)` gets what the carrier sends; `on_change()` says that there may be room now."""

    def __init__(
        self,
        settings: SmppSettings,
        profile: Profile,
        kind: Command,
        *,
        name: str,
        window: int,
        clock: Clock,
        counts: Counter[str],
        tls: ssl.SSLContext | None,
        on_request: Callable[["Bind", Pdu], None],
        on_change: Callable[[], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.kind = kind
        self.window = window
        self.in_flight = 0
        """Slots given out and not yet used up."""
        self.undecided = 0
        """PDUs of the carrier that are not answered yet."""
        self.state = BindState.STARTING
        self.tlvs_allowed = settings.interface_version >= 0x34
        self.link: Link | None = None
        """The connection, bound or about to be."""
        self._settings = settings
        self._profile = profile
        self._clock = clock
        self._counts = counts
        self._tls = tls
        self._on_request = on_request
        self._on_change = on_change
        self._jitter = jitter
        self._since = clock.now()
        self._reason = ""
        self._lost: asyncio.Future[str] | None = None
        self._ended = False
        self._stalled = False

    @property
    def transmits(self) -> bool:
        return self.kind in TRANSMITS

    @property
    def up(self) -> bool:
        """Bound, and able to submit."""
        return self.transmits and self.link is not None and self.link.bound and self.link.writable

    @property
    def room(self) -> int:
        """How many more submissions it can take now; one at a time while nobody knows whether it still answers."""
        return (1 if self._stalled else self.window) - self.in_flight if self.up else 0

    def view(self) -> BindView:
        return BindView(
            name=self.name,
            kind=self.kind.name.removeprefix("BIND_").lower(),
            state=self.state,
            since=self._since,
            reason=self._reason,
            in_flight=self.in_flight,
            window=self.window if self.transmits else 0,
            peer=self.link.peername if self.link else "",
        )

    async def run(self) -> None:
        """Keep the bind, until `unbind` or cancelled."""
        failures = 0
        while True:
            self._become(BindState.BINDING)
            settings = self._settings
            shortest, longest = settings.reconnect_min, settings.reconnect_max
            try:
                reason = await self._hold()
                failures = 0
            except BindRefused as refusal:
                reason = str(refusal)
                failures += 1
                if refusal.slowly:
                    shortest, longest = settings.refused_min, settings.refused_max
            except (OSError, NoResponse, NotWritten) as error:
                reason = f"could not bind: {str(error) or type(error).__name__}"
                failures += 1
            except Exception as error:
                log.exception("%s: binding failed", self.name)
                reason = f"could not bind: {error!r}"
                failures += 1
            self._become(BindState.LOST, reason)
            if self._ended:
                return
            self._counts["binds_lost"] += 1
            delay: float = min(shortest * 2 ** min(max(failures - 1, 0), 20), longest)
            await asyncio.sleep(delay * (0.75 + 0.25 * self._jitter()))

    async def _hold(self) -> str:
        """Connect, bind and stay; returns why the connection was lost."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lost = lost
        try:
            link = await self._connect(lost)
            await self._bind(link)
            self._stalled = False
            self._become(BindState.BOUND)
            self._on_change()
            return await asyncio.shield(lost)
        finally:
            if self.link is not None:
                self.link.close("given up")
            self.link = None

    async def _connect(self, lost: asyncio.Future[str]) -> Link:
        settings = self._settings
        server_name = settings.tls.server_name if not isinstance(settings.tls, bool) else ""
        async with asyncio.timeout(settings.connect_timeout):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(
                    Role.ESME,
                    on_connected=self._connected,
                    on_request=lambda pdu: self._on_request(self, pdu),
                    on_lost=lost.set_result,
                    on_writable=self._on_change,
                    response_timeout=settings.response_timeout,
                    enquire_link=settings.enquire_link,
                    counts=self._counts,
                    name=self.name,
                ),
                settings.host,
                settings.port,
                ssl=self._tls,
                server_hostname=(server_name or settings.host) if self._tls else None,
            )
        return link

    def _connected(self, link: Link) -> None:
        self.link = link

    async def _bind(self, link: Link) -> None:
        settings = self._settings
        pdu = await link.request(
            self.kind,
            codec.Bind(
                settings.system_id,
                settings.password,
                settings.system_type,
                settings.interface_version,
                settings.addr_ton,
                settings.addr_npi,
                settings.address_range,
            ),
        )
        if pdu.status:
            raise BindRefused(pdu.status, self._profile)
        # SMPP 3.4 §5.3.2.25 would have a missing version mean 3.3, but many 3.4 centres leave it out.
        theirs = int.from_bytes(pdu.tlvs.get(Tag.SC_INTERFACE_VERSION, b"\x34"))
        self.tlvs_allowed = min(settings.interface_version, theirs) >= 0x34

    def throttle(self, throttled: bool, reason: str = "") -> None:
        """Show that the carrier said to slow down, or that this is over."""
        if throttled and self.state is BindState.BOUND:
            self._become(BindState.THROTTLED, reason)
        elif not throttled and self.state is BindState.THROTTLED:
            self._become(BindState.BOUND)

    def stall(self, reason: str) -> None:
        """A submission was not answered in time: more would only be uncertain too, until one is answered."""
        self._stalled = True
        self.throttle(True, reason)

    def answered(self) -> None:
        """A submission was answered, however late."""
        if self._stalled:
            self._stalled = False
            self.throttle(False)

    def rebind(self, reason: str) -> None:
        """Give the connection up, once what is under way on it is answered, and come back."""
        if self.link is not None:
            self.link.retire(reason)

    async def unbind(self) -> None:
        """End the bind for good: say goodbye, if anybody is there, and wait until the connection is gone."""
        self._ended = True
        if self.link is not None and self.link.bound and self._lost is not None:
            await self.link.unbind()
            await asyncio.wait((self._lost,), timeout=self._settings.response_timeout)

    def _become(self, state: BindState, reason: str = "") -> None:
        if self._ended:
            log.info("%s: %s", self.name, reason)
        elif state is BindState.LOST and (reason != self._reason or self.state is not BindState.BINDING):
            log.warning("%s: lost: %s", self.name, reason)
        elif state in (BindState.BOUND, BindState.THROTTLED):
            log.info("%s: %s%s", self.name, state.value, f": {reason}" if reason else "")
        self.state = state
        self._since = self._clock.now()
        if state is not BindState.BINDING:  # keep showing why it was lost while it tries again
            self._reason = reason
