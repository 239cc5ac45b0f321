"""The composition root: builds the gateway from its settings, starts it, and stops it in order.

Start: store, callbacks, what a crash left in doubt, carriers, HTTP. Stop: no new requests, no new submissions,
answers awaited, unbind, callbacks under way, store. Whatever has not ended by then goes on at the next start.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from tidings import __version__
from tidings.answering.conversation import Conversations
from tidings.callbacks.attempt import Attempts, ByTarget, Terms
from tidings.callbacks.courier import Courier
from tidings.callbacks.delivery import Delivery, DeliverySettings
from tidings.callbacks.forms import relay_host
from tidings.callbacks.replays import Replays
from tidings.callbacks.round import InProcess
from tidings.callbacks.shares import CONNECTIONS
from tidings.carriers.base import Answer, Carrier, InboundMedia, InboundSegment, Receipt, Submission
from tidings.carriers.mm7.carrier import Mm7Carrier
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.simulator.carrier import SimulatorCarrier, SimulatorSettings
from tidings.carriers.simulator.mms import MmsSimulatorCarrier, MmsSimulatorSettings
from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import DAY, SECOND, AlarmClock, WindableClock, until
from tidings.dialects.media import link
from tidings.errors import Problem
from tidings.gateway.dispatch import Dispatcher
from tidings.gateway.expiry import Expiry
from tidings.gateway.front import Front
from tidings.gateway.inbound import Inbound
from tidings.gateway.inquiry import Inquiry
from tidings.gateway.ledger import Ledger
from tidings.gateway.limits import QueueDepths
from tidings.gateway.media import MediaRoom
from tidings.gateway.optout import OptOuts
from tidings.gateway.origin import Origins
from tidings.gateway.permission import Permission
from tidings.gateway.rates import Rates
from tidings.gateway.receipts import Receipts
from tidings.gateway.recent import Recent
from tidings.gateway.routes import Routes
from tidings.gateway.schedule import Schedule
from tidings.gateway.services import Services
from tidings.gateway.submit import KEY_LIFETIME, Submitter
from tidings.model import (
    Message,
    Target,
)
from tidings.provision import configure
from tidings.relay.hub import Hub
from tidings.settings import CarrierSettings, Settings, SettingsError
from tidings.store.base import Store, StoreError
from tidings.web.gateway import Readiness

log = logging.getLogger(__name__)

HOUSEKEEPING: Final = 60.0
"""Seconds between looks for what is overdue, and for what has become too old to keep."""
BUSY_CORES: Final = 2
"""Those that the gateway and its scribe keep busy: a courier pays where there are more (docs/performance.md)."""
FORGOTTEN_AT_ONCE: Final = 1000
"""Attempts that are forgotten in one transaction."""


class Gateway(Front):
    """Everything but HTTP; `web.app.build` puts that before it."""

    def __init__(self, settings: Settings, store: Store, clock: AlarmClock) -> None:
        """Raises SettingsError for a carrier that cannot be set up."""
        self.settings = settings
        self.store = store
        self.clock = clock
        self.draining = False
        self._running = False
        self._housekeeper: asyncio.Task[None] | None = None
        terms = _terms(settings.callbacks)
        self.accounts = Recent(store.account, clock)
        self.hub = Hub(clock)
        self.hub.heard = self._heard
        self.hub.media = self._links
        self._tasks: set[asyncio.Task[None]] = set()
        self._url = f"http://{settings.server.host}:{settings.server.port}"
        self.conversations = Conversations(terms, store, self.submit, clock, self._base_url)
        self.attempts = ByTarget(
            _attempts(terms, settings.callbacks), {Target.WEBHOOK: self.conversations, Target.RELAY: self.hub}
        )
        self.api_keys = Recent(store.api_key, clock)
        self.senders = Recent(store.sender, clock)
        self.delivery = Delivery(store, self.attempts, self.accounts, clock, settings.callbacks)
        self.replays = Replays(store, self.delivery, clock)
        self.ledger = Ledger(store, clock, self.delivery)
        self.depths = QueueDepths()
        self.ledger.moved.append(self.depths.moved)
        self.receipts = Receipts(store, self.ledger, clock)
        rates = Rates(settings.queues, self.depths)
        self.services = Services(store, rates, clock)
        self.opt_outs = OptOuts(store, self.services, settings.opt_out)
        self.carriers: dict[str, Carrier] = {c.name: self._carrier(c) for c in settings.carrier}
        self.routes = Routes(settings.route, {name: one.channels for name, one in self.carriers.items()})
        self.media = MediaRoom(store, terms, clock)
        permission = Permission(self.accounts, self.opt_outs)
        self.expiry = Expiry(store, self.ledger, clock, settings.dispatch.validity)
        self.dispatcher = Dispatcher(
            store,
            self.ledger,
            self.receipts,
            self.carriers,
            self.routes,
            self.media,
            rates,
            permission,
            self.expiry,
            clock,
            settings.dispatch,
        )
        self.inquiry = Inquiry(store, self.receipts, self.carriers, clock, settings.dispatch.query_after)
        origins = Origins(self.senders, self.services, self.opt_outs, rates)
        self.schedule = Schedule(
            store,
            self.ledger,
            self.accounts,
            origins,
            permission,
            self.routes,
            rates,
            clock,
            settings.schedule,
            self.dispatcher.offer,
        )
        self.ledger.moved.append(self.schedule.moved)
        submitter = Submitter(
            store,
            self.senders,
            self.ledger,
            self.routes,
            self.depths,
            self.services,
            origins,
            rates,
            self.schedule,
            clock,
            self.dispatcher,
        )
        self.inbound = Inbound(
            store,
            self.ledger,
            self.opt_outs,
            self.services,
            self.accounts,
            submitter,
            clock,
            settings.inbound,
        )
        super().__init__(
            store,
            self.ledger,
            self.senders,
            submitter,
            self.schedule,
            self.routes,
            self.replays,
            self.delivery,
            clock,
        )

    def _carrier(self, settings: CarrierSettings) -> Carrier:
        late = partial(self._late, settings.name)
        try:
            match settings:
                case SimulatorSettings():
                    return SimulatorCarrier(settings, self.clock, late)
                case MmsSimulatorSettings():
                    return MmsSimulatorCarrier(settings, self.clock)
                case Mm7Settings():
                    return Mm7Carrier(settings, self.clock)
                case SmppSettings():
                    return SmppCarrier(settings, clock=self.clock, on_late=late)
        except (OSError, ValueError) as error:
            raise SettingsError(f"carrier {settings.name}: {error}") from error

    def _late(self, carrier: str, submission: Submission, answer: Answer) -> None:
        self.dispatcher.late(self.carriers[carrier], submission, answer)

    @property
    def _base_url(self) -> str:
        """Where links in webhooks and events lead: no request says by which name it is known."""
        return self.settings.server.public_url.rstrip("/") or self._url

    async def _links(self, message: Message) -> list[str]:
        return [link(self._base_url, medium) for medium in await self.store.media(message.id)]

    def _heard(self, account: str, context: str) -> None:
        """Somebody has begun to listen to a RELAY context."""
        self._keep(self.delivery.wake(relay_host(account, context), account))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run, and log what it dies of."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what can wait is done later: %s", error)

    def serve_at(self, url: str) -> None:
        """Say where on this machine it answers, as in "http://127.0.0.1:8080", whatever port the settings have.

        Simulated carriers deliver there; links lead there where the settings name no public URL.
        """
        self._url = url
        self.conversations.base_url = self._base_url
        for carrier in self.carriers.values():
            if isinstance(carrier, MmsSimulatorCarrier):
                carrier.serve_at(url)

    # --- life
    async def start(self) -> None:
        """Open the store, take up what was left, connect. Returns before the carriers are bound.

        Raises: StoreError.
        """
        await self.store.open()
        if isinstance(self.clock, WindableClock):
            # Where it was wound before, it goes on from there: nothing happens before what has happened.
            self.clock.wind(max(0, await self.store.latest() - self.clock.now()))
        for account in self.settings.account:
            await configure(self.store, account, self.clock.now())
        self.depths.start_from(await self.store.waiting_segments())
        await self.opt_outs.start()
        await self.receipts.start()
        await self.attempts.start()
        await self.delivery.start()
        await self.replays.start()
        await self.dispatcher.start()
        await self.schedule.start()
        await self.inbound.start()
        sink = _Kept(self.receipts, self.inbound)
        for carrier in self.carriers.values():
            await carrier.start(sink)
        self._housekeeper = asyncio.create_task(self._keep_house(), name="housekeeping")
        self._running = True

    async def stop(self) -> None:
        """Finish what is in flight, each step for at most `[server] drain` seconds, and let go of everything."""
        self.draining = True
        drain = self.settings.server.drain
        if self._housekeeper is not None:
            self._housekeeper.cancel()
        await self.media.stop()
        await self.schedule.stop()
        try:
            async with asyncio.timeout(drain):
                await self.dispatcher.stop()
        except TimeoutError:
            log.warning("stopped with submissions that have no answer: they are in doubt at the next start")
        await asyncio.gather(*(carrier.stop(drain) for carrier in self.carriers.values()))
        await self.inbound.stop()
        await self.replays.stop()
        try:
            async with asyncio.timeout(drain):
                await self.delivery.stop()
        except TimeoutError:
            log.warning("stopped with callbacks under way: they are sent again at the next start")
        await self.attempts.stop()
        self._running = False
        await self.store.close()

    async def _keep_house(self) -> None:
        while True:
            await until(self.clock, self.clock.now() + int(HOUSEKEEPING * SECOND))
            try:
                await self.tidy()
            except StoreError as error:
                log.error("housekeeping: %s", error)

    async def tidy(self) -> None:
        """Ask after what is overdue, and forget what has become too old to keep. Raises StoreError."""
        await self.inquiry.ask()
        await self.expiry.sweep()
        await self.receipts.forget_old()
        await self.inbound.forget_old()
        await self.store.drop_idempotency_keys(self.clock.now() - KEY_LIFETIME)
        days = self.settings.callbacks.retention
        # In small bites: whatever else is to be kept waits while the store forgets.
        while days and await self.store.drop_attempts(self.clock.now() - days * DAY, FORGOTTEN_AT_ONCE):
            pass

    # --- what the web room needs beside `Front` (web.gateway.Gateway)
    @property
    def windable(self) -> bool:
        return self.settings.server.windable and isinstance(self.clock, WindableClock)

    def wind(self, by: int) -> int:
        if not self.windable:
            raise Problem(20006, reason="the clock of this gateway cannot be wound: [server] windable")
        assert isinstance(self.clock, WindableClock)
        self.clock.wind(by)
        return self.clock.now()

    @property
    def concurrency(self) -> int:
        return self.settings.server.concurrency

    @property
    def sms_messages(self) -> bool:
        return self.settings.server.sms_messages

    @property
    def claims(self) -> bool:
        return self.settings.server.claim_numbers

    @property
    def public_url(self) -> str:
        return self.settings.server.public_url

    def readiness(self) -> Readiness:
        return {
            "store": self._running,
            "carriers": {name: carrier.up for name, carrier in self.carriers.items()},
        }


class _Kept:
    """What carriers bring in (carriers.base.Sink): returning means that it is on disk."""

    def __init__(self, receipts: Receipts, inbound: Inbound) -> None:
        self._receipts = receipts
        self._inbound = inbound

    async def receipt(self, receipt: Receipt) -> None:
        await self._receipts.take(receipt)

    async def inbound(self, segment: InboundSegment) -> None:
        await self._inbound.take(segment)

    async def inbound_media(self, message: InboundMedia) -> None:
        await self._inbound.take_media(message)


def _terms(settings: DeliverySettings) -> Terms:
    return Terms(
        settings.allow_private,
        settings.allow_hosts,
        settings.allow_networks,
        settings.ports,
        connections=CONNECTIONS,
        per_host=settings.concurrency,
        user_agent=f"Tidings/{__version__}",
    )


def _attempts(terms: Terms, settings: DeliverySettings) -> Attempts:
    own_process = settings.own_process
    if own_process is None:
        own_process = (os.cpu_count() or 1) > BUSY_CORES
    return Courier(terms) if own_process else InProcess(terms)
