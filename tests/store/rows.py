"""Rows for the conformance suite: one usual row of each kind, and whatever a test changes about it."""

import asyncio
from itertools import count
from typing import Any

import msgspec

from tidings.clock import SECOND
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import (
    Arrival,
    Attempt,
    Callback,
    CallbackState,
    Direction,
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
from tidings.store.base import CallbackFilter, CallbackKey, Change, Store
from tidings.text import Encoding

NOON = 1_790_000_000 * SECOND
ACCOUNT, OTHER = "0a" * 16, "0b" * 16
HOST = "https://app.example.com:443"
_numbers = count()
NASTY = (
    '\'; DROP TABLE messages; --\n\r\t"double" \\back\\slash \\u0041 {"json": [1]} '
    "€ß漢字 👩\u200d👩\u200d👧 \u2028 %s ?1 \x7f"
)


def an_id(at: int = NOON) -> str:
    """An id as of any time; `ids.new_id` never goes back."""
    return f"{at // 1000:012x}7{next(_numbers):019x}"


def a_message(at: int = NOON, **changes: Any) -> Message:
    usual = Message(
        an_id(at),
        ACCOUNT,
        "twilio",
        Direction.OUTBOUND_API,
        "+15005550006",
        "+15551230000",
        "hello",
        Encoding.GSM7,
        1,
        None,
        None,
        at,
    )
    return msgspec.structs.replace(usual, **changes)


def standing_of(message: Message, **changes: Any) -> Standing:
    usual = Standing(message.id, Status.QUEUED, 1, message.created_at, carrier="main", due_at=message.created_at)
    return msgspec.structs.replace(usual, **changes)


def an_event(message: Message, number: int = 1, **changes: Any) -> Event:
    usual = Event(
        message.id,
        number,
        message.account,
        NOON,
        Kind.CREATED,
        Status.QUEUED,
        True,
        True,
        0,
        None,
        {"why": "a test"},
    )
    return msgspec.structs.replace(usual, **changes)


def a_segment(message: Message, part: int = 1, **changes: Any) -> Segment:
    usual = Segment(message.id, part, SegmentState.WAITING, "main")
    return msgspec.structs.replace(usual, **changes)


def a_callback(message: Message, number: int = 1, **changes: Any) -> Callback:
    usual = Callback(
        message.id, number, Target.MESSAGE, message.account, HOST, CallbackState.OWED, NOON, NOON, due_at=NOON
    )
    return msgspec.structs.replace(usual, **changes)


def key_of(callback: Callback) -> CallbackKey:
    return CallbackKey(callback.message_id, callback.number, callback.target)


def an_attempt(callback: Callback, ordinal: int = 1, at: int = NOON, **changes: Any) -> Attempt:
    """One that was answered with 500."""
    usual = Attempt(
        an_id(at),
        callback.message_id,
        callback.number,
        callback.target,
        callback.account,
        ordinal,
        at,
        connected=900,
        first_byte=1500,
        elapsed=1800,
        method="POST",
        url="https://user:secret@app.example.com/hook?a=b",
        headers="Content-Type: application/x-www-form-urlencoded\nX-Twilio-Signature: c2lnbmF0dXJl",
        body="MessageStatus=sent",
        response=500,
        response_headers="Content-Type: text/html",
        response_body="<h1>Oops</h1>",
        error=11200,
        detail="500 Internal Server Error",
    )
    return msgspec.structs.replace(usual, **changes)


def a_replay(where: CallbackFilter | None = None, made_at: int = NOON, **changes: Any) -> Replay:
    """Of what was given up, unless `where` says otherwise."""
    where = where or CallbackFilter(states=(CallbackState.GIVEN_UP,))
    plain = msgspec.json.decode(msgspec.json.encode(where))
    usual = Replay(an_id(made_at), ACCOUNT, made_at, where=plain)
    return msgspec.structs.replace(usual, **changes)


def a_receipt(message_id: str | None = None, **changes: Any) -> KeptReceipt:
    usual = KeptReceipt(an_id(), "main", NOON, message_id, 0, "00aaff", {"word": "DELIVRD", "ids": ["7"]})
    return msgspec.structs.replace(usual, **changes)


def a_medium(message: Message, place: int = 0, **changes: Any) -> Medium:
    """One that is still to be fetched."""
    url = f"https://cdn.example.com/{place}.png"
    usual = Medium(an_id(), message.id, message.account, place, url, None, None, NOON, NOON)
    return msgspec.structs.replace(usual, **changes)


def an_opt_out(scope: str = "+1500", recipient: str = "+1555", **changes: Any) -> OptOut:
    return msgspec.structs.replace(OptOut(ACCOUNT, scope, recipient, NOON, "STOP"), **changes)


def a_part(part: int = 1, **changes: Any) -> InboundPart:
    """One of three."""
    text = "hello".encode("utf-16-be").hex()
    usual = InboundPart("main", ACCOUNT, "+1555", "+1500", 7, 3, part, NOON, text, "GSM-7", "00aaff")
    return msgspec.structs.replace(usual, **changes)


def an_arrival(digest: str = "ab" * 32, **changes: Any) -> Arrival:
    return msgspec.structs.replace(Arrival("main", digest, "main#1", NOON), **changes)


def a_key(message: Message, key: str = "key") -> IdempotencyKey:
    return IdempotencyKey(message.account, key, "digest", message.id, message.created_at)


def a_change(**rows: Any) -> Change:
    """A change with these rows: `a_change(messages=[…], standings=[…])`."""
    change = Change()
    for kind, content in rows.items():
        getattr(change, kind).extend(content)
    return change


def scheduled(message: Message, **standing: Any) -> Change:
    """What is kept of a message to be sent later, from whomever its service will choose."""
    return created(message, **{"status": Status.SCHEDULED, "carrier": None, "due_at": message.send_at} | standing)


def created(message: Message, **standing: Any) -> Change:
    return a_change(messages=[message], standings=[standing_of(message, **standing)], events=[an_event(message)])


async def put(store: Store, *messages: Message, **standing: Any) -> None:
    await asyncio.gather(*(store.commit(created(message, **standing)) for message in messages))
