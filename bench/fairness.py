"""What one account's backlog does to another account's single messages, where the carrier cannot take them all.

Called by `python -m bench fairness`. One account sends a message now and then, through the API; the time runs from
when it is made to when the carrier has accepted it. Beside it nothing waits, or what was written to the store for
another account before the gateway started.
"""

import time
from typing import Final

import msgspec

from bench import load, report
from bench.disk import Disk
from bench.fill import add_queued, fill
from bench.processes import BenchmarkError
from bench.rig import ACCOUNT, OTHER, Rig, wait_until_ready
from tidings.clock import SystemClock

WARM_UP: Final = 2
"""Seconds of the same messages before what is counted."""
LATEST: Final = 30.0
"""Seconds until which the last of them may be accepted."""
CONNECTIONS: Final = 4
WINDOW: Final = 100


class Plan(msgspec.Struct, frozen=True):
    backlog: int
    """Messages of the other account."""
    turns: int
    """With and without it, in turn."""
    seconds: int
    """That messages are counted for, in each turn."""
    rate: float
    """Messages a second of the account that is looked at."""
    throughput: float
    """Segments a second that the carrier agrees to; 0: as many as it can."""


class Found(msgspec.Struct, frozen=True):
    delays: list[int]
    """Microseconds until a message was accepted, in order of length."""
    lost: int
    """Not accepted in time."""
    disk: list[int]
    """What writes to the disk took by themselves meanwhile."""
    drained: float
    """Messages a second of the other account that the carrier accepted meanwhile."""
    left: int
    """Messages of the other account that still waited at the end."""
    peak: float
    """MiB that the gateway held at the most, with the processes it began."""


def run(plan: Plan) -> bool:
    """Measure, print, keep; False where a message was lost, or the backlog did not last."""
    found: dict[int, list[Found]] = {0: [], plan.backlog: []}
    for _ in range(plan.turns):
        for backlog, turns in found.items():
            turns.append(_turn(plan, backlog))
    head = ("waiting beside it", "p50, ms", "p99", "worst", "disk: p99", "worst", "messages", "other, /s", "MiB")
    rows = [_row(backlog, turn) for backlog, turns in found.items() for turn in turns]
    agreed = f"{plan.throughput:,.0f} segments/s" if plan.throughput else "as much as it can"
    report.table(f"One account's messages beside another's backlog; the carrier takes {agreed}", head, rows)
    report.keep("fairness", {"plan": plan, "found": found})
    broken = [f"{turn.lost} messages were not accepted" for turns in found.values() for turn in turns if turn.lost]
    if plan.backlog and any(turn.left == 0 for turn in found[plan.backlog]):
        broken.append("the backlog was gone before the end: ask for a larger one")
    for promise in broken:
        print(f"FAILED: {promise}")
    return not broken


def _turn(plan: Plan, backlog: int) -> Found:
    with Rig(WINDOW, throughput=plan.throughput) as rig:
        fill(rig.store, backlog, lambda change, _, draw: add_queued(change, rig.callback_url, draw, other=True))
        rig.start_smsc()
        gateway = rig.start_gateway()
        wait_until_ready(gateway)
        load.offer(gateway, rig.forms, seconds=WARM_UP, connections=CONNECTIONS, rate=plan.rate)
        since, before = SystemClock().now(), _accepted(rig, OTHER)
        with Disk(rig.directory) as disk:
            load.offer(gateway, rig.forms, seconds=plan.seconds, connections=CONNECTIONS, rate=plan.rate)
        took, after = (SystemClock().now() - since) / 1e6, _accepted(rig, OTHER)
        delays, lost = _delays(rig, since)
        left = rig.rows("SELECT count(*) FROM messages WHERE account = ? AND due_at IS NOT NULL", OTHER)[0][0]
        _, peak = gateway.memory()
        gateway.end()
    return Found(delays, lost, disk.took, (after - before) / took, left, peak)


def _accepted(rig: Rig, account: str) -> int:
    count: int = rig.rows("SELECT count(*) FROM events WHERE account = ? AND kind = 'accepted'", account)[0][0]
    return count


def _delays(rig: Rig, since: int) -> tuple[list[int], int]:
    """How long each message took that was made since then, and how many were not accepted in time."""
    query = (
        "SELECT e.at - m.created_at FROM messages m"
        " LEFT JOIN events e ON e.message_id = m.id AND e.kind = 'accepted'"
        " WHERE m.account = ? AND m.created_at >= ?"
    )
    deadline = time.monotonic() + LATEST
    while True:
        rows = [row[0] for row in rig.rows(query, ACCOUNT, since)]
        if not rows:
            raise BenchmarkError("no message was made")
        if None not in rows or time.monotonic() > deadline:
            return sorted(delay for delay in rows if delay is not None), rows.count(None)
        time.sleep(0.1)


def _row(backlog: int, turn: Found) -> tuple[str, ...]:
    return (
        f"{backlog:,} messages" if backlog else "nothing",
        *(report.milliseconds(turn.delays, percent) for percent in (50, 99, 100)),
        *(report.milliseconds(turn.disk, percent) for percent in (99, 100)),
        f"{len(turn.delays):,}",
        f"{turn.drained:,.0f}",
        f"{turn.peak:.0f}",
    )
