"""Tables: parameters in → order or error; messages and moves → resources and callbacks of the schemas."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schemas import signalwire, specified
from tidings.answering.effects import Inbound
from tidings.clock import SECOND
from tidings.dialects.signalwire_compat import (
    callback_json,
    callback_params,
    inbound_params,
    medium_json,
    message_json,
    parameters,
    parse_create,
    parse_redaction,
    tells,
)
from tidings.errors import Problem, words
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Event, Medium, Message, Order, Standing
from tidings.text import Encoding

CALLBACK_SCHEMA = signalwire("sms-status-callback")

ACCOUNT, PROJECT = "0a" * 16, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
ID, DASHED = "0192f3c0a1b27c3d8e4f506172839405", "0192f3c0-a1b2-7c3d-8e4f-506172839405"
GROUP, GROUP_ID = "b3877c40-da60-4998-90ad-b792e98472af", "b3877c40da60499890adb792e98472af"
URI = f"/api/laml/2010-04-01/Accounts/{PROJECT}/Messages/{DASHED}"
AT = 1_534_196_326 * SECOND + 5
SAID = "Mon, 13 Aug 2018 21:38:46 +0000"

TO, FROM, BODY = ("To", "+15551230000"), ("From", "+15005550006"), ("Body", "Hello")
PLAIN = [TO, FROM, BODY]
CALLBACK = "https://user:pw@app.example.com/status?of=all#ot=500&rt=500&tt=2000"
PICTURE = "https://cdn.example.com/cat.png"


def order(**changed: Any) -> Order:
    fields: dict[str, Any] = {"sender": FROM[1], "recipient": TO[1], "body": "Hello", "validity": 14_400}
    return Order(dialect="signalwire_compat", **fields | changed)


def message(**changed: Any) -> Message:
    usual = Message(
        id=ID,
        account=ACCOUNT,
        dialect="signalwire_compat",
        direction=Direction.OUTBOUND_API,
        sender=FROM[1],
        recipient=TO[1],
        body="Hello",
        encoding=Encoding.GSM7,
        segments=2,
        callback_url=CALLBACK,
        validity=14_400,
        created_at=AT,
    )
    return msgspec.structs.replace(usual, **changed)


def standing(status: Status, **changed: Any) -> Standing:
    return msgspec.structs.replace(Standing(ID, status, 1, AT + SECOND), **changed)


def event(status: Status, *, error: int | None = None, moved: bool = True) -> Event:
    return Event(ID, 1, ACCOUNT, AT, Kind.CREATED, status, moved, True, 0, error, {})


def faults(name: str, value: Any) -> list[str]:
    return [error.message for error in signalwire("compat-messages", name).iter_errors(value)]


# --- create
ORDERS: list[tuple[str, list[tuple[str, str]], Order]] = [
    ("nothing more", [], order()),
    ("addresses as given", [("To", " (555) 1")], order(recipient=" (555) 1")),
    ("last one wins", [("Body", "Good"), ("Body", "Bye")], order(body="Bye")),
    ("a callback", [("StatusCallback", CALLBACK)], order(callback_url=CALLBACK)),
    ("an empty callback is none", [("StatusCallback", "")], order()),
    ("a number group beside a number", [("MessagingServiceSid", GROUP)], order(service=GROUP_ID)),
    ("a number group in capitals", [("MessagingServiceSid", GROUP.upper())], order(service=GROUP_ID)),
    ("a number group alone", [("From", ""), ("MessagingServiceSid", GROUP)], order(sender="", service=GROUP_ID)),
    ("media, in order", [("MediaUrl", PICTURE), ("MediaUrl", "HTTP://a")], order(media=(PICTURE, "HTTP://a"))),
    ("as many media as can be", [("MediaUrl", PICTURE)] * 8, order(media=(PICTURE,) * 8)),
    ("as MMS", [("SendAsMms", "true")], order(as_mms=True)),
    ("not as MMS", [("SendAsMms", "False")], order()),
    ("the highest price", [("MaxPrice", "0.0075")], order(max_price=7500)),
    ("a price in dollars", [("MaxPrice", "2")], order(max_price=2_000_000)),
    ("a price with nothing behind the point", [("MaxPrice", "0.")], order(max_price=0)),
    ("the shortest validity", [("ValidityPeriod", "1")], order(validity=1)),
    ("the longest validity", [("ValidityPeriod", "172800")], order(validity=172_800)),
]


@pytest.mark.parametrize(("more", "expected"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS])
def test_parameters_become_an_order(more: list[tuple[str, str]], expected: Order) -> None:
    plain = [pair for pair in PLAIN if (pair[0], "") not in more]
    assert parse_create(plain + more) == (expected, None, ())


def test_a_message_may_be_media_alone() -> None:
    assert parse_create([TO, FROM, ("MediaUrl", PICTURE)]) == (order(body="", media=(PICTURE,)), None, ())


def test_an_application_is_named_by_its_id() -> None:
    assert parse_create([*PLAIN, ("ApplicationSid", GROUP)])[1] == GROUP_ID


def test_what_has_no_effect_is_named_in_order() -> None:
    more = [("SmartEncoded", "true"), ("body", "x"), ("SendAt", ""), ("MediaURL", PICTURE)]
    assert parse_create(PLAIN + more) == (order(), None, ("SmartEncoded", "body", "MediaURL"))


REFUSED: list[tuple[int, list[tuple[str, str]]]] = [
    (21604, []),
    (21604, [("To", ""), FROM, BODY]),
    (21603, [TO, BODY]),
    (21603, [TO, BODY, ("From", ""), ("MessagingServiceSid", "")]),
    (21602, [TO, FROM]),
    (21602, [TO, FROM, ("Body", ""), ("SendAsMms", "true")]),
    (21705, [TO, BODY, ("MessagingServiceSid", "MG" + GROUP_ID)]),
    (21705, [TO, BODY, ("MessagingServiceSid", GROUP_ID)]),
    (21705, [*PLAIN, ("MessagingServiceSid", GROUP + "\n")]),
    (21218, [*PLAIN, ("ApplicationSid", "AP" + GROUP_ID)]),
    (21623, [*PLAIN, *[("MediaUrl", PICTURE)] * 9]),
    (21620, [*PLAIN, ("MediaUrl", PICTURE), ("MediaUrl", "ftp://cdn.example.com/cat.png")]),
    (21620, [*PLAIN, ("MediaUrl", "cat.png")]),
    (21609, [*PLAIN, ("StatusCallback", "app.example.com")]),
    (21609, [*PLAIN, ("StatusCallback", "ftp://app.example.com")]),
    (21609, [*PLAIN, ("StatusCallback", "https://my_app.example.com")]),
    (20422, [*PLAIN, ("SendAsMms", "yes")]),
    *((21627, [*PLAIN, ("MaxPrice", bad)]) for bad in ("-1", "0.00755", ".5", "1,5", "1e3", "$1", "1" * 10, "٣")),
    *((21624, [*PLAIN, ("ValidityPeriod", bad)]) for bad in ("0", "172801", "-5", "1.5", "x", "9" * 5000, "٣")),
]


@pytest.mark.parametrize(("code", "params"), REFUSED, ids=str)
def test_what_cannot_be_sent_is_refused(code: int, params: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        parse_create(params)
    assert caught.value.code == code


@given(st.lists(st.tuples(st.sampled_from([*dict(PLAIN), "MediaUrl", "MaxPrice", "ValidityPeriod"]), st.text())))
def test_nothing_but_a_problem_comes_of_any_parameters(params: list[tuple[str, str]]) -> None:
    try:
        made, _, _ = parse_create(params)
    except Problem:
        return
    assert made.recipient and (made.sender or made.service) and (made.body or made.media)


# --- JSON bodies
def test_a_json_body_is_what_its_form_would_be() -> None:
    body = {
        "To": TO[1],
        "MediaUrl": [PICTURE, "http://a"],
        "SendAsMms": True,
        "SmartEncoded": False,
        "ValidityPeriod": 60,
        "MaxPrice": 0.0075,
        "Body": None,
        "From": [],
    }
    assert parameters(body) == [
        TO,
        ("MediaUrl", PICTURE),
        ("MediaUrl", "http://a"),
        ("SendAsMms", "true"),
        ("SmartEncoded", "false"),
        ("ValidityPeriod", "60"),
        ("MaxPrice", "0.0075"),
        ("Body", ""),
    ]


@pytest.mark.parametrize("value", [{}, {"a": 1}, [[]], [{}], ["a", ["b"]]], ids=str)
def test_what_no_form_could_bring_is_refused(value: Any) -> None:
    with pytest.raises(Problem) as caught:
        parameters({"To": TO[1], "Body": value})
    assert (caught.value.code, "Body" in caught.value.message) == (20422, True)


# --- redaction
def test_a_redaction_is_an_empty_body() -> None:
    assert parse_redaction([("Body", "")]) == ()
    assert parse_redaction([("Status", "canceled"), ("Body", "")]) == ("Status",)


@pytest.mark.parametrize("params", [[], [("Status", "canceled")], [("Body", "other")], [("Body", " ")]], ids=str)
def test_nothing_else_of_a_message_can_be_changed(params: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        parse_redaction(params)
    assert caught.value.code == 50509


# --- resources
def test_a_message_is_shown_with_signalwires_types() -> None:
    shown = message_json(message(media=1, service=GROUP_ID), standing(Status.QUEUED))
    assert shown == {
        "account_sid": PROJECT,
        "api_version": "2010-04-01",
        "body": "Hello",
        "num_segments": 2,
        "num_media": 1,
        "date_created": SAID,
        "date_sent": None,
        "date_updated": "Mon, 13 Aug 2018 21:38:47 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": FROM[1],
        "price": None,
        "price_unit": "USD",
        "sid": DASHED,
        "status": "queued",
        "to": TO[1],
        "messaging_service_sid": GROUP,
        # Contradiction 5 of the descriptions, with or without `.json`: with, as the API description has it.
        "uri": f"{URI}.json",
        "subresource_uris": {"media": f"{URI}/Media.json"},
    }
    assert faults("Message", shown) == []


RESOURCE_STATUSES = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "initiated",
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
    "read": "delivered",
    "receiving": "received",
    "received": "received",
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("price", [None, 7900])
def test_every_standing_is_shown_in_words_of_the_description(status: Status, price: int | None) -> None:
    shown = message_json(message(price=price), standing(status, error=30003, sent_at=AT))
    assert shown["status"] == RESOURCE_STATUSES[status]
    assert faults("Message", shown) == []


def test_the_error_of_a_message_is_text() -> None:
    """Contradiction: the API description has text, though other material shows numbers. Clients convert either."""
    shown = message_json(message(), standing(Status.UNDELIVERED, error=30036))
    assert (shown["error_code"], shown["error_message"]) == ("30001", words(30036))


PRICES = {
    **dict.fromkeys(("sent", "delivered", "undelivered", "read"), 0.0079),
    **dict.fromkeys(("failed", "canceled"), 0.0),
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "receiving", "received"), None),
}


@pytest.mark.parametrize("status", Status)
def test_a_price_is_positive_once_a_message_left_and_nothing_where_it_failed(status: Status) -> None:
    assert message_json(message(price=7900), standing(status))["price"] == PRICES[status]
    assert message_json(message(price=None), standing(status))["price"] is None


def test_media_are_shown() -> None:
    picture = Medium(GROUP_ID, ID, ACCOUNT, 0, PICTURE, "image/png", 5, AT, AT + SECOND)
    shown = medium_json(message(), picture)
    assert shown == {
        "account_sid": PROJECT,
        "content_type": "image/png",
        "date_created": SAID,
        "date_updated": "Mon, 13 Aug 2018 21:38:47 +0000",
        "parent_sid": DASHED,
        "sid": GROUP,
        "uri": f"{URI}/Media/{GROUP}.json",
    }
    assert faults("MessageMedia", shown) == []
    unknown = medium_json(message(), msgspec.structs.replace(picture, content_type=None))
    assert unknown["content_type"] == "application/octet-stream"


# --- status callbacks (SignalWire's webhook specification `sms-status-callback`)
TOLD = {
    Status.QUEUED: "queued",
    # Contradiction 3: the resource says `initiated` here.
    Status.SENDING: "sending",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.RECEIVING: "receiving",
    Status.RECEIVED: "received",
}


@pytest.mark.parametrize("status", Status)
def test_every_move_to_a_status_of_the_specification_is_told_and_no_other(status: Status) -> None:
    assert tells(event(status)) is (status in TOLD)
    assert not tells(event(status, moved=False))


def test_all_words_of_the_specification_are_told() -> None:
    assert set(TOLD.values()) == set(specified("sms-status-callback")["properties"]["MessageStatus"]["enum"])


@pytest.mark.parametrize(("status", "said"), TOLD.items())
@pytest.mark.parametrize("error", [None, 30003])
def test_a_callback_is_the_object_of_the_specification(status: Status, said: str, error: int | None) -> None:
    body = callback_json(message(media=1, body="Grüße"), event(status, error=error))
    CALLBACK_SCHEMA.validate(body)
    expected = {
        "MessageStatus": said,
        "ErrorCode": "30003",
        "MessageSid": DASHED,
        "AccountSid": PROJECT,
        "From": FROM[1],
        "To": TO[1],
        "Body": "Grüße",
        "NumMedia": 1,
        "NumSegments": 2,
    }
    if error is None or status not in (Status.FAILED, Status.UNDELIVERED):
        del expected["ErrorCode"]
    assert list(body.items()) == list(expected.items())


@pytest.mark.parametrize("status", TOLD)
@pytest.mark.parametrize("error", [None, 30003])
def test_a_callback_as_a_form_has_the_same_names_and_no_others(status: Status, error: int | None) -> None:
    """Contradiction 1, JSON or form: both, and of the names that older material has for forms, none."""
    body = callback_json(message(), event(status, error=error))
    form = callback_params(message(), event(status, error=error))
    assert form == [(name, str(value)) for name, value in body.items()]
    assert set(dict(form)) <= set(specified("sms-status-callback")["properties"])
    assert set(specified("sms-status-callback")["required"]) <= set(dict(form))


def test_a_callback_has_signalwires_number() -> None:
    assert callback_json(message(), event(Status.FAILED, error=21606))["ErrorCode"] == "21210"


def test_of_a_redacted_message_the_body_is_told_empty() -> None:
    body = callback_json(message(body=""), event(Status.DELIVERED))
    assert body["Body"] == ""
    CALLBACK_SCHEMA.validate(body)


@given(
    body=st.text(st.characters(exclude_categories=["Cs"])), segments=st.integers(1, 255), media=st.integers(0, 10)
)
def test_a_callback_holds_whatever_a_message_has(body: str, segments: int, media: int) -> None:
    told = callback_json(message(body=body, segments=segments, media=media), event(Status.SENT))
    sent = json.loads(msgspec.json.encode(told))
    CALLBACK_SCHEMA.validate(sent)
    assert (sent["Body"], sent["NumSegments"], sent["NumMedia"]) == (body, segments, media)


# --- the webhook for inbound messages
def test_an_inbound_message_is_asked_about() -> None:
    inbound = Inbound(ID, ACCOUNT, "+15551230000", "+15005550006", "Hi", "sms", (), 1, AT)
    assert inbound_params(inbound) == [
        ("MessageSid", DASHED),
        ("SmsSid", DASHED),
        ("AccountSid", PROJECT),
        ("From", "+15551230000"),
        ("To", "+15005550006"),
        ("Body", "Hi"),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("APIVersion", "2010-04-01"),
    ]


def test_the_media_of_an_inbound_message_are_counted_from_zero() -> None:
    media = ((PICTURE, "image/png", 5), ("https://cdn.example.com/a.txt", "text/plain", 1))
    params = inbound_params(Inbound(ID, ACCOUNT, "+1", "+2", "", "mms", media, 1, AT))
    assert ("NumMedia", "2") in params
    assert [pair for pair in params if re.search(r"\d$", pair[0])] == [
        ("MediaUrl0", PICTURE),
        ("MediaContentType0", "image/png"),
        ("MediaUrl1", "https://cdn.example.com/a.txt"),
        ("MediaContentType1", "text/plain"),
    ]
