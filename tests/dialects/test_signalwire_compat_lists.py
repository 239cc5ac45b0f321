"""Tables: queries of lists → filters and pages, or the error that is answered; what was found → a page."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schemas import signalwire, specified
from tidings.clock import DAY, micros
from tidings.dialects.listing import Place
from tidings.dialects.signalwire_compat_lists import (
    media_page_json,
    page_json,
    parse_list,
    parse_media_list,
)
from tidings.errors import Problem
from tidings.lifecycle import Status
from tidings.model import Channel, Direction, Medium, Message, Standing
from tidings.store.base import MessageFilter
from tidings.text import Encoding

ACCOUNT, PROJECT = "0a" * 16, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
LIST = f"/api/laml/2010-04-01/Accounts/{PROJECT}/Messages"
TOKEN = "PA" + "0c" * 16
DAY_START = micros(datetime(2026, 3, 17, tzinfo=UTC))
NOON = DAY_START + DAY // 2


def conforms(name: str, value: Any) -> bool:
    return signalwire("compat-messages", name).is_valid(value)


# --- filters
FILTERS: list[tuple[str, list[tuple[str, str]], MessageFilter]] = [
    ("nothing", [], MessageFilter()),
    ("empty is not given", [("From", ""), ("Status", ""), ("DateSent", "")], MessageFilter()),
    ("a sender", [("From", "+15005550006")], MessageFilter(sender="+15005550006")),
    ("a recipient", [("To", "+15551230000")], MessageFilter(recipient="+15551230000")),
    ("one day", [("DateSent", "2026-03-17")], MessageFilter(sent_from=DAY_START, sent_until=DAY_START + DAY)),
    (
        "the day of a time",
        [("DateSent", "2026-03-17T12:00:00Z")],
        MessageFilter(sent_from=DAY_START, sent_until=DAY_START + DAY),
    ),
    ("before a day begins", [("DateSent<", "2026-03-17")], MessageFilter(sent_until=DAY_START)),
    ("from a day on", [("DateSent>", "2026-03-17")], MessageFilter(sent_from=DAY_START)),
    ("as clients spell a date", [("DateSent>", "2026-03-17T00:00:00Z")], MessageFilter(sent_from=DAY_START)),
    ("before a time", [("DateSent<", "2026-03-17T13:00:00+01:00")], MessageFilter(sent_until=NOON)),
    (
        "between, and on a day",
        [("DateSent>", "2026-03-16"), ("DateSent<", "2026-03-20"), ("DateSent", "2026-03-17")],
        MessageFilter(sent_from=DAY_START, sent_until=DAY_START + DAY),
    ),
]


@pytest.mark.parametrize(("query", "where"), [row[1:] for row in FILTERS], ids=[row[0] for row in FILTERS])
def test_filters(query: list[tuple[str, str]], where: MessageFilter) -> None:
    assert parse_list(query).where == where


STATUSES = {
    "queued": {Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED},
    "initiated": {Status.SENDING},
    "sent": {Status.SENT},
    "delivered": {Status.DELIVERED, Status.READ},
    "undelivered": {Status.UNDELIVERED},
    "failed": {Status.FAILED, Status.CANCELED},
    "received": {Status.RECEIVING, Status.RECEIVED},
}


@pytest.mark.parametrize("word", specified("compat-messages")["$defs"]["MessageStatus"]["enum"])
def test_a_status_filter_means_all_that_is_shown_so(word: str) -> None:
    assert set(parse_list([("Status", word)]).where.statuses or ()) == STATUSES[word]


def test_every_status_is_found_by_one_word() -> None:
    assert sorted(status for found in STATUSES.values() for status in found) == sorted(Status)


def test_what_has_no_effect_is_named() -> None:
    assert parse_list([("Direction", "inbound"), ("PageSize", "5"), ("x", "")]).ignored == ("Direction",)
    assert parse_media_list([("DateSent", "x"), ("DateCreated", "2026-03-17")]).ignored == ("DateSent",)


# --- pages
PLACES = [
    ([], Place(0, 50, None)),
    ([("PageSize", "1000")], Place(0, 1000, None)),
    ([("Page", "0"), ("PageSize", "1")], Place(0, 1, None)),
    ([("Page", "3"), ("PageToken", TOKEN)], Place(3, 50, "0c" * 16)),
    ([("PageToken", TOKEN)], Place(0, 50, "0c" * 16)),
]


@pytest.mark.parametrize(("query", "place"), PLACES, ids=str)
def test_places(query: list[tuple[str, str]], place: Place) -> None:
    assert parse_list(query).place == parse_media_list(query).place == place


REFUSED = [
    *((20007, [("PageSize", bad)]) for bad in ("0", "1001", "-1", "2.5", "x", "9" * 5000, "٣")),
    *((20422, [("Page", bad), ("PageToken", TOKEN)]) for bad in ("-1", "x", "9" * 5000)),
    (54453, [("Page", "1")]),
    (54453, [("Page", "1"), ("PageToken", "")]),
    *(
        (21481, [("Page", "1"), ("PageToken", bad)])
        for bad in ("x", "PA", TOKEN + "0", "PA" + "g" * 32, TOKEN[2:])
    ),
    (21481, [("Page", "1"), ("PageToken", TOKEN + "\n")]),
    # A token that leads back, as SignalWire has them: none is given out here.
    (21481, [("Page", "0"), ("PageToken", "PB" + "0c" * 16)]),
]


@pytest.mark.parametrize(("code", "query"), REFUSED, ids=str)
@pytest.mark.parametrize("parse", [parse_list, parse_media_list])
def test_a_page_that_cannot_be_found_is_refused(parse: Any, code: int, query: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        parse(query)
    assert caught.value.code == code


BAD_DATES = (
    "yesterday",
    "2026-02-30",
    "2026-3-1",
    "17.03.2026",
    "2026-03-17T25:00:00Z",
    "2026-03-17Z",
    "20260317",
)


@pytest.mark.parametrize("bad", BAD_DATES)
@pytest.mark.parametrize("comparison", ["", "<", ">"])
def test_a_date_that_is_none_is_refused(bad: str, comparison: str) -> None:
    for parse, name in ((parse_list, "DateSent"), (parse_media_list, "DateCreated")):
        with pytest.raises(Problem) as caught:
            parse([(name + comparison, bad)])
        assert caught.value.code == 20422


def test_a_status_that_callbacks_alone_have_is_refused() -> None:
    for word in ("sending", "QUEUED", "read", "canceled"):
        with pytest.raises(Problem) as caught:
            parse_list([("Status", word)])
        assert caught.value.code == 20422


NAMES = ["DateSent", "DateSent<", "DateSent>", "Status", "Page", "PageSize", "PageToken"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text() | st.dates().map(str) | st.datetimes().map(str))))
def test_nothing_but_a_problem_comes_of_any_query(query: list[tuple[str, str]]) -> None:
    try:
        listing = parse_list(query)
    except Problem:
        return
    assert 1 <= listing.place.page_size <= 1000


# --- what was found
def found(*numbers: int) -> list[tuple[Message, Standing]]:
    return [
        (
            Message(
                f"{number:032x}",
                ACCOUNT,
                "twilio",
                Direction.OUTBOUND_API,
                "+15005550006",
                "+15551230000",
                "Hello",
                Encoding.GSM7,
                1,
                None,
                None,
                0,
            ),
            Standing(f"{number:032x}", Status.QUEUED, 1, 0),
        )
        for number in numbers
    ]


def test_a_page_that_another_one_follows() -> None:
    listing = parse_list([("PageSize", "2"), ("From", "+1 5"), ("DateSent>", "2026-03-17")])
    page = page_json(ACCOUNT, listing, found(9, 8, 7))
    assert conforms("MessageListResponse", page)
    assert [message["sid"][-1] for message in page.pop("messages")] == ["9", "8"]
    # Contradiction 5: pages, unlike resources, are without `.json`.
    filters = "DateSent%3E=2026-03-17&From=%2B1+5"
    assert page == {
        "uri": f"{LIST}?{filters}&Page=0&PageSize=2",
        "first_page_uri": f"{LIST}?{filters}&Page=0&PageSize=2",
        "next_page_uri": f"{LIST}?{filters}&Page=1&PageSize=2&PageToken=PA{8:032x}",
        "previous_page_uri": None,
        "page": 0,
        "page_size": 2,
    }
    following = parse_list(parse_qsl(urlsplit(page["next_page_uri"]).query))
    assert (following.where, following.place) == (listing.where, Place(1, 2, f"{8:032x}"))


def test_the_last_page() -> None:
    page = page_json(ACCOUNT, parse_list([("Page", "1"), ("PageSize", "2"), ("PageToken", TOKEN)]), found(6, 5))
    assert conforms("MessageListResponse", page)
    assert len(page["messages"]) == 2
    assert page["uri"] == f"{LIST}?Page=1&PageSize=2&PageToken={TOKEN}"
    assert (page["next_page_uri"], page["previous_page_uri"]) == (None, f"{LIST}?Page=0&PageSize=2")


def test_a_page_further_on_has_no_way_back_but_to_the_first() -> None:
    page = page_json(ACCOUNT, parse_list([("Page", "2"), ("PageToken", TOKEN)]), [])
    assert conforms("MessageListResponse", page)
    assert (page["previous_page_uri"], page["first_page_uri"]) == (None, f"{LIST}?Page=0&PageSize=50")
    assert page["messages"] == []


# --- media
def media(*days: int) -> list[Medium]:
    return [
        Medium(
            f"{0xF0 - place:032x}", "0c" * 16, ACCOUNT, place, "https://a", None, None, DAY_START + day * DAY, 0
        )
        for place, day in enumerate(days)
    ]


MESSAGE = msgspec.structs.replace(found(0x0C)[0][0], channel=Channel.MMS)


def places(query: list[tuple[str, str]], kept: list[Medium]) -> list[int]:
    page = media_page_json(MESSAGE, parse_media_list(query), kept)
    assert conforms("MessageMediaListResponse", page)
    return [0xF0 - int(shown["sid"][-2:], 16) for shown in page["media_list"]]


def test_media_are_listed_in_their_places_page_by_page() -> None:
    query, seen = [("PageSize", "2")], []
    for _ in range(3):
        page = media_page_json(MESSAGE, parse_media_list(query), media(0, 0, 0, 0, 0))
        seen.append([shown["sid"][-2:] for shown in page["media_list"]])
        query = parse_qsl(urlsplit(page["next_page_uri"] or "").query)
    assert seen == [["f0", "ef"], ["ee", "ed"], ["ec"]]
    assert page["next_page_uri"] is None
    assert page["uri"].startswith(
        f"{LIST}/{'0' * 8}-0000-0000-0000-{'0' * 11}c/Media?Page=2&PageSize=2&PageToken=PA"
    )


MEDIA_FILTERS = [
    ([], [0, 1, 2]),
    ([("DateCreated", "2026-03-18")], [1]),
    ([("DateCreated<", "2026-03-18")], [0]),
    ([("DateCreated>", "2026-03-18")], [1, 2]),
    ([("DateCreated>", "2026-03-18"), ("DateCreated<", "2026-03-19")], [1]),
    ([("DateCreated", "2026-04-01")], []),
]


@pytest.mark.parametrize(("query", "expected"), MEDIA_FILTERS, ids=str)
def test_media_are_found_by_date(query: list[tuple[str, str]], expected: list[int]) -> None:
    assert places(query, media(0, 1, 2)) == expected


def test_a_token_of_another_messages_media_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        places([("Page", "1"), ("PageToken", TOKEN)], media(0, 1))
    assert caught.value.code == 21481


def test_a_message_without_media_has_an_empty_page() -> None:
    assert places([], []) == []
