"""The stage for crash tests: a gateway to kill; an SMSC, an application and its traffic that live on.

What each of them knows is held against the others' word by `audit`.
"""

import os
import random
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.crash import audit
from tests.crash.audit import Books
from tests.crash.processes import PATIENCE, SENDER, SID, TOKEN, Gateway, Smsc, until
from tests.crash.sink import Sink
from tests.crash.traffic import EVERYTHING, Traffic
from tests.crash.wiretap import Wiretap
from tidings.carriers.simulator.ledger import Submitted, read_log


class Stage:
    def __init__(self, directory: Path, chance: random.Random) -> None:
        self.chance = chance
        self.smsc = Smsc(directory)
        self.wiretap = Wiretap(self.smsc.port)
        self.sink = Sink(TOKEN)
        self._directory = directory
        self._ends = AsyncExitStack()

    async def set(self) -> None:
        await self.sink.start()
        self._ends.push_async_callback(self.sink.stop)
        await self.smsc.start()
        self._ends.push_async_callback(self.smsc.close)
        await self.smsc.up()
        await self.wiretap.start()
        self._ends.push_async_callback(self.wiretap.stop)
        self.gateway = Gateway(self._directory, self.wiretap.port)
        self._ends.push_async_callback(self.gateway.close)

    async def clear(self) -> None:
        await self._ends.aclose()

    async def open(self, traffic: Traffic) -> None:
        """Start the gateway, and let the traffic in."""
        await self.gateway.start()
        await self.gateway.ready()
        traffic.open()

    @asynccontextmanager
    async def traffic(
        self,
        outcomes: Mapping[str, int] = EVERYTHING,
        *,
        told: bool = True,
        callback_url: str | None = None,
        pause: float = 0.0,
    ) -> AsyncIterator[Traffic]:
        """Messages are made while the gateway is open; `told`: with a StatusCallback, our sink's by default."""
        async with self.gateway.client() as client:
            path = f"/2010-04-01/Accounts/{SID}/Messages.json"
            url = (callback_url or self.sink.url) if told else None
            chance = random.Random(self.chance.random())
            traffic = Traffic(client, path, SENDER, url, chance, outcomes, pause=pause)
            try:
                yield traffic
            finally:
                await traffic.cancel()

    async def rest(self, within: float = PATIENCE) -> Books:
        """Wait, so many seconds, until nothing more will happen by itself; the store as it is then."""
        open_ends: list[str] = []

        async def at_rest() -> bool:
            self.gateway.check_alive()
            open_ends[:] = audit.unsettled(self.books(), self.submitted())
            return not open_ends

        try:
            await until(at_rest, within)
        except TimeoutError:
            raise AssertionError(f"{len(open_ends)} never settled:\n" + "\n".join(open_ends[:20])) from None
        return self.books()

    async def prove(self, traffic: Traffic) -> Books:
        """What holds after every end a gateway may have met. Leaves it stopped."""
        books = await self.rest()
        assert traffic.surprises == []
        assert traffic.faults == []
        audit.check_kept(books, [order.message_id for order in traffic.answered])
        audit.check_keys(books, [order.key for order in traffic.answered + traffic.unanswered if order.key])
        audit.check_submitted_once(self.submitted())
        audit.check_truth(books, self.submitted())
        audit.check_callbacks(await self.feed(), self.sink.calls)
        await self.gateway.stop()
        audit.check_consistent(self.gateway.database, books)
        return books

    def books(self) -> Books:
        return audit.read(self.gateway.database)

    def submitted(self) -> Sequence[Submitted]:
        return read_log(self.smsc.log)

    async def feed(self) -> list[dict[str, Any]]:
        """The account's events, as its API tells them."""
        events: list[dict[str, Any]] = []
        after = "0"
        async with self.gateway.client() as client:
            while True:
                page = (await client.get("/v1/events", params={"after": after, "limit": "1000"})).json()
                if not page["events"]:
                    return events
                events += page["events"]
                after = page["next"]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """CRASH_SEED in the environment gives the same load and the same moments again, as far as processes agree."""
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(2**32))
    print(f"CRASH_SEED={seed}")  # pytest shows it when the test fails
    stage = Stage(tmp_path, random.Random(seed))
    try:
        await stage.set()
        yield stage
    finally:
        await stage.clear()
