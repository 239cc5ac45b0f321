"""Lists in Twilio's words: its query filters and page tokens become a `Listing`, what was found becomes a page.

Called by the web room, as `twilio` is. A page token is `PA` and the SID of the last message of the page before,
so pages neither repeat nor skip a message while new ones arrive.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tidings.clock import DAY, SECOND, micros
from tidings.dialects.twilio import API_VERSION, MONTHS, Params, message_json
from tidings.errors import Problem
from tidings.ids import from_sid, sid
from tidings.model import Message, Standing
from tidings.store.base import MessageFilter

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000
"""Messages a page (20007)."""

_FILTERS: Final = ("To", "From", "DateSent", "DateSent<", "DateSent>")
_PAGING: Final = ("PageSize", "Page", "PageToken")
_HEEDED: Final = frozenset({*_FILTERS, *_PAGING})


class Listing(msgspec.Struct, frozen=True):
    """One page of a list, as it was asked for."""

    where: MessageFilter
    page: int
    page_size: int
    before: str | None
    """Id of the message that this page continues below."""
    filters: tuple[tuple[str, str], ...]
    """As given, for the URIs of the pages."""
    ignored: tuple[str, ...]
    """Names of parameters that have no effect."""


class Place(msgspec.Struct, frozen=True):
    """Which page of a list is asked for."""

    page: int
    page_size: int
    before: str | None
    """Id of the object that the page continues below."""


def parse_list(query: Params) -> Listing:
    """What a list asks for. Raises Problem: 20007 page size, 21481 page token, 20422 dates and page."""
    given = {name: value for name, value in query if value}
    place = parse_place(given, "SM", "MM")
    return Listing(
        where=_where(given),
        page=place.page,
        page_size=place.page_size,
        before=place.before,
        filters=tuple((name, given[name]) for name in _FILTERS if name in given),
        ignored=tuple(name for name in given if name not in _HEEDED),
    )


def parse_place(given: Mapping[str, str], *prefixes: str) -> Place:
    """The page of a list of objects whose SIDs have one of `prefixes`. Raises Problem as `parse_list`."""
    size = given.get("PageSize", str(DEFAULT_PAGE_SIZE))
    page_size = int(size) if re.fullmatch(r"[0-9]{1,9}", size) else 0
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise Problem(20007, value=size)
    page = given.get("Page", "0")
    if not re.fullmatch(r"[0-9]{1,9}", page):
        raise Problem(20422, name="Page", value=page)
    token = given.get("PageToken", "")
    before = from_sid(token[2:], *prefixes) if token.startswith("PA") else None
    # A page is found by its token alone: to answer Page=1 without one with the first page would go round for ever.
    if before is None and (token or int(page)):
        raise Problem(21481, value=token or f"Page={page} without a token")
    return Place(int(page), page_size, before)


def page_json(account: str, listing: Listing, found: Sequence[tuple[Message, Standing]]) -> dict[str, Any]:
    """A page of the account's messages. `found` has one more than `page_size` when another page follows.

    `previous_page_uri` is null from the third page on, as tokens only lead forward.
    """
    shown = found[: listing.page_size]
    path = f"/{API_VERSION}/Accounts/{sid('AC', account)}/Messages.json"

    def uri(page: int, before: str | None) -> str:
        token = [("PageToken", "PA" + sid("SM", before))] if before else []
        paging = [("PageSize", str(listing.page_size)), ("Page", str(page)), *token]
        return f"{path}?{urlencode([*listing.filters, *paging])}"

    start = listing.page * listing.page_size
    return {
        "messages": [message_json(message, standing) for message, standing in shown],
        "page": listing.page,
        "page_size": listing.page_size,
        "start": start,
        "end": start + max(len(shown) - 1, 0),
        "uri": uri(listing.page, listing.before),
        "first_page_uri": uri(0, None),
        "next_page_uri": uri(listing.page + 1, shown[-1][0].id) if len(found) > len(shown) else None,
        "previous_page_uri": uri(0, None) if listing.page == 1 else None,
    }


def no_media_json(message: Message) -> dict[str, Any]:
    """The media of a message, which has none: an empty page."""
    uri = f"/{API_VERSION}/Accounts/{sid('AC', message.account)}/Messages/{sid('SM', message.id)}/Media.json"
    first = f"{uri}?PageSize={DEFAULT_PAGE_SIZE}&Page=0"
    return {
        "media_list": [],
        "page": 0,
        "page_size": DEFAULT_PAGE_SIZE,
        "start": 0,
        "end": 0,
        "uri": first,
        "first_page_uri": first,
        "next_page_uri": None,
        "previous_page_uri": None,
    }


def _where(given: dict[str, str]) -> MessageFilter:
    """The filters, where each bound includes what it names: Twilio's documentation writes them <= and >=."""
    starts, ends = [], []
    for name in ("DateSent", "DateSent>", "DateSent<"):
        if name in given:
            start, end = _span(name, given[name])
            # Client libraries spell a date as its midnight, and nobody asks for what was sent in that one second.
            if name == "DateSent" and start % DAY == 0:
                end = start + DAY
            if name != "DateSent<":
                starts.append(start)
            if name != "DateSent>":
                ends.append(end)
    return MessageFilter(
        sender=given.get("From"),
        recipient=given.get("To"),
        sent_from=max(starts, default=None),
        sent_until=min(ends, default=None),
    )


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.(\d{1,6}))?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_CLOCK: Final = r"(?P<clock>\d\d:\d\d:\d\d) (?P<zone>[A-Z]{1,4}|[+-]\d{4})"
_SLASHED: Final = re.compile(rf"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{{4}}) {_CLOCK}", re.ASCII)
_RFC2822: Final = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, ?)?(?P<day>\d\d?) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_CLOCK}", re.ASCII
)
_MONTHS: Final = {name: f"{number:02}" for number, name in enumerate(MONTHS, 1)}
# RFC 2822 §4.3
_ZONES: Final = {
    **dict.fromkeys(("Z", "UT", "UTC", "GMT"), "+0000"),
    **{"EDT": "-0400", "EST": "-0500", "CDT": "-0500", "CST": "-0600"},
    **{"MDT": "-0600", "MST": "-0700", "PDT": "-0700", "PST": "-0800"},
}


def _span(name: str, value: str) -> tuple[int, int]:
    """What a date names, [from, until) in microseconds since 1970: a day in UTC, a second, or a fraction of one.

    Spellings: those in Twilio's API description: 2019-06-11, 2019-06-11T22:05:25Z, 2019-06-11 22:05:25.000,
    06/11/2019 22:05:25 MST, and RFC 2822. A time that names no zone is in UTC.
    """
    try:
        if _DATE.fullmatch(value):
            start = micros(datetime.fromisoformat(value))
            return start, start + DAY
        if iso := _ISO.fullmatch(value):
            start = micros(datetime.fromisoformat(value))
            return start, start + SECOND // 10 ** len(iso[1] or "")
        if words := _SLASHED.fullmatch(value) or _RFC2822.fullmatch(value):
            month = _MONTHS.get(words["month"], words["month"])
            zone = _ZONES.get(words["zone"], words["zone"])
            spelled = f"{words['year']}-{month}-{words['day']} {words['clock']} {zone}"
            start = micros(datetime.strptime(spelled, "%Y-%m-%d %H:%M:%S %z"))
            return start, start + SECOND
    except ValueError:
        pass
    raise Problem(20422, name=name, value=value)
