"""Queries of Twilio's alerts in → what to look for, or an error; failed attempts → alerts."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from tidings.clock import DAY, SECOND, micros
from tidings.dialects.listing import Place
from tidings.dialects.twilio_monitor import alert_json, full_alert_json, page_json, parse_alerts
from tidings.errors import Problem
from tidings.model import Attempt, Target

JUNE_11 = micros(datetime(2019, 6, 11, tzinfo=UTC))
EVENING = JUNE_11 + (22 * 3600 + 5 * 60 + 25) * SECOND
BASE = "https://sms.example.com"
ID, MESSAGE, ACCOUNT = "1" * 32, "2" * 32, "3" * 32
ATTEMPT = Attempt(
    ID,
    MESSAGE,
    2,
    Target.MESSAGE,
    ACCOUNT,
    1,
    EVENING + 250_000,
    None,
    None,
    5 * SECOND,
    "POST",
    "https://user:pass@app.example.com/",
    "Content-Type: text/plain\nX-Odd: a: b",
    "a=1",
    None,
    "",
    "",
    11205,
    "",
)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ([("StartDate", "2019-06-11")], JUNE_11, None),
        ([("EndDate", "2019-06-11")], None, JUNE_11 + DAY),
        ([("StartDate", "2019-06-11T22:05:25Z")], EVENING, None),
        ([("EndDate", "2019-06-11T22:05:25Z")], None, EVENING + SECOND),
        ([("StartDate", ""), ("EndDate", "2019-06-11")], None, JUNE_11 + DAY),
    ],
)
def test_bounds_include_what_they_name(query: list[tuple[str, str]], since: int | None, until: int | None) -> None:
    everything, asked = parse_alerts([]), parse_alerts(query)
    assert asked.since == (everything.since if since is None else since)
    assert asked.until == (everything.until if until is None else until)


@pytest.mark.parametrize("date", ["2019-13-01", "20190611", "2019-06-11 22:05:25", "11 Jun 2019", "٢٠١٩-06-11"])
def test_what_is_no_date_is_refused(date: str) -> None:
    for name in ("StartDate", "EndDate"):
        with pytest.raises(Problem) as caught:
            parse_alerts([(name, date)])
        assert (caught.value.code, caught.value.http, caught.value.details["name"]) == (20001, 400, name)


def test_pages_are_named_by_size_number_and_token() -> None:
    assert parse_alerts([]).place == Place(0, 50, None)
    query = [("PageSize", "1000"), ("Page", "3"), ("PageToken", "PANO" + ID)]
    assert parse_alerts(query).place == Place(3, 1000, ID)
    with pytest.raises(Problem) as caught:
        parse_alerts([("PageToken", "PASM" + ID)])
    assert caught.value.code == 21481


def test_a_full_page_leads_to_the_next_and_the_last_one_nowhere() -> None:
    listing = parse_alerts([("PageSize", "1"), ("StartDate", "2019-06-11")])
    root = f"{BASE}/v1/Alerts?StartDate=2019-06-11&PageSize=1&Page="
    page = page_json(listing, [ATTEMPT, ATTEMPT], BASE)
    assert (len(page["alerts"]), page["meta"]["next_page_url"]) == (1, f"{root}1&PageToken=PANO{ID}")
    assert page_json(listing, [ATTEMPT], BASE)["meta"]["next_page_url"] is None


def test_times_are_in_whole_seconds_as_clients_read_them() -> None:
    assert alert_json(ATTEMPT, BASE)["date_created"] == "2019-06-11T22:05:25Z"


def test_a_password_is_nowhere_in_an_alert() -> None:
    assert "pass@" not in str(full_alert_json(ATTEMPT, BASE))
    assert dict(parse_qsl(alert_json(ATTEMPT, BASE)["alert_text"]))["url"] == "https://***@app.example.com/"


def test_headers_are_urlencoded() -> None:
    alert = full_alert_json(ATTEMPT, BASE)
    assert alert["request_headers"] == "Content-Type=text%2Fplain&X-Odd=a%3A+b"
    assert alert["response_headers"] is alert["response_body"] is None
