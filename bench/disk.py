"""What the disk itself takes to keep a little, beside what is measured: no message can be quicker than that.

`fairness` and `punctual` put it beside their figures. On a shared machine a single fsync can take half a second.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

PAUSE: Final = 0.05
"""Seconds between two writes: often enough to see a stall, too seldom to be one."""
SIZE: Final = 4096
"""Octets of a write."""


class Disk:
    """A context manager; while it is open, a thread appends to a file of its own in `directory`, and waits for
    each write to be kept."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "disk-probe"
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._write, name="disk probe")
        self._took: list[int] = []

    def __enter__(self) -> "Disk":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._enough.wait(PAUSE):
                began = time.perf_counter()
                file.write(bytes(SIZE))
                os.fsync(file.fileno())
                self._took.append(round((time.perf_counter() - began) * 1e6))

    @property
    def took(self) -> list[int]:
        """Microseconds of each write, in order of length."""
        return sorted(self._took)
