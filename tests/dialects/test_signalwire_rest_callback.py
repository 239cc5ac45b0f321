"""The message status callback, held against SignalWire's webhook specification and its official validator."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError
from signalwire.core.security.webhook_validator import validate_webhook_signature

from tests.schemas import signalwire, specified
from tidings.callbacks.signing import signalwire_signature
from tidings.clock import SECOND
from tidings.dialects.signalwire_rest import callback_json, tells
from tidings.errors import CATALOGUE
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Event, Message
from tidings.text import Encoding

ID = "0192f3c0a1b27c3d8e4f506172839405"
ACCOUNT = "0a" * 16
AT = 1_773_786_417 * SECOND + 999_999

SCHEMA = signalwire("message-status-callback")
TOLD = {
    Status.QUEUED: "queued",
    Status.SENDING: "initiated",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.READ: "read",
}


def message(**changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": ID,
        "account": ACCOUNT,
        "dialect": "signalwire_rest",
        "direction": Direction.OUTBOUND_API,
        "sender": "+15005550006",
        "recipient": "+15551230000",
        "body": "Hello",
        "encoding": Encoding.GSM7,
        "segments": 2,
        "callback_url": "https://app.example.com/status",
        "validity": None,
        "created_at": AT - SECOND,
    }
    return Message(**fields | changed)


def event(status: Status, *, moved: bool = True, error: int | None = None, at: int = AT) -> Event:
    return Event(ID, 1, ACCOUNT, at, Kind.CREATED, status, moved, True, 0, error, {})


def body(message: Message, event: Event) -> dict[str, Any]:
    """As it goes over the wire."""
    told: dict[str, Any] = json.loads(msgspec.json.encode(callback_json(message, event)))
    return told


def test_delivery_is_told_with_ten_members() -> None:
    assert body(message(), event(Status.DELIVERED)) == {
        "id": "0192f3c0-a1b2-7c3d-8e4f-506172839405",
        "project_id": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
        "status": "delivered",
        "to": "+15551230000",
        "from": "+15005550006",
        "body": "Hello",
        "number_of_segments": 2,
        "timestamp": "2026-03-17T22:26:57Z",
        "error_code": None,
        "error_message": None,
    }


@pytest.mark.parametrize(("status", "word"), TOLD.items())
def test_every_status_is_told_as_the_specification_has_it(status: Status, word: str) -> None:
    assert tells(event(status))
    told = body(message(), event(status))
    SCHEMA.validate(told)
    assert told["status"] == word


def test_what_the_compatibility_api_calls_sending_is_initiated_here() -> None:
    """The specification and the resource agree on that; other material of the vendor's has `sending`."""
    assert body(message(), event(Status.SENDING))["status"] == "initiated"


def test_all_statuses_of_the_specification_are_told() -> None:
    assert set(TOLD.values()) == set(specified("message-status-callback")["properties"]["status"]["enum"])


@pytest.mark.parametrize("status", sorted(set(Status) - TOLD.keys()))
def test_nothing_else_is_told(status: Status) -> None:
    assert not tells(event(status))


@pytest.mark.parametrize("status", Status)
def test_an_event_without_a_move_is_not_told(status: Status) -> None:
    assert not tells(event(status, moved=False))


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNDELIVERED])
def test_a_bad_end_says_why(status: Status) -> None:
    told = body(message(), event(status, error=30003))
    SCHEMA.validate(told)
    assert (told["error_code"], told["error_message"]) == (
        "unreachable_destination_handset",
        CATALOGUE[30003].message,
    )


def test_an_error_without_a_word_is_unknown() -> None:
    told = body(message(), event(Status.FAILED, error=30410))
    SCHEMA.validate(told)
    assert told["error_code"] == "unknown_error"


def test_a_bad_end_without_an_error_has_none() -> None:
    told = body(message(), event(Status.UNDELIVERED))
    assert (told["error_code"], told["error_message"]) == (None, None)


def test_an_error_on_the_way_is_none_of_the_application() -> None:
    told = body(message(), event(Status.SENDING, error=30003))
    assert (told["error_code"], told["error_message"]) == (None, None)


def test_custom_variables_come_back() -> None:
    variables = {"order": "12345", "_b": "ü"}
    told = body(message(extras={"custom_variables": variables}), event(Status.SENT))
    SCHEMA.validate(told)
    assert told.pop("custom_variables") == variables
    assert told == body(message(), event(Status.SENT))


def test_other_extras_do_not_come_back() -> None:
    relay = message(
        dialect="signalwire_relay", extras={"context": "office", "tags": ["a"], "custom_variables": {}}
    )
    assert body(relay, event(Status.SENT)) == body(message(), event(Status.SENT))


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "sending"},
        {"extra": 1},
        {"timestamp": "2026-03-17 22:26:57"},
        {"timestamp": "2026-03-17T22:26:57"},
        {"id": ID},
        {"number_of_segments": "1"},
        {"error_code": 30003},
    ],
)
def test_the_schema_takes_nothing_else(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SCHEMA.validate(body(message(), event(Status.SENT)) | broken)


@pytest.mark.parametrize("missing", specified("message-status-callback")["required"])
def test_the_schema_misses_every_member(missing: str) -> None:
    told = body(message(), event(Status.SENT))
    del told[missing]
    with pytest.raises(ValidationError):
        SCHEMA.validate(told)


TEXTS = st.text(st.characters(codec="utf-8"))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)


@given(
    st.sampled_from([*TOLD]),
    TEXTS,
    st.dictionaries(NAMES, TEXTS),
    st.none() | st.integers(0, 99_999),
    st.integers(0, 2**52),
)
def test_every_callback_keeps_the_specification_and_is_taken_by_the_official_validator(
    status: Status, text: str, variables: dict[str, str], error: int | None, at: int
) -> None:
    made = message(body=text, extras={"custom_variables": variables})
    raw = msgspec.json.encode(callback_json(made, event(status, error=error, at=at)))
    SCHEMA.validate(json.loads(raw))
    url = "https://app.example.com/status?of=all"
    signature = signalwire_signature("PSK_key", url, raw)
    assert validate_webhook_signature("PSK_key", signature, url, raw.decode())
    assert not validate_webhook_signature("PSK_key", signature, url, raw.decode() + " ")
