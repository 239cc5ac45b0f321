"""What a backlog costs: messages wait for a carrier that is down, the gateway starts on them, the carrier is back.

Called by `python -m bench backlog`. The backlog is written by the store itself, before the gateway starts; what it
holds is what `gateway.submit` would have kept. Promise 6: it costs disk, not memory.
"""

import asyncio
import random
import time
from pathlib import Path
from typing import Final

import msgspec

from bench import load, report
from bench.load import Ingest
from bench.processes import BenchmarkError, Child
from bench.rig import ACCOUNT, CARRIER, SENDERS, TOKEN, Kept, Rig, recipient, wait_until_ready
from bench.sink import Counts
from tidings import text
from tidings.clock import SystemClock
from tidings.dialects import twilio
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, Message, Sender, Standing
from tidings.store.base import Change, Store
from tidings.store.sqlite import SqliteStore

GOAL: Final = 250.0
"""MiB of memory that the gateway may hold, whatever waits."""
BATCH: Final = 2000
"""Messages in one commit."""
INGEST_SECONDS: Final = 5
INGEST_RATE: Final = 600.0
"""Requests a second while the carrier is down: some thousand more, through the API."""
WINDOW: Final = 500


class Drained(msgspec.Struct, frozen=True):
    """What happened in some seconds after the first message had both its callbacks."""

    seconds: float
    receipts: int
    """Kept: so many messages went to the carrier, and were delivered."""
    callbacks: int
    """Told."""


class Result(msgspec.Struct, frozen=True):
    backlog: int
    filled: float
    """Seconds it took to write."""
    started: float
    """Seconds from the gateway's start until it serves."""
    resting: float
    """MiB once started."""
    ingest: Ingest
    ingesting: float
    """MiB at the most until the end of the ingest."""
    drained: Drained
    peak: float
    """MiB at the most, over all."""
    stopped: float
    """Seconds it took to stop, with the backlog still waiting."""
    told: Counts
    kept: Kept


def run(*, messages: int, seconds: int) -> bool:
    """Measure, print, keep; False where a promise was broken."""
    with Rig(WINDOW) as rig:
        began = time.monotonic()
        asyncio.run(_fill(rig.store, messages, rig.callback_url))
        filled = time.monotonic() - began

        began = time.monotonic()
        gateway = rig.start_gateway()
        started = time.monotonic() - began
        resting, _ = gateway.memory()
        ingest, _ = load.offer(gateway, rig.forms, seconds=INGEST_SECONDS, connections=16, rate=INGEST_RATE)
        _, ingesting = gateway.memory()

        rig.start_smsc()
        wait_until_ready(gateway)
        drained = _watch(rig, gateway, seconds)
        _, peak = gateway.memory()
        began = time.monotonic()
        gateway.end()
        stopped = time.monotonic() - began
        told, kept, complaints = rig.told(), rig.kept(), gateway.complaints()
    result = Result(messages, filled, started, resting, ingest, ingesting, drained, peak, stopped, told, kept)
    report.show(f"A backlog of {messages:,} messages", _rows(result))
    broken = _broken(result)
    report.quote(complaints)
    for promise in broken:
        print(f"FAILED: {promise}")
    report.keep("backlog", result)
    return not broken


async def _fill(path: Path, messages: int, callback_url: str) -> None:
    store: Store = SqliteStore(path)
    await store.open()
    now = SystemClock().now()
    await store.put_account(Account(ACCOUNT, "benchmark", TOKEN, now))
    for sender in SENDERS:
        await store.put_sender(Sender(sender, ACCOUNT))
    draw = random.Random(2)
    for done in range(0, messages, BATCH):
        await store.commit(_queued(min(BATCH, messages - done), callback_url, draw))
        print(f"\rfilling: {done + BATCH:,} of {messages:,}", end="", flush=True)
    print()
    await store.close()


def _queued(count: int, callback_url: str, draw: random.Random) -> Change:
    """So many messages as `gateway.submit` keeps them: with their first event, waiting for the carrier."""
    change, clock = Change(), SystemClock()
    for _ in range(count):
        now = clock.now()
        body = f"Your parcel {draw.randrange(10**9):09} is waiting for you."
        measure = text.measure(body)
        id_ = new_id(now)
        change.messages.append(
            Message(
                id_,
                ACCOUNT,
                twilio.NAME,
                Direction.OUTBOUND_API,
                draw.choice(SENDERS),
                recipient(draw),
                body,
                measure.encoding,
                measure.segments,
                callback_url,
                None,
                now,
            )
        )
        change.standings.append(Standing(id_, Status.QUEUED, 1, now, carrier=CARRIER, due_at=now))
        change.events.append(Event(id_, 1, ACCOUNT, now, Kind.CREATED, Status.QUEUED, True, True, 0, None, {}))
    return change


def _watch(rig: Rig, gateway: Child, seconds: int) -> Drained:
    deadline = time.monotonic() + 30
    while not rig.told().complete:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the backlog does not drain: {gateway.last_words()}")
        time.sleep(0.05)
    began, receipts, callbacks = time.monotonic(), rig.receipts(), rig.told().callbacks
    time.sleep(seconds)
    return Drained(time.monotonic() - began, rig.receipts() - receipts, rig.told().callbacks - callbacks)


def _rows(result: Result) -> list[report.Row]:
    ingest, drained, waiting = result.ingest, result.drained, result.kept.messages - result.kept.delivered
    delivered, told = drained.receipts / drained.seconds, drained.callbacks / drained.seconds
    return [
        ("fill", f"{result.backlog / result.filled:,.0f} messages/s into the store"),
        ("start", f"{result.started:.1f} s until it serves, {result.resting:.0f} MiB"),
        ("ingest, carrier down", f"{ingest.rate:,.0f} requests/s; {report.latencies(ingest)}"),
        ("memory until then", f"{result.ingesting:.0f} MiB"),
        ("drain, carrier up", f"{delivered:,.0f} messages/s delivered, {told:,.0f} callbacks/s told"),
        ("stop", f"{result.stopped:.1f} s, with {waiting:,} messages still waiting"),
        ("peak memory", f"{result.peak:.0f} MiB; the goal is {GOAL:.0f}"),
    ]


def _broken(result: Result) -> list[str]:
    ingest, told, kept = result.ingest, result.told, result.kept
    expected = result.backlog + ingest.accepted
    found = {
        f"{ingest.refused + ingest.broken} requests failed": not ingest.refused + ingest.broken,
        f"{expected} messages were taken in, {kept.messages} are kept": expected == kept.messages,
        f"{told.callbacks} callbacks came, {kept.callbacks_done} are kept": told.callbacks == kept.callbacks_done,
        f"{told.repeated} callbacks came twice": told.repeated == 0,
        f"{told.early} messages were told delivered before sent": told.early == 0,
        f"{told.unexpected} callbacks were neither sent nor delivered": told.unexpected == 0,
        "nothing has drained": result.drained.callbacks > 0,
        f"{result.peak:.0f} MiB of memory, {GOAL:.0f} are the goal": result.peak <= GOAL,
    }
    return [promise for promise, kept_it in found.items() if not kept_it]
