"""The whole gateway but HTTP, between a message centre and an application that tests play themselves.

Nothing is polled: a centre's receipt is acknowledged only once it is kept, a `Site` looks again after every
commit, and an `App` after every callback. All waits end after `WAIT` seconds with the history of what did happen.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SECOND_SENDER, SENDER, TOKEN, WAIT, App
from tests.gateway.centre import Asked, Centre
from tidings.app import Gateway
from tidings.callbacks.delivery import DeliverySettings
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import SECOND, AlarmClock, WindableClock
from tidings.gateway.dispatch import DispatchSettings
from tidings.gateway.inbound import InboundSettings
from tidings.gateway.rates import QueueSettings
from tidings.gateway.routes import Route
from tidings.gateway.schedule import ScheduleSettings
from tidings.lifecycle import Kind, Status
from tidings.model import (
    Attempt,
    Callback,
    CallbackOptions,
    CallbackState,
    Event,
    Order,
    Segment,
    Standing,
    Target,
)
from tidings.settings import AccountSettings, CarrierSettings, Server, Settings
from tidings.store.base import CallbackKey, Change, StoreError
from tidings.store.sqlite import SqliteStore

__all__ = ["App", "Asked", "Bench", "Centre", "Site", "WatchedStore"]

T = TypeVar("T")


class WatchedStore(SqliteStore):
    """Tells when something was committed; can be slow to answer, or fail, as disks do."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.changed = asyncio.Event()
        self.fail: Callable[[Change], bool] = lambda change: False
        """Which changes fail."""
        self.fail_behind: Callable[[Change], bool] = lambda change: False
        """Which changes are kept and said to have failed, as when a writer dies before it can say so."""
        self.lookups = asyncio.Event()
        """Cleared, it keeps `find_segments` waiting with its answer."""
        self.lookups.set()
        self.looking = asyncio.Event()

    def commit(self, change: Change) -> "asyncio.Future[None]":
        if self.fail(change):
            loop = asyncio.get_running_loop()
            failed: asyncio.Future[None] = loop.create_future()
            loop.call_soon(failed.set_exception, StoreError("the disk is full"))
            return failed
        future = super().commit(change)
        future.add_done_callback(lambda _: self._tell())
        if self.fail_behind(change):
            said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda _: said.set_exception(StoreError("the writer has died")))
            return said
        return future

    async def find_segments(self, carrier: str, keys: Sequence[str]) -> list[tuple[str, str, int]]:
        found = await super().find_segments(carrier, keys)
        self.looking.set()
        await self.lookups.wait()
        return found

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Site:
    """A running gateway, and what tests ask of it."""

    def __init__(self, settings: Settings, store: WatchedStore, clock: AlarmClock, app: App) -> None:
        self.settings = settings
        self.store = store
        self.gateway = Gateway(settings, store, clock)
        self._app = app

    async def start(self) -> "Site":
        await self.gateway.start()
        return self

    async def send(self, to: str = RECIPIENT, body: str = "hello", **order: Any) -> str:
        """Submit a message and return its id; the application is to be told of it."""
        usual = {"dialect": "twilio", "sender": SENDER, "callback_url": self._app.url}
        account = await self.store.account(ACCOUNT)
        assert account is not None
        submitted = await self.gateway.submit(account, Order(recipient=to, body=body, **(usual | order)))
        return submitted.message.id

    # --- what is kept
    async def standing(self, message_id: str) -> Standing:
        found = await self.store.message(ACCOUNT, message_id)
        assert found is not None, f"no message {message_id}"
        return found[1]

    async def status(self, message_id: str) -> Status:
        return (await self.standing(message_id)).status

    async def segment(self, message_id: str, part: int = 1) -> Segment:
        return (await self.store.segments(message_id))[part - 1]

    async def events(self, message_id: str, kind: Kind | None = None) -> list[Event]:
        events = await self.store.events(message_id)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return [event for event in events if kind in (None, event.kind)]

    # --- waiting
    async def until(self, message_id: str, *statuses: Status) -> Standing:
        """Wait until a message is kept with one of these statuses."""

        async def reached() -> Standing | None:
            standing = await self.standing(message_id)
            return standing if standing.status in statuses else None

        return await self._wait(message_id, reached, " or ".join(statuses))

    async def until_told(self, message_id: str, kind: Kind, number: int = 1) -> Event:
        """Wait for the n-th event of a kind to be kept."""

        async def told() -> Event | None:
            events = await self.events(message_id, kind)
            return events[number - 1] if len(events) >= number else None

        return await self._wait(message_id, told, kind)

    async def until_parked(self, number: int = 1) -> list[tuple[str, str, str]]:
        """Wait until so many keys are parked."""

        async def parked() -> list[tuple[str, str, str]] | None:
            keys = await self.store.parked_keys(100)
            return keys if len(keys) >= number else None

        return await self._wait("", parked, f"{number} parked")

    async def until_callback(self, message_id: str, state: CallbackState, target: Target) -> Callback:
        """Wait until a callback of a message to this target is kept in a state; the first such one."""

        async def kept() -> Callback | None:
            callbacks = await self.store.callbacks(message_id)
            return next((one for one in callbacks if one.state is state and one.target is target), None)

        return await self._wait(message_id, kept, f"a callback {state}")

    async def attempts(self, callback: Callback) -> list[Attempt]:
        key = CallbackKey(callback.message_id, callback.number, callback.target)
        return await self.store.attempts(ACCOUNT, key)

    async def until_all_is_told(self) -> None:
        """Wait until no callback is owed, and that is kept."""

        async def told() -> bool | None:
            return None if await self.store.owing() else True

        await self._wait("", told, "nothing owed")

    async def until_so(self, check: Callable[[], Awaitable[T | None]], what: str) -> T:
        """Wait until `check`, made after every commit, finds something."""
        return await self._wait("", check, what)

    async def _wait(self, message_id: str, check: Callable[[], Awaitable[T | None]], what: str) -> T:
        try:
            async with asyncio.timeout(WAIT):
                while True:
                    news = self.store.changed
                    if (found := await check()) is not None:
                        return found
                    await news.wait()
        except TimeoutError:
            history = [f"{event.kind} {event.detail}" for event in await self.store.events(message_id)]
            raise AssertionError(f"{what} awaited; there was {history}") from None


class Bench:
    """Makes centres, applications and sites, and takes them down again."""

    def __init__(self, path: Path, stack: AsyncExitStack, app: App) -> None:
        self.app = app
        self.clock = WindableClock()
        self.callbacks: dict[str, Any] = {}
        """Settings of the callback room; a process of its own takes a third of a second to start."""
        self.options = CallbackOptions()
        """How the account wants to be told."""
        self.queues = QueueSettings()
        self.schedule = ScheduleSettings()
        self.inbound = InboundSettings()
        self._path = path
        self._stack = stack
        self._images = 0

    def wind(self, seconds: float) -> None:
        self.clock.wind(int(seconds * SECOND))

    async def centre(self) -> Centre:
        centre = Centre()
        await centre.listen()
        self._stack.push_async_callback(centre.close)
        return centre

    @staticmethod
    def smpp(centre: Centre, name: str = "main", **options: Any) -> SmppSettings:
        """A carrier that is quick to come back."""
        usual: dict[str, Any] = {"reconnect_min": 0.01, "reconnect_max": 0.02, "refused_min": 0.01}
        usual |= {"refused_max": 0.02, "throttle_pause": 0.01, "system_id": "us"}
        return SmppSettings(name=name, host="127.0.0.1", port=centre.port, **(usual | options))

    async def site(
        self,
        *carriers: CarrierSettings,
        routes: Sequence[Route] | None = None,
        path: Path | None = None,
        queue_limit: int = 0,
        window: int = 2000,
        **dispatch: Any,
    ) -> Site:
        """A gateway with these carriers, all of them on the route unless `routes` says otherwise."""
        settings = Settings(
            server=Server(drain=0.1),
            account=(
                AccountSettings(
                    sid=ACCOUNT,
                    auth_token=TOKEN,
                    numbers=(SENDER, SECOND_SENDER),
                    queue_limit=queue_limit,
                    callbacks=self.options,
                ),
            ),
            carrier=carriers,
            route=tuple(routes) if routes is not None else (Route("+", tuple(c.name for c in carriers)),),
            dispatch=msgspec.convert({"window": window, **dispatch}, DispatchSettings),
            queues=self.queues,
            schedule=self.schedule,
            inbound=self.inbound,
            callbacks=msgspec.convert(
                {"allow_private": True, "own_process": False, **self.callbacks}, DeliverySettings
            ),
        )
        site = Site(settings, WatchedStore(path or self._path / "tidings.db"), self.clock, self.app)
        self._stack.push_async_callback(self.stop, site)
        return await site.start()

    @staticmethod
    async def stop(site: Site) -> None:
        if site.gateway.readiness()["store"]:
            await site.gateway.stop()

    async def pair(self, **options: Any) -> tuple[Centre, Site]:
        """A centre, and a site bound to it; options of the carrier and of `site`."""
        centre = await self.centre()
        for_site = {name: options.pop(name) for name in (*_SITE, *_DISPATCH) if name in options}
        site = await self.site(self.smpp(centre, **options), **for_site)
        await centre.bound()
        return centre, site

    async def crash(self, site: Site) -> Path:
        """What a SIGKILL now would leave on disk; the site is taken down."""
        self._images += 1
        image = self._path / f"image{self._images}.db"
        connection = sqlite3.connect(site.store.path)
        connection.execute("VACUUM INTO ?", (str(image),))
        connection.close()
        await self.stop(site)
        return image


_SITE = ("routes", "path", "queue_limit")
_DISPATCH = ("uncertain", "failover_after", "validity")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        app = App()
        await app.listen()
        stack.push_async_callback(app.close)
        yield Bench(tmp_path, stack, app)


@pytest.fixture
def impatient(tmp_path: Path) -> str:
    """A profile whose RSUBMITFAIL may be tried again at once, one time."""
    path = tmp_path / "impatient.toml"
    path.write_text(
        'version = 1\nabout = "quick"\n'
        '[command_status]\n0x45 = { kind = "again", retries = 1, after = 0.01 }\n'
        '0x64 = { kind = "again", retries = 1, after = 3600 }\n'
    )
    return str(path)
