"""Queries of Twilio's list in → what to look for, or an error; what was found → a page its clients can follow."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from tidings.clock import DAY, SECOND
from tidings.dialects.listing import Place
from tidings.dialects.twilio_lists import media_page_json, page_json, parse_list, parse_media_list
from tidings.errors import Problem
from tidings.lifecycle import Status
from tidings.model import Channel, Direction, Medium, Message, Standing
from tidings.store.base import MessageFilter
from tidings.text import Encoding

ACCOUNT = "a" * 32
TOKEN = "PASM" + "0123456789abcdef" * 2
JUNE_11 = int(datetime(2019, 6, 11, tzinfo=UTC).timestamp()) * SECOND
EVENING = JUNE_11 + (22 * 3600 + 5 * 60 + 25) * SECOND


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ([], {}),
        ([("To", "+1"), ("From", "+2")], {"recipient": "+1", "sender": "+2"}),
        ([("To", "")], {}),
        ([("DateSent", "2019-06-11")], {"sent_from": JUNE_11, "sent_until": JUNE_11 + DAY}),
        ([("DateSent>", "2019-06-11")], {"sent_from": JUNE_11}),
        ([("DateSent<", "2019-06-11")], {"sent_until": JUNE_11 + DAY}),
        ([("DateSent", "2019-06-11T22:05:25Z")], {"sent_from": EVENING, "sent_until": EVENING + SECOND}),
        ([("DateSent", "2019-06-11T00:00:00Z")], {"sent_from": JUNE_11, "sent_until": JUNE_11 + DAY}),
        ([("DateSent<", "2019-06-11T00:00:00Z")], {"sent_until": JUNE_11 + SECOND}),
        ([("DateSent<", "2019-06-11T22:05:25Z")], {"sent_until": EVENING + SECOND}),
        ([("DateSent>", "2019-06-12T00:05:25+02:00")], {"sent_from": EVENING}),
        ([("DateSent>", "2019-06-11T22:05:25")], {"sent_from": EVENING}),
        ([("DateSent>", "2019-06-11 22:05:25.000")], {"sent_from": EVENING}),
        ([("DateSent<", "2019-06-11 22:05:25.250")], {"sent_until": EVENING + 251_000}),
        ([("DateSent>", "06/11/2019 22:05:25 MST")], {"sent_from": EVENING + 7 * 3600 * SECOND}),
        ([("DateSent>", "06/11/2019 22:05:25 UTC")], {"sent_from": EVENING}),
        ([("DateSent>", "Tue, 11 Jun 2019 22:05:25 -0000")], {"sent_from": EVENING}),
        ([("DateSent>", "11 Jun 2019 22:05:25 GMT")], {"sent_from": EVENING}),
        ([("DateSent>", "Tue, 11 Jun 2019 18:05:25 EDT")], {"sent_from": EVENING}),
        (
            [("DateSent", "2019-06-11"), ("DateSent>", "2019-06-11T22:05:25Z")],
            {"sent_from": EVENING, "sent_until": JUNE_11 + DAY},
        ),
        (
            [("DateSent>", "2019-06-10"), ("DateSent<", "2019-06-11")],
            {"sent_from": JUNE_11 - DAY, "sent_until": JUNE_11 + DAY},
        ),
    ],
)
def test_filters(query: list[tuple[str, str]], where: dict[str, Any]) -> None:
    assert parse_list(query).where == MessageFilter(**where)


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "2019-13-01",
        "2019-02-30",
        "2019-06-11T25:00:00Z",
        "13/11/2019 22:05:25 UTC",
        "06/11/2019 22:05:25 XYZ",
        "06/11/2019",
        "Wed, 31 Jun 2019 22:04:00 -0000",
        "20190611",
        "٢٠١٩-06-11",
    ],
)
def test_what_is_no_date_is_refused(date: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_list([("DateSent", date)])
    assert caught.value.code == 20422


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([("PageSize", "0")], 20007),
        ([("PageSize", "1001")], 20007),
        ([("PageSize", "-1")], 20007),
        ([("PageSize", "many")], 20007),
        ([("Page", "-1")], 20422),
        ([("Page", "one")], 20422),
        ([("Page", "1")], 21481),
        ([("PageToken", "PA")], 21481),
        ([("PageToken", "PASM123")], 21481),
        ([("PageToken", TOKEN[2:])], 21481),
        ([("Page", "1"), ("PageToken", "PAAC" + "0" * 32)], 21481),
    ],
)
def test_what_names_no_page_is_refused(query: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Problem) as caught:
        parse_list(query)
    assert caught.value.code == code


def test_pages_are_named_by_size_number_and_token() -> None:
    assert parse_list([]).place == Place(0, 50, None)
    later = parse_list([("PageSize", "1000"), ("Page", "3"), ("PageToken", TOKEN)])
    assert later.place == Place(3, 1000, "0123456789abcdef" * 2)
    assert parse_list([("PageToken", "PAMM" + TOKEN[4:])]).place.after == later.place.after


def test_filters_that_do_not_exist_are_named() -> None:
    assert parse_list([("Status", "failed"), ("To", "+1")]).ignored == ("Status",)


def found(count: int) -> list[tuple[Message, Standing]]:
    message = Message(
        "0" * 32, ACCOUNT, "twilio", Direction.OUTBOUND_API, "+1", "+2", "x", Encoding.GSM7, 1, None, None, 0
    )
    ids = [f"{number:032x}" for number in range(count, 0, -1)]
    return [(msgspec.structs.replace(message, id=each), Standing(each, Status.QUEUED, 1, 0)) for each in ids]


ROOT = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json"


def test_a_full_page_leads_to_the_next() -> None:
    page = page_json(ACCOUNT, parse_list([("PageSize", "2")]), found(3))
    assert [message["sid"][-1] for message in page["messages"]] == ["3", "2"]
    assert (page["page"], page["page_size"], page["start"], page["end"]) == (0, 2, 0, 1)
    assert page["uri"] == page["first_page_uri"] == f"{ROOT}?PageSize=2&Page=0"
    assert page["next_page_uri"] == f"{ROOT}?PageSize=2&Page=1&PageToken=PASM{2:032x}"
    assert page["previous_page_uri"] is None


def test_the_last_page_leads_nowhere_and_the_second_leads_back() -> None:
    page = page_json(ACCOUNT, parse_list([("PageSize", "2"), ("Page", "1"), ("PageToken", TOKEN)]), found(2))
    assert (page["start"], page["end"]) == (2, 3)
    assert page["next_page_uri"] is None
    assert page["uri"] == f"{ROOT}?PageSize=2&Page=1&PageToken={TOKEN}"
    assert page["previous_page_uri"] == f"{ROOT}?PageSize=2&Page=0"


def test_an_empty_page_starts_and_ends_at_0() -> None:
    page = page_json(ACCOUNT, parse_list([]), [])
    assert (page["messages"], page["start"], page["end"]) == ([], 0, 0)
    assert page["next_page_uri"] is page["previous_page_uri"] is None


def test_filters_stay_in_the_uris_percent_encoded() -> None:
    query = [("To", "+15551230000"), ("DateSent>", "06/11/2019 22:05:25 MST"), ("PageSize", "1")]
    page = page_json(ACCOUNT, parse_list(query), found(2))
    # As in the examples of Twilio's API description.
    assert page["uri"] == f"{ROOT}?To=%2B15551230000&DateSent%3E=06%2F11%2F2019+22%3A05%3A25+MST&PageSize=1&Page=0"
    follow = parse_qsl(urlsplit(page["next_page_uri"]).query)
    assert parse_list(follow).where == parse_list(query).where


@pytest.mark.parametrize(
    "page",
    [
        page_json(ACCOUNT, parse_list([]), []),
        media_page_json(found(1)[0][0], parse_media_list([]), []),
    ],
)
def test_the_records_are_the_only_other_key_of_a_page(page: dict[str, Any]) -> None:
    # Twilio's clients take whatever key is not one of these for the records.
    known = {"start", "end", "page", "page_size", "uri", "first_page_uri", "next_page_uri", "previous_page_uri"}
    (records,) = page.keys() - known
    assert page[records] == []


# --- media
MEDIA_MESSAGE = msgspec.structs.replace(found(1)[0][0], channel=Channel.MMS, media=3)
MEDIA_ROOT = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages/MM{MEDIA_MESSAGE.id}/Media.json"


def media(count: int) -> list[Medium]:
    """Random names, one medium a day from June 11 on."""
    return [
        Medium(f"{number * 7 % 5:x}" * 32, MEDIA_MESSAGE.id, ACCOUNT, number, None, "image/png", 1, at, at)
        for number, at in enumerate(range(JUNE_11, JUNE_11 + count * DAY, DAY))
    ]


def shown(page: dict[str, Any]) -> list[str]:
    return [medium["sid"] for medium in page["media_list"]]


def test_media_come_in_their_places_page_by_page() -> None:
    kept = media(5)
    sids, query, pages = [], [("PageSize", "2")], []
    while True:
        pages.append(page := media_page_json(MEDIA_MESSAGE, parse_media_list(query), kept))
        sids += shown(page)
        if page["next_page_uri"] is None:
            break
        query = parse_qsl(urlsplit(page["next_page_uri"]).query)
    assert sids == [f"ME{medium.id}" for medium in kept]
    assert [(page["page"], page["start"], page["end"]) for page in pages] == [(0, 0, 1), (1, 2, 3), (2, 4, 4)]
    assert pages[0]["next_page_uri"] == f"{MEDIA_ROOT}?PageSize=2&Page=1&PageToken=PAME{kept[1].id}"
    assert [page["previous_page_uri"] for page in pages] == [None, f"{MEDIA_ROOT}?PageSize=2&Page=0", None]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ([], [0, 1, 2]),
        ([("DateCreated", "2019-06-12")], [1]),
        ([("DateCreated", "2019-06-12T00:00:00Z")], [1]),
        ([("DateCreated>", "2019-06-12")], [1, 2]),
        ([("DateCreated<", "2019-06-12")], [0, 1]),
        ([("DateCreated<", "2019-06-12T00:00:01Z"), ("DateCreated>", "2019-06-11 12:00:00.000")], [1]),
        ([("DateCreated", "2019-06-20")], []),
        ([("DateSent", "2019-06-20")], [0, 1, 2]),
    ],
)
def test_media_are_found_by_the_date_they_were_made(query: list[tuple[str, str]], places: list[int]) -> None:
    page = media_page_json(MEDIA_MESSAGE, parse_media_list(query), kept := media(3))
    assert shown(page) == [f"ME{kept[place].id}" for place in places]


def test_filters_of_media_stay_in_the_uris_and_others_are_named() -> None:
    listing = parse_media_list([("DateCreated>", "2019-06-12"), ("DateSent", "2019-06-11")])
    assert listing.ignored == ("DateSent",)
    page = media_page_json(MEDIA_MESSAGE, listing, media(3))
    assert page["uri"] == f"{MEDIA_ROOT}?DateCreated%3E=2019-06-12&PageSize=50&Page=0"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([("DateCreated<", "soon")], 20422),
        ([("PageSize", "0")], 20007),
        ([("Page", "1")], 21481),
        ([("PageToken", TOKEN)], 21481),
        ([("PageToken", "PAME" + "f" * 32)], 21481),
    ],
)
def test_a_list_of_media_that_cannot_be_given_is_refused(query: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Problem) as caught:
        media_page_json(MEDIA_MESSAGE, parse_media_list(query), media(3))
    assert caught.value.code == code
