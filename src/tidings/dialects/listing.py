"""Lists as Twilio's API and SignalWire's after its model ask for them: which page, of what, how many.

Called by `twilio_lists` and `signalwire_compat_lists`, which differ in their tokens, filters and errors.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from tidings.errors import Problem
from tidings.store.base import MessageFilter

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000
"""Objects a page."""

Filters = tuple[tuple[str, str], ...]
"""As given, for the URIs of the pages."""


class Place(msgspec.Struct, frozen=True):
    """Which page of a list is asked for."""

    page: int
    page_size: int
    after: str | None
    """Id of the object that the page continues behind, in the order of the list."""


class Listing(msgspec.Struct, frozen=True):
    """One page of messages, as it was asked for."""

    where: MessageFilter
    place: Place
    filters: Filters
    ignored: tuple[str, ...]
    """Names of parameters that have no effect."""


class MediaListing(msgspec.Struct, frozen=True):
    """One page of the media of a message, as it was asked for. Times are microseconds since 1970."""

    created_from: int | None
    created_until: int | None
    """Before."""
    place: Place
    filters: Filters
    ignored: tuple[str, ...]


def page_and_size(given: Mapping[str, str]) -> tuple[int, int]:
    """The number of the page, and its size. Raises Problem: 20007 page size, 20422 page."""
    size = given.get("PageSize", str(DEFAULT_PAGE_SIZE))
    page_size = int(size) if re.fullmatch(r"[0-9]{1,9}", size) else 0
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise Problem(20007, value=size)
    page = given.get("Page", "0")
    if not re.fullmatch(r"[0-9]{1,9}", page):
        raise Problem(20422, name="Page", value=page)
    return int(page), page_size
