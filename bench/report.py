"""Results as a table for people and as JSON for comparison, under bench/results/."""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bench.load import Ingest
from bench.rig import RESULTS

QUOTED: Final = 5
"""Lines of the gateway's log."""

Row = tuple[str, str]


def latencies(ingest: Ingest) -> str:
    p50, p99, worst = (f"{taken / 1000:.1f} ms" for taken in (ingest.p50, ingest.p99, ingest.worst))
    return f"p50 {p50}, p99 {p99}, worst {worst}"


def milliseconds(took: Sequence[int], percent: int) -> str:
    """What so many in a hundred did not take longer than; `took`: microseconds, in order of length."""
    return f"{took[min(len(took) * percent // 100, len(took) - 1)] / 1000:.1f}" if took else "-"


def show(title: str, rows: Sequence[Row]) -> None:
    print(f"\n{title}")
    widest = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"  {label:<{widest}}  {value}")


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Lines of cells under a head; the first column is words, the others are figures."""
    print(f"\n{title}")
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        figures = (f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        print("  ".join((f"  {line[0]:<{widths[0]}}", *figures)))


def quote(complaints: Sequence[str]) -> None:
    """The last things that the gateway complained of."""
    for line in complaints[-QUOTED:]:
        print(f"  log: {line}")


def keep(name: str, result: Any) -> None:
    """Write one run's result beside those before it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime(f"{name}-%Y%m%d-%H%M%S.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    print(f"\n{path}")
