"""Lists in the Compatibility API's words: query filters and page tokens become a `Listing`, what was found a page.

Called by the web room, as `signalwire_compat` is. A page token is `PA` and the id of the last object of the page
before, so pages neither repeat nor skip a message while new ones arrive. Tokens only lead forward: SignalWire's
`PB` tokens, which lead back, are not given out, and `previous_page_uri` is null from the third page on.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from tidings.clock import DAY, micros
from tidings.dialects.listing import Filters, Listing, MediaListing, Place, page_and_size
from tidings.dialects.signalwire_compat import (
    STATUSES,
    Params,
    account_uri,
    medium_json,
    message_json,
    message_uri,
    without_effect,
)
from tidings.errors import Problem
from tidings.lifecycle import Status
from tidings.model import Medium, Message, Standing
from tidings.store.base import MessageFilter

_PAGING: Final = ("Page", "PageSize", "PageToken")
_MESSAGE_FILTERS: Final = ("DateSent", "DateSent<", "DateSent>", "From", "To", "Status")
_MEDIA_FILTERS: Final = ("DateCreated", "DateCreated<", "DateCreated>")
_STATUSES: Final[dict[str, tuple[Status, ...]]] = {
    word: tuple(status for status in Status if STATUSES[status] == word) for word in STATUSES.values()
}
"""What a word may mean."""
_TOKEN: Final = re.compile(r"PA([0-9a-f]{32})")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def parse_place(given: Mapping[str, str]) -> Place:
    """The page that is asked for.

    Raises Problem: 20007 page size, 20422 page, 54453 a page that has no token, 21481 a token that is none.
    """
    page, page_size = page_and_size(given)
    token = given.get("PageToken")
    if token is None:
        # A page is found by its token alone: to answer Page=1 with the first page would go round for ever.
        if page:
            raise Problem(54453)
        return Place(0, page_size, None)
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise Problem(21481, value=token)
    return Place(page, page_size, found[1])


def envelope(path: str, place: Place, filters: Filters, last: str | None) -> dict[str, Any]:
    """What stands around a page of the list at `path`; `last` is the id it ends with where another one follows."""

    def uri(page: int, after: str | None) -> str:
        token = [("PageToken", f"PA{after}")] if after else []
        paging = [("Page", str(page)), ("PageSize", str(place.page_size)), *token]
        return f"{path}?{urlencode([*filters, *paging])}"

    return {
        "uri": uri(place.page, place.after),
        "first_page_uri": uri(0, None),
        "next_page_uri": None if last is None else uri(place.page + 1, last),
        "previous_page_uri": uri(0, None) if place.page == 1 else None,
        "page": place.page,
        "page_size": place.page_size,
    }


# --- messages
def parse_list(query: Params) -> Listing:
    """What a list of messages asks for. Raises Problem as `parse_place`, and 20422 for dates and statuses."""
    given = {name: value for name, value in query if value}
    sent_from, sent_until = _span(given, "DateSent")
    word = given.get("Status")
    if word is not None and word not in _STATUSES:
        raise Problem(20422, name="Status", value=word)
    where = MessageFilter(
        sender=given.get("From"),
        recipient=given.get("To"),
        sent_from=sent_from,
        sent_until=sent_until,
        statuses=None if word is None else _STATUSES[word],
    )
    return Listing(where, parse_place(given), *_filters(given, _MESSAGE_FILTERS))


def page_json(account: str, listing: Listing, found: Sequence[tuple[Message, Standing]]) -> dict[str, Any]:
    """A page of the account's messages. `found` has one more than a page takes when another one follows."""
    shown = found[: listing.place.page_size]
    last = shown[-1][0].id if len(found) > len(shown) else None
    around = envelope(f"{account_uri(account)}/Messages", listing.place, listing.filters, last)
    return around | {"messages": [message_json(message, standing) for message, standing in shown]}


# --- media
def parse_media_list(query: Params) -> MediaListing:
    """What a list of media asks for. Raises Problem as `parse_list`."""
    given = {name: value for name, value in query if value}
    return MediaListing(*_span(given, "DateCreated"), parse_place(given), *_filters(given, _MEDIA_FILTERS))


def media_page_json(message: Message, listing: MediaListing, media: Sequence[Medium]) -> dict[str, Any]:
    """A page of the `media` of a message, in their places. Raises Problem: 21481 for a token of none of them."""
    start = _behind(media, listing.place.after)
    found = [medium for medium in media[start:] if _made_within(medium, listing)]
    shown = found[: listing.place.page_size]
    last = shown[-1].id if len(found) > len(shown) else None
    around = envelope(f"{message_uri(message)}/Media", listing.place, listing.filters, last)
    return around | {"media_list": [medium_json(message, medium) for medium in shown]}


def _behind(media: Sequence[Medium], id_: str | None) -> int:
    if id_ is None:
        return 0
    for place, medium in enumerate(media):
        if medium.id == id_:
            return place + 1
    raise Problem(21481, value=f"PA{id_}")


def _made_within(medium: Medium, listing: MediaListing) -> bool:
    since, until = listing.created_from, listing.created_until
    return (since is None or medium.created_at >= since) and (until is None or medium.created_at < until)


# --- filters
def _filters(given: dict[str, str], names: tuple[str, ...]) -> tuple[Filters, tuple[str, ...]]:
    """The filters that were given, and the names of what has no effect."""
    filters = tuple((name, given[name]) for name in names if name in given)
    return filters, without_effect(given, frozenset({*names, *_PAGING}))


def _span(given: dict[str, str], name: str) -> tuple[int | None, int | None]:
    """The time that a filter by date leaves, [from, until): `Date` is one day in UTC, `Date<` what comes before a
    day begins, and `Date>` what comes from then on."""
    starts, ends = [], []
    if name in given:
        at = _date(name, given[name])
        starts.append(at - at % DAY)
        ends.append(starts[0] + DAY)
    if (before := f"{name}<") in given:
        ends.append(_date(before, given[before]))
    if (after := f"{name}>") in given:
        starts.append(_date(after, given[after]))
    return max(starts, default=None), min(ends, default=None)


def _date(name: str, value: str) -> int:
    """Microseconds since 1970 at a date's midnight in UTC, or at a time: client libraries spell dates as times."""
    try:
        if _DATE.fullmatch(value):
            return micros(datetime.fromisoformat(value))
    except ValueError:
        pass
    raise Problem(20422, name=name, value=value)
