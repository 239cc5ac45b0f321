"""Ten thousand hosts that are gone, each owed something: they cost little memory, and nobody else any time."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tidings.callbacks.lanes import UNPROVEN
from tidings.callbacks.shares import PLACES
from tidings.clock import SystemClock
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Callback, CallbackState, Direction, Event, Message, Standing, Target
from tidings.store.base import Change
from tidings.store.sqlite import SqliteStore
from tidings.text import Encoding

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

HOSTS = 10_000
OWED = 2
"""Callbacks, at each of them."""
MEMORY = 40 * 1024
"""Octets that one of them may cost, with all that is held for it."""


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        yield taken.getsockname()[1]


def host(number: int, port: int) -> str:
    """Each is a host of its own, and all are this machine."""
    return f"http://127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 2}:{port}"


async def fill(path: Path, port: int) -> None:
    """A store that owes them, as a gateway would have left it."""
    store = SqliteStore(path)
    await store.open()
    now = SystemClock().now()
    for first in range(0, HOSTS, 1000):
        change = Change()
        for number in range(first, first + 1000):
            for _ in range(OWED):
                owe(change, host(number, port), now)
        await store.commit(change)
    await store.close()


def owe(change: Change, at: str, now: int) -> None:
    own = new_id(now)
    sender, to = SENDER, RECIPIENT
    outbound, url = Direction.OUTBOUND_API, f"{at}/status"
    change.messages.append(
        Message(own, ACCOUNT, "twilio", outbound, sender, to, "hello", Encoding.GSM7, 1, url, None, now)
    )
    change.standings.append(Standing(own, Status.SENT, 1, now, sent_at=now, carrier="main"))
    change.events.append(Event(own, 1, ACCOUNT, now, Kind.ACCEPTED, Status.SENT, True, True, 1, None, {}))
    change.callbacks.append(Callback(own, 1, Target.MESSAGE, ACCOUNT, at, CallbackState.OWED, now, now, now))


def resident() -> int:
    """Octets of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_ten_thousand_dead_hosts_cost_bounded_memory_and_delay_nobody(
    bench: "Bench", tmp_path: Path, nobody: int
) -> None:
    path = tmp_path / "dead.db"
    await fill(path, nobody)
    before = resident()
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre), path=path)
    centre.answer_all()
    delivery = site.gateway.delivery
    most = 0

    async def many_tried() -> bool | None:
        nonlocal most
        most = max(most, delivery.held.count)
        return True if delivery.counts["retried"] > 5 * sum(PLACES.values()) else None

    message = await site.send()
    await bench.app.hears(message, "sent")
    await site.until_so(many_tried, "many dead hosts")
    message = await site.send()
    await bench.app.hears(message, "sent")

    reports = await site.gateway.hosts(ACCOUNT)
    assert len(reports) >= HOSTS
    assert sum(report.outstanding for report in reports) >= HOSTS * OWED
    assert most <= HOSTS * UNPROVEN + 2
    assert resident() - before < HOSTS * MEMORY
