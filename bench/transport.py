"""What one callback request costs: our transport and the round above it, beside aiohttp and a bare event loop.

Called by `python -m bench transport`. Each client is a process of its own (`caller`) and all ask one application
(`host`); they take short turns, so that a machine whose speed changes does so for all of them alike.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench import report
from bench.caller import Turn
from bench.processes import Child
from bench.rig import RESULTS

GOAL: Final = 3.0
"""What `Transport.send` may cost, in requests of the bare loop."""
CONCURRENCIES: Final = (64, 1)
TURNS: Final = 6
SECONDS: Final = 0.5
"""Of a turn."""
WARM_UP: Final = 0.2
"""Seconds before the first turn, not counted: connections are made, and what is kept is found out."""

BASE: Final = "bare"
OURS: Final = "transport"
NAMES: Final = {
    BASE: "bare event loop",
    OURS: "Transport.send",
    "round": "whole round, signed",
    "aiohttp": "aiohttp",
}


class Cost(msgspec.Struct, frozen=True):
    """Of one client at one concurrency. CPU is microseconds a request."""

    client: str
    concurrency: int
    user: float
    system: float
    rate: float
    """Requests a second."""
    ratios: list[float]
    """Its CPU over the bare loop's, turn by turn."""

    @property
    def cpu(self) -> float:
        return self.user + self.system


def run() -> bool:
    """Measure, print, keep; False where the goal was missed."""
    costs = [cost for concurrency, turns in _measure().items() for cost in _costs(concurrency, turns)]
    ratios = _ratios(costs)
    for concurrency in CONCURRENCIES:
        rows = [_row(cost, ratios[cost.client, concurrency]) for cost in costs if cost.concurrency == concurrency]
        head = ("client", "µs CPU a request", "user", "system", "× bare loop", "in single turns", "requests/s")
        report.table(f"One callback request, {concurrency} at a time", head, rows)
    missed = {concurrency: ratios[OURS, concurrency] for concurrency in CONCURRENCIES}
    missed = {concurrency: ratio for concurrency, ratio in missed.items() if ratio > GOAL}
    for concurrency, ratio in missed.items():
        print(
            f"FAILED: {concurrency} at a time, Transport.send costs {ratio:.2f} bare requests; the goal is {GOAL}"
        )
    report.keep("transport", costs)
    return not missed


def _measure() -> dict[int, dict[str, list[Turn]]]:
    """Concurrency → client → its turns."""
    RESULTS.mkdir(exist_ok=True)
    with ExitStack() as exits:
        logs = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=RESULTS)))
        host = Child("host", logs, "takes", "127.0.0.1", "0")
        exits.callback(host.kill)
        callers = {}
        for client in NAMES:
            callers[client] = Child("caller", logs, client, str(host.port))
            exits.callback(callers[client].kill)
        measured = {}
        for concurrency in CONCURRENCIES:
            for caller in callers.values():
                _turn(caller, concurrency, WARM_UP)
            turns: dict[str, list[Turn]] = {client: [] for client in NAMES}
            for _ in range(TURNS):
                for client, caller in callers.items():
                    turns[client].append(_turn(caller, concurrency, SECONDS))
            measured[concurrency] = turns
        return measured


def _turn(caller: Child, concurrency: int, seconds: float) -> Turn:
    return msgspec.json.decode(caller.ask(f"{concurrency} {seconds}"), type=Turn)


def _costs(concurrency: int, turns: dict[str, list[Turn]]) -> list[Cost]:
    costs = []
    for client, mine in turns.items():
        requests = sum(turn.requests for turn in mine)
        costs.append(
            Cost(
                client,
                concurrency,
                sum(turn.cpu.user for turn in mine) / requests * 1e6,
                sum(turn.cpu.system for turn in mine) / requests * 1e6,
                requests / sum(turn.seconds for turn in mine),
                [_a_request(turn) / _a_request(bare) for turn, bare in zip(mine, turns[BASE], strict=True)],
            )
        )
    return costs


def _a_request(turn: Turn) -> float:
    return turn.cpu.total / turn.requests


def _ratios(costs: list[Cost]) -> dict[tuple[str, int], float]:
    """(client, concurrency) → its CPU over the bare loop's."""
    bare = {cost.concurrency: cost.cpu for cost in costs if cost.client == BASE}
    return {(cost.client, cost.concurrency): cost.cpu / bare[cost.concurrency] for cost in costs}


def _row(cost: Cost, ratio: float) -> tuple[str, ...]:
    span = f"{min(cost.ratios):.2f} – {max(cost.ratios):.2f}"
    used = (f"{used:.1f}" for used in (cost.cpu, cost.user, cost.system))
    return (NAMES[cost.client], *used, f"{ratio:.2f}", span, f"{cost.rate:,.0f}")
