"""One table each way: parameters in → order or error; messages, moves and lists → what Twilio's clients read."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import SECOND
from tidings.dialects.twilio import (
    Change,
    callback_params,
    error_json,
    medium_json,
    message_json,
    parse_create,
    parse_update,
    rfc2822,
    tells,
)
from tidings.errors import CATALOGUE, Problem
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Direction, Event, Medium, Message, Order, Standing
from tidings.text import Encoding

SERVICE = "0" * 32
MG = "MG" + SERVICE
TO, FROM, BODY = ("To", "+15551230000"), ("From", "+15005550006"), ("Body", "Hello")
PLAIN = [TO, FROM, BODY]
OF_SERVICE = [TO, BODY, ("MessagingServiceSid", MG)]


def order(**changed: Any) -> Order:
    fields: dict[str, Any] = {"sender": "+15005550006", "recipient": "+15551230000", "body": "Hello"}
    return Order(dialect="twilio", **fields | changed)


def of_service(**changed: Any) -> Order:
    """One whose sender the service is to choose."""
    return order(**{"sender": "", "service": SERVICE, "deferred": True} | changed)


MEDIA = ("MediaUrl", "https://a.example/cat.png")
CARD = "http://b.example/card?id=%C3%BC"
CALLBACK = "https://a.example/x?y=1"
WITH_OVERRIDES = "http://u:p@10.0.0.1:8080/#rc=2&rp=all"
APPLICATION = ("ApplicationSid", "AP" + "0" * 32)
ORDERS: list[tuple[str, list[tuple[str, str]], Order, tuple[str, ...]]] = [
    ("nothing more", [], order(), ()),
    ("addresses as given", [("To", " (555) 1")], order(recipient=" (555) 1"), ()),
    ("last one wins", [("Body", "Good"), ("Body", "Bye")], order(body="Bye"), ()),
    ("callback", [("StatusCallback", CALLBACK)], order(callback_url=CALLBACK), ()),
    ("callback with overrides", [("StatusCallback", WITH_OVERRIDES)], order(callback_url=WITH_OVERRIDES), ()),
    ("callback to IPv6", [("StatusCallback", "http://[::1]:80")], order(callback_url="http://[::1]:80"), ()),
    ("empty callback is none", [("StatusCallback", "")], order(), ()),
    ("shortest validity", [("ValidityPeriod", "1")], order(validity=1), ()),
    ("longest validity", [("ValidityPeriod", "36000")], order(validity=36000), ()),
    ("smart encoding", [("SmartEncoded", "true")], order(smart_encoded=True), ()),
    ("no smart encoding", [("SmartEncoded", "False")], order(), ()),
    ("empty is not given", [("MediaUrl", ""), ("SendAt", ""), ("MessagingServiceSid", "")], order(), ()),
    ("empty is no application either", [("ApplicationSid", ""), ("MaxPrice", "")], order(), ()),
    ("media", [MEDIA, ("MediaUrl", ""), ("MediaUrl", CARD)], order(media=(MEDIA[1], CARD)), ()),
    ("ten media", [MEDIA] * 10, order(media=(MEDIA[1],) * 10), ()),
    ("media without body", [("Body", ""), MEDIA], order(body="", media=(MEDIA[1],)), ()),
    ("as MMS", [("SendAsMms", "true")], order(as_mms=True), ()),
    ("a service with From", [("MessagingServiceSid", MG)], order(service=SERVICE, deferred=True), ()),
    ("a service without From", [("From", ""), ("MessagingServiceSid", MG)], of_service(), ()),
    ("a service as From", [("From", MG)], of_service(), ()),
    (
        "a time to be sent at",
        [("MessagingServiceSid", MG), ("ScheduleType", "fixed"), ("SendAt", "2026-12-01T00:00:00Z")],
        order(service=SERVICE, deferred=True, send_at=1_796_083_200 * SECOND),
        (),
    ),
    (
        "a time somewhere else",
        [("From", MG), ("ScheduleType", "fixed"), ("SendAt", "2026-12-01T01:00:00.25+01:00")],
        of_service(send_at=1_796_083_200 * SECOND + 250_000),
        (),
    ),
    ("feedback", [("ProvideFeedback", "true")], order(extras={"feedback": True}), ()),
    ("no feedback", [("ProvideFeedback", "false")], order(), ()),
    ("an intent", [("MessageIntent", "otp")], order(extras={"intent": "otp"}), ()),
    (
        "a service by its own name before one as From",
        [("From", MG), ("MessagingServiceSid", "MG" + "e" * 32)],
        of_service(service="e" * 32),
        (),
    ),
    ("no service as From", [("From", "MGM")], order(sender="MGM"), ()),
    ("cheap", [("MaxPrice", "0.05")], order(max_price=50_000), ()),
    ("cheaper", [("MaxPrice", ".00019")], order(max_price=190), ()),
    ("below what counts", [("MaxPrice", "1.9999999")], order(max_price=1_999_999), ()),
    ("whole", [("MaxPrice", "3.")], order(max_price=3_000_000), ()),
    ("free", [("MaxPrice", "0")], order(max_price=0), ()),
    ("unknown ones, in order", [("zeta", "1"), ("body", "x"), ("Alpha", "")], order(), ("zeta", "body")),
    ("no effect", [("ForceDelivery", "true"), ("Tags", "{}")], order(), ("ForceDelivery", "Tags")),
    ("nothing asked", [("ForceDelivery", "false"), ("SendAsMms", "false"), ("RiskCheck", "disable")], order(), ()),
    ("privacy that is not given is said", [("ContentRetention", "discard")], order(), ("ContentRetention",)),
    (
        "a callback URL comes before an application's",
        [APPLICATION, ("StatusCallback", CALLBACK)],
        order(callback_url=CALLBACK),
        ("ApplicationSid",),
    ),
]
ORDER_NAMES = [row[0] for row in ORDERS]


@pytest.mark.parametrize(("more", "expected", "ignored"), [row[1:] for row in ORDERS], ids=ORDER_NAMES)
def test_parameters_become_an_order(
    more: list[tuple[str, str]], expected: Order, ignored: tuple[str, ...]
) -> None:
    assert parse_create(PLAIN + more) == (expected, None, ignored)


def test_an_application_is_told_where_no_url_is_given() -> None:
    assert parse_create([*PLAIN, APPLICATION, ("Tags", "{}")]) == (order(), "0" * 32, ("Tags",))


REFUSED: list[tuple[str, int, list[tuple[str, str]]]] = [
    ("nothing", 21604, []),
    ("no To", 21604, [FROM, BODY]),
    ("empty To", 21604, [("To", ""), FROM, BODY]),
    ("no From", 21603, [TO, BODY]),
    ("no From before no Body", 21603, [TO]),
    ("no service sid", 21705, [TO, BODY, ("MessagingServiceSid", "MG1")]),
    ("SendAt without service", 35118, [*PLAIN, ("SendAt", "2026-12-01T00:00:00Z")]),
    ("ScheduleType without service", 35118, [*PLAIN, ("ScheduleType", "fixed")]),
    ("SendAt without ScheduleType", 35126, [*OF_SERVICE, ("SendAt", "2026-12-01T00:00:00Z")]),
    ("ScheduleType of its own", 35126, [*OF_SERVICE, ("ScheduleType", "soon")]),
    ("ScheduleType without SendAt", 35111, [*OF_SERVICE, ("ScheduleType", "fixed")]),
    *(
        (f"SendAt {when}", 35114, [*OF_SERVICE, ("ScheduleType", "fixed"), ("SendAt", when)])
        for when in ("tomorrow", "2026-12-01", "2026-12-01T00:00:00", "2026-13-01T00:00:00Z", "1796083200")
    ),
    ("an intent nobody has", 20422, [*PLAIN, ("MessageIntent", "spam")]),
    ("feedback neither", 20422, [*PLAIN, ("ProvideFeedback", "maybe")]),
    ("eleven media", 21623, [*PLAIN, *[MEDIA] * 11]),
    ("media by ftp", 21620, [*PLAIN, MEDIA, ("MediaUrl", "ftp://a.example/x")]),
    *(
        (f"media at {url}", 21620, [*PLAIN, ("MediaUrl", url)])
        for url in ("a.example/x.png", "https://", "data:image/png;base64,", "http://a.example/a b", "x" * 4001)
    ),
    ("as MMS without anything", 21602, [TO, FROM, ("SendAsMms", "true")]),
    ("SendAsMms neither", 20422, [*PLAIN, ("SendAsMms", "1")]),
    ("template", 21655, [TO, FROM, ("ContentSid", "HX" + "0" * 32)]),
    ("no body", 21602, [TO, FROM]),
    ("empty body", 21602, [TO, FROM, ("Body", "")]),
    ("validity 0", 21624, [*PLAIN, ("ValidityPeriod", "0")]),
    ("validity too long", 21624, [*PLAIN, ("ValidityPeriod", "36001")]),
    ("validity no number", 21624, [*PLAIN, ("ValidityPeriod", "1e3")]),
    ("validity in other digits", 21624, [*PLAIN, ("ValidityPeriod", "٣")]),
    *(
        (f"price {price}", 21627, [*PLAIN, ("MaxPrice", price)])
        for price in ("cheap", ".", "-1", "1e3", "NaN", "1_000", "٣", "9" * 10)
    ),
    ("no application sid", 21218, [*PLAIN, ("ApplicationSid", "AP1")]),
    ("SmartEncoded neither", 20422, [*PLAIN, ("SmartEncoded", "yes")]),
    ("ProvideFeedback neither", 20422, [*PLAIN, ("ProvideFeedback", "1")]),
    ("RiskCheck neither", 20422, [*PLAIN, ("RiskCheck", "maybe")]),
    ("ContentRetention neither", 30029, [*PLAIN, ("ContentRetention", "forget")]),
    ("AddressRetention neither", 30030, [*PLAIN, ("AddressRetention", "forget")]),
    *(
        (f"callback {url[:40]}", 21609, [*PLAIN, ("StatusCallback", url)])
        for url in (
            "a.example/x",
            "ftp://a.example",
            "http://",
            "http:///x",
            "http://my_app.example/",
            "http://-a.example/",
            "http://a..example/",
            "http://a.example:0/",
            "http://a.example:65536/",
            "http://a.example:x/",
            "http://a.example/a b",
            "http://a.example/\r\nX: y",
            "http://a.example/é",
            "http://a.example/" + "x" * 3984,
        )
    ),
]


@pytest.mark.parametrize(("code", "params"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_parameters_are_refused(code: int, params: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        parse_create(params)
    assert caught.value.code == code


def test_a_callback_url_may_have_4000_characters() -> None:
    url = "http://a.example/" + "x" * 3983
    assert len(url) == 4000
    assert parse_create([*PLAIN, ("StatusCallback", url)])[0].callback_url == url


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from(["To", "From", "Body", "MediaUrl", "SendAsMms", "MaxPrice"]), st.text()),
            st.text(),
        )
    )
)
def test_whatever_comes_is_an_order_or_a_problem(params: list[tuple[str, str]]) -> None:
    try:
        parsed, _, ignored = parse_create(params)
    except Problem as problem:
        assert problem.code in CATALOGUE
    else:
        assert parsed.recipient == dict(params)["To"]
        assert {*ignored} <= {name for name, _ in params}


# --- in: updates
def test_an_empty_body_redacts() -> None:
    assert parse_update([("Body", ""), ("Status", ""), ("Tags", "{}")]) == (Change.REDACT, ("Tags",))


def test_a_status_cancels() -> None:
    assert parse_update([("Status", "canceled"), ("Body", "")]) == (Change.CANCEL, ())


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ([], 20422),
        ([("Status", "")], 20422),
        ([("Body", "another text")], 20422),
        ([("Status", "sent")], 20422),
        ([("Status", "canceled"), ("Body", "another text")], 20422),
    ],
)
def test_nothing_else_can_be_changed(params: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Problem) as caught:
        parse_update(params)
    assert caught.value.code == code


# --- out: messages
AT = 1_692_853_305 * SECOND + 999_999
MESSAGE = Message(
    id="f" * 32,
    account="a" * 32,
    dialect="twilio",
    direction=Direction.OUTBOUND_API,
    sender="+15005550006",
    recipient="+15551230000",
    body="Hello",
    encoding=Encoding.GSM7,
    segments=1,
    callback_url=None,
    validity=None,
    created_at=AT,
)


def test_a_message_has_twilios_fields_and_types() -> None:
    path = f"/2010-04-01/Accounts/AC{'a' * 32}/Messages/SM{'f' * 32}"
    assert message_json(MESSAGE, Standing(MESSAGE.id, Status.QUEUED, 1, AT)) == {
        "account_sid": "AC" + "a" * 32,
        "api_version": "2010-04-01",
        "body": "Hello",
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": None,
        "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+15005550006",
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": "SM" + "f" * 32,
        "status": "queued",
        "subresource_uris": {"feedback": path + "/Feedback.json", "media": path + "/Media.json"},
        "to": "+15551230000",
        "uri": path + ".json",
    }


def test_an_undelivered_message_says_why_and_when_it_was_sent() -> None:
    standing = Standing(MESSAGE.id, Status.UNDELIVERED, 4, AT + 9 * SECOND, error=30003, sent_at=AT + SECOND)
    told = message_json(MESSAGE, standing)
    assert (told["status"], told["error_code"]) == ("undelivered", 30003)
    assert told["error_message"] == CATALOGUE[30003].message
    assert (told["date_sent"], told["date_updated"]) == (rfc2822(AT // SECOND + 1), rfc2822(AT // SECOND + 9))


MEDIA_MESSAGE = msgspec.structs.replace(MESSAGE, channel=Channel.MMS, media=2, service="e" * 32)
MEDIUM = Medium("b" * 32, MESSAGE.id, MESSAGE.account, 0, None, "image/png", 9, AT, AT + SECOND)


def test_a_media_message_has_another_prefix_wherever_it_is_named() -> None:
    path = f"/2010-04-01/Accounts/AC{'a' * 32}/Messages/MM{'f' * 32}"
    told = message_json(MEDIA_MESSAGE, Standing(MESSAGE.id, Status.QUEUED, 1, AT))
    assert (told["sid"], told["num_media"], told["uri"]) == ("MM" + "f" * 32, "2", path + ".json")
    assert told["subresource_uris"] == {"feedback": path + "/Feedback.json", "media": path + "/Media.json"}
    assert told["messaging_service_sid"] == "MG" + "e" * 32


def test_a_medium_has_twilios_fields() -> None:
    account, message = "AC" + "a" * 32, "MM" + "f" * 32
    assert medium_json(MEDIA_MESSAGE, MEDIUM) == {
        "account_sid": account,
        "content_type": "image/png",
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_updated": "Thu, 24 Aug 2023 05:01:46 +0000",
        "parent_sid": message,
        "sid": "ME" + "b" * 32,
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{message}/Media/ME{'b' * 32}.json",
    }


def test_a_medium_that_was_not_fetched_yet_may_be_anything() -> None:
    unknown = msgspec.structs.replace(MEDIUM, content_type=None, size=None)
    assert medium_json(MEDIA_MESSAGE, unknown)["content_type"] == "application/octet-stream"


@given(st.integers(0, 253402300799))
def test_dates_are_rfc_2822_in_utc(at: int) -> None:
    assert rfc2822(at) == format_datetime(datetime.fromtimestamp(at, UTC))
    assert parsedate_to_datetime(rfc2822(at)).timestamp() == at


def test_errors_have_twilios_shape() -> None:
    assert error_json(Problem(21604)) == {
        "code": 21604,
        "message": CATALOGUE[21604].message,
        "more_info": "https://www.twilio.com/docs/errors/21604",
        "status": 400,
    }


def test_a_401_has_a_detail() -> None:
    assert error_json(Problem(20003, detail="no header"))["detail"] == "no header"


# --- out: callbacks
def event(status: Status, *, moved: bool = True, error: int | None = None, **detail: Any) -> Event:
    return Event(MESSAGE.id, 3, MESSAGE.account, AT, Kind.PROGRESS, status, moved, True, 0, error, detail)


@pytest.mark.parametrize("status", Status)
def test_which_moves_are_told(status: Status) -> None:
    told = {"queued", "sent", "failed", "delivered", "undelivered", "read", "canceled"}
    assert tells(event(status)) == (status in told)
    assert not tells(event(status, moved=False))
    assert not tells(msgspec.structs.replace(event(status), kind=Kind.CREATED))


COMMON = {
    "SmsSid": "SM" + "f" * 32,
    "MessageSid": "SM" + "f" * 32,
    "AccountSid": "AC" + "a" * 32,
    "From": "+15005550006",
    "To": "+15551230000",
    "ApiVersion": "2010-04-01",
}


@pytest.mark.parametrize(
    ("told", "more"),
    [
        (event(Status.SENT), {}),
        (event(Status.SENT, error=30017, done_date="2302231942"), {}),
        (event(Status.DELIVERED), {}),
        (event(Status.DELIVERED, error=30018), {}),
        (event(Status.DELIVERED, done_date="2302231942"), {"RawDlrDoneDate": "2302231942"}),
        (event(Status.UNDELIVERED, error=30003), {"ErrorCode": "30003"}),
        (
            event(Status.UNDELIVERED, error=30005, done_date="230223194211"),
            {"ErrorCode": "30005", "RawDlrDoneDate": "2302231942"},
        ),
        (event(Status.FAILED, error=30036, done_date="2302231942"), {"ErrorCode": "30036"}),
        (event(Status.FAILED), {}),
        (event(Status.CANCELED), {}),
    ],
)
def test_callbacks_carry_exactly_twilios_parameters(told: Event, more: dict[str, str]) -> None:
    params = callback_params(MESSAGE, told)
    assert len(params) == len(dict(params))
    assert dict(params) == COMMON | {"MessageStatus": told.status, "SmsStatus": told.status} | more


def test_a_callback_names_the_service_and_the_message_by_its_kind() -> None:
    params = dict(callback_params(MEDIA_MESSAGE, event(Status.FAILED, error=63019)))
    assert params["MessageSid"] == params["SmsSid"] == "MM" + "f" * 32
    assert (params["MessagingServiceSid"], params["ErrorCode"]) == ("MG" + "e" * 32, "63019")


@pytest.mark.parametrize(
    ("spelled", "raw"),
    [
        ("2302231942", "2302231942"),  # YYMMDDhhmm
        ("230223194211", "2302231942"),  # YYMMDDhhmmss
        ("201506201641", "1506201641"),  # YYYYMMDDhhmm
        ("20110314181741", "1103141817"),  # YYYYMMDDhhmmss
        ("2302321942", None),
        ("2302232442", None),
        ("", None),
        ("yesterday", None),
        (None, None),
        (2302231942, None),
    ],
)
def test_done_dates_of_carriers_become_yymmddhhmm(spelled: object, raw: str | None) -> None:
    params = dict(callback_params(MESSAGE, event(Status.DELIVERED, done_date=spelled)))
    assert params.get("RawDlrDoneDate") == raw
