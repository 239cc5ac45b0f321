"""What a dead host does to the healthy one beside it, and what thousands of dead ones cost.

Called by `python -m bench callbacks`. A steady stream of messages goes through the gateway, whose application is
healthy; the delay of its callbacks runs from the event to the sink. All belongs to one account. What the dead are
owed is in the store before the gateway starts.
"""

import math
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import msgspec

from bench import load, report
from bench.fill import add_owed, fill
from bench.processes import Child
from bench.rig import RESULTS, Rig, free_port, wait_until_ready
from tidings.clock import SystemClock

NOTHING: Final = "is owed nothing"
NEIGHBOURS: Final = {NOTHING: None, "refuses connections": None, "never answers": "hangs", "answers 500": "fails"}
"""What the dead host does → which way of `host` that is; None: nobody listens."""
EACH: Final = 3
"""Callbacks that each of many dead hosts is owed."""
FIRST_HOST: Final = IPv4Address("127.1.0.0")
PATIENCE: Final = 20.0
"""Seconds that the many are looked at: longer than requests to those that hang may take."""
LATEST: Final = 30.0
"""Seconds after the last message until which the healthy host's callbacks are waited for."""
WARM_UP: Final = 2
"""Seconds of the same stream before what is counted."""
CONNECTIONS: Final = 16
WINDOW: Final = 500


class Plan(msgspec.Struct, frozen=True):
    owed: int
    """To one dead host."""
    hosts: int
    """Dead ones at a time."""
    hanging: int
    """How many in a hundred of those accept connections and never answer; the others refuse them."""
    turns: int
    seconds: int
    """That the healthy host's callbacks are counted for, in each turn."""
    rate: float
    """Messages a second, each with two callbacks."""


class Healthy(msgspec.Struct, frozen=True):
    """How the healthy host was told."""

    delays: list[int]
    """Microseconds from the event to the sink, in order of length."""
    lost: int
    """Did not come in time."""

    def delay(self, percent: int) -> float:
        """Milliseconds that so many in a hundred did not take longer than."""
        return self.delays[len(self.delays) * percent // 100] / 1000 if self.delays else math.nan


class Found(msgspec.Struct, frozen=True):
    healthy: Healthy
    attempts: int
    """At the dead, those that are over."""
    peaks: dict[str, float]
    """MiB at the most, of the gateway and of each process it began."""


def run(plan: Plan) -> bool:
    """Measure, print, keep; False where the healthy host was not told of something."""
    one, many = {}, {}
    if plan.owed:
        one = _one_dead_host(plan)
        head = (
            "the dead host",
            "p50, ms",
            "p99, ms",
            "in single turns",
            "× p99",
            "callbacks",
            "attempts there",
        )
        rows = [_row(does, turns, _together(one[NOTHING])) for does, turns in one.items()]
        report.table(f"A healthy host beside one that is owed {plan.owed:,} callbacks", head, rows)
    if plan.hosts:
        many = {hosts: _many_dead_hosts(plan, hosts) for hosts in (0, plan.hosts)}
        title = f"{plan.hosts:,} dead hosts, each owed {EACH} callbacks; {plan.hanging} % of them never answer"
        report.show(title, _memory(many[plan.hosts], many[0], plan.hosts))
    report.keep("callbacks", {"plan": plan, "one": one, "many": many})
    lost = {f"a host that {does}": sum(found.healthy.lost for found in turns) for does, turns in one.items()}
    lost |= {f"{hosts:,} dead hosts": found.healthy.lost for hosts, found in many.items()}
    for beside, count in lost.items():
        if count:
            print(f"FAILED: beside {beside}, {count:,} callbacks of the healthy host did not come in time")
    return not any(lost.values())


def _one_dead_host(plan: Plan) -> dict[str, list[Found]]:
    """What it does → turn by turn."""
    RESULTS.mkdir(exist_ok=True)
    found: dict[str, list[Found]] = {does: [] for does in NEIGHBOURS}
    with tempfile.TemporaryDirectory(prefix="run-", dir=RESULTS) as directory:
        template, port = Path(directory) / "owed.db", free_port()
        host = f"http://127.0.0.1:{port}"
        fill(template, plan.owed, lambda change, _, draw: add_owed(change, host, draw))
        for turn in range(plan.turns):
            for does, way in NEIGHBOURS.items():
                print(f"turn {turn + 1}: the dead host {does}")
                with Rig(WINDOW) as rig:
                    shutil.copy(template, rig.store)
                    if does == NOTHING:
                        _settle(rig.store)
                    if way is not None:
                        rig.start_host(way, "127.0.0.1", port)
                    found[does].append(_watch(rig, plan, less=plan.owed))
    return found


def _settle(path: Path) -> None:
    """The same store, in which everybody has been told."""
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE callbacks SET state = 'done', response = 204, done_at = due_at")


def _many_dead_hosts(plan: Plan, count: int) -> Found:
    with Rig(WINDOW) as rig:
        hanging = rig.start_host("hangs", "0.0.0.0", 0).port  # every address of 127/8 leads there
        closed = free_port()
        hosts = [
            f"http://{FIRST_HOST + number}:{hanging if number % 100 < plan.hanging else closed}"
            for number in range(count)
        ]
        fill(rig.store, EACH * count, lambda change, n, draw: add_owed(change, hosts[n % count], draw))
        return _watch(rig, plan, less=EACH * count, at_least=PATIENCE)


def _watch(rig: Rig, plan: Plan, *, less: int, at_least: float = 0.0) -> Found:
    """Start a gateway on a filled store, send messages for a while, and see what came of it.

    `less`: messages in the store that are none of the healthy host's; `at_least`: seconds.
    """
    rig.start_smsc()
    gateway = rig.start_gateway()
    began = time.monotonic()
    wait_until_ready(gateway)
    _stream(rig, gateway, plan, WARM_UP)
    since = SystemClock().now()
    _stream(rig, gateway, plan, plan.seconds)
    rig.wait_until_told(less=less, within=LATEST)
    time.sleep(max(at_least - (time.monotonic() - began), 0.0))
    query = "SELECT sum(attempts) FROM callbacks WHERE host <> ?"
    attempts = rig.rows(query, rig.callback_host)[0][0] or 0
    return Found(_healthy(rig, since), attempts, gateway.peaks())


def _stream(rig: Rig, gateway: Child, plan: Plan, seconds: int) -> None:
    load.offer(gateway, rig.forms, seconds=seconds, connections=CONNECTIONS, rate=plan.rate)


def _healthy(rig: Rig, since: int) -> Healthy:
    """Of the callbacks owed since then: how long they took."""
    owed = rig.rows(
        "SELECT e.message_id, e.status, c.created_at FROM callbacks c JOIN events e"
        " ON e.message_id = c.message_id AND e.number = c.number WHERE c.host = ? AND c.created_at >= ?",
        rig.callback_host,
        since,
    )
    came: dict[tuple[str, str], int] = {}
    for arrival in rig.arrivals():
        came.setdefault((arrival.message[2:], arrival.status), arrival.at)
    delays = [came[message, status] - at for message, status, at in owed if (message, status) in came]
    return Healthy(sorted(delays), len(owed) - len(delays))


def _together(turns: list[Found]) -> Healthy:
    healthy = [found.healthy for found in turns]
    return Healthy(sorted(delay for one in healthy for delay in one.delays), sum(one.lost for one in healthy))


def _row(does: str, turns: list[Found], base: Healthy) -> tuple[str, ...]:
    healthy, single = _together(turns), [found.healthy.delay(99) for found in turns]
    return (
        does,
        f"{healthy.delay(50):.1f}",
        f"{healthy.delay(99):.1f}",
        " ".join(f"{delay:.1f}" for delay in single),
        f"{healthy.delay(99) / base.delay(99):.2f}",
        f"{len(healthy.delays):,}",
        f"{sum(found.attempts for found in turns):,}",
    )


def _memory(many: Found, none: Found, hosts: int) -> list[report.Row]:
    peaks, before = sum(many.peaks.values()), sum(none.peaks.values())
    rows = [(name, f"{most:.0f} MiB; without them {none.peaks[name]:.0f}") for name, most in many.peaks.items()]
    rows.append(
        ("peak memory", f"{peaks:.0f} MiB: {(peaks - before) * 1024 / hosts:.1f} KiB more for each dead host")
    )
    rows.append(("attempts there", f"{many.attempts:,}"))
    for label, healthy in (("healthy host", many.healthy), ("without them", none.healthy)):
        came = f"{len(healthy.delays):,} callbacks of {len(healthy.delays) + healthy.lost:,}"
        rows.append((label, f"{came}; p50 {healthy.delay(50):.1f} ms, p99 {healthy.delay(99):.1f} ms"))
    return rows
