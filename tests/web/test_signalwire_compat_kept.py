"""What the Compatibility API says of messages that are kept: lists, redaction, deletion, media.

Asked by a plain client; lists are walked by Twilio's own as well, as SignalWire's is made of it.
"""

from typing import TYPE_CHECKING

import httpx
import pytest
from twilio.rest import Client

from tests.web.compat_project import (
    FROM,
    MESSAGES,
    PICTURE,
    PREFIXES,
    PROJECT,
    REFUSED,
    TAKEN,
    TOKEN,
    conforming,
    create,
    http,
    picture,
    refused,
    say,
    sent,
)
from tidings.clock import DAY

if TYPE_CHECKING:
    from tests.web.conftest import Site


# --- lists
WALKS = [
    # Clients made after Twilio's put their base URL before the URI of the next page.
    *((base, f"{base}{{}}") for base in ("", "/api/laml")),
    # Others go there from the host.
    *((prefix, "{}") for prefix in PREFIXES),
]


@pytest.mark.parametrize(("prefix", "link"), WALKS)
def test_every_page_is_reached_however_clients_make_its_url(site: "Site", prefix: str, link: str) -> None:
    sids = [create(site, Body=str(number))["sid"] for number in range(5)][::-1]
    path, pages = f"{prefix}/2010-04-01/Accounts/{PROJECT}/Messages?PageSize=2", []
    while path:
        page = conforming("MessageListResponse", http(site).get(path))
        pages.append([message["sid"] for message in page["messages"]])
        path = link.format(page["next_page_uri"]) if page["next_page_uri"] else ""
    assert pages == [sids[:2], sids[2:4], sids[4:]]


@pytest.mark.parametrize("base", ["", "/api/laml"])
def test_a_client_made_after_twilios_walks_the_list(site: "Site", base: str) -> None:
    sids = [create(site, Body=str(number))["sid"] for number in range(5)][::-1]
    client = Client(PROJECT, TOKEN)
    client.api.base_url = site.url + base
    assert [message.sid for message in client.messages.list(page_size=2)] == sids
    second = client.messages.page(page_size=2).next_page()
    assert [message.sid for message in second.previous_page()] == sids[:2]


def test_pages_do_not_shift_while_messages_arrive(site: "Site") -> None:
    sids = [create(site)["sid"] for _ in range(4)]
    first = http(site).get(f"{MESSAGES}?PageSize=2").json()
    create(site)
    second = http(site).get(first["next_page_uri"]).json()
    assert [message["sid"] for message in second["messages"]] == sids[1::-1]


def test_filters_hold_on_every_page(site: "Site") -> None:
    day = [sent(site)["sid"]]
    site.clock.time += DAY
    other = sent(site, From="+15005550007", To="+15551230001")["sid"]
    queued = create(site)["sid"]
    failed = create(site)
    say(site, failed, TAKEN[0], REFUSED)
    today = "2026-11-22"

    def listed(**filters: str) -> list[str]:
        uri: str | None = str(httpx.URL(MESSAGES, params={"PageSize": "1"} | filters))
        seen: list[str] = []
        while uri:
            page = http(site).get(uri).json()
            seen += [message["sid"] for message in page["messages"]]
            uri = page["next_page_uri"]
        return seen

    assert listed() == [failed["sid"], queued, other, *day]
    assert listed(Status="queued") == [queued]
    assert listed(Status="sent") == [other, *day]
    assert listed(Status="failed") == [failed["sid"]]
    assert listed(Status="received") == []
    assert listed(From="+15005550007") == listed(To="+15551230001") == [other]
    assert listed(DateSent=today) == listed(**{"DateSent>": today}) == [other]
    assert listed(**{"DateSent<": today}) == day
    assert listed(Status="sent", From=FROM) == day


LISTS: list[tuple[str, int, int]] = [
    ("PageSize=1001", 54454, 422),
    ("PageSize=0", 54454, 422),
    ("Page=1", 54453, 422),
    ("Page=1&PageToken=x", 21481, 422),
    ("Page=x", 90000, 422),
    ("DateSent=soon", 90000, 422),
    ("Status=sending", 90000, 422),
    ("To=%zz", 10000, 400),
    ("To=%ff", 10000, 400),
    ("To=%00", 90000, 422),
]


@pytest.mark.parametrize(("query", "number", "status"), LISTS, ids=[row[0] for row in LISTS])
def test_a_list_that_cannot_be_given_is_refused(site: "Site", query: str, number: int, status: int) -> None:
    assert refused(http(site).get(f"{MESSAGES}?{query}")) == (number, status)


# --- redaction and deletion
def test_a_redacted_message_has_no_text(site: "Site") -> None:
    made = sent(site)
    answer = http(site).post(made["uri"], data={"Body": ""})
    assert (answer.status_code, conforming("Message", answer)["body"]) == (200, "")
    assert http(site).get(made["uri"]).json()["body"] == ""
    assert http(site).post(made["uri"], json={"Body": ""}).status_code == 200


@pytest.mark.parametrize("form", [{"Body": "other"}, {}, {"Status": "canceled"}], ids=str)
def test_nothing_else_of_a_message_can_be_changed(site: "Site", form: dict[str, str]) -> None:
    made = sent(site)
    assert refused(http(site).post(made["uri"], data=form)) == (50509, 422)
    assert http(site).get(made["uri"]).json()["body"] == "Hello"


def test_a_message_on_its_way_can_be_neither_redacted_nor_deleted(site: "Site") -> None:
    made = create(site)
    for _ in range(2):
        assert refused(http(site).post(made["uri"], data={"Body": ""})) == (10000, 422)
        assert refused(http(site).delete(made["uri"])) == (20009, 422)
        say(site, made, TAKEN[0])
    assert http(site).get(made["uri"]).json()["body"] == "Hello"


def test_a_deleted_message_is_gone(site: "Site") -> None:
    made = sent(site)
    answer = http(site).delete(made["uri"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(http(site).get(made["uri"])) == (20404, 404)
    assert refused(http(site).delete(made["uri"])) == (20404, 404)
    assert refused(http(site).post(made["uri"], data={"Body": ""})) == (20404, 404)
    assert http(site).get(MESSAGES).json()["messages"] == []


# --- media
def test_a_medium_can_be_dropped(site: "Site") -> None:
    made, _ = picture(site, 7)
    uri = f"{MESSAGES}/{made['sid']}/Media/07070707-0707-0707-0707-070707070707.json"
    assert http(site).get(uri).status_code == 200
    answer = http(site).delete(uri)
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(http(site).get(uri)) == refused(http(site).delete(uri)) == (20404, 404)
    assert http(site).get(made["subresource_uris"]["media"]).json()["media_list"] == []


def test_a_medium_of_a_message_on_its_way_stays(site: "Site") -> None:
    made = create(site, MediaUrl=PICTURE)
    (medium,) = http(site).get(made["subresource_uris"]["media"]).json()["media_list"]
    assert refused(http(site).delete(medium["uri"])) == (20009, 422)


def test_a_medium_is_found_below_its_own_message_only(site: "Site") -> None:
    made, medium = picture(site, 7)
    other, _ = picture(site, 8)
    spelled = "07070707-0707-0707-0707-070707070707"
    assert refused(http(site).get(f"{MESSAGES}/{other['sid']}/Media/{spelled}")) == (20404, 404)
    assert refused(http(site).delete(f"{MESSAGES}/{other['sid']}/Media/{spelled}")) == (20404, 404)
    assert site.run(site.store.medium(medium.id)) is not None
    assert http(site).get(f"{MESSAGES}/{made['sid']}/Media/{spelled}").status_code == 200


def test_media_are_paged_and_filtered(site: "Site") -> None:
    made = create(site, MediaUrl=[f"{PICTURE}?{number}" for number in range(5)])
    uri, seen = made["subresource_uris"]["media"] + "?PageSize=2", []
    while uri:
        page = conforming("MessageMediaListResponse", http(site).get(uri))
        seen += [medium["sid"] for medium in page["media_list"]]
        uri = page["next_page_uri"]
    assert len(set(seen)) == 5
    assert (
        http(site).get(made["subresource_uris"]["media"] + "?DateCreated<=2026-01-01").json()["media_list"] == []
    )
