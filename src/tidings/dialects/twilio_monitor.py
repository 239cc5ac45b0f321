"""Failed attempts in the words of Twilio's Monitor API: each is an alert, as its debugger shows them.

Called by the web room, as `twilio` is. An alert's SID is `NO` and the id of the attempt. Shapes are those of
Monitor v1. Twilio keeps alerts for 30 days; here they last as long as attempts are kept.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from tidings.clock import DAY, SECOND, micros, zulu
from tidings.dialects import twilio_v1
from tidings.dialects.listing import Filters, Place
from tidings.dialects.own import header_pairs, masked
from tidings.dialects.twilio import API_VERSION, Params
from tidings.dialects.twilio_lists import parse_place
from tidings.errors import Problem, words
from tidings.ids import sid
from tidings.model import Attempt

ALERTS: Final = "/v1/Alerts"

_ERROR: Final = "error"
_LEVELS: Final = frozenset({_ERROR, "warning", "notice", "debug"})
_FILTERS: Final = ("LogLevel", "StartDate", "EndDate")
_HEEDED: Final = frozenset({*_FILTERS, *twilio_v1.PAGING})
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?P<time>T\d\d:\d\d:\d\dZ)?", re.ASCII)
_FOREVER: Final = micros(datetime.max)
_NO_ANSWER: Final = 502
"""The `httpResponse` by which Twilio's alerts say that there was none."""


class AlertListing(msgspec.Struct, frozen=True):
    """One page of alerts, as it was asked for. Times are microseconds since 1970."""

    since: int
    until: int
    """Before this; both bounds include what they name, a second or a day."""
    none: bool
    """Of a level that no alert here has."""
    place: Place
    filters: Filters
    ignored: tuple[str, ...]
    """Names of parameters that have no effect."""


def parse_alerts(query: Params) -> AlertListing:
    """What a list asks for. Raises Problem: 20001 dates and level, and as `parse_place`."""
    given = {name: value for name, value in query if value}
    level = given.get("LogLevel", _ERROR).lower()
    if level not in _LEVELS:
        raise Problem(20001, name="LogLevel", value=level, reason="not one of error, warning, notice, debug")
    return AlertListing(
        since=_span("StartDate", given)[0],
        until=_span("EndDate", given)[1],
        none=level != _ERROR,
        place=parse_place(given, "NO"),
        filters=tuple((name, given[name]) for name in _FILTERS if name in given),
        ignored=tuple(name for name in given if name not in _HEEDED),
    )


def _span(name: str, given: dict[str, str]) -> tuple[int, int]:
    """What a date names, [from, until): a day in UTC or a second; all time where it is not given."""
    if name not in given:
        return 0, _FOREVER
    try:
        if found := _DATE.fullmatch(given[name]):
            start = micros(datetime.fromisoformat(found[0]))
            return start, start + (SECOND if found["time"] else DAY)
    except ValueError:
        pass
    raise Problem(20001, name=name, value=given[name], reason="not YYYY-MM-DD, nor YYYY-MM-DDThh:mm:ssZ")


def page_json(listing: AlertListing, found: Sequence[Attempt], base_url: str) -> dict[str, Any]:
    """A page of alerts. `found` has one more than `page_size` when another page follows."""
    shown = found[: listing.place.page_size]
    last = shown[-1].id if len(found) > len(shown) else None
    alerts = [alert_json(attempt, base_url) for attempt in shown]
    return twilio_v1.page_json(base_url + ALERTS, "alerts", "NO", listing, alerts, last)


def alert_json(attempt: Attempt, base_url: str) -> dict[str, Any]:
    """An alert as lists show it."""
    own = sid("NO", attempt.id)
    at = zulu(attempt.at)
    return {
        "account_sid": sid("AC", attempt.account),
        "alert_text": _text(attempt),
        "api_version": API_VERSION,
        "date_created": at,
        "date_generated": at,
        "date_updated": at,
        "error_code": str(attempt.error),
        "log_level": _ERROR,
        "more_info": f"https://www.twilio.com/docs/errors/{attempt.error}",
        "request_method": attempt.method,
        "request_url": masked(attempt.url),
        "resource_sid": sid("SM", attempt.message_id),
        "service_sid": None,
        "sid": own,
        "url": f"{base_url}{ALERTS}/{own}",
    }


def full_alert_json(attempt: Attempt, base_url: str) -> dict[str, Any]:
    """An alert as it is fetched by itself: with the request, and the response where there was one."""
    answered = attempt.response is not None
    return {
        **alert_json(attempt, base_url),
        "request_headers": urlencode(header_pairs(attempt.headers)),
        "request_variables": attempt.body or urlsplit(attempt.url).query,
        "response_headers": urlencode(header_pairs(attempt.response_headers)) if answered else None,
        "response_body": attempt.response_body if answered else None,
    }


def _text(attempt: Attempt) -> str:
    """Twilio's alerts say in one urlencoded line what is known."""
    assert attempt.error is not None, "only failed attempts are alerts"
    return urlencode(
        {
            "httpResponse": attempt.response or _NO_ANSWER,
            "url": masked(attempt.url),
            "ErrorCode": attempt.error,
            "LogLevel": _ERROR.upper(),
            "Msg": attempt.detail or words(attempt.error),
        }
    )
