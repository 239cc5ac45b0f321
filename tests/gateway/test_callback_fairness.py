"""No host waits for another, and no account for another at the same host."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT
from tidings.arranged import Sender
from tidings.callbacks.shares import PLACES, Kind
from tidings.model import Account, CallbackState, Order
from tidings.store.base import CallbackFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

OTHER = Account("0b" * 16, "other", "token of the first", 0)
OTHER_SENDER = "+15005550016"
GIVEN_UP = CallbackFilter(states=(CallbackState.GIVEN_UP,))


class Silent:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.came = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self.came.set()
        await reader.read()

    def let_go(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    silent = Silent()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    yield silent
    silent.let_go()
    server.close()


async def test_a_host_that_never_answers_holds_up_nobody_else(bench: "Bench", silent: Silent) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    for _ in range(50):
        await site.send(callback_url=silent.url)
    await asyncio.wait_for(silent.came.wait(), 20)
    message = await site.send()
    await bench.app.hears(message, "sent")
    assert silent.connections < 50, "a host of which nothing is known is asked little"


async def test_more_silent_hosts_than_there_are_places_hold_up_no_healthy_one(
    bench: "Bench", silent: Silent
) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    first = await site.send()
    await bench.app.hears(first, "sent")
    # Every name below is this machine, and each is a host of its own.
    for number in range(PLACES[Kind.NEW] + 20):
        await site.send(callback_url=silent.url.replace("127.0.0.1", f"127.0.{number // 200}.{number % 200 + 2}"))
    await site.until_so(lambda: _waiting_beyond(site, PLACES[Kind.NEW]), "more hosts than places")
    message = await site.send()
    await bench.app.hears(message, "sent")


async def _waiting_beyond(site: "Site", count: int) -> bool | None:
    return True if len(await site.gateway.hosts(ACCOUNT)) > count else None


async def _owed(site: "Site", account: str, count: int) -> bool | None:
    hosts = await site.gateway.hosts(account)
    return True if sum(host.outstanding for host in hosts) == count else None


async def test_one_account_s_backlog_does_not_delay_another_at_the_same_host(bench: "Bench") -> None:
    bench.callbacks = {"concurrency": 1, "durable": False}
    bench.app.answer = lambda status: 404
    centre, site = await bench.pair()
    await site.store.put_account(OTHER)
    await site.store.put_sender(Sender(OTHER_SENDER, OTHER.id))
    centre.answer_all()
    for number in range(60):
        await site.send(f"+1555123{number:04}")
    order = Order("twilio", OTHER_SENDER, RECIPIENT, "hello", callback_url=bench.app.url)
    theirs = (await site.gateway.submit(OTHER, order)).message.id
    await bench.app.attempted(61)
    await site.until_all_is_told()
    bench.app.told.clear()
    bench.app.answer = lambda status: 204

    bench.app.open.clear()
    await site.gateway.replay(ACCOUNT, GIVEN_UP)
    await site.until_so(lambda: _owed(site, ACCOUNT, 60), "all of the one account's owed again")
    await site.gateway.replay(OTHER.id, GIVEN_UP)
    await site.until_so(lambda: _owed(site, OTHER.id, 1), "the other's owed again")
    bench.app.open.set()
    await bench.app.attempted(61)
    place = [told.sid for told in bench.app.told].index("SM" + theirs)
    assert place < 50, "one behind the other it would have been the last"
