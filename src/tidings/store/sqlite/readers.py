"""The connections that read the database, while one hand elsewhere writes it. `store` asks.

Point reads by key run on the event loop's own connection: with the page in memory they cost less than the hop to a
thread. Reads that may touch many rows run on reader threads.
"""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from tidings.store.base import StoreError
from tidings.store.sqlite.statements import SQL

THREADS: Final = 2


class Readers:
    """Queries by their names; rows as SQLite gives them. Everything raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite-reader")
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        """Finish what was asked, then let go."""
        self._is_open = False
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def must_be_open(self) -> None:
        if not self._is_open:
            raise StoreError("the store is closed")

    def point(self, query: str, **parameters: Any) -> list[Any]:
        """A read by key, on the loop's own connection."""
        self.must_be_open()
        try:
            return self._connection().execute(SQL[query], parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{query}: {error}") from error

    async def read(self, query: str, **parameters: Any) -> list[Any]:
        """A read that may be long, on a reader thread."""
        self.must_be_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self.point(query, **parameters))

    async def read_messages(self, query: str, limit: int, **parameters: Any) -> list[Any]:
        """The first rows of a query whose rows begin with a message's id: those of `limit` messages."""
        self.must_be_open()

        def read() -> list[Any]:
            try:
                with closing(self._connection().execute(SQL[query], parameters)) as found:
                    messages = islice(groupby(found, key=itemgetter(0)), limit)
                    return [row for _, of_message in messages for row in of_message]
            except sqlite3.Error as error:
                raise StoreError(f"{query}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    async def carry_over(self) -> None:
        """Carry over what can be carried of the write-ahead log, beside the scribe."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._carry_over)

    def _carry_over(self) -> None:
        self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _connection(self) -> sqlite3.Connection:
        """This thread's own."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -4096")
            self._own.connection = connection
            self._connections.append(connection)
        return connection
