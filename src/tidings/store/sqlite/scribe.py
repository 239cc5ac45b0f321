"""The one hand that writes the database: batches in transactions, and the few other changes, in turn.

In a gateway it is a process of its own: SQLite binds and steps row by row, and in a thread beside the event loop
each step would wait for the interpreter, and the loop for it (docs/performance.md). The command line's short
visits and tests use it in a thread.
"""

import asyncio
import fcntl
import os
import socket
import sqlite3
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tidings.apart import Frames, frame, of_gateway
from tidings.store.base import Contradiction, KeyTaken, StoreError
from tidings.store.group_commit import Fenced
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.statements import AT_ONCE, INSERTS, JSON, KEEP, SQL, TELLING, Rows

MODULE: Final = "tidings.store.sqlite.scribe"
LOCK_PATIENCE: Final = 10.0
"""Seconds to wait for the scribe of a gateway that has just died: it finishes its batch first."""
CACHE: Final = 32 * 1024
"""KiB of pages held by the writing connection."""
_RECEIVE: Final = 1 << 20


class Terms(msgspec.Struct, frozen=True):
    path: str
    alone: bool
    """Refuse to open while another gateway's scribe has the database."""


class Command(msgspec.Struct, frozen=True, array_like=True):
    """One thing to do: keep `rows`, or run `queries`, or neither: open, or carry the log over."""

    act: str
    rows: dict[str, Rows] = {}
    queries: tuple[str, ...] = ()
    """By name; in one transaction, all with the same parameters."""
    parameters: dict[str, Any] = {}
    afresh: bool = False
    """Keep these though what stood before them failed."""


class Reply(msgspec.Struct, frozen=True, array_like=True):
    fault: str = ""
    """Name of the `StoreError` it ended with; "" where it went well."""
    detail: str = ""
    count: int = 0
    """Rows that the last query changed."""

    def checked(self) -> int:
        """The count; raises the fault."""
        if self.fault:
            raise _FAULTS[self.fault](self.detail)
        return self.count


_FAULTS: Final = {fault.__name__: fault for fault in (StoreError, Contradiction, KeyTaken, Fenced)}


class Scribe:
    """Does commands, one after the other. For one thread."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._fenced = False
        self._encode = msgspec.json.Encoder().encode

    def do(self, command: Command) -> Reply:
        try:
            match command.act:
                case "open":
                    self._opened()
                case "keep":
                    if self._fenced and not command.afresh:
                        raise Fenced("a batch before it failed")
                    self._fenced = True
                    self._keep(command.rows)
                    self._fenced = False
                case "change":
                    return Reply(count=self._change(command.queries, command.parameters))
                case "carry over":
                    self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except StoreError as error:
            return Reply(type(error).__name__, str(error))
        except (OSError, sqlite3.Error) as error:
            return Reply(StoreError.__name__, f"{self._terms.path}: {error}")
        return Reply()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)

    def _opened(self) -> sqlite3.Connection:
        """The connection; a scribe that has taken another's place makes it with its first command."""
        return self._connection or self._open()

    def _open(self) -> sqlite3.Connection:
        path = Path(self._terms.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._terms.alone and self._lock is None:
            self._lock = _locked(path.with_name(path.name + "-scribe"))
        # It holds tokens and texts: nobody else's to read. The log beside it gets the mode of the database.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=200, timeout=10
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see Writer._carry_over
        migrate(connection)
        self._connection = connection
        return connection

    def _change(self, queries: tuple[str, ...], parameters: dict[str, Any]) -> int:
        connection = self._opened()
        with _transaction(connection):
            counts = [connection.execute(SQL[query], parameters).rowcount for query in queries]
        return counts[-1]

    def _keep(self, kept: dict[str, Rows]) -> None:
        connection = self._opened()
        try:
            with _transaction(connection):
                kept["redacted"] = [*kept.get("redacted", ()), *self._redacted_before(connection, kept)]
                for kind, statements in KEEP.items():
                    rows = kept.get(kind)
                    if not rows:
                        continue
                    if kind in JSON:
                        place = JSON[kind]
                        for row in rows:
                            row[place] = self._encode(row[place]).decode()
                    for query, values in statements:
                        _execute(connection, query, rows if values is None else list(map(values, rows)))
        except sqlite3.IntegrityError as error:
            raise (KeyTaken if "idempotency_keys" in str(error) else Contradiction)(str(error)) from error

    def _redacted_before(self, connection: sqlite3.Connection, kept: dict[str, Rows]) -> Rows:
        """(id,) of messages whose text is gone, and comes back with what is kept now."""
        told = {row[place] for kind, place in TELLING.items() for row in kept.get(kind, ())}
        if not told:
            return []
        return connection.execute(SQL["redacted"], {"ids": self._encode(list(told)).decode()}).fetchall()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is done in it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite takes some back by itself
            connection.execute("ROLLBACK")
        raise


def _execute(connection: sqlite3.Connection, query: str, rows: Rows) -> None:
    """Run a query for each row, in order; inserts take several rows at once."""
    whole = len(rows) - len(rows) % AT_ONCE if query in INSERTS else 0
    for start in range(0, whole, AT_ONCE):
        connection.execute(INSERTS[query], list(chain.from_iterable(rows[start : start + AT_ONCE])))
    connection.executemany(SQL[query], rows[whole:])


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise StoreError(f"{path.name}: another gateway has this store open") from None
            time.sleep(0.02)
        else:
            return lock


class Writing(Protocol):
    """A scribe, wherever it works."""

    async def start(self) -> None: ...

    def ask(self, command: Command) -> Awaitable[Reply]:
        """Raises ConnectionError where nobody can say whether it was done."""
        ...

    async def stop(self) -> None: ...


class InThread:
    def __init__(self, terms: Terms) -> None:
        self._scribe = Scribe(terms)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scribe")

    async def start(self) -> None:
        pass

    async def ask(self, command: Command) -> Reply:
        plain = msgspec.structs.replace(command, rows=msgspec.to_builtins(command.rows))
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._scribe.do, plain)

    async def stop(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._scribe.close)
        self._thread.shutdown()


def main() -> None:
    """The scribe's side: what comes is done in turn, until the gateway's side ends."""
    fd, terms = of_gateway()
    scribe = Scribe(msgspec.json.decode(terms, type=Terms))
    frames = Frames()
    decode = msgspec.msgpack.Decoder(tuple[int, Command]).decode
    encode = msgspec.msgpack.Encoder().encode
    with socket.socket(fileno=fd) as gateway:
        try:
            while data := gateway.recv(_RECEIVE):
                for request in frames.feed(data):
                    number, command = decode(request)
                    gateway.sendall(frame(encode((number, scribe.do(command)))))
        except ConnectionError:
            pass  # the gateway has died: what it had handed over is done
    scribe.close()
