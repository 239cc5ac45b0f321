"""The embedded store: one SQLite file in WAL mode, every commit fsynced, one hand that writes.

See `readers` for how it is read, `writer`, `scribe` and `statements` for how batches are written.
"""

import json
from asyncio import Future
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tidings import ids
from tidings.arranged import Resource, Sender
from tidings.model import (
    Account,
    ApiKey,
    Arrival,
    Attempt,
    Callback,
    CallbackState,
    Event,
    IdempotencyKey,
    InboundPart,
    KeptReceipt,
    Medium,
    Message,
    OptOut,
    Replay,
    Segment,
    Standing,
    Target,
)
from tidings.store.base import (
    CallbackFilter,
    CallbackKey,
    Change,
    FeedEvent,
    Kept,
    MessageFilter,
    OwedCallback,
    R,
)
from tidings.store.sqlite import places, rows
from tidings.store.sqlite.readers import Readers
from tidings.store.sqlite.writer import Writer


class SqliteStore:
    """`tidings.store.base.Store` on the file at `path`."""

    def __init__(self, path: Path, *, apart: bool = False) -> None:
        """`apart`: for a gateway, with the scribe in a process of its own, and no other gateway on this file."""
        self._readers = Readers(path)
        self._writer = Writer(path, self._readers, apart=apart)
        self._change = self._writer.change

    async def open(self) -> None:
        await self._writer.open()
        self._readers.open()

    async def close(self) -> None:
        await self._writer.finish()
        await self._readers.close()
        await self._writer.close()

    def commit(self, change: Change) -> "Future[None]":
        return self._writer.commit(change)

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

    async def latest(self) -> int:
        found = self._readers.point("latest")
        return int(found[0][0]) if found else 0

    # --- work
    async def due_messages(
        self, carrier: str, account: str, sender: str, now: int, limit: int
    ) -> list[tuple[str, int]]:
        queue = {"carrier": carrier, "account": account, "sender": sender}
        return await self._readers.read("due_messages", **queue, now=now, limit=limit)

    async def next_due(self, carrier: str, account: str, sender: str, after: int) -> int | None:
        queue = {"carrier": carrier, "account": account, "sender": sender}
        return _only(await self._readers.read("next_due", **queue, after=after))

    async def queues(self) -> list[tuple[str, str, str]]:
        return await self._readers.read("queues")

    async def expired(self, now: int, limit: int) -> list[str]:
        return [row[0] for row in await self._readers.read("expired", now=now, limit=limit)]

    async def next_expiry(self, after: int) -> int | None:
        return _only(await self._readers.read("next_expiry", after=after))

    async def due_scheduled(self, now: int, limit: int) -> list[tuple[str, int]]:
        return await self._readers.read("due_scheduled", now=now, limit=limit)

    async def next_scheduled(self, after: int) -> int | None:
        return _only(await self._readers.read("next_scheduled", after=after))

    async def scheduled(self) -> dict[str, int]:
        return dict(await self._readers.read("scheduled"))

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
        await self._change(
            "take_sender",
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
        stickies = ("drop_stickies_of_service", "drop_stickies_of_member")
        return bool(await self._change(*stickies, "drop_resource", account=account, id=id))

    async def sticky(self, service: str, recipient: str) -> str | None:
        found = self._readers.point("sticky", service=service, recipient=recipient)
        return str(found[0][0]) if found else None

    # --- opt-outs
    async def opted_out_scopes(self) -> list[tuple[str, str]]:
        return await self._readers.read("opted_out_scopes")

    async def opted_out(self, account: str, scope: str, recipient: str) -> bool:
        return bool(self._readers.point("opted_out", account=account, scope=scope, recipient=recipient))

    async def opt_outs(
        self,
        account: str,
        scope: str | None,
        recipient: str | None,
        limit: int,
        after: tuple[str, str] | None = None,
    ) -> list[OptOut]:
        query, bounds = places.opt_outs(account, scope, recipient, after)
        return [OptOut(*row) for row in await self._readers.read(query, limit=limit, **bounds)]

    # --- what comes in
    async def inbound_parts(self, group: tuple[str, str, str, int, int]) -> list[InboundPart]:
        named = dict(zip(("carrier", "source", "destination", "reference", "parts"), group, strict=True))
        return [InboundPart(*row) for row in self._readers.point("inbound_parts", **named)]

    async def stale_parts(self, before: int, limit: int) -> list[tuple[str, str, str, int, int]]:
        return await self._readers.read("stale_parts", before=before, limit=limit)

    async def oldest_part(self) -> int | None:
        return _only(self._readers.point("oldest_part"))

    async def arrival(self, carrier: str, digest: str) -> Arrival | None:
        found = self._readers.point("arrival", carrier=carrier, digest=digest)
        return Arrival(*found[0]) if found else None

    async def drop_arrivals(self, before: int) -> int:
        return await self._change("drop_arrivals", before=before)

    # --- keys
    async def idempotency_key(self, account: str, key: str) -> IdempotencyKey | None:
        found = self._readers.point("idempotency_key", account=account, key=key)
        return IdempotencyKey(*found[0]) if found else None

    async def drop_idempotency_keys(self, before: int) -> int:
        return await self._change("drop_idempotency_keys", before=before)


def _only(rows: list[Any]) -> int | None:
    value: int | None = rows[0][0]
    return value
