"""Queries of the logs in → what to look for, or all that is wrong; messages of every dialect → log entries."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import DAY, SECOND, micros
from tidings.dialects.signalwire_rest_errors import Invalid, errors_json
from tidings.dialects.signalwire_rest_logs import log_json, page_json, parse_item, parse_list
from tidings.errors import CATALOGUE
from tidings.lifecycle import Status
from tidings.model import Channel, Direction, Message, Standing
from tidings.store.base import MessageFilter
from tidings.text import Encoding

MAY_6 = micros(datetime(2024, 5, 6, tzinfo=UTC))
NOON = MAY_6 + 12 * 3600 * SECOND
BASE = "https://sms.example.com"
ID = "0192f3c0a1b27c3d8e4f506172839405"
DASHED = "0192f3c0-a1b2-7c3d-8e4f-506172839405"
ACCOUNT = "0a" * 16
PROJECT = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
COMPAT = f"{BASE}/api/laml/2010-04-01/Accounts/{PROJECT}/Messages/{DASHED}"

FILTERS = [
    ({}, MessageFilter()),
    ({"created_before": "2024-05-06"}, MessageFilter(created_until=MAY_6)),
    ({"created_after": "2024-05-06"}, MessageFilter(created_from=MAY_6)),
    ({"created_on": "2024-05-06"}, MessageFilter(created_from=MAY_6, created_until=MAY_6 + DAY)),
    ({"created_on": "2024-05-06T12:00:00Z"}, MessageFilter(created_from=MAY_6, created_until=MAY_6 + DAY)),
    ({"created_on": "1970-01-01"}, MessageFilter(created_from=0, created_until=DAY)),
    ({"created_before": "2024-05-06T12:00:00"}, MessageFilter(created_until=NOON)),
    ({"created_before": "2024-05-06 12:00"}, MessageFilter(created_until=NOON)),
    ({"created_after": "2024-05-06T14:00:00.5+02:00"}, MessageFilter(created_from=NOON + SECOND // 2)),
    (
        {"created_after": "2024-05-06T12:00:00Z", "created_on": "2024-05-06", "created_before": "2024-05-09"},
        MessageFilter(created_from=NOON, created_until=MAY_6 + DAY),
    ),
    ({"include_deleted": "true"}, MessageFilter(deleted=True)),
    ({"include_deleted": "True"}, MessageFilter(deleted=True)),
    ({"include_deleted": "false"}, MessageFilter()),
    ({"include_deleted": "", "created_on": ""}, MessageFilter()),
]


@pytest.mark.parametrize(("query", "where"), FILTERS)
def test_filters(query: dict[str, str], where: MessageFilter) -> None:
    listing = parse_list([*query.items()])
    assert listing.where == where
    assert (listing.page, listing.page_size, listing.before, listing.ignored) == (0, 50, None, ())


def test_paging_and_what_has_no_effect() -> None:
    query = [("page_size", "7"), ("page_number", "3"), ("page_token", f"PA{DASHED}"), ("To", "x"), ("odd", "")]
    listing = parse_list(query)
    assert (listing.page, listing.page_size, listing.before, listing.ignored) == (3, 7, ID, ("To",))


REFUSED = [
    ("created_before=yesterday", [("created_before", "datetime_required")]),
    ("created_on=2024-13-01", [("created_on", "datetime_required")]),
    ("created_after=20240506", [("created_after", "datetime_required")]),
    ("created_after=2024-05-06T25:00:00Z", [("created_after", "datetime_required")]),
    ("created_after=1715000000", [("created_after", "datetime_required")]),
    ("include_deleted=yes", [("include_deleted", "not_a_boolean")]),
    ("page_size=0", [("page_size", "invalid_parameter")]),
    ("page_size=1001", [("page_size", "invalid_parameter")]),
    ("page_size=many", [("page_size", "invalid_parameter")]),
    ("page_size=٣", [("page_size", "invalid_parameter")]),
    ("page_number=-1", [("page_number", "invalid_parameter")]),
    ("page_number=1", [("page_token", "page_token_required")]),
    ("page_number=1&page_token=", [("page_token", "page_token_required")]),
    ("page_number=1&page_token=x", [("page_token", "page_token_is_invalid")]),
    (f"page_token=PB{DASHED}", [("page_token", "page_token_is_invalid")]),
    (f"page_token={DASHED}", [("page_token", "page_token_is_invalid")]),
    (f"page_token=PA{ID}", [("page_token", "page_token_is_invalid")]),
    (
        "created_on=x&page_size=x&page_number=2",
        [
            ("created_on", "datetime_required"),
            ("page_size", "invalid_parameter"),
            ("page_token", "page_token_required"),
        ],
    ),
]


@pytest.mark.parametrize(("query", "expected"), REFUSED)
def test_all_that_is_wrong_with_a_list_is_told_at_once(query: str, expected: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as refused:
        parse_list(parse_qsl(query, keep_blank_values=True))
    assert [(fault.attribute, fault.word) for fault in refused.value.faults] == expected


FILTERED = ["created_before", "created_on", "created_after", "include_deleted"]
PAGED = ["page_size", "page_number", "page_token"]
VALUES = st.text() | st.dates().map(str) | st.datetimes().map(str)


@given(st.lists(st.tuples(st.sampled_from(FILTERED + PAGED), VALUES)))
def test_whatever_is_asked_is_a_list_or_an_error_of_this_dialect(query: list[tuple[str, str]]) -> None:
    try:
        parse_list(query)
    except Invalid as invalid:
        status, body = errors_json(invalid)
        assert (status, list(body)) == (422, ["errors"])


def test_an_item_may_be_a_deleted_one() -> None:
    assert parse_item([]) == (False, ())
    assert parse_item([("include_deleted", "true"), ("created_on", "x")]) == (True, ("created_on",))
    with pytest.raises(Invalid):
        parse_item([("include_deleted", "maybe")])


# --- entries
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
        "callback_url": None,
        "validity": None,
        "created_at": NOON,
    }
    return Message(**fields | changed)


ENTRY: dict[str, Any] = {
    "id": DASHED,
    "from": "+15005550006",
    "to": "+15551230000",
    "status": "sent",
    "direction": "outbound",
    "kind": "sms",
    "source": "realtime_api",
    "type": "relay_message",
    "url": None,
    "number_of_segments": 2,
    "charge": 0.0,
    "charge_details": [],
    "created_at": "2024-05-06T12:00:00Z",
    "error_message": None,
    "error_code": None,
}
LAML = {"direction": "outbound-api", "source": "laml", "type": "laml_message", "url": COMPAT}


def charged(description: str, charge: float) -> dict[str, Any]:
    return {"charge": charge, "charge_details": [{"description": description, "charge": charge}]}


ENTRIES: list[tuple[Message, Status, int | None, dict[str, Any]]] = [
    (message(), Status.SENT, None, {}),
    (message(dialect="signalwire_relay"), Status.SENT, None, {}),
    (message(dialect="signalwire_compat"), Status.SENT, None, LAML),
    (message(dialect="twilio"), Status.SENT, None, LAML),
    (
        message(dialect="twilio", direction=Direction.OUTBOUND_REPLY),
        Status.SENT,
        None,
        LAML | {"direction": "outbound-reply"},
    ),
    (message(direction=Direction.INBOUND), Status.RECEIVED, None, {"direction": "inbound", "status": "received"}),
    (
        message(dialect="signalwire_compat", direction=Direction.INBOUND),
        Status.RECEIVED,
        None,
        LAML | {"direction": "inbound", "status": "received"},
    ),
    (message(price=15_800), Status.QUEUED, None, {"status": "queued"}),
    (message(price=15_800), Status.SENDING, None, {"status": "initiated"}),
    (message(price=15_800), Status.SENT, None, charged("Outbound SMS", 0.0158)),
    (message(price=15_800), Status.READ, None, {"status": "delivered"} | charged("Outbound SMS", 0.0158)),
    (
        message(price=20_000, channel=Channel.MMS),
        Status.SENT,
        None,
        {"kind": "mms"} | charged("Outbound MMS", 0.02),
    ),
    (
        message(price=4150, direction=Direction.INBOUND),
        Status.RECEIVED,
        None,
        {"direction": "inbound", "status": "received"} | charged("Inbound SMS", 0.00415),
    ),
    (
        message(price=15_800),
        Status.FAILED,
        30003,
        {
            "status": "failed",
            "error_code": "unreachable_destination_handset",
            "error_message": CATALOGUE[30003].message,
        },
    ),
    (
        message(dialect="signalwire_compat"),
        Status.UNDELIVERED,
        30003,
        LAML | {"status": "undelivered", "error_code": "30003", "error_message": CATALOGUE[30003].message},
    ),
]


@pytest.mark.parametrize(("made", "status", "error", "changes"), ENTRIES)
def test_an_entry(made: Message, status: Status, error: int | None, changes: dict[str, Any]) -> None:
    shown = json.loads(json.dumps(log_json(BASE, made, Standing(ID, status, 1, NOON, error=error))))
    assert shown == ENTRY | changes


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_of_the_logs(status: Status) -> None:
    known = {"queued", "initiated", "delivered", "sent", "received", "undelivered", "failed"}
    assert log_json(BASE, message(), Standing(ID, status, 1, NOON))["status"] in known


# --- pages
def ids(*numbers: int) -> list[tuple[Message, Standing]]:
    return [(message(id=f"{number:032x}"), Standing(f"{number:032x}", Status.SENT, 1, NOON)) for number in numbers]


def asked(link: str) -> dict[str, str]:
    assert link.startswith(f"{BASE}/api/messaging/logs?")
    return dict(parse_qsl(urlsplit(link).query))


def test_a_first_page_leads_to_the_next_one() -> None:
    listing = parse_list([("page_size", "2"), ("created_on", "2024-05-06"), ("odd", "1")])
    page = page_json(BASE, listing, ids(9, 8, 7))
    assert [entry["id"][-1] for entry in page["data"]] == ["9", "8"]
    links = page["links"]
    assert links.keys() == {"self", "first", "next"}
    first = {"created_on": "2024-05-06", "page_number": "0", "page_size": "2"}
    assert asked(links["self"]) == asked(links["first"]) == first
    token = "PA00000000-0000-0000-0000-000000000008"
    assert asked(links["next"]) == first | {"page_number": "1", "page_token": token}
    second = parse_list([*asked(links["next"]).items()])
    assert (second.before, second.where) == (f"{8:032x}", listing.where)


def test_a_last_page_leads_back() -> None:
    token = "PA00000000-0000-0000-0000-000000000008"
    listing = parse_list([("page_size", "2"), ("page_number", "1"), ("page_token", token)])
    page = page_json(BASE, listing, ids(7, 6))
    assert len(page["data"]) == 2
    assert page["links"].keys() == {"self", "first", "prev"}
    assert page["links"]["prev"] == page["links"]["first"]
    assert asked(page["links"]["self"]) == {"page_number": "1", "page_size": "2", "page_token": token}


def test_an_empty_page() -> None:
    page = page_json(BASE, parse_list([]), [])
    assert page["data"] == []
    assert page["links"].keys() == {"self", "first"}
