"""The benchmark's set-up: application, gateway and carrier as processes of their own, around one directory.

`end_to_end`, `backlog`, `callbacks`, `fairness` and `punctual` use it. The directory lies beside the results, on a
real disk: a tmpfs has no fsync.
"""

import base64
import json
import math
import random
import shutil
import socket
import sqlite3
import tempfile
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from bench.processes import ROOT, BenchmarkError, Child
from bench.sink import Arrival, Counts
from tidings.carriers.simulator.numbers import NUMBERS

RESULTS: Final = ROOT / "bench" / "results"

ACCOUNT: Final = "be" * 16
TOKEN: Final = "benchmark"
SENDERS: Final = tuple(f"+1555223000{last}" for last in range(8))
OTHER: Final = "ce" * 16
"""Another account, whose messages wait in the store from the beginning, where there are any."""
OTHERS: Final = tuple(f"+1555224000{last}" for last in range(8))
CARRIER: Final = "main"
AUTHORIZATION: Final = "Basic " + base64.b64encode(f"AC{ACCOUNT}:{TOKEN}".encode()).decode()

FORMS: Final = 20_000
"""Different messages; they repeat after that."""
STALLED_AFTER: Final = 15.0
"""Seconds without a callback after which no more are waited for; retries come after 1 and 5."""


class Kept(msgspec.Struct, frozen=True):
    """What the gateway's store holds."""

    messages: int
    delivered: int
    callbacks_owed: int
    callbacks_done: int
    first_at: int
    """When the first message was made: microseconds since 1970."""


class Rig:
    """A context manager; on leaving it, every process has ended and the directory is gone."""

    def __init__(self, window: int, *, own_process: bool | None = None, throughput: float = 0.0) -> None:
        """`window`: unanswered submissions at the carrier; `throughput`: segments a second that it agrees to, 0:
        as many as it can; `own_process`: the setting, None for its default."""
        RESULTS.mkdir(exist_ok=True)
        with ExitStack() as self._exits:
            self.directory = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS))
            self._exits.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.sink = self._begin("sink")
            self.smsc_port = free_port()
            self.settings = self.directory / "tidings.toml"
            self.settings.write_text(_settings(self.smsc_port, window, own_process, throughput), "utf-8")
            self.forms = self.directory / "forms"
            self.forms.write_text("\n".join(_forms(self.callback_url)) + "\n", "ascii")
            self._exits = self._exits.pop_all()

    def __enter__(self) -> "Rig":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def _begin(self, name: str, *arguments: str | Path) -> Child:
        child = Child(name, self.directory, *arguments)
        self._exits.callback(child.kill)
        return child

    @property
    def callback_host(self) -> str:
        """As the store names it."""
        return f"http://127.0.0.1:{self.sink.port}"

    @property
    def callback_url(self) -> str:
        return f"{self.callback_host}/status"

    @property
    def store(self) -> Path:
        return self.directory / "tidings.db"

    def start_smsc(self) -> Child:
        return self._begin("smsc", str(self.smsc_port))

    def start_gateway(self, *, profile: bool = False) -> Child:
        return self._begin("gateway", self.settings, self.directory, *(["profile"] if profile else []))

    def start_reference(self) -> Child:
        return self._begin("reference")

    def start_host(self, way: str, address: str, port: int) -> Child:
        """An application of `host`'s."""
        return self._begin("host", way, address, str(port))

    def told(self) -> Counts:
        """What the application has been told so far."""
        return msgspec.json.decode(self._ask_sink("/"), type=Counts)

    def arrivals(self) -> list[Arrival]:
        """What it was told when, in that order."""
        return msgspec.json.decode(self._ask_sink("/arrivals"), type=list[Arrival])

    def _ask_sink(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.callback_host}{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content

    def rows(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        """What the store answers."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchall()

    def _ask_store(self, query: str) -> tuple[int, ...]:
        """One row of numbers; NULL is 0."""
        return tuple(number or 0 for number in self.rows(query)[0])

    def messages(self) -> int:
        """How many messages the store holds."""
        return self._ask_store("SELECT count(*) FROM messages")[0]

    def receipts(self) -> int:
        """How many receipts the store holds; cheap beside a large backlog."""
        return self._ask_store("SELECT count(*) FROM receipts")[0]

    def kept(self) -> Kept:
        messages = self._ask_store("SELECT count(*), sum(status = 'delivered'), min(created_at) FROM messages")
        callbacks = self._ask_store("SELECT sum(state <> 'done'), sum(state = 'done') FROM callbacks")
        return Kept(messages[0], messages[1], callbacks[0], callbacks[1], messages[2])

    def wait_until_told(self, *, less: int = 0, within: float = math.inf) -> Counts:
        """Wait until the application knows of every message that it was delivered, or hears nothing any more.

        `less`: messages in the store of which others are told; `within`: seconds, whatever is heard.
        """
        told, heard_at = self.told(), time.monotonic()
        ends = heard_at + within
        while told.complete < self.messages() - less and time.monotonic() < min(heard_at + STALLED_AFTER, ends):
            time.sleep(0.1)
            before, told = told, self.told()
            if told.callbacks > before.callbacks:
                heard_at = time.monotonic()
        return told


def wait_until_ready(gateway: Child, within: float = 30.0) -> None:
    """Wait until it can accept and send (GET /health/ready)."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}/health/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise BenchmarkError(f"the gateway is not ready after {within:.0f} s: {gateway.last_words()}")


def free_port() -> int:
    """A port that nothing listens on: that of a carrier yet to come up, or of a host that is gone."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _settings(smsc_port: int, window: int, own_process: bool | None, throughput: float) -> str:
    where = "" if own_process is None else f"own_process = {json.dumps(own_process)}\n"
    # JSON's lists and strings are TOML's as well.
    return f"""\
[server]
port = 0

[[account]]
sid = "AC{ACCOUNT}"
auth_token = "{TOKEN}"
numbers = {json.dumps(SENDERS)}

[[carrier]]
name = "{CARRIER}"
kind = "smpp"
host = "127.0.0.1"
port = {smsc_port}
system_id = "bench"
profile = "simulator"
window = {window}
throughput = {throughput}
reconnect_max = 1

[[route]]
to = "+"
carriers = ["{CARRIER}"]

[callbacks]
allow_private = true
{where}"""


def _forms(callback_url: str) -> list[str]:
    """Bodies of requests, url-encoded: the same in every run but for the sink's port."""
    draw = random.Random(1)
    return [
        urlencode(
            {
                "To": recipient(draw),
                "From": draw.choice(SENDERS),
                "Body": f"Your verification code is {draw.randrange(10**6):06}. It is valid for ten minutes.",
                "StatusCallback": callback_url,
            }
        )
        for _ in range(FORMS)
    ]


def recipient(draw: random.Random) -> str:
    """A number that the simulated carrier does nothing special with."""
    while (number := f"+15551{draw.randrange(10**6):06}")[-4:] in NUMBERS:
        pass
    return number
