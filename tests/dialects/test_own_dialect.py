"""Our own words: ids of callbacks, what of a URL may be shown, and the body of account-wide callbacks."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import SECOND
from tidings.dialects import own
from tidings.errors import words
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Event, Message, Target
from tidings.store.base import CallbackKey
from tidings.text import Encoding

AT = 1_790_000_000 * SECOND + 123
MESSAGE = Message(
    id="5a" * 16,
    account="0a" * 16,
    dialect="twilio",
    direction=Direction.OUTBOUND_API,
    sender="+15005550006",
    recipient="+15551230000",
    body="hello, 漢字",
    encoding=Encoding.UCS2,
    segments=2,
    callback_url="https://user:password@app.example.com/cb",
    validity=60,
    created_at=AT - 5 * SECOND,
)
EVENT = Event(
    message_id=MESSAGE.id,
    number=4,
    account=MESSAGE.account,
    at=AT,
    kind=Kind.UNDELIVERED,
    status=Status.UNDELIVERED,
    moved=True,
    applied=True,
    part=1,
    error=30003,
    detail={"done_date": "2609171211"},
)


def arrived(message: Message, event: Event) -> dict[str, Any]:
    return dict(json.loads(msgspec.json.encode(own.telling_json(message, event))))


def test_an_account_wide_callback_tells_the_event_and_its_message() -> None:
    assert arrived(MESSAGE, EVENT) == {
        "type": "message.undelivered",
        "timestamp": "2026-09-21T14:13:20.000123Z",
        "data": {
            "message": {
                "id": "5a" * 16,
                "sid": "SM" + "5a" * 16,
                "account": "0a" * 16,
                "dialect": "twilio",
                "direction": "outbound-api",
                "from": "+15005550006",
                "to": "+15551230000",
                "body": "hello, 漢字",
                "channel": "sms",
                "encoding": MESSAGE.encoding.value,
                "segment_count": 2,
                "media_count": 0,
                "created_at": "2026-09-21T14:13:15.000123Z",
            },
            "event": {
                "message_id": "5a" * 16,
                "number": 4,
                "at": "2026-09-21T14:13:20.000123Z",
                "kind": "undelivered",
                "status": "undelivered",
                "moved": True,
                "applied": True,
                "part": 1,
                "error": {"code": 30003, "message": words(30003)},
                "detail": {"done_date": "2609171211"},
            },
        },
    }


def test_every_kind_of_event_has_a_type() -> None:
    told = {arrived(MESSAGE, msgspec.structs.replace(EVENT, kind=kind))["type"] for kind in Kind}
    assert told == {f"message.{kind.value}" for kind in Kind}


@given(st.uuids(), st.integers(1, 999_999_999), st.sampled_from(Target))
def test_a_callback_id_names_its_callback(message: Any, number: int, target: Target) -> None:
    key = CallbackKey(message.hex, number, target)
    assert own.callback_key(own.callback_id(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5a" * 16,
        "5a" * 16 + "-",
        "5a" * 16 + "-0",
        "5a" * 16 + "-01",
        "5A" * 16 + "-1",
        "5a" * 15 + "-1",
        "5a" * 16 + "-1-message",
        "5a" * 16 + "-1-account\n",
        "5a" * 16 + "-1234567890",
    ],
)
def test_nothing_else_is_a_callback_id(text: str) -> None:
    assert own.callback_key(text) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@app.example.com/cb?a=1", "https://***@app.example.com/cb?a=1"),
        ("https://token@app.example.com", "https://***@app.example.com"),
        ("https://app.example.com/a@b?c=d@e", "https://app.example.com/a@b?c=d@e"),
        (
            "https://app.example.com?to=https://user:pass@elsewhere/",
            "https://app.example.com?to=https://***@elsewhere/",
        ),
    ],
)
def test_user_and_password_of_a_url_are_masked(url: str, shown: str) -> None:
    assert own.masked(url) == shown
