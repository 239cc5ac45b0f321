"""Other processes: begun, measured from /proc, and always ended. `rig` and `load` begin them.

A child ends when its stdin is closed, so it cannot outlive the benchmark, however that ends.
"""

import os
import re
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parent.parent
READY_WITHIN: Final = 120.0
"""Seconds a child may take to start; the gateway reads its backlog first."""
ANSWER_WITHIN: Final = 60.0
END_WITHIN: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_APART: Final = re.compile(r"from tidings[\w.]*\.(\w+) import main")


class BenchmarkError(Exception):
    """Why there is no result, in one line for people."""


class Cpu(msgspec.Struct, frozen=True):
    """Seconds of processor time."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        return self.user + self.system

    def since(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.user - earlier.user, self.system - earlier.system)


class Child:
    """`python -m bench.NAME ARGUMENTS`, ready once this is made. Its stderr goes to a file in `logs`."""

    def __init__(self, name: str, logs: Path, *arguments: str | Path) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"bench.{name}", *map(str, arguments)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is the benchmark's to handle
            )
        try:
            self.port = self._announced()
        except BaseException:
            self.kill()
            raise

    def _announced(self) -> int:
        line = self._line(READY_WITHIN)
        if not line.strip().isdigit():
            raise BenchmarkError(f"{self.name} did not start: {self.last_words()}")
        return int(line)

    def _line(self, within: float) -> bytes:
        """The next line it prints, b"" where none came in so many seconds, or it has ended."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], within)
        return self._process.stdout.readline() if readable else b""

    def ask(self, line: str) -> bytes:
        """Write it a line and wait for the one that answers it. Raises BenchmarkError."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
        answer = self._line(ANSWER_WITHIN)
        if not answer:
            raise BenchmarkError(f"{self.name} does not answer: {self.last_words()}")
        return answer

    def last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def complaints(self) -> list[str]:
        """The lines it logged as warnings and worse."""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return [line for line in lines if " WARNING " in line or " ERROR " in line or " CRITICAL " in line]

    def cpu(self) -> Cpu:
        """What all its threads, and the processes it began, have used so far."""
        used = [self._cpu(f"{pid}/stat") for pid in self._pids()]
        return Cpu(sum(cpu.user for cpu in used), sum(cpu.system for cpu in used))

    def cpu_of_loop(self) -> Cpu:
        """What its first thread has used so far, the one that runs the event loop."""
        return self._cpu(f"{self._process.pid}/task/{self._process.pid}/stat")

    def _pids(self) -> list[int]:
        """Its own, and those of its children."""
        found = [self._process.pid]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                # proc_pid_stat(5): behind the name come the state and the parent.
                if int(stat.read_text("ascii").rpartition(")")[2].split()[1]) == self._process.pid:
                    found.append(int(stat.parent.name))
        return found

    def _cpu(self, file: str) -> Cpu:
        try:
            stat = Path(f"/proc/{file}").read_text("ascii")
        except OSError:
            raise BenchmarkError(f"{self.name} has ended: {self.last_words()}") from None
        # proc_pid_stat(5): the name in parentheses may hold anything; utime and stime are the 14th and 15th field.
        fields = stat.rpartition(")")[2].split()
        return Cpu(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)

    def memory(self) -> tuple[float, float]:
        """Resident now, and at the most so far, with the processes it began: MiB."""
        sizes = [self._memory(pid) for pid in self._pids()]
        return sum(now for now, _ in sizes), sum(most for _, most in sizes)

    def peaks(self) -> dict[str, float]:
        """At the most so far, of it and of each process it began, by name: MiB."""
        return {self._name_of(pid): self._memory(pid)[1] for pid in self._pids()}

    def _memory(self, pid: int) -> tuple[float, float]:
        sizes = {"VmRSS": 0.0, "VmHWM": 0.0}
        for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
            name, _, value = line.partition(":")
            if name in sizes:
                sizes[name] = int(value.split()[0]) / 1024
        return sizes["VmRSS"], sizes["VmHWM"]

    def _name_of(self, pid: int) -> str:
        """Its own, or the last part of the module that `tidings.apart` runs in a process beside the gateway."""
        found = _APART.search(Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace"))
        return found[1] if found else self.name

    def end(self) -> str:
        """Have it end by itself; what it printed since it was ready."""
        try:
            printed, _ = self._process.communicate(timeout=END_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchmarkError(f"{self.name} did not end within {END_WITHIN:.0f} s") from None
        if self._process.returncode:
            raise BenchmarkError(f"{self.name} ended with status {self._process.returncode}: {self.last_words()}")
        return printed.decode()

    def kill(self) -> None:
        """End it now; does nothing where it has ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Machine(msgspec.Struct, frozen=True):
    """Processor time of the whole machine since it booted: seconds, over all cores."""

    total: float
    idle: float

    @classmethod
    def now(cls) -> "Machine":
        # proc_stat(5): user nice system idle iowait irq softirq steal …
        first, _, _ = Path("/proc/stat").read_text("ascii").partition("\n")
        fields = [int(field) / _TICKS for field in first.split()[1:9]]
        return cls(sum(fields), fields[3] + fields[4])

    def since(self, earlier: "Machine") -> "Machine":
        return Machine(self.total - earlier.total, self.idle - earlier.idle)
