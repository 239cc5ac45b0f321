"""RELAY's words for messages: what `messaging.send` may ask for, and what sessions are told."""

from typing import Any

import msgspec
import pytest

from tidings.clock import SECOND
from tidings.dialects import signalwire_relay as relay
from tidings.errors import CATALOGUE, Problem
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Direction, Event, Message, Order
from tidings.text import Encoding

NOW = 1_790_000_000 * SECOND + 250_000
SMS = {"from_number": "+15005550006", "to_number": "+15551230000", "body": "hello"}
MESSAGE = Message(
    id="0192f0c1d2e37a4b8c5d6e7f80910203",
    account="0a" * 16,
    dialect="signalwire_relay",
    direction=Direction.OUTBOUND_API,
    sender="+15005550006",
    recipient="+15551230000",
    body="hello",
    encoding=Encoding.GSM7,
    segments=2,
    callback_url=None,
    validity=None,
    created_at=NOW,
    extras={"context": "office", "tags": ["mine"]},
)
PROJECT = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"


def an_event(status: Status, error: int | None = None, *, moved: bool = True) -> Event:
    return Event(MESSAGE.id, 3, MESSAGE.account, NOW, Kind.ACCEPTED, status, moved, True, 0, error, {})


# --- what is asked for
def test_a_text_is_ordered() -> None:
    assert relay.parse_send(SMS) == Order(
        dialect="signalwire_relay", sender="+15005550006", recipient="+15551230000", body="hello"
    )


def test_everything_is_ordered() -> None:
    order = relay.parse_send(
        {
            **SMS,
            "media": ["https://example.com/a.png", "http://example.com/b"],
            "tags": ["one", "two"],
            "region": "us",
            "context": "office",
            "status_callback": "https://example.com/status#rt=100",
            "no_parameter_of": "theirs",
        }
    )
    assert order.media == ("https://example.com/a.png", "http://example.com/b")
    assert order.callback_url == "https://example.com/status#rt=100"
    assert order.extras == {"context": "office", "tags": ["one", "two"], "region": "us"}


@pytest.mark.parametrize("name", ["context", "topic"])
def test_a_context_is_a_topic(name: str) -> None:
    """SignalWire's documents say `topic`, its Python client `context`; the JavaScript one sends what is given."""
    assert relay.parse_send({**SMS, name: "office"}).extras == {"context": "office"}


@pytest.mark.parametrize("name", ["body", "media", "tags", "region", "context", "topic", "status_callback"])
def test_null_is_as_good_as_nothing(name: str) -> None:
    params = {**SMS, "media": ["https://example.com/a.png"], name: None}
    assert relay.parse_send(params).extras == {}


def test_media_need_no_text() -> None:
    order = relay.parse_send(
        {"from_number": "+15005550006", "to_number": "+15551230000", "media": ["https://example.com/a.png"]}
    )
    assert order.body == ""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to_number": None}, 21604),
        ({"to_number": ""}, 21604),
        ({"from_number": None}, 21603),
        ({"body": None}, 21619),
        ({"body": "", "media": []}, 21619),
        ({"media": ["https://example.com/a.png"] * 9}, 20422),
        ({"media": ["ftp://example.com/a.png"]}, 21620),
        ({"media": ["/a.png"]}, 21620),
        ({"media": "https://example.com/a.png"}, 20422),
        ({"media": [7]}, 20422),
        ({"status_callback": "what"}, 21609),
        ({"status_callback": "https://exa mple.com"}, 21609),
        ({"body": 7}, 20422),
        ({"to_number": 15551230000}, 20422),
        ({"tags": "mine"}, 20422),
        ({"tags": ["x"] * 51}, 20422),
        ({"tags": ["x" * 256]}, 20422),
        ({"tags": [""]}, 20422),
        ({"tags": ["a\0b"]}, 20422),
        ({"context": ""}, 20422),
        ({"context": "x" * 201}, 20422),
        ({"context": "a\nb"}, 20422),
        ({"region": 7}, 20422),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], code: int) -> None:
    with pytest.raises(Problem) as refused:
        relay.parse_send({**SMS, **changes})
    assert refused.value.code == code


def test_contexts_are_read() -> None:
    assert relay.parse_contexts({"contexts": ["office", "home"]}) == ["office", "home"]
    assert relay.parse_contexts({}) == []
    with pytest.raises(Problem):
        relay.parse_contexts({"contexts": "office"})


# --- what is told
@pytest.mark.parametrize("status", Status)
def test_what_sessions_are_told_of(status: Status) -> None:
    told = {"queued", "sending", "sent", "delivered", "undelivered", "failed", "received"}
    assert relay.tells(an_event(status)) is (status in told)
    assert not relay.tells(an_event(status, moved=False))


def test_the_state_of_a_message_that_was_sent() -> None:
    assert relay.event_params(MESSAGE, an_event(Status.SENDING), ["https://example.com/a.png"]) == {
        "event_type": "messaging.state",
        "timestamp": 1_790_000_000.25,
        "space_id": PROJECT,
        "project_id": PROJECT,
        "context": "office",
        "params": {
            "message_id": "0192f0c1-d2e3-7a4b-8c5d-6e7f80910203",
            "context": "office",
            "direction": "outbound",
            "tags": [
                "message",
                "outbound",
                "SMS",
                "office",
                "+15551230000",
                "+15005550006",
                "relay-client",
                "mine",
            ],
            "from_number": "+15005550006",
            "to_number": "+15551230000",
            "body": "hello",
            "media": ["https://example.com/a.png"],
            "segments": 2,
            "message_state": "initiated",
        },
    }


def test_a_message_that_came_in() -> None:
    message = msgspec.structs.replace(
        MESSAGE,
        direction=Direction.INBOUND,
        channel=Channel.MMS,
        sender="+15551230000",
        recipient="+15005550006",
        extras={"context": "office", "tags": []},
    )
    told = relay.event_params(message, an_event(Status.RECEIVED), [])
    assert told["event_type"] == "messaging.receive"
    assert told["params"]["direction"] == "inbound"
    assert told["params"]["message_state"] == "received"
    assert told["params"]["tags"] == [
        "message",
        "inbound",
        "MMS",
        "office",
        "+15005550006",
        "+15551230000",
        "relay-client",
    ]
    assert "reason" not in told["params"]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status.QUEUED, "queued"),
        (Status.SENDING, "initiated"),
        (Status.SENT, "sent"),
        (Status.DELIVERED, "delivered"),
        (Status.UNDELIVERED, "undelivered"),
        (Status.FAILED, "failed"),
    ],
)
def test_states_have_signalwires_words(status: Status, word: str) -> None:
    assert relay.event_params(MESSAGE, an_event(status), [])["params"]["message_state"] == word


@pytest.mark.parametrize("status", [Status.UNDELIVERED, Status.FAILED])
@pytest.mark.parametrize(
    ("error", "reason"),
    [(30003, "unreachable_destination_handset"), (None, "unknown_error"), (7, "unknown_error")],
)
def test_a_message_that_did_not_arrive_has_a_reason(status: Status, error: int | None, reason: str) -> None:
    assert relay.event_params(MESSAGE, an_event(status, error), [])["params"]["reason"] == reason


# --- what is answered
def test_a_message_is_accepted() -> None:
    assert relay.accepted_json(MESSAGE) == {
        "code": "200",
        "message": "Message accepted",
        "message_id": "0192f0c1-d2e3-7a4b-8c5d-6e7f80910203",
    }


@pytest.mark.parametrize(
    ("problem", "code", "attribute"),
    [
        (Problem(21211, value="what"), "422", "to_number"),
        (Problem(21603), "422", "from_number"),
        (Problem(21609), "422", "status_callback"),
        (Problem(21611), "429", "from_number"),
        (Problem(20422), "422", None),
        (Problem(20005), "401", None),
        (Problem(20404), "404", None),
        (Problem(20503), "503", None),
    ],
)
def test_a_refusal_names_what_is_wrong(problem: Problem, code: str, attribute: str | None) -> None:
    refusal = relay.refusal_json(problem)
    assert refusal["code"] == code
    assert refusal.get("errors") == ({attribute: [refusal["message"]]} if attribute else None)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_refusals_call_parameters_as_they_are_called_here(code: int) -> None:
    message = relay.refusal_json(Problem(code))["message"]
    assert not any(name in message for name in ("'To'", "'From'", "'Body'", "'MediaUrl'", "'StatusCallback'"))
