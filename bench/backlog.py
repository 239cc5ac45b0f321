"""What a backlog costs: messages wait for a carrier that is down, the gateway starts on them, the carrier is back.

Called by `python -m bench backlog`. The backlog is written by the store itself, before the gateway starts; what it
holds is what `gateway.submit` would have kept. Promise 6: it costs disk, not memory.
"""

import time
from typing import Final

import msgspec

from bench import load, report
from bench.fill import add_queued, fill
from bench.load import Ingest
from bench.processes import BenchmarkError, Child
from bench.rig import Kept, Rig, wait_until_ready
from bench.sink import Counts

GOAL: Final = 250.0
"""MiB of memory that the gateway may hold, whatever waits."""
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
        fill(rig.store, messages, lambda change, _, draw: add_queued(change, rig.callback_url, draw))
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
