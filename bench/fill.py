"""Stores that are filled before a gateway starts on them: with what its own rooms would have kept by then.

`backlog`, `callbacks`, `fairness` and `punctual` use it.
"""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from bench.rig import ACCOUNT, CARRIER, OTHER, OTHERS, SENDERS, TOKEN, recipient
from tidings import text
from tidings.arranged import Member, Sender, Service
from tidings.clock import SystemClock
from tidings.dialects import twilio
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Callback, CallbackState, Direction, Event, Message, Standing, Target
from tidings.store.base import Change, Store
from tidings.store.sqlite import SqliteStore

BATCH: Final = 2000
"""Messages in one commit."""

Add = Callable[[Change, int, random.Random], None]
"""Puts one more message, which is the nth, into a change."""


SERVICE: Final = "5e" * 16
"""Of the benchmark's account, with all of its senders."""


def fill(path: Path, messages: int, add: Add) -> None:
    """Make a store with the benchmark's accounts, their senders and so many messages."""
    asyncio.run(_fill(path, messages, add))


async def _fill(path: Path, messages: int, add: Add) -> None:
    store: Store = SqliteStore(path)
    await store.open()
    for account, senders in ((ACCOUNT, SENDERS), (OTHER, OTHERS)):
        await store.put_account(Account(account, "benchmark", TOKEN, SystemClock().now()))
        for sender in senders:
            await store.put_sender(Sender(sender, account))
    now = SystemClock().now()
    await store.put_resource(Service(SERVICE, ACCOUNT, now, now))
    for sender in SENDERS:
        await store.put_resource(Member(new_id(now), ACCOUNT, now, now, SERVICE, sender))
    draw = random.Random(2)
    for first in range(0, messages, BATCH):
        behind = min(first + BATCH, messages)
        change = Change()
        for number in range(first, behind):
            add(change, number, draw)
        await store.commit(change)
        print(f"\rfilling: {behind:,} of {messages:,}", end="", flush=True)
    print(end="\n" if messages else "")
    await store.close()


def add_queued(change: Change, callback_url: str, draw: random.Random, *, other: bool = False) -> None:
    """A message as `gateway.submit` keeps it: with its first event, waiting for the carrier.

    `other`: it is of the other account.
    """
    asked = _message(callback_url, draw)
    if other:
        asked = msgspec.structs.replace(asked, account=OTHER, sender=draw.choice(OTHERS))
    now = asked.created_at
    change.messages.append(asked)
    change.standings.append(Standing(asked.id, Status.QUEUED, 1, now, carrier=CARRIER, due_at=now))
    change.events.append(_created(asked))


def add_scheduled(change: Change, callback_url: str, draw: random.Random, send_at: int) -> None:
    """A message that its service is to send at that time, as `gateway.submit` keeps it."""
    asked = msgspec.structs.replace(_message(callback_url, draw), sender="", service=SERVICE, send_at=send_at)
    change.messages.append(asked)
    change.standings.append(Standing(asked.id, Status.SCHEDULED, 1, asked.created_at, due_at=send_at))
    change.events.append(msgspec.structs.replace(_created(asked), status=Status.SCHEDULED))


def add_owed(change: Change, host: str, draw: random.Random) -> None:
    """A message that was sent, which its application, at `host` (scheme://host:port), is yet to be told."""
    asked = _message(f"{host}/status", draw)
    now, detail = asked.created_at, {"carrier": CARRIER}
    change.messages.append(asked)
    change.standings.append(Standing(asked.id, Status.SENT, 2, now, sent_at=now, carrier=CARRIER))
    change.events.append(_created(asked))
    change.events.append(Event(asked.id, 2, ACCOUNT, now, Kind.ACCEPTED, Status.SENT, True, True, 1, None, detail))
    change.callbacks.append(
        Callback(asked.id, 2, Target.MESSAGE, ACCOUNT, host, CallbackState.OWED, now, owed_since=now, due_at=now)
    )


def _message(callback_url: str, draw: random.Random) -> Message:
    now = SystemClock().now()
    body = f"Your parcel {draw.randrange(10**9):09} is waiting for you."
    measure = text.measure(body)
    return Message(
        new_id(now),
        ACCOUNT,
        twilio.NAME,
        Direction.OUTBOUND_API,
        draw.choice(SENDERS),
        recipient(draw),
        body,
        measure.encoding,
        measure.segments,
        callback_url,
        None,
        now,
    )


def _created(asked: Message) -> Event:
    return Event(
        asked.id, 1, asked.account, asked.created_at, Kind.CREATED, Status.QUEUED, True, True, 0, None, {}
    )
