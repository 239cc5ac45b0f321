"""Load on the gateway's API: wrk for as much as it can take, `pacer` for a pace.

`end_to_end` and `backlog` call `offer`, which returns once the load tool has ended.
"""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.processes import ROOT, BenchmarkError, Child, Cpu
from bench.rig import ACCOUNT, AUTHORIZATION

GRACE = 30.0
"""Seconds that a load tool may take beyond the time it was given."""


class Ingest(msgspec.Struct, frozen=True):
    """What a load tool saw. Latencies are microseconds."""

    requests: int
    """Answered ones."""
    refused: int
    """Of them, those answered with anything but a success."""
    broken: int
    """Never answered."""
    seconds: float
    p50: int
    p99: int
    worst: int

    @property
    def accepted(self) -> int:
        return self.requests - self.refused

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def offer(
    gateway: Child, forms: Path, *, seconds: float, connections: int, rate: float | None
) -> tuple[Ingest, Cpu]:
    """Send the forms in turn, `rate` a second or (None) as fast as they are answered.

    Returns what the load tool saw, and what it used itself. Raises BenchmarkError.
    """
    url = f"http://127.0.0.1:{gateway.port}/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json"
    if rate is None:
        script = str(ROOT / "bench" / "messages.lua")
        command = [_wrk(), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
        command += ["--timeout", "10s", "--script", script, url, "--", AUTHORIZATION, str(forms)]
    else:
        command = [sys.executable, "-m", "bench.pacer", url, AUTHORIZATION, str(forms)]
        command += [str(seconds), str(connections), str(rate)]
    before = _children()
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + GRACE, check=True
        )
        ingest = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Ingest)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{command[0]} did not end {GRACE:.0f} s after its time") from None
    except subprocess.CalledProcessError as error:
        raise BenchmarkError(f"{command[0]} failed: {(error.stderr or error.stdout).strip()}") from None
    except (msgspec.DecodeError, IndexError):
        raise BenchmarkError(f"{command[0]} ended without a result: {done.stdout.strip()!r}") from None
    return ingest, _children().since(before)


def _children() -> Cpu:
    """What children that have ended have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cpu(usage.ru_utime, usage.ru_stime)


def _wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise BenchmarkError("wrk is not installed: `apt-get install wrk`, or run `make bench`")
    return found
