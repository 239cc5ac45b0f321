"""Twilio's Monitor alerts, asked by Twilio's own client: every failed attempt at a callback is one."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.web.twilio_description import body_of, check
from tidings.clock import DAY, HOUR, SECOND, instant
from tidings.errors import CATALOGUE
from tidings.ids import new_id
from tidings.model import ApiKey, Attempt

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT = "0a" * 16
NOBODYS = "NO" + "0" * 32
MONITOR = "https://monitor.twilio.com"


class Mapped(TwilioHttpClient):  # type: ignore[misc]  # it has no types
    """Twilio's client, whose requests to its Monitor API come here; answers are looked at on their way."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        assert url.startswith((MONITOR, self._url)), url
        answer = super().request(method, url.replace(MONITOR, self._url, 1), *args, **kwargs)
        check(method, url, answer.status_code, answer.text)
        return answer


def alerts(site: "Site") -> Any:
    return Client("AC" + ACCOUNT, "token of the first", http_client=Mapped(site.url)).monitor.v1.alerts


def failed(site: "Site", **changes: Any) -> Attempt:
    """A failed attempt at a new message's callback."""
    return site.attempt(site.owe(new_id(site.clock.now())), **changes)


def listed(site: "Site", query: str = "") -> httpx.Response:
    return site.http().get(f"/v1/Alerts{query}")


# --- one alert
def test_a_failed_attempt_is_an_alert(site: "Site") -> None:
    attempt = failed(site)
    alert = alerts(site)("NO" + attempt.id).fetch()
    assert (alert.sid, alert.account_sid) == ("NO" + attempt.id, "AC" + ACCOUNT)
    assert (alert.resource_sid, alert.service_sid) == ("SM" + attempt.message_id, None)
    assert (alert.error_code, alert.log_level, alert.api_version) == ("11200", "error", "2010-04-01")
    assert alert.more_info == "https://www.twilio.com/docs/errors/11200"
    at = instant(attempt.at).replace(microsecond=0)
    assert alert.date_created == alert.date_generated == alert.date_updated == at
    assert (alert.request_method, alert.request_url) == ("POST", "https://***@app.example.com/status?of=all")
    assert alert.request_variables == "MessageStatus=sent&To=%2B15551230000"
    assert dict(parse_qsl(alert.request_headers)) == {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": "c2lnbmF0dXJl",
    }
    assert alert.response_headers == "Content-Type=text%2Fhtml&Server=nginx"
    assert alert.response_body == "<h1>Oops</h1>"
    assert dict(parse_qsl(alert.alert_text)) == {
        "httpResponse": "500",
        "url": "https://***@app.example.com/status?of=all",
        "ErrorCode": "11200",
        "LogLevel": "ERROR",
        "Msg": "redirected once",
    }


def test_an_alert_has_the_shape_that_twilio_describes(site: "Site") -> None:
    attempts = [failed(site), failed(site, response=None, response_headers="", response_body="", error=11205)]
    for alert, attempt in zip(body_of(listed(site))["alerts"], reversed(attempts), strict=True):
        single = body_of(site.http().get(f"/v1/Alerts/NO{attempt.id}"))
        assert single.items() >= alert.items()
        assert alert["url"] == f"{site.url}/v1/Alerts/NO{attempt.id}"


def test_an_attempt_without_an_answer_says_so_as_twilio_does(site: "Site") -> None:
    attempt = failed(site, response=None, response_headers="", response_body="", error=11205, detail="")
    alert = alerts(site)("NO" + attempt.id).fetch()
    text = dict(parse_qsl(alert.alert_text))
    assert (text["httpResponse"], text["Msg"]) == ("502", CATALOGUE[11205].message)
    assert (alert.response_headers, alert.response_body) == (None, None)


def test_the_variables_of_a_get_are_those_of_its_query(site: "Site") -> None:
    attempt = failed(site, method="GET", body="", url="https://app.example.com/status?of=all&MessageStatus=sent")
    assert alerts(site)("NO" + attempt.id).fetch().request_variables == "of=all&MessageStatus=sent"


def test_an_attempt_that_was_taken_is_no_alert(site: "Site") -> None:
    taken = failed(site, response=204, error=None)
    assert alerts(site).list() == []
    with pytest.raises(TwilioRestException) as caught:
        alerts(site)("NO" + taken.id).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


# --- lists
def test_alerts_are_listed_newest_first_page_by_page(site: "Site") -> None:
    attempts = [failed(site) for _ in range(7)]
    sids = ["NO" + attempt.id for attempt in reversed(attempts)]
    assert [alert.sid for alert in alerts(site).list()] == sids
    assert [alert.sid for alert in alerts(site).list(page_size=3)] == sids
    assert [alert.sid for alert in alerts(site).stream(page_size=2, limit=5)] == sids[:5]
    first = alerts(site).page(page_size=3)
    second = first.next_page()
    assert [alert.sid for alert in second] == sids[3:6]
    assert [alert.sid for alert in second.previous_page()] == sids[:3]
    assert second.next_page().next_page() is None


def test_a_page_names_its_neighbours_by_absolute_urls(site: "Site") -> None:
    attempts = [failed(site) for _ in range(3)]
    root = f"{site.url}/v1/Alerts?LogLevel=error&PageSize=1&Page="
    first = listed(site, "?PageSize=1&LogLevel=error").json()["meta"]
    after_last = f"1&PageToken=PANO{attempts[2].id}"
    assert first == {
        "key": "alerts",
        "page": 0,
        "page_size": 1,
        "url": root + "0",
        "first_page_url": root + "0",
        "next_page_url": root + after_last,
        "previous_page_url": None,
    }
    second = site.http().get(first["next_page_url"]).json()["meta"]
    assert (second["url"], second["previous_page_url"]) == (root + after_last, root + "0")


def test_absolute_urls_are_behind_the_public_url_where_one_is_set(site: "Site") -> None:
    attempt = failed(site)
    site.public_url = "https://sms.example.com/gateway/"
    page = listed(site).json()
    assert page["alerts"][0]["url"] == f"https://sms.example.com/gateway/v1/Alerts/NO{attempt.id}"
    assert page["meta"]["url"].startswith("https://sms.example.com/gateway/v1/Alerts?")
    site.public_url = ""
    asked = site.http().get("/v1/Alerts", headers={"Host": "sms.example.net:8443"})
    assert asked.json()["meta"]["url"].startswith("http://sms.example.net:8443/v1/Alerts?")


def test_alerts_are_found_by_date(site: "Site") -> None:
    day = site.clock.now() // DAY * DAY
    sids: list[str] = []
    for at in (day - SECOND, day, day + HOUR, day + DAY - SECOND, day + DAY):
        site.clock.time = at
        sids.insert(0, "NO" + failed(site).id)
    start = instant(day)

    def found(**bounds: datetime | str) -> list[str]:
        return [alert.sid for alert in alerts(site).list(**bounds)]

    assert found(start_date=start, end_date=start + timedelta(hours=1)) == sids[2:4]
    assert found(start_date=start + timedelta(seconds=1)) == sids[:3]
    assert found(end_date=start - timedelta(seconds=1)) == sids[4:]
    # A day is whole, whichever bound it is.
    date = start.date().isoformat()
    assert found(start_date=date, end_date=date) == sids[1:4]
    assert found(start_date=datetime(9999, 12, 31, tzinfo=UTC)) == found(end_date="0001-01-01") == []


def test_filters_hold_over_pages(site: "Site") -> None:
    for _ in range(3):
        failed(site)
    site.clock.time += DAY
    failed(site)
    date = instant(site.clock.now() - DAY).date().isoformat()
    page = listed(site, f"?PageSize=2&EndDate={date}").json()
    assert parse_qs(urlsplit(page["meta"]["next_page_url"]).query)["EndDate"] == [date]
    following = site.http().get(page["meta"]["next_page_url"]).json()
    assert (len(page["alerts"]), len(following["alerts"])) == (2, 1)


@pytest.mark.parametrize(
    ("level", "count"), [("error", 1), ("ERROR", 1), ("warning", 0), ("notice", 0), ("debug", 0)]
)
def test_every_alert_is_an_error(site: "Site", level: str, count: int) -> None:
    failed(site)
    assert len(alerts(site).list(log_level=level)) == count


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("StartDate=yesterday", 400, 20001),
        ("EndDate=2026-02-30", 400, 20001),
        ("StartDate=2026-11-21T17:28:16", 400, 20001),
        ("StartDate=2026-11-21T17:28:16%2B01:00", 400, 20001),
        ("LogLevel=loud", 400, 20001),
        ("PageSize=0", 400, 20007),
        ("PageSize=1001", 400, 20007),
        ("Page=x", 422, 20422),
        ("Page=1", 400, 21481),
        ("PageToken=PASM" + "0" * 32, 400, 21481),
        ("LogLevel=%ff", 400, 20001),
    ],
)
def test_a_list_that_cannot_be_given_is_refused_in_twilios_form(
    site: "Site", query: str, status: int, code: int
) -> None:
    answer = listed(site, f"?{query}")
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


def test_parameters_without_effect_are_named(site: "Site") -> None:
    answer = listed(site, "?ResourceSid=SM1&PageSize=1")
    assert (answer.status_code, answer.headers["Tidings-Ignored-Parameters"]) == (200, "ResourceSid")


# --- who may see them
def test_accounts_see_only_their_own(site: "Site") -> None:
    attempt = failed(site)
    assert site.other().get("/v1/Alerts").json()["alerts"] == []
    assert site.other().get(f"/v1/Alerts/NO{attempt.id}").status_code == 404


@pytest.mark.parametrize("sid", [NOBODYS, "x", "SM" + "0" * 32, "0" * 32])
def test_what_is_not_there_is_404_in_twilios_form(site: "Site", sid: str) -> None:
    answer = site.http().get(f"/v1/Alerts/{sid}")
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)
    assert answer.headers["Content-Type"] == "application/json"


def test_beyond_an_alert_there_is_nothing_in_twilios_form_either(site: "Site") -> None:
    answer = site.http().get(f"/v1/Alerts/{NOBODYS}/Parts")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_an_api_key_opens_them_too(site: "Site") -> None:
    key = ApiKey("0e" * 16, ACCOUNT, "ci", sha256(b"secret").hexdigest(), 0)
    site.run(site.store.put_api_key(key))
    attempt = failed(site)
    client = Client("SK" + key.id, "secret", "AC" + ACCOUNT, http_client=Mapped(site.url))
    assert [alert.sid for alert in client.monitor.v1.alerts.list()] == ["NO" + attempt.id]


def test_strangers_are_401(site: "Site") -> None:
    for path in ("/v1/Alerts", f"/v1/Alerts/{NOBODYS}"):
        answer = site.http(None).get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)
