"""What a process of its own for callbacks does to the main figure: the same run with and without, in turns.

Called by `python -m bench compare`.
"""

from statistics import median
from typing import Final

import msgspec

from bench import report
from bench.end_to_end import Plan, Result, broken_promises, measure

HEAD: Final = (
    "callbacks are told by",
    "messages/s",
    "bare requests a message",
    "gateway, µs CPU",
    "event loop, µs CPU",
    "machine idle",
    "ingest p99, ms",
    "peak, MiB",
)
NAMES: Final = {False: "the gateway itself", True: "a process beside it"}


class Pair(msgspec.Struct, frozen=True):
    """Two runs, one right after the other."""

    without: Result
    beside: Result

    @property
    def ratio(self) -> float:
        return self.beside.rate / self.without.rate


def run(plan: Plan, *, turns: int) -> bool:
    """Measure, print, keep; False where a promise was broken in one of the runs."""
    pairs, broken = [], []
    for turn in range(turns):
        found: dict[bool, Result] = {}
        for own_process in (False, True) if turn % 2 == 0 else (True, False):  # neither is always the warm one
            result, complaints, _ = measure(msgspec.structs.replace(plan, own_process=own_process))
            found[own_process] = result
            broken += [f"{NAMES[own_process]}: {promise}" for promise in broken_promises(result)]
            report.quote(complaints)
            print(f"{NAMES[own_process]}: {result.rate:,.0f} messages/s")
        pairs.append(Pair(found[False], found[True]))
    rows = [_row(result) for pair in pairs for result in (pair.without, pair.beside)]
    report.table(f"End to end, {turns} times {plan.seconds:.0f} s each; CPU is that of a message", HEAD, rows)
    ratios = " ".join(f"{pair.ratio:.2f}" for pair in pairs)
    print(
        f"  A process beside it: × {median(pair.ratio for pair in pairs):.2f} messages/s (pair by pair: {ratios})"
    )
    for promise in broken:
        print(f"FAILED: {promise}")
    report.keep("compare", pairs)
    return not broken


def _row(result: Result) -> tuple[str, ...]:
    messages = max(result.told.complete, 1)
    return (
        NAMES[bool(result.plan.own_process)],
        f"{result.rate:,.0f}",
        f"{result.reference / result.rate:.1f}",
        f"{result.cpu['gateway'].total / messages * 1e6:.0f}",
        f"{result.loop.total / messages * 1e6:.0f}",
        f"{result.idle:.0%}",
        f"{result.ingest.p99 / 1000:.0f}",
        f"{result.peak:.0f}",
    )
