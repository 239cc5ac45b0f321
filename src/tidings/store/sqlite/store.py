"""The embedded store: one SQLite file in WAL mode, every commit fsynced, one hand that writes.

Point reads by key run on the event loop's own connection: with the page in memory they cost less than the hop to a
thread. Reads that may touch many rows run on reader threads. See `statements` for how batches are written.
"""

import asyncio
import json
import sqlite3
import threading
from asyncio import Future
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from tidings import ids
from tidings.apart import Apart
from tidings.model import (
    Account,
    ApiKey,
    Attempt,
    Callback,
    CallbackState,
    Event,
    IdempotencyKey,
    KeptReceipt,
    Message,
    Replay,
    Segment,
    Sender,
    Standing,
    Target,
)
from tidings.store.base import (
    CallbackFilter,
    CallbackKey,
    Change,
    Contradiction,
    FeedEvent,
    Kept,
    MessageFilter,
    OwedCallback,
    StoreError,
)
from tidings.store.group_commit import GroupCommit
from tidings.store.sqlite import places, rows, scribe
from tidings.store.sqlite.statements import SQL, gather

READERS: Final = 2
CHECKPOINT_EVERY: Final = 5000
"""Changes after which the write-ahead log is carried over into the database: some 20 MiB of it."""


class SqliteStore:
    """`tidings.store.base.Store` on the file at `path`."""

    def __init__(self, path: Path, *, apart: bool = False) -> None:
        """`apart`: for a gateway, with the scribe in a process of its own, and no other gateway on this file."""
        self._path = path
        terms = scribe.Terms(str(path), alone=apart)
        self._scribe: scribe.Writing = (
            Apart(scribe.MODULE, terms, scribe.Reply, patient=False) if apart else scribe.InThread(terms)
        )
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._is_open = False
        self._group: GroupCommit | None = None
        self._since_checkpoint = 0
        self._checkpoint: asyncio.Task[None] | None = None

    # --- life
    async def open(self) -> None:
        await self._scribe.start()
        try:
            await self._ask(scribe.Command("open"))
        except StoreError:
            await self._scribe.stop()
            raise
        self._is_open = True
        self._group = GroupCommit(self._write)

    async def close(self) -> None:
        if self._group is not None:
            await self._group.close()
        if self._checkpoint is not None:
            await asyncio.gather(self._checkpoint, return_exceptions=True)
        self._is_open = False
        await asyncio.get_running_loop().run_in_executor(None, self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        await self._scribe.stop()

    async def _ask(self, command: scribe.Command) -> int:
        try:
            reply = await self._scribe.ask(command)
        except ConnectionError as error:
            raise StoreError(str(error)) from error
        return reply.checked()

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise StoreError("the store is closed")

    # --- writing
    def commit(self, change: Change) -> "Future[None]":
        assert self._group is not None, "open() comes first"
        return self._group.submit(change)

    async def _write(self, changes: Sequence[Change], afresh: bool) -> None:
        try:
            await self._ask(scribe.Command("keep", gather(changes), afresh=afresh))
        except UnicodeEncodeError as error:
            raise Contradiction(f"text that is no Unicode: {error}") from error
        self._since_checkpoint += len(changes)
        if self._since_checkpoint >= CHECKPOINT_EVERY and (self._checkpoint is None or self._checkpoint.done()):
            self._since_checkpoint = 0
            self._checkpoint = asyncio.create_task(self._carry_over(), name="checkpoint")

    async def _carry_over(self) -> None:
        """Checkpoint the log, beside the commits and not in one of them, where all would wait for it.

        Most of it happens on a reader's connection while the scribe goes on; the short rest on the scribe's, in
        between two batches, so that the log is complete in the database and begins anew.
        """
        await asyncio.get_running_loop().run_in_executor(self._readers, self._carry_most_over)
        await self._ask(scribe.Command("carry over"))

    def _carry_most_over(self) -> None:
        self._connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    # --- reading
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

    def _point(self, query: str, **parameters: Any) -> list[Any]:
        """A read by key, on the loop's own connection."""
        self._must_be_open()
        try:
            return self._connection().execute(SQL[query], parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{query}: {error}") from error

    async def _read(self, query: str, **parameters: Any) -> list[Any]:
        """A read that may be long, on a reader thread."""
        self._must_be_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self._point(query, **parameters))

    async def _read_messages(self, query: str, limit: int, **parameters: Any) -> list[Any]:
        """The first rows of a query whose rows begin with a message's id: those of `limit` messages."""
        self._must_be_open()

        def read() -> list[Any]:
            try:
                with closing(self._connection().execute(SQL[query], parameters)) as found:
                    messages = islice(groupby(found, key=itemgetter(0)), limit)
                    return [row for _, of_message in messages for row in of_message]
            except sqlite3.Error as error:
                raise StoreError(f"{query}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, read)

    async def _change(self, query: str, **parameters: Any) -> int:
        """A write outside `commit`, for what is rare: accounts, keys, senders, housekeeping."""
        self._must_be_open()
        return await self._ask(scribe.Command("change", query=query, parameters=parameters))

    # --- messages
    async def message(self, account: str, id: str) -> tuple[Message, Standing] | None:
        found = self._point("message", account=account, id=id)
        return rows.message(found[0]) if found else None

    async def messages(
        self, account: str, where: MessageFilter, limit: int, before: str | None = None
    ) -> list[tuple[Message, Standing]]:
        query, bounds = places.messages(account, where, before)
        return [rows.message(row) for row in await self._read(query, limit=limit, **bounds)]

    async def kept(self, message_ids: Sequence[str]) -> dict[str, Kept]:
        wanted = json.dumps(list(message_ids))
        found = {}
        for row in self._point("messages_by_id", ids=wanted):
            message, standing = rows.message(row)
            found[message.id] = Kept(message, standing, [])
        for row in self._point("segments_by_message", ids=wanted):
            segment = msgspec.convert(row, Segment)
            found[segment.message_id].segments.append(segment)
        return found

    async def segments(self, message_id: str) -> list[Segment]:
        found = await self._read("segments_by_message", ids=json.dumps([message_id]))
        return [msgspec.convert(row, Segment) for row in found]

    async def events(self, message_id: str) -> list[Event]:
        return [rows.event(row) for row in await self._read("events_by_message", message_id=message_id)]

    async def feed(self, account: str, after: int, limit: int) -> list[FeedEvent]:
        found = await self._read("feed", account=account, after=after, limit=limit)
        return [FeedEvent(row[0], rows.event(row[1:])) for row in found]

    async def receipts(self, message_id: str) -> list[KeptReceipt]:
        return [rows.receipt(row) for row in await self._read("receipts_by_message", message_id=message_id)]

    # --- work
    async def due_messages(self, carrier: str, now: int, limit: int) -> list[tuple[str, int]]:
        return await self._read("due_messages", carrier=carrier, now=now, limit=limit)

    async def next_due(self, carrier: str, after: int) -> int | None:
        return _only(await self._read("next_due", carrier=carrier, after=after))

    async def waiting_carriers(self) -> list[str]:
        return [row[0] for row in await self._read("waiting_carriers")]

    async def doubtful_segments(self, limit: int, after: tuple[str, int] = ("", 0)) -> list[tuple[str, int]]:
        return await self._read("doubtful_segments", message_id=after[0], part=after[1], limit=limit)

    async def waiting_segments(self) -> dict[tuple[str, str], int]:
        return {(account, sender): waiting for account, sender, waiting in await self._read("waiting_segments")}

    async def open_segments(self, carrier: str, recipients: Sequence[str], since: int) -> list[tuple[str, int]]:
        return self._point(
            "open_segments", carrier=carrier, recipients=json.dumps(list(recipients)), floor=ids.floor_id(since)
        )

    async def accepted_segments(
        self, carrier: str, since: int, until: int, limit: int
    ) -> list[tuple[int, str, str]]:
        bounds = {"floor": ids.floor_id(since), "ceiling": ids.floor_id(until), "since": since}
        return await self._read("accepted_segments", carrier=carrier, limit=limit, **bounds)

    # --- receipts
    async def find_segments(self, carrier: str, keys: Sequence[str]) -> list[tuple[str, str, int]]:
        return self._point("find_segments", carrier=carrier, keys=json.dumps(list(keys)))

    async def parked_keys(self, limit: int) -> list[tuple[str, str, str]]:
        return await self._read("parked_keys", limit=limit)

    async def parked(self, carrier: str, key: str) -> list[KeptReceipt]:
        return [rows.receipt(row) for row in self._point("parked", carrier=carrier, key=key)]

    async def drop_parked(self, before: int) -> int:
        return await self._change("drop_parked", before=before)

    # --- callbacks: what is owed
    async def owing(self, account: str | None = None) -> list[tuple[str, str, Target, int]]:
        rows = await self._read("owing", account=account)
        return [(host, account, Target(target), owed) for host, account, target, owed in rows]

    async def due_callbacks(self, host: str, account: str, now: int, limit: int) -> list[OwedCallback]:
        found = await self._read("due_callbacks", host=host, account=account, now=now, limit=limit)
        return [rows.owed(row) for row in found]

    async def next_callback_due(self, host: str, account: str, after: int) -> int | None:
        return _only(await self._read("next_callback_due", host=host, account=account, after=after))

    async def subscriptions(self) -> list[tuple[str, str]]:
        return await self._read("subscriptions")

    # --- callbacks: what became of them
    async def callbacks(self, message_id: str) -> list[Callback]:
        return [rows.callback(row) for row in await self._read("callbacks_by_message", message_id=message_id)]

    async def callback(self, account: str, key: CallbackKey) -> Callback | None:
        found = self._point("callback", account=account, **key._asdict())
        return rows.callback(found[0]) if found else None

    async def find_callbacks(
        self, account: str, where: CallbackFilter, limit: int, before: CallbackKey | None = None
    ) -> list[Callback]:
        bounds = places.bounds(account, where) | places.page(before)
        found = {}
        for query in places.lists(where):
            for row in await self._read(query, limit=limit, **bounds):
                # What is settled between two reads is in both: the later one is true.
                found[row[: places.KEY]] = row
        return [rows.callback(found[key]) for key in sorted(found, reverse=True)[:limit]]

    async def found_for_replay(self, replay: Replay, limit: int) -> list[Callback]:
        query, bounds = places.replayable(replay)
        return [rows.callback(row) for row in await self._read_messages(query, limit, **bounds)]

    async def attempts(self, account: str, key: CallbackKey) -> list[Attempt]:
        return [rows.attempt(row) for row in await self._read("attempts", account=account, **key._asdict())]

    async def failed_attempts(
        self, account: str, since: int, until: int, limit: int, before: str | None = None
    ) -> list[Attempt]:
        bounds = places.made(since, until, before)
        found = await self._read("failed_attempts", account=account, limit=limit, **bounds)
        return [rows.attempt(row) for row in found]

    async def failed_attempt(self, account: str, id: str) -> Attempt | None:
        found = self._point("failed_attempt", account=account, id=id)
        return rows.attempt(found[0]) if found else None

    async def drop_attempts(self, before: int, limit: int) -> int:
        return await self._change("drop_attempts", before=ids.floor_id(before), limit=limit)

    async def replay(self, account: str, id: str) -> Replay | None:
        found = self._point("replay", account=account, id=id)
        return rows.replay(found[0]) if found else None

    async def replays(self, account: str, limit: int) -> list[Replay]:
        return [rows.replay(row) for row in await self._read("replays", account=account, limit=limit)]

    async def running_replays(self) -> list[Replay]:
        return [rows.replay(row) for row in await self._read("running_replays")]

    async def replay_states(self, id: str) -> dict[CallbackState, int]:
        return {CallbackState(state): count for state, count in await self._read("replay_states", id=id)}

    # --- accounts
    async def put_account(self, account: Account) -> None:
        await self._change("put_account", **rows.of_account(account))

    async def account(self, id: str) -> Account | None:
        found = self._point("account", id=id)
        return rows.account(found[0]) if found else None

    async def accounts(self) -> list[Account]:
        return [rows.account(row) for row in await self._read("accounts")]

    async def put_api_key(self, key: ApiKey) -> None:
        await self._change("put_api_key", **msgspec.structs.asdict(key))

    async def api_key(self, id: str) -> ApiKey | None:
        found = self._point("api_key", id=id)
        return ApiKey(*found[0]) if found else None

    async def put_sender(self, sender: Sender) -> None:
        await self._change("put_sender", **msgspec.structs.asdict(sender))

    async def sender(self, address: str) -> Sender | None:
        found = self._point("sender", address=address)
        return Sender(*found[0]) if found else None

    async def senders(self, account: str) -> list[Sender]:
        return [Sender(*row) for row in await self._read("senders", account=account)]

    async def opted_out_senders(self) -> list[tuple[str, str]]:
        return await self._read("opted_out_senders")

    async def opted_out(self, account: str, sender: str, recipient: str) -> bool:
        return bool(self._point("opted_out", account=account, sender=sender, recipient=recipient))

    async def idempotency_key(self, account: str, key: str) -> IdempotencyKey | None:
        found = self._point("idempotency_key", account=account, key=key)
        return IdempotencyKey(*found[0]) if found else None

    async def drop_idempotency_keys(self, before: int) -> int:
        return await self._change("drop_idempotency_keys", before=before)


def _only(rows: list[Any]) -> int | None:
    value: int | None = rows[0][0]
    return value
