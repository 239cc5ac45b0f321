"""The embedded store: one SQLite file in WAL mode, every commit fsynced, one hand that writes.

See `readers` for how it is read, `scribe` and `statements` for how batches are written.
"""

import asyncio
import json
from asyncio import Future
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tidings import ids
from tidings.apart import Apart
from tidings.arranged import Resource, Sender
from tidings.model import (
    Account,
    ApiKey,
    Attempt,
    Callback,
    CallbackState,
    Event,
    IdempotencyKey,
    KeptReceipt,
    Medium,
    Message,
    Replay,
    Segment,
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
    R,
    StoreError,
)
from tidings.store.group_commit import GroupCommit
from tidings.store.sqlite import places, rows, scribe
from tidings.store.sqlite.readers import Readers
from tidings.store.sqlite.statements import gather

CHECKPOINT_EVERY: Final = 5000
"""Changes after which the write-ahead log is carried over into the database: some 20 MiB of it."""


class SqliteStore:
    """`tidings.store.base.Store` on the file at `path`."""

    def __init__(self, path: Path, *, apart: bool = False) -> None:
        """`apart`: for a gateway, with the scribe in a process of its own, and no other gateway on this file."""
        terms = scribe.Terms(str(path), alone=apart)
        self._scribe: scribe.Writing = (
            Apart(scribe.MODULE, terms, scribe.Reply, patient=False) if apart else scribe.InThread(terms)
        )
        self._readers = Readers(path)
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
        self._readers.open()
        self._group = GroupCommit(self._write)

    async def close(self) -> None:
        if self._group is not None:
            await self._group.close()
        if self._checkpoint is not None:
            await asyncio.gather(self._checkpoint, return_exceptions=True)
        await self._readers.close()
        await self._scribe.stop()

    async def _ask(self, command: scribe.Command) -> int:
        try:
            reply = await self._scribe.ask(command)
        except ConnectionError as error:
            raise StoreError(str(error)) from error
        except UnicodeEncodeError as error:
            raise Contradiction(f"text that is no Unicode: {error}") from error
        return reply.checked()

    # --- writing
    def commit(self, change: Change) -> "Future[None]":
        assert self._group is not None, "open() comes first"
        return self._group.submit(change)

    async def _write(self, changes: Sequence[Change], afresh: bool) -> None:
        await self._ask(scribe.Command("keep", gather(changes), afresh=afresh))
        self._since_checkpoint += len(changes)
        if self._since_checkpoint >= CHECKPOINT_EVERY and (self._checkpoint is None or self._checkpoint.done()):
            self._since_checkpoint = 0
            self._checkpoint = asyncio.create_task(self._carry_over(), name="checkpoint")

    async def _carry_over(self) -> None:
        """Checkpoint the log, beside the commits and not in one of them, where all would wait for it.

        Most of it happens on a reader's connection while the scribe goes on; the short rest on the scribe's, in
        between two batches, so that the log is complete in the database and begins anew.
        """
        await self._readers.carry_over()
        await self._ask(scribe.Command("carry over"))

    async def _change(self, query: str, **parameters: Any) -> int:
        """A write outside `commit`, for what is rare: accounts, keys, senders, housekeeping."""
        self._readers.must_be_open()
        return await self._ask(scribe.Command("change", query=query, parameters=parameters))

    # --- messages
    async def message(self, account: str, id: str, *, deleted: bool = False) -> tuple[Message, Standing] | None:
        found = self._readers.point("message", account=account, id=id, deleted=deleted)
        return rows.message(found[0]) if found else None

    async def messages(
        self, account: str, where: MessageFilter, limit: int, before: str | None = None
    ) -> list[tuple[Message, Standing]]:
        query, bounds = places.messages(account, where, before)
        return [rows.message(row) for row in await self._readers.read(query, limit=limit, **bounds)]

    async def kept(self, message_ids: Sequence[str]) -> dict[str, Kept]:
        wanted = json.dumps(list(message_ids))
        found = {}
        for row in self._readers.point("messages_by_id", ids=wanted):
            message, standing = rows.message(row)
            found[message.id] = Kept(message, standing, [])
        for row in self._readers.point("segments_by_message", ids=wanted):
            segment = msgspec.convert(row, Segment)
            found[segment.message_id].segments.append(segment)
        return found

    async def segments(self, message_id: str) -> list[Segment]:
        found = await self._readers.read("segments_by_message", ids=json.dumps([message_id]))
        return [msgspec.convert(row, Segment) for row in found]

    async def media(self, message_id: str) -> list[Medium]:
        return [Medium(*row) for row in self._readers.point("media", message_id=message_id)]

    async def medium(self, id: str) -> Medium | None:
        found = self._readers.point("medium", id=id)
        return Medium(*found[0]) if found else None

    async def put_content(self, medium_id: str, content: bytes) -> None:
        await self._change("put_content", medium=medium_id, content=content)

    async def content(self, medium_id: str) -> bytes | None:
        found = await self._readers.read("content", medium=medium_id)
        return bytes(found[0][0]) if found else None

    async def events(self, message_id: str) -> list[Event]:
        return [rows.event(row) for row in await self._readers.read("events_by_message", message_id=message_id)]

    async def feed(self, account: str, after: int, limit: int) -> list[FeedEvent]:
        found = await self._readers.read("feed", account=account, after=after, limit=limit)
        return [FeedEvent(row[0], rows.event(row[1:])) for row in found]

    async def receipts(self, message_id: str) -> list[KeptReceipt]:
        return [
            rows.receipt(row) for row in await self._readers.read("receipts_by_message", message_id=message_id)
        ]

    # --- work
    async def due_messages(self, carrier: str, now: int, limit: int) -> list[tuple[str, int]]:
        return await self._readers.read("due_messages", carrier=carrier, now=now, limit=limit)

    async def next_due(self, carrier: str, after: int) -> int | None:
        return _only(await self._readers.read("next_due", carrier=carrier, after=after))

    async def waiting_carriers(self) -> list[str]:
        return [row[0] for row in await self._readers.read("waiting_carriers")]

    async def doubtful_segments(self, limit: int, after: tuple[str, int] = ("", 0)) -> list[tuple[str, int]]:
        return await self._readers.read("doubtful_segments", message_id=after[0], part=after[1], limit=limit)

    async def waiting_segments(self) -> dict[tuple[str, str], int]:
        return {
            (account, sender): waiting for account, sender, waiting in await self._readers.read("waiting_segments")
        }

    async def open_segments(self, carrier: str, recipients: Sequence[str], since: int) -> list[tuple[str, int]]:
        return self._readers.point(
            "open_segments", carrier=carrier, recipients=json.dumps(list(recipients)), floor=ids.floor_id(since)
        )

    async def accepted_segments(
        self, carrier: str, since: int, until: int, limit: int
    ) -> list[tuple[int, str, str]]:
        bounds = {"floor": ids.floor_id(since), "ceiling": ids.floor_id(until), "since": since}
        return await self._readers.read("accepted_segments", carrier=carrier, limit=limit, **bounds)

    # --- receipts
    async def find_segments(self, carrier: str, keys: Sequence[str]) -> list[tuple[str, str, int]]:
        return self._readers.point("find_segments", carrier=carrier, keys=json.dumps(list(keys)))

    async def parked_keys(self, limit: int) -> list[tuple[str, str, str]]:
        return await self._readers.read("parked_keys", limit=limit)

    async def parked(self, carrier: str, key: str) -> list[KeptReceipt]:
        return [rows.receipt(row) for row in self._readers.point("parked", carrier=carrier, key=key)]

    async def drop_parked(self, before: int) -> int:
        return await self._change("drop_parked", before=before)

    # --- callbacks: what is owed
    async def owing(self, account: str | None = None) -> list[tuple[str, str, Target, int]]:
        rows = await self._readers.read("owing", account=account)
        return [(host, account, Target(target), owed) for host, account, target, owed in rows]

    async def due_callbacks(self, host: str, account: str, now: int, limit: int) -> list[OwedCallback]:
        found = await self._readers.read("due_callbacks", host=host, account=account, now=now, limit=limit)
        return [rows.owed(row) for row in found]

    async def next_callback_due(self, host: str, account: str, after: int) -> int | None:
        return _only(await self._readers.read("next_callback_due", host=host, account=account, after=after))

    async def hasten(self, host: str, account: str, now: int) -> int:
        return await self._change("hasten", host=host, account=account, now=now)

    async def subscriptions(self) -> list[tuple[str, str]]:
        return await self._readers.read("subscriptions")

    # --- callbacks: what became of them
    async def callbacks(self, message_id: str) -> list[Callback]:
        return [
            rows.callback(row) for row in await self._readers.read("callbacks_by_message", message_id=message_id)
        ]

    async def callback(self, account: str, key: CallbackKey) -> Callback | None:
        found = self._readers.point("callback", account=account, **key._asdict())
        return rows.callback(found[0]) if found else None

    async def find_callbacks(
        self, account: str, where: CallbackFilter, limit: int, before: CallbackKey | None = None
    ) -> list[Callback]:
        bounds = places.bounds(account, where) | places.page(before)
        found = {}
        for query in places.lists(where):
            for row in await self._readers.read(query, limit=limit, **bounds):
                # What is settled between two reads is in both: the later one is true.
                found[row[: places.KEY]] = row
        return [rows.callback(found[key]) for key in sorted(found, reverse=True)[:limit]]

    async def found_for_replay(self, replay: Replay, limit: int) -> list[Callback]:
        query, bounds = places.replayable(replay)
        return [rows.callback(row) for row in await self._readers.read_messages(query, limit, **bounds)]

    async def attempts(self, account: str, key: CallbackKey) -> list[Attempt]:
        return [
            rows.attempt(row) for row in await self._readers.read("attempts", account=account, **key._asdict())
        ]

    async def failed_attempts(
        self, account: str, since: int, until: int, limit: int, before: str | None = None
    ) -> list[Attempt]:
        bounds = places.made(since, until, before)
        found = await self._readers.read("failed_attempts", account=account, limit=limit, **bounds)
        return [rows.attempt(row) for row in found]

    async def failed_attempt(self, account: str, id: str) -> Attempt | None:
        found = self._readers.point("failed_attempt", account=account, id=id)
        return rows.attempt(found[0]) if found else None

    async def drop_attempts(self, before: int, limit: int) -> int:
        return await self._change("drop_attempts", before=ids.floor_id(before), limit=limit)

    async def replay(self, account: str, id: str) -> Replay | None:
        found = self._readers.point("replay", account=account, id=id)
        return rows.replay(found[0]) if found else None

    async def replays(self, account: str, limit: int) -> list[Replay]:
        return [rows.replay(row) for row in await self._readers.read("replays", account=account, limit=limit)]

    async def running_replays(self) -> list[Replay]:
        return [rows.replay(row) for row in await self._readers.read("running_replays")]

    async def replay_states(self, id: str) -> dict[CallbackState, int]:
        return {CallbackState(state): count for state, count in await self._readers.read("replay_states", id=id)}

    # --- accounts
    async def put_account(self, account: Account) -> None:
        await self._change("put_account", **rows.of_account(account))

    async def account(self, id: str) -> Account | None:
        found = self._readers.point("account", id=id)
        return rows.account(found[0]) if found else None

    async def accounts(self) -> list[Account]:
        return [rows.account(row) for row in await self._readers.read("accounts")]

    async def put_api_key(self, key: ApiKey) -> None:
        await self._change("put_api_key", **msgspec.structs.asdict(key))

    async def api_key(self, id: str) -> ApiKey | None:
        found = self._readers.point("api_key", id=id)
        return ApiKey(*found[0]) if found else None

    async def put_sender(self, sender: Sender) -> None:
        await self._change("put_sender", **rows.of_sender(sender), new_id=ids.random_hex())

    async def configure_sender(self, address: str, account: str, queue_limit: int, now: int) -> None:
        await self._change("take_sender", address=address, account=account)
        await self._change(
            "configure_sender",
            address=address,
            account=account,
            queue_limit=queue_limit,
            now=now,
            new_id=ids.random_hex(),
        )

    async def sender(self, address: str) -> Sender | None:
        found = self._readers.point("sender", address=address)
        return rows.sender(found[0]) if found else None

    async def sender_by_id(self, account: str, id: str) -> Sender | None:
        found = self._readers.point("sender_by_id", account=account, id=id)
        return rows.sender(found[0]) if found else None

    async def senders(self, account: str) -> list[Sender]:
        return [rows.sender(row) for row in await self._readers.read("senders", account=account)]

    async def drop_sender(self, address: str) -> None:
        await self._change("drop_sender", address=address)

    # --- what applications arrange
    async def put_resource(self, resource: Resource) -> None:
        await self._change("put_resource", **rows.of_resource(resource))

    async def resource(self, kind: type[R], account: str, id: str) -> R | None:
        found = self._readers.point("resource", kind=rows.kind(kind), account=account, id=id)
        return rows.resource(found[0][0], kind) if found else None

    async def resources(self, kind: type[R], account: str, parent: str | None = None) -> list[R]:
        query = "resources" if parent is None else "resources_of_parent"
        found = await self._readers.read(query, kind=rows.kind(kind), account=account, parent=parent)
        return [rows.resource(row[0], kind) for row in found]

    async def drop_resource(self, account: str, id: str) -> bool:
        dropped = await self._change("drop_resource", account=account, id=id)
        if dropped:
            await self._change("drop_stickies", service=id)
        return bool(dropped)

    async def sticky(self, service: str, recipient: str) -> str | None:
        found = self._readers.point("sticky", service=service, recipient=recipient)
        return str(found[0][0]) if found else None

    # --- words and keys
    async def opted_out_senders(self) -> list[tuple[str, str]]:
        return await self._readers.read("opted_out_senders")

    async def opted_out(self, account: str, sender: str, recipient: str) -> bool:
        return bool(self._readers.point("opted_out", account=account, sender=sender, recipient=recipient))

    async def idempotency_key(self, account: str, key: str) -> IdempotencyKey | None:
        found = self._readers.point("idempotency_key", account=account, key=key)
        return IdempotencyKey(*found[0]) if found else None

    async def drop_idempotency_keys(self, before: int) -> int:
        return await self._change("drop_idempotency_keys", before=before)


def _only(rows: list[Any]) -> int | None:
    value: int | None = rows[0][0]
    return value
