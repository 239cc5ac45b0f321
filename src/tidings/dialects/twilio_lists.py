"""Lists in Twilio's words: its query filters and page tokens become a `Listing`, what was found becomes a page.

Called by the web room, as `twilio` is. A page token is `PA` and the SID of the last object of the page before,
so pages neither repeat nor skip a message while new ones arrive. Messages of either kind have `SM` in tokens.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from tidings.clock import DAY, SECOND, micros
from tidings.dialects.listing import Filters, Listing, MediaListing, Place, page_and_size
from tidings.dialects.twilio import API_VERSION, MONTHS, Params, medium_json, message_json, message_uri
from tidings.errors import Problem
from tidings.ids import from_sid, sid
from tidings.model import Medium, Message, Standing
from tidings.store.base import MessageFilter

_PAGING: Final = ("PageSize", "Page", "PageToken")
_MESSAGE_FILTERS: Final = ("To", "From", "DateSent", "DateSent<", "DateSent>")
_MEDIA_FILTERS: Final = ("DateCreated", "DateCreated<", "DateCreated>")


def parse_place(given: Mapping[str, str], *prefixes: str) -> Place:
    """The page of a list of objects whose SIDs have one of `prefixes`. Raises Problem as `parse_list`."""
    page, page_size = page_and_size(given)
    token = given.get("PageToken", "")
    before = from_sid(token[2:], *prefixes) if token.startswith("PA") else None
    # A page is found by its token alone: to answer Page=1 without one with the first page would go round for ever.
    if before is None and (token or page):
        raise Problem(21481, value=token or f"Page={page} without a token")
    return Place(page, page_size, before)


# --- messages
def parse_list(query: Params) -> Listing:
    """What a list of messages asks for. Raises Problem: 20007 page size, 21481 token, 20422 dates and page."""
    given = {name: value for name, value in query if value}
    sent_from, sent_until = _bounds(given, "DateSent")
    where = MessageFilter(
        sender=given.get("From"), recipient=given.get("To"), sent_from=sent_from, sent_until=sent_until
    )
    return Listing(where, parse_place(given, "SM", "MM"), *_filters(given, _MESSAGE_FILTERS))


def page_json(account: str, listing: Listing, found: Sequence[tuple[Message, Standing]]) -> dict[str, Any]:
    """A page of the account's messages. `found` has one more than `page_size` when another page follows."""
    shown = found[: listing.place.page_size]
    last = shown[-1][0].id if len(found) > len(shown) else None
    path = f"/{API_VERSION}/Accounts/{sid('AC', account)}/Messages.json"
    records = [message_json(message, standing) for message, standing in shown]
    return {"messages": records, **envelope(path, "SM", listing.place, listing.filters, len(records), last)}


# --- media
def parse_media_list(query: Params) -> MediaListing:
    """What a list of media asks for. Raises Problem as `parse_list`."""
    given = {name: value for name, value in query if value}
    bounds = _bounds(given, "DateCreated")
    return MediaListing(*bounds, parse_place(given, "ME"), *_filters(given, _MEDIA_FILTERS))


def media_page_json(message: Message, listing: MediaListing, media: Sequence[Medium]) -> dict[str, Any]:
    """A page of the `media` of a message, in their places. Raises Problem: 21481 for a token of none of them."""
    found = [medium for medium in _behind(media, listing.place.after) if _made_within(medium, listing)]
    shown = found[: listing.place.page_size]
    last = shown[-1].id if len(found) > len(shown) else None
    records = [medium_json(message, medium) for medium in shown]
    path = f"{message_uri(message)}/Media.json"
    return {"media_list": records, **envelope(path, "ME", listing.place, listing.filters, len(records), last)}


def _behind(media: Sequence[Medium], id_: str | None) -> Sequence[Medium]:
    if id_ is None:
        return media
    for number, medium in enumerate(media, 1):
        if medium.id == id_:
            return media[number:]
    raise Problem(21481, value=f"PAME{id_}")


def _made_within(medium: Medium, listing: MediaListing) -> bool:
    since, until = listing.created_from, listing.created_until
    return (since is None or medium.created_at >= since) and (until is None or medium.created_at < until)


# --- pages
def _filters(given: dict[str, str], names: tuple[str, ...]) -> tuple[Filters, tuple[str, ...]]:
    """The filters that were given, and the names of what has no effect."""
    filters = tuple((name, given[name]) for name in names if name in given)
    return filters, tuple(name for name in given if name not in names and name not in _PAGING)


def envelope(
    path: str, prefix: str, place: Place, filters: Filters, shown: int, last: str | None
) -> dict[str, Any]:
    """What stands around a page of the list at `path`; `last` is the id it ends with where another one follows.

    `previous_page_uri` is null from the third page on, as tokens only lead forward.
    """

    def uri(page: int, before: str | None) -> str:
        token = [("PageToken", "PA" + sid(prefix, before))] if before else []
        paging = [("PageSize", str(place.page_size)), ("Page", str(page)), *token]
        return f"{path}?{urlencode([*filters, *paging])}"

    start = place.page * place.page_size
    return {
        "page": place.page,
        "page_size": place.page_size,
        "start": start,
        "end": start + max(shown - 1, 0),
        "uri": uri(place.page, place.after),
        "first_page_uri": uri(0, None),
        "next_page_uri": None if last is None else uri(place.page + 1, last),
        "previous_page_uri": uri(0, None) if place.page == 1 else None,
    }


# --- dates
def _bounds(given: dict[str, str], name: str) -> tuple[int | None, int | None]:
    """The time that a filter by date leaves, [from, until).

    Each bound includes what it names: Twilio's documentation writes them <= and >=.
    """
    starts, ends = [], []
    for each in (name, f"{name}>", f"{name}<"):
        if each in given:
            start, end = _span(each, given[each])
            # Client libraries spell a date as its midnight, and nobody asks for what was made in that one second.
            if each == name and start % DAY == 0:
                end = start + DAY
            if each != f"{name}<":
                starts.append(start)
            if each != f"{name}>":
                ends.append(end)
    return max(starts, default=None), min(ends, default=None)


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
