"""Message logs of SignalWire's REST API: messages of every dialect, in and out, as its log entries, page by page.

Called by the web room, as `signalwire_rest` is. A page token is `PA` and the id of the last message of the page
before, so pages neither repeat nor skip a message while new ones arrive.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec

from tidings.clock import DAY, micros, zulu
from tidings.dialects.signalwire import RELAY, RESOURCE, REST, error_word
from tidings.dialects.signalwire_compat import message_uri, number
from tidings.dialects.signalwire_rest import LOGS
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.errors import words
from tidings.ids import dashed, from_project
from tidings.lifecycle import Status
from tidings.model import Direction, Message, Standing
from tidings.store.base import MessageFilter

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

T = TypeVar("T")
Params = Sequence[tuple[str, str]]
"""Decoded query parameters, in the order they came."""

_FILTERS: Final = ("include_deleted", "created_before", "created_on", "created_after")
_HEEDED: Final = frozenset({*_FILTERS, "page_size", "page_number", "page_token"})
_TRUTH: Final = {"true": True, "false": False}
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)

MICRO: Final = 1_000_000
"""Micro-USD in a dollar."""
_REALTIME: Final = frozenset({REST, RELAY})
"""Dialects whose messages are none of the compatibility API: they have words for errors, and no resource there."""
_CHARGED: Final = frozenset({Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.READ, Status.RECEIVED})
_STATUS: Final = RESOURCE | {Status.READ: "delivered"}
"""Logs know nothing beyond `delivered`."""


class Listing(msgspec.Struct, frozen=True):
    """One page of the logs, as it was asked for."""

    where: MessageFilter
    page: int
    page_size: int
    before: str | None
    """Id of the message that this page continues below."""
    filters: tuple[tuple[str, str], ...]
    """As given, for the links to the pages."""
    ignored: tuple[str, ...]
    """Names of parameters that have no effect."""


def parse_list(query: Params) -> Listing:
    """What a list asks for; of a parameter that comes twice the last one counts, an empty one is not given.

    Raises Invalid with all that is wrong.
    """
    given = {name: value for name, value in query if value}
    faults: list[Fault] = []
    deleted = _read(given, "include_deleted", _boolean, False, faults)
    before = _read(given, "created_before", _instant, None, faults)
    day = _read(given, "created_on", _day, None, faults)
    after = _read(given, "created_after", _instant, None, faults)
    page_size = _read(given, "page_size", _page_size, DEFAULT_PAGE_SIZE, faults)
    page = _read(given, "page_number", _page_number, 0, faults)
    below = _read(given, "page_token", _page_token, None, faults)
    # To answer a later page without a token with the first one would go round for ever.
    if page and "page_token" not in given:
        faults.append(Fault("page_token", "page_token_required"))
    if faults:
        raise Invalid(*faults)
    starts = [at for at in (after, day) if at is not None]
    ends = [at for at in (before, None if day is None else day + DAY) if at is not None]
    return Listing(
        where=MessageFilter(
            created_from=max(starts, default=None),
            created_until=min(ends, default=None),
            deleted=deleted,
        ),
        page=page,
        page_size=page_size,
        before=below,
        filters=tuple((name, given[name]) for name in _FILTERS if name in given),
        ignored=tuple(name for name in given if name not in _HEEDED),
    )


def parse_item(query: Params) -> tuple[bool, tuple[str, ...]]:
    """Whether a deleted message's entry is meant as well, and the names of parameters without effect.

    The vendor's description has no parameter here; the one of the list leads to what that lists. Raises Invalid.
    """
    given = {name: value for name, value in query if value}
    faults: list[Fault] = []
    deleted = _read(given, "include_deleted", _boolean, False, faults)
    if faults:
        raise Invalid(*faults)
    return deleted, tuple(name for name in given if name != "include_deleted")


def _read(given: Mapping[str, str], name: str, reader: Callable[[str], T], default: T, faults: list[Fault]) -> T:
    """What a parameter says; its default where it is not given, and where it says nothing good, which is noted."""
    if name not in given:
        return default
    try:
        return reader(given[name])
    except _Unreadable as unreadable:
        faults.append(Fault(name, str(unreadable), given[name]))
        return default


class _Unreadable(Exception):
    """A parameter with a value that it cannot have; the word to be said of it."""


def _boolean(value: str) -> bool:
    truth = _TRUTH.get(value.lower())
    if truth is None:
        raise _Unreadable("not_a_boolean")
    return truth


def _instant(value: str) -> int:
    """Microseconds since 1970 of a time, or of the midnight a date begins with; in UTC where it names no zone.

    The vendor's error says that a bound is a "DateTime": a date is its first moment, before and after alike.
    """
    if not _TIME.fullmatch(value):
        raise _Unreadable("datetime_required")
    try:
        return micros(datetime.fromisoformat(value))
    except ValueError:
        raise _Unreadable("datetime_required") from None


def _day(value: str) -> int:
    """When the day began, in UTC, that a date names or a time lies in."""
    at = _instant(value)
    return at - at % DAY


def _page_size(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or not 1 <= int(value) <= MAX_PAGE_SIZE:
        raise _Unreadable("invalid_parameter")
    return int(value)


def _page_number(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise _Unreadable("invalid_parameter")
    return int(value)


def _page_token(value: str) -> str:
    before = from_project(value[2:]) if value.startswith("PA") else None
    if before is None:
        raise _Unreadable("page_token_is_invalid")
    return before


def page_json(base: str, listing: Listing, found: Sequence[tuple[Message, Standing]]) -> dict[str, Any]:
    """A page of the logs. `base` stands before the paths of URLs; `found` has one more than `page_size` when
    another page follows.

    `prev` is there on the second page only, as tokens lead forward.
    """
    shown = found[: listing.page_size]

    def link(page: int, before: str | None) -> str:
        token = [("page_token", f"PA{dashed(before)}")] if before else []
        paging = [("page_number", str(page)), ("page_size", str(listing.page_size)), *token]
        return f"{base}{LOGS}?{urlencode([*listing.filters, *paging])}"

    links = {"self": link(listing.page, listing.before), "first": link(0, None)}
    if len(found) > len(shown):
        links["next"] = link(listing.page + 1, shown[-1][0].id)
    if listing.page == 1:
        links["prev"] = link(0, None)
    return {"links": links, "data": [log_json(base, message, standing) for message, standing in shown]}


def log_json(base: str, message: Message, standing: Standing) -> dict[str, Any]:
    """A log entry. `charge` is what the message costs once it has left, and no charge before, or where its route
    has no price: the vendor knows no null here."""
    realtime = message.dialect in _REALTIME
    inbound = message.direction is Direction.INBOUND
    charge = message.price / MICRO if message.price and standing.status in _CHARGED else 0.0
    description = f"{'Inbound' if inbound else 'Outbound'} {message.channel.upper()}"
    error = standing.error
    return {
        "id": dashed(message.id),
        "from": message.sender,
        "to": message.recipient,
        "status": _STATUS[standing.status],
        "direction": "outbound" if realtime and not inbound else message.direction,
        "kind": message.channel,
        "source": "realtime_api" if realtime else "laml",
        "type": "relay_message" if realtime else "laml_message",
        "url": None if realtime else base + message_uri(message),
        "number_of_segments": message.segments,
        "charge": charge,
        "charge_details": [{"description": description, "charge": charge}] if charge else [],
        "created_at": zulu(message.created_at),
        "error_message": None if error is None else words(error),
        "error_code": None if error is None else error_word(error) if realtime else str(number(error)),
    }
