"""The gateway and the SMSC as processes of their own, run by the command line that people run.

Crash tests kill the one and let the other live on; what both have written to disk is read afterwards.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx

PATIENCE = 20.0
"""Seconds anything may take on a busy machine before a test calls it stuck."""
_LOOK_AGAIN = 0.02
"""Seconds between two looks at what another process does: nothing tells this one when it is done."""

SID = "AC" + "0a" * 16
TOKEN = "the account's token"
SENDER = "+15005550006"

_SETTINGS = """
[server]
port = {port}
drain = {drain}

[[account]]
sid = "{sid}"
auth_token = "{token}"
numbers = ["{sender}"]

# Two binds, so that receipts also come by another way than the answers; back within a blink, so that a kill is not
# followed by a second of nothing; a limit far above the load, so that being throttled does not slow to a crawl.
[[carrier]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = {smsc_port}
system_id = "tidings"
password = "tidings"
profile = "simulator"
binds = 2
throughput = 3000
response_timeout = 5
reconnect_min = 0.05
reconnect_max = 0.2
throttle_pause = 0.05

[[route]]
to = "+"
carriers = ["main"]

[callbacks]
allow_private = true
"""


async def until(condition: Callable[[], Awaitable[object]], within: float = PATIENCE) -> None:
    """Look until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - it is another process that makes it true
            await asyncio.sleep(_LOOK_AGAIN)


def ended(pid: int) -> bool:
    """Whether a process that is not ours has ended, be it that nobody has taken note (a zombie)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _command_line(process: Path) -> str:
    return (process / "cmdline").read_text("utf-8", "replace")


class Port:
    """A port that stays ours while the process that listens on it is dead: bound here, and not listened on."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        self._socket.close()


class Process:
    """One `tidings` command at a time, for `port`; its output is appended to `output`."""

    def __init__(self, port: Port, output: Path, *arguments: str) -> None:
        self.output = output
        self.port = port.number
        self._port = port
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert self._process is None, "it runs"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        with self.output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tidings",
                *self._arguments,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # with the processes it begins, a group that can be killed as one
            )

    async def end(self, how: signal.Signals, *, group: bool = False) -> int:
        """Send the signal, to its group or to it alone, and wait for the end. Returns the exit status."""
        process, self._process = self._process, None
        assert process is not None, "it does not run"
        if process.returncode is None:
            (os.killpg if group else os.kill)(process.pid, how)
        try:
            async with asyncio.timeout(PATIENCE):
                return await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise

    async def close(self) -> None:
        if self._process is not None:
            await self.end(signal.SIGKILL, group=True)
        self._port.release()

    def child(self, module: str) -> int | None:
        """The process id of one that it began with `tidings.apart` and this module; None: there is none."""
        assert self._process is not None, "it does not run"
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended since
                # proc_pid_stat(5): behind the name in parentheses come the state and the parent.
                parent = stat.read_text("ascii", "replace").rpartition(")")[2].split()[1]
                if parent == str(self._process.pid) and f"from {module} import" in _command_line(stat.parent):
                    return int(stat.parent.name)
        return None

    def check_alive(self) -> None:
        if self._process is None or self._process.returncode is not None:
            raise AssertionError(
                f"tidings {' '.join(self._arguments)} has ended:\n{self.output.read_text()[-4000:]}"
            )


class Smsc(Process):
    """The simulated carrier. It outlives every gateway, and logs each submission before it answers."""

    def __init__(self, directory: Path) -> None:
        port = Port()
        self.log = directory / "submitted.jsonl"
        super().__init__(port, directory / "smsc.out", "smsc", "--port", str(port.number), "--log", str(self.log))

    async def up(self) -> None:
        async def listens() -> bool:
            self.check_alive()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            return True

        await until(listens)


class Gateway(Process):
    """`tidings serve`, always on the same port and the same data."""

    def __init__(self, directory: Path, smsc_port: int, drain: float = 10.0) -> None:
        self.drain = drain
        """Seconds a stop may take."""
        port = Port()
        self.url = f"http://127.0.0.1:{port.number}"
        self.database = directory / "data" / "tidings.db"
        self._settings = settings = directory / "tidings.toml"
        values = {"port": port.number, "smsc_port": smsc_port, "sid": SID, "token": TOKEN, "sender": SENDER}
        settings.write_text(_SETTINGS.format(drain=drain, **values))
        super().__init__(
            port, directory / "gateway.out", "serve", "--config", str(settings), "--data", str(directory / "data")
        )

    def configure(self, tables: str) -> None:
        """Add to its settings, whose last table is `[callbacks]`, from its next start."""
        with self._settings.open("a") as settings:
            settings.write(tables)

    async def ready(self) -> None:
        """Wait until it accepts messages and has a bind to send them by."""

        async def answers() -> bool:
            self.check_alive()
            try:
                return (await client.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        async with self.client() as client:
            await until(answers)

    def client(self) -> httpx.AsyncClient:
        """A client with the account's credentials."""
        return httpx.AsyncClient(base_url=self.url, auth=(SID, TOKEN), timeout=PATIENCE)

    async def kill(self, *, group: bool = False) -> None:
        """SIGKILL, to it alone, as the kernel does when memory is short, or to all its processes."""
        assert await self.end(signal.SIGKILL, group=group) == -signal.SIGKILL

    async def stop(self) -> float:
        """SIGTERM. Returns how many seconds the end took; raises for an exit status other than 0."""
        began = time.monotonic()
        status = await self.end(signal.SIGTERM)
        assert status == 0, f"exit status {status}:\n{self.output.read_text()[-4000:]}"
        return time.monotonic() - began
