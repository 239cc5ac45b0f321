"""What Twilio's APIs of version 1 have in common: lists in pages, which say in `meta` where the other pages are.

Called by the dialects `twilio_monitor` and `twilio_services`. URLs are absolute, as clients follow them untouched.
A page token is `PA` and the SID of the last object of the page before.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from tidings.dialects.listing import Filters, Place
from tidings.ids import sid

PAGING: Final = ("PageSize", "Page", "PageToken")


class Asked(Protocol):
    """A page of a list, as it was asked for."""

    @property
    def place(self) -> Place: ...

    @property
    def filters(self) -> Filters: ...


class _Named(Protocol):
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=_Named)


def cut(found: Iterable[N], place: Place) -> tuple[list[N], str | None]:
    """The page of all that was `found`, newest id first, and the id it ends with where another one follows.

    What the token of a page names may be gone by now: clients delete while they list.
    """
    behind = [one for one in found if place.after is None or one.id < place.after]
    behind.sort(key=lambda one: one.id, reverse=True)
    shown = behind[: place.page_size]
    return shown, shown[-1].id if len(behind) > len(shown) else None


def page_json(
    url: str, key: str, prefix: str, listing: Asked, shown: Sequence[Any], last: str | None
) -> dict[str, Any]:
    """A page of the list at `url`, whose objects have SIDs of that prefix; `last` is the id it ends with where
    another one follows.

    `previous_page_url` is null from the third page on, as tokens only lead forward.
    """
    place = listing.place

    def page_url(page: int, before: str | None) -> str:
        token = [("PageToken", "PA" + sid(prefix, before))] if before else []
        paging = [("PageSize", str(place.page_size)), ("Page", str(page)), *token]
        return f"{url}?{urlencode([*listing.filters, *paging])}"

    return {
        key: shown,
        "meta": {
            "key": key,
            "page": place.page,
            "page_size": place.page_size,
            "url": page_url(place.page, place.after),
            "first_page_url": page_url(0, None),
            "next_page_url": None if last is None else page_url(place.page + 1, last),
            "previous_page_url": page_url(0, None) if place.page == 1 else None,
        },
    }
