"""One table: the parameters of creates and updates → an order, or Twilio's error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import SECOND
from tidings.dialects.twilio_orders import Change, parse_create, parse_update
from tidings.errors import CATALOGUE, Problem
from tidings.model import Order

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


# --- updates
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
