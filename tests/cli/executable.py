"""The real `tidings` executable: run to its end, or kept running while a test talks to it."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import Protocol

import httpx

PATIENCE = 15.0
"""Seconds for whatever a test waits for; all of it takes well below one."""


def environment(extra: dict[str, str] | None) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return own | {"PYTHONUNBUFFERED": "1"} | (extra or {})


class Ended(Protocol):
    """How `tidings …` is run to its end."""

    def __call__(
        self, *arguments: str, given: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


class Inside(Protocol):
    """How it is run to its end in this process."""

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


class Running:
    """A `tidings …` that goes on; its output is read by line."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tidings", *arguments],
            cwd=cwd,
            env=environment(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.printed: list[str] = []
        self.logged: list[str] = []
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out, err = self._process.stdout, self._process.stderr

        def read_out() -> None:
            for text in out:
                self._lines.put(text.rstrip("\n"))

        def read_err() -> None:
            self.logged.extend(text.rstrip("\n") for text in err)

        self._readers = [threading.Thread(target=read, daemon=True) for read in (read_out, read_err)]
        for reader in self._readers:
            reader.start()

    def line(self, pattern: str) -> re.Match[str]:
        """The next printed line in which the pattern is found."""
        end = monotonic() + PATIENCE
        while True:
            try:
                self.printed.append(self._lines.get(timeout=max(end - monotonic(), 0)))
            except queue.Empty:
                raise AssertionError(f"no line with {pattern!r} in {self.printed} {self.logged}") from None
            if match := re.search(pattern, self.printed[-1]):
                return match

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def status(self) -> int:
        """The status it ends with, once it has; what it printed is complete then."""
        status = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        while not self._lines.empty():
            self.printed.append(self._lines.get_nowait())
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self._process.poll() is None:
            self.send(number)
        return self.status()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.status()


class Serving(Running):
    """`tidings serve` in the development setting."""

    def __init__(self, data: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        super().__init__("serve", "--port", "0", "--data", str(data), *arguments, cwd=data.parent, env=env)
        self.data = data
        self.url = self.line(r"listens on (http://\S+)")[1]
        self.account = self.line(r"account SID +(AC[0-9a-f]{32})$")[1]
        self.token = self.line(r"auth token +(\w+)$")[1]
        self.line("curl")

    def http(self, token: str | None = None) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=(self.account, token or self.token), timeout=PATIENCE)


def complaint(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line that an error is."""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("tidings: ")
    return lines[0].removeprefix("tidings: ")
