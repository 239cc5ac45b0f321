"""Tables: members of a JSON body → an order or all that is wrong with it; messages and problems → JSON."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.dialects.signalwire_rest import message_json, parse_create, parse_redact
from tidings.dialects.signalwire_rest_errors import SENTENCES, WORDS, Fault, Invalid, errors_json
from tidings.errors import CATALOGUE, Problem
from tidings.gateway import origin, services, submit
from tidings.lifecycle import Status
from tidings.model import Channel, Direction, Message, Order, Standing
from tidings.text import Encoding

LISTED = frozenset(
    json.loads((Path(__file__).parents[1] / "data/signalwire/rest_error_code_list.json").read_text())
)
TO, FROM = "+15551230000", "+15005550006"
PLAIN = {"to": TO, "from": FROM, "body": "Hello"}
PICTURE = "https://cdn.example.com/cat.png?size=1"
CALLBACK = "https://app.example.com/status"
HASTY = CALLBACK + "#ot=500&rt=500"
ID = "0192f3c0a1b27c3d8e4f506172839405"
DASHED = "0192f3c0-a1b2-7c3d-8e4f-506172839405"
ACCOUNT = "0a" * 16
PROJECT = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"


def order(**changed: Any) -> Order:
    fields: dict[str, Any] = {"sender": FROM, "recipient": TO, "body": "Hello"}
    return Order(dialect="signalwire_rest", **fields | changed)


def said(invalid: Invalid) -> list[tuple[str, str]]:
    return [(fault.attribute, fault.word) for fault in invalid.faults]


TWENTY = {f"name_{i}": "x" for i in range(20)}
ORDERS: list[tuple[str, dict[str, Any], Order, tuple[str, ...]]] = [
    ("nothing more", {}, order(), ()),
    ("null is not given", dict.fromkeys(("media", "send_as_mms", "custom_variables", "odd")), order(), ()),
    ("a short code", {"from": "55512"}, order(sender="55512"), ()),
    ("a number of three digits", {"to": "988"}, order(recipient="988"), ()),
    ("the same behind a plus", {"to": "+988"}, order(recipient="+988"), ()),
    ("media", {"media": [PICTURE] * 8}, order(media=(PICTURE,) * 8), ()),
    ("media alone", {"media": [PICTURE], "body": None}, order(media=(PICTURE,), body=""), ()),
    ("no media", {"media": []}, order(), ()),
    ("as MMS", {"send_as_mms": True}, order(as_mms=True), ()),
    ("not as MMS", {"send_as_mms": False}, order(), ()),
    ("callback", {"status_callback": CALLBACK}, order(callback_url=CALLBACK), ()),
    ("callback with overrides", {"status_callback": HASTY}, order(callback_url=HASTY), ()),
    ("an empty callback is none", {"status_callback": ""}, order(), ()),
    ("variables", {"custom_variables": {"id": "1"}}, order(extras={"custom_variables": {"id": "1"}}), ()),
    ("no variables", {"custom_variables": {}}, order(), ()),
    ("as many variables as can be", {"custom_variables": TWENTY}, order(extras={"custom_variables": TWENTY}), ()),
    (
        "as long a value as can be",
        {"custom_variables": {"_A1": "ü" * 512}},
        order(extras={"custom_variables": {"_A1": "ü" * 512}}),
        (),
    ),
    ("unknown members, in order", {"tags": ["a"], "Body": "x"}, order(), ("tags", "Body")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("members", "expected", "ignored"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS]
)
def test_a_create_becomes_an_order(members: dict[str, Any], expected: Order, ignored: tuple[str, ...]) -> None:
    assert parse_create(PLAIN | members) == (expected, ignored)


VARIABLES = "custom_variables"
REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"to": None}, [("to", "missing_required_parameter")]),
    ({"to": ""}, [("to", "missing_required_parameter")]),
    ({"to": 15551230000}, [("to", "not_a_string")]),
    ({"to": "15551230000"}, [("to", "not_e164")]),
    ({"to": "+1 555 123 0000"}, [("to", "not_e164")]),
    ({"to": "+1234"}, [("to", "not_e164")]),
    ({"to": "+" + "1" * 18}, [("to", "not_e164")]),
    ({"to": "+١٢٣٤٥٦"}, [("to", "not_e164")]),
    ({"from": None}, [("from", "missing_required_parameter")]),
    ({"from": ["+1"]}, [("from", "not_a_string")]),
    ({"from": "+1"}, [("from", "invalid_from_number")]),
    ({"from": "12"}, [("from", "invalid_from_number")]),
    ({"from": "whatsapp:+15005550006"}, [("from", "feature_not_available")]),
    (
        {"from": "WhatsApp:+1", "message_type": "whatsapp_media_text", "template_id": "x", "to": 1},
        [(name, "feature_not_available") for name in ("from", "message_type", "template_id")],
    ),
    ({"message_type": "whatsapp_media_text"}, [("message_type", "feature_not_available")]),
    ({"body": None}, [("body", "body_or_media_required")]),
    ({"body": ""}, [("body", "body_or_media_required")]),
    ({"body": "", "media": []}, [("body", "body_or_media_required")]),
    ({"body": "", "send_as_mms": True}, [("body", "body_or_media_required")]),
    ({"body": {"text": "Hello"}}, [("body", "invalid_message_body")]),
    ({"body": 0}, [("body", "invalid_message_body")]),
    ({"media": PICTURE}, [("media", "not_an_array_of_strings")]),
    ({"media": [PICTURE, 1]}, [("media", "not_an_array_of_strings")]),
    ({"media": [PICTURE] * 9}, [("media", "media_limit_exceeded")]),
    ({"media": [PICTURE, "ftp://a.example/x", ""]}, [("media", "invalid_media_url")]),
    ({"media": [""]}, [("media", "invalid_media_url")]),
    ({"media": ["x"] * 9}, [("media", "media_limit_exceeded"), ("media", "invalid_media_url")]),
    ({"body": "", "media": ["x"]}, [("media", "invalid_media_url")]),
    ({"send_as_mms": "true"}, [("send_as_mms", "not_a_boolean")]),
    ({"send_as_mms": 1}, [("send_as_mms", "not_a_boolean")]),
    ({"status_callback": "app.example.com"}, [("status_callback", "not_an_http_url")]),
    ({"status_callback": "ftp://app.example.com"}, [("status_callback", "not_an_http_url")]),
    ({"status_callback": {}}, [("status_callback", "not_an_http_url")]),
    ({VARIABLES: [["id", "1"]]}, [(VARIABLES, "must_be_object")]),
    ({VARIABLES: "id=1"}, [(VARIABLES, "must_be_object")]),
    ({VARIABLES: TWENTY | {"one": "more"}}, [(VARIABLES, "too_many_custom_variables")]),
    ({VARIABLES: {"1st": "x"}}, [(VARIABLES, "invalid_custom_variable_name")]),
    ({VARIABLES: {"": "x"}}, [(VARIABLES, "invalid_custom_variable_name")]),
    ({VARIABLES: {"order-id": "x"}}, [(VARIABLES, "invalid_custom_variable_name")]),
    ({VARIABLES: {"größe": "x"}}, [(VARIABLES, "invalid_custom_variable_name")]),
    ({VARIABLES: {"id\n": "x"}}, [(VARIABLES, "invalid_custom_variable_name")]),
    ({VARIABLES: {"signalwire_id": "x"}}, [(VARIABLES, "reserved_custom_variable_name")]),
    ({VARIABLES: {"SW_id": "x"}}, [(VARIABLES, "reserved_custom_variable_name")]),
    ({VARIABLES: {"Rtc_": "x"}}, [(VARIABLES, "reserved_custom_variable_name")]),
    ({VARIABLES: {"internal_x": "x"}}, [(VARIABLES, "reserved_custom_variable_name")]),
    ({VARIABLES: {"id": ""}}, [(VARIABLES, "invalid_custom_variable_value")]),
    ({VARIABLES: {"id": 1}}, [(VARIABLES, "invalid_custom_variable_value")]),
    ({VARIABLES: {"id": None}}, [(VARIABLES, "invalid_custom_variable_value")]),
    ({VARIABLES: {"id": "ü" * 512 + "x"}}, [(VARIABLES, "custom_variable_value_too_long")]),
    (
        {VARIABLES: {"sw_1": "x", "a-b": 1, "c": "x" * 1025}},
        [
            (VARIABLES, "invalid_custom_variable_name"),
            (VARIABLES, "reserved_custom_variable_name"),
            (VARIABLES, "invalid_custom_variable_value"),
            (VARIABLES, "custom_variable_value_too_long"),
        ],
    ),
    (
        {"to": None, "media": ["x"], "send_as_mms": "no", "status_callback": "x"},
        [
            ("to", "missing_required_parameter"),
            ("media", "invalid_media_url"),
            ("send_as_mms", "not_a_boolean"),
            ("status_callback", "not_an_http_url"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("members", "expected"), REFUSED)
def test_all_that_is_wrong_with_a_create_is_told_at_once(
    members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_create(PLAIN | members)
    assert said(refused.value) == expected


def test_pascal_case_names_nothing() -> None:
    with pytest.raises(Invalid) as refused:
        parse_create({"To": TO, "From": FROM, "Body": "Hello"})
    assert said(refused.value) == [
        ("to", "missing_required_parameter"),
        ("from", "missing_required_parameter"),
        ("body", "body_or_media_required"),
    ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = ("to", "from", "body", "media", "send_as_mms", "status_callback", "custom_variables", "message_type")


@given(st.dictionaries(st.sampled_from(MEMBERS) | st.text(), JSON_VALUES))
def test_whatever_json_comes_is_an_order_or_an_error_of_this_dialect(members: dict[str, Any]) -> None:
    try:
        made, ignored = parse_create(members)
    except Invalid as invalid:
        status, body = errors_json(invalid)
        assert status == 422
        assert {entry["code"] for entry in body["errors"]} <= LISTED
    else:
        assert (made.recipient, made.sender) == (members["to"], members["from"])
        assert made.body or made.media
        assert not set(ignored) & set(MEMBERS)


# --- redaction
def test_only_an_empty_body_redacts() -> None:
    assert parse_redact({"body": ""}) == ()
    assert parse_redact({"body": "", "to": TO, "odd": None}) == ("to",)


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({}, "missing_required_parameter"),
        ({"body": None}, "missing_required_parameter"),
        ({"Body": ""}, "missing_required_parameter"),
        ({"body": "x"}, "body_must_be_empty"),
        ({"body": " "}, "body_must_be_empty"),
        ({"body": False}, "body_must_be_empty"),
        ({"body": []}, "body_must_be_empty"),
    ],
)
def test_any_other_update_is_refused(members: dict[str, Any], word: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_redact(members)
    assert said(refused.value) == [("body", word)]


# --- the resource
def message(**changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": ID,
        "account": ACCOUNT,
        "dialect": "signalwire_rest",
        "direction": Direction.OUTBOUND_API,
        "sender": FROM,
        "recipient": TO,
        "body": "Hello",
        "encoding": Encoding.GSM7,
        "segments": 1,
        "callback_url": None,
        "validity": None,
        "created_at": 1_773_786_417_999_999,
    }
    return Message(**fields | changed)


RESOURCE = {
    "id": DASHED,
    "from": FROM,
    "to": TO,
    "body": "Hello",
    "status": "queued",
    "direction": "outbound",
    "kind": "sms",
    "media": [],
    "number_of_segments": 1,
    "error_code": None,
    "error_message": None,
    "created_at": "2026-03-17T22:26:57Z",
    "project_id": PROJECT,
    "status_callback_url": None,
    "message_uri": f"/api/messaging/logs/{DASHED}",
}
LINK = "https://sms.example.com/media/" + "1" * 32
MMS = message(channel=Channel.MMS, media=1)
SHOWN: list[tuple[Message, Status, int | None, list[str], dict[str, Any]]] = [
    (message(), Status.QUEUED, None, [], {}),
    (message(callback_url=CALLBACK), Status.QUEUED, None, [], {"status_callback_url": CALLBACK}),
    (message(segments=3), Status.SENDING, None, [], {"status": "initiated", "number_of_segments": 3}),
    (MMS, Status.SENT, None, [LINK], {"status": "sent", "kind": "mms", "media": [LINK]}),
    (message(body=""), Status.DELIVERED, None, [], {"status": "delivered", "body": ""}),
    (message(), Status.READ, None, [], {"status": "read"}),
    (message(), Status.SCHEDULED, None, [], {"status": "queued"}),
    (message(), Status.CANCELED, None, [], {"status": "failed"}),
    (
        message(),
        Status.UNDELIVERED,
        30003,
        [],
        {
            "status": "undelivered",
            "error_code": "unreachable_destination_handset",
            "error_message": CATALOGUE[30003].message,
        },
    ),
    (
        message(direction=Direction.INBOUND),
        Status.RECEIVED,
        None,
        [],
        {"status": "received", "direction": "inbound"},
    ),
    (message(direction=Direction.OUTBOUND_REPLY), Status.SENT, None, [], {"status": "sent"}),
]


@pytest.mark.parametrize(("made", "status", "error", "links", "changes"), SHOWN)
def test_a_message_is_shown(
    made: Message, status: Status, error: int | None, links: list[str], changes: dict[str, Any]
) -> None:
    standing = Standing(made.id, status, 1, made.created_at, error=error)
    shown = json.loads(json.dumps(message_json(made, standing, links)))
    assert shown == RESOURCE | changes


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_of_this_api(status: Status) -> None:
    standing = Standing(ID, status, 1, 0)
    known = {"queued", "initiated", "sent", "delivered", "undelivered", "failed", "read", "received"}
    assert message_json(message(), standing, [])["status"] in known


# --- errors
def entry(attribute: str, word: str, message: str) -> dict[str, str]:
    return {
        "type": "validation_error",
        "code": word,
        "message": message,
        "attribute": attribute,
        "url": f"https://developer.signalwire.com/rest/overview/error-codes/#{word}",
    }


PROBLEMS: list[tuple[Problem, int, dict[str, Any]]] = [
    (Problem(20001), 400, {"error": "Bad Request"}),
    (Problem(20003), 401, {"error": "Unauthorized"}),
    (Problem(20005), 401, {"error": "Unauthorized"}),
    (Problem(20006), 403, {"error": "Forbidden"}),
    (Problem(20404), 404, {"error": "Not Found"}),
    (Problem(20004, allow="POST"), 405, {"error": "Method Not Allowed"}),
    (Problem(20413), 413, {"error": "Content Too Large"}),
    (Problem(20429), 429, {"error": "Too Many Requests"}),
    (Problem(20500), 500, {"error": "Internal Server Error"}),
    (Problem(20503), 503, {"error": "Service Unavailable"}),
    (
        Problem(20009),
        422,
        {"errors": [entry("base", "cannot_redact_in_progress_message", CATALOGUE[20009].message)]},
    ),
    (
        Problem(20422, reason="it holds NUL"),
        422,
        {"errors": [entry("base", "invalid_parameter", f"{CATALOGUE[20422].message}: it holds NUL")]},
    ),
    (
        Problem(21610, value=TO),
        422,
        {
            "errors": [
                entry("to", "message_blocked_by_number", f"'to' has opted out of messages from this number: {TO}")
            ]
        },
    ),
    (
        Problem(21602),
        422,
        {"errors": [entry("body", "body_or_media_required", "'body' is empty: a message needs a text or media")]},
    ),
    (
        Invalid(Fault("to", "missing_required_parameter"), Fault("from", "not_a_string", "x" * 300)),
        422,
        {
            "errors": [
                entry("to", "missing_required_parameter", "'to' is missing"),
                entry("from", "not_a_string", f"'from' must be a string: {'x' * 200}…"),
            ]
        },
    ),
    (
        Problem(30010),
        422,
        {"errors": [entry("base", "invalid_parameter", CATALOGUE[30010].message)]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "status", "body"), PROBLEMS, ids=[str(row[0].code) for row in PROBLEMS])
def test_a_problem_is_told_in_the_words_of_this_api(problem: Problem, status: int, body: dict[str, Any]) -> None:
    assert errors_json(problem) == (status, body)


def test_of_the_pages_that_explain_errors_the_one_with_a_place_for_each_is_named() -> None:
    """SignalWire's descriptions name several hosts; create and redact have this one."""
    _, body = errors_json(Invalid(Fault("from", "invalid_from_number")))
    (told,) = body["errors"]
    assert told["url"] == "https://developer.signalwire.com/rest/overview/error-codes/#invalid_from_number"


@pytest.mark.parametrize("code", CATALOGUE)
def test_no_problem_goes_beyond_the_shapes_of_this_api(code: int) -> None:
    status, body = errors_json(Problem(code))
    if "error" in body:
        assert status in {400, 401, 403, 404, 405, 413, 429, 500, 503}
        assert list(body) == ["error"]
    else:
        assert status == 422
        assert {entry["code"] for entry in body["errors"]} <= LISTED


def test_every_word_is_in_signalwires_list() -> None:
    # `datetime_required` is in its API description, as the example of what a list of logs answers.
    answered = {*SENTENCES, *(word for _, word in WORDS.values())}
    assert answered - LISTED == {"datetime_required"}
    assert {word for attribute, word in WORDS.values() if attribute != "base"} <= SENTENCES.keys()


def test_what_submit_refuses_has_a_word_of_its_own() -> None:
    raised = {int(code) for room in (submit, origin, services) for code in _raised_in(str(room.__file__))}
    # Keys and services cannot be named in this API, and NUL does not get past its door.
    assert raised - WORDS.keys() == {20409, 20422, 21701, 21703, 21704, 21711}


def _raised_in(path: str) -> list[str]:
    found = re.findall(r"raise Problem\((\d+)", Path(path).read_text())
    assert found
    return found
