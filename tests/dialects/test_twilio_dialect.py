"""Messages, moves and errors → what Twilio's clients and applications read."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import SECOND
from tidings.dialects.twilio import (
    callback_params,
    error_json,
    medium_json,
    message_json,
    rfc2822,
    tells,
)
from tidings.errors import CATALOGUE, Problem
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Direction, Event, Medium, Message, Standing
from tidings.text import Encoding

# --- messages
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


# --- callbacks
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
