"""How long after their time scheduled messages are queued, and with the carrier, beside all the load there can be.

Called by `python -m bench punctual`. The messages were written to the store before the gateway started; their
service chooses their senders when they come due. Beside them others are sent by the API, as fast as it answers.
"""

import time
from typing import Any, Final

import msgspec

from bench import load, report
from bench.disk import Disk
from bench.fill import SERVICE, add_scheduled, fill
from bench.rig import Rig, wait_until_ready
from tidings.clock import SECOND, SystemClock
from tidings.lifecycle import Kind

HEAD_START: Final = 8 * SECOND
"""From filling the store to the first message's time: the gateway must be up by then, and under load."""
AHEAD: Final = 2 * SECOND
"""That the load begins before it."""
LATEST: Final = 30.0
"""Seconds until which the last of them may be accepted."""
WINDOW: Final = 500
PROMISED: Final = SECOND
"""How late a message may at most be queued, microseconds."""


class Plan(msgspec.Struct, frozen=True):
    each: int
    """Messages that are due at each full second."""
    turns: int
    """With load beside them, and without, in turn."""
    seconds: int
    """For how many seconds messages come due."""
    connections: int
    """Of the load tool."""


class Found(msgspec.Struct, frozen=True):
    queued: list[int]
    """Microseconds from a message's time until it was queued, in order of length."""
    accepted: list[int]
    """Until the carrier had accepted it."""
    lost: int
    """Scheduled messages that were not accepted."""
    disk: list[int]
    """What writes to the disk took by themselves meanwhile."""
    rate: float
    """Requests a second that were answered beside them."""


def run(plan: Plan) -> bool:
    """Measure, print, keep; False where a message was lost, or was queued too late."""
    found: dict[str, list[Found]] = {"nothing": [], "load": []}
    for _ in range(plan.turns):
        for beside, turns in found.items():
            turns.append(_turn(plan, loaded=beside == "load"))
    head = ("beside them", "queued: p50, ms", "p99", "worst", "accepted: p50, ms", "p99", "worst")
    rows = [_row(beside, turn) for beside, turns in found.items() for turn in turns]
    each = f"{plan.each:,} messages due at each of {plan.seconds} full seconds"
    report.table(f"{each}: how late", (*head, "disk alone: p99", "worst", "requests/s"), rows)
    report.keep("punctual", {"plan": plan, "found": found})
    all_found = [turn for turns in found.values() for turn in turns]
    broken = [f"{turn.lost} messages were not accepted" for turn in all_found if turn.lost]
    broken += [
        f"a message was queued {turn.queued[-1] / SECOND:.1f} s late"
        for turn in all_found
        if turn.queued and turn.queued[-1] > PROMISED
    ]
    for promise in broken:
        print(f"FAILED: {promise}")
    return not broken


def _turn(plan: Plan, *, loaded: bool) -> Found:
    with Rig(WINDOW) as rig:
        first = (SystemClock().now() + HEAD_START) // SECOND * SECOND
        fill(
            rig.store,
            plan.each * plan.seconds,
            lambda change, number, draw: add_scheduled(
                change, rig.callback_url, draw, first + number // plan.each * SECOND
            ),
        )
        rig.start_smsc()
        gateway = rig.start_gateway()
        wait_until_ready(gateway)
        _sleep_until(first - AHEAD)
        rate, seconds = 0.0, plan.seconds + AHEAD // SECOND
        with Disk(rig.directory) as disk:
            if loaded:
                ingest, _ = load.offer(
                    gateway, rig.forms, seconds=seconds, connections=plan.connections, rate=None
                )
                rate = ingest.rate
            _sleep_until(first + plan.seconds * SECOND)
        accepted = _late(rig, Kind.ACCEPTED)
        deadline = time.monotonic() + LATEST
        while len(accepted) < plan.each * plan.seconds and time.monotonic() < deadline:
            time.sleep(0.1)
            accepted = _late(rig, Kind.ACCEPTED)
        queued = _late(rig, Kind.QUEUED)
        gateway.end()
    return Found(queued, accepted, plan.each * plan.seconds - len(accepted), disk.took, rate)


def _sleep_until(at: int) -> None:
    time.sleep(max(0.0, (at - SystemClock().now()) / SECOND))


def _late(rig: Rig, kind: Kind) -> list[int]:
    """How long after its time this had happened to each scheduled message, microseconds in order of length."""
    query = (
        "SELECT e.at - m.send_at FROM messages m JOIN events e ON e.message_id = m.id AND e.kind = ?"
        " WHERE m.service = ?"
    )
    rows: list[tuple[Any, ...]] = rig.rows(query, kind, SERVICE)
    return sorted(late for (late,) in rows)


def _row(beside: str, turn: Found) -> tuple[str, ...]:
    return (
        beside,
        *(report.milliseconds(turn.queued, percent) for percent in (50, 99, 100)),
        *(report.milliseconds(turn.accepted, percent) for percent in (50, 99, 100)),
        *(report.milliseconds(turn.disk, percent) for percent in (99, 100)),
        f"{turn.rate:,.0f}",
    )
