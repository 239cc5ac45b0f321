"""Media messages, services and applications in Twilio's API, and what is taken away: by Twilio's own client."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from msgspec.structs import replace
from twilio.base.exceptions import TwilioRestException

from tidings.arranged import Application, Member, Service
from tidings.clock import instant
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind
from tidings.model import Channel, Medium
from tidings.store.base import Change

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
FROM, SECOND_FROM, TO = "+15005550006", "+15005550007", "+15551230000"
PICTURE, CARD = "https://a.example/cat.png", "https://a.example/card.vcf"
MESSAGES = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages"
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="pictures"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))
PNG = b"\x89PNG\r\n\x1a\n"


def create(site: "Site", **changed: Any) -> Any:
    usual: dict[str, Any] = {"to": TO, "from_": FROM, "body": "Look!", "media_url": [PICTURE, CARD]}
    return site.client().messages.create(**usual | changed)


def media_of(site: "Site", made: Any) -> list[Medium]:
    return site.run(site.store.media(made.sid[2:]))


def fetched(site: "Site", made: Any) -> list[Medium]:
    """The media of a message that was sent: they have been fetched, one as a picture, the others as cards."""
    for medium in media_of(site, made):
        kind = "text/vcard" if medium.place else "image/png"
        site.run(site.store.put_content(medium.id, PNG))
        change = Change()
        change.media.append(replace(medium, content_type=kind, size=len(PNG), updated_at=site.clock.now()))
        site.commit(change)
    site.say(made.sid, *SENT)
    return media_of(site, made)


def refused(act: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as caught:
        act()
    return caught.value.status, caught.value.code


# --- media messages


def test_a_message_with_media_is_an_mms(site: "Site") -> None:
    made = create(site, body="x" * 500)
    assert made.sid.startswith("MM")
    assert (made.num_media, made.num_segments, made.status) == ("2", "1", "queued")
    assert made.uri == f"{MESSAGES}/{made.sid}.json"
    assert made.subresource_uris == {
        "feedback": f"{MESSAGES}/{made.sid}/Feedback.json",
        "media": f"{MESSAGES}/{made.sid}/Media.json",
    }
    assert [medium.url for medium in media_of(site, made)] == [PICTURE, CARD]
    kept, _ = site.run(site.store.message(ACCOUNT, made.sid[2:])) or (None, None)
    assert kept is not None
    assert kept.channel is Channel.MMS
    assert site.client().messages(made.sid).fetch().sid == made.sid
    assert site.client().messages("SM" + made.sid[2:]).fetch().sid == made.sid


def test_a_message_with_media_needs_no_text(site: "Site") -> None:
    made = create(site, body=None)
    assert (made.body, made.num_media) == ("", "2")


def test_a_text_can_be_sent_as_mms(site: "Site") -> None:
    made = create(site, media_url=None, send_as_mms=True, body="x" * 500)
    assert (made.sid[:2], made.num_media, made.num_segments) == ("MM", "0", "1")
    assert made.media.list() == []


def test_messages_of_both_kinds_stand_in_one_list(site: "Site") -> None:
    sids = [create(site).sid, create(site, media_url=None).sid, create(site).sid]
    assert [sid[:2] for sid in sids] == ["MM", "SM", "MM"]
    assert [message.sid for message in site.client().messages.list(page_size=1)] == sids[::-1]


def test_parameters_that_have_an_effect_are_not_named(site: "Site") -> None:
    form = {"To": TO, "From": FROM, "MediaUrl": PICTURE, "SendAsMms": "true", "MaxPrice": "1"}
    answer = site.http().post(f"{MESSAGES}.json", data=form)
    assert answer.status_code == 201
    assert "Tidings-Ignored-Parameters" not in answer.headers


# --- the media of a message


def test_media_are_listed_in_their_places_and_fetched_one_by_one(site: "Site") -> None:
    made = create(site)
    media = fetched(site, made)
    listed = site.client().messages(made.sid).media.list(page_size=1)
    assert [medium.sid for medium in listed] == [f"ME{medium.id}" for medium in media]
    assert [medium.content_type for medium in listed] == ["image/png", "text/vcard"]
    one = site.client().messages(made.sid).media(listed[0].sid).fetch()
    assert (one.sid, one.account_sid, one.parent_sid) == (listed[0].sid, f"AC{ACCOUNT}", made.sid)
    assert one.date_created == one.date_updated == instant(site.clock.now()).replace(microsecond=0)
    assert one.uri == f"{MESSAGES}/{made.sid}/Media/{one.sid}.json"


def test_media_are_found_by_date(site: "Site") -> None:
    made = create(site)
    media, today = site.client().messages(made.sid).media, instant(site.clock.now()).date()
    day = timedelta(days=1)
    assert len(media.list(date_created=today)) == 2
    assert media.list(date_created=today - day) == []
    assert len(media.list(date_created_after=today)) == len(media.list(date_created_before=today + day)) == 2
    assert media.list(date_created_before=today - day) == media.list(date_created_after=today + day) == []


def test_a_sid_without_json_leads_to_the_content(site: "Site") -> None:
    made = create(site)
    picture, _ = fetched(site, made)
    # As applications do it: without credentials, and following.
    url = f"{site.url}{MESSAGES}/{made.sid}/Media/ME{picture.id}"
    redirect = httpx.get(url)
    assert (redirect.status_code, redirect.content) == (307, b"")
    assert redirect.headers["Location"] == f"{site.url}/media/{picture.id}"
    answer = httpx.get(url.replace("/MM", "/SM"), follow_redirects=True)
    assert (answer.content, answer.headers["Content-Type"]) == (PNG, "image/png")
    site.public_url = "https://sms.example.com/"
    assert httpx.get(url).headers["Location"] == f"https://sms.example.com/media/{picture.id}"


def test_a_sid_without_json_leads_nowhere_before_there_is_content(site: "Site") -> None:
    made = create(site)
    for medium in media_of(site, made):
        answer = httpx.get(f"{site.url}{MESSAGES}/{made.sid}/Media/ME{medium.id}")
        assert (answer.status_code, "<Code>20404</Code>" in answer.text) == (404, True)


@pytest.mark.parametrize("ending", ["", ".json"])
def test_a_medium_is_found_by_its_own_message_alone(site: "Site", ending: str) -> None:
    made, another = create(site), create(site)
    picture, _ = fetched(site, made)
    theirs = MESSAGES.replace(ACCOUNT, OTHER)
    for client, path in (
        (site.http(), f"{MESSAGES}/{another.sid}/Media/ME{picture.id}"),
        (site.http(), f"{MESSAGES}/{made.sid}/Media/ME{another.sid[2:]}"),
        (site.http(), f"{MESSAGES}/{made.sid}/Media/{picture.id}"),
        (site.http(), f"{MESSAGES}/x/Media/ME{picture.id}"),
        (site.other(), f"{theirs}/{made.sid}/Media/ME{picture.id}"),
    ):
        answer = client.get(path + ending)
        assert answer.status_code == 404
        assert "20404" in answer.text
        assert path in answer.text


def test_what_is_said_of_a_medium_is_for_its_account(site: "Site") -> None:
    made = create(site)
    (picture, _) = fetched(site, made)
    for path in (f"{MESSAGES}/{made.sid}/Media.json", f"{MESSAGES}/{made.sid}/Media/ME{picture.id}.json"):
        for client in (site.http(None), site.other()):
            assert client.get(path).status_code == 401


def test_a_medium_is_deleted_with_its_content(site: "Site") -> None:
    made = create(site)
    picture, card = fetched(site, made)
    answer = site.http().delete(f"{MESSAGES}/{made.sid}/Media/ME{picture.id}.json")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Length" not in answer.headers
    assert [medium.sid for medium in made.media.list()] == [f"ME{card.id}"]
    assert httpx.get(f"{site.url}/media/{picture.id}").status_code == 404
    assert httpx.get(f"{site.url}/media/{card.id}").status_code == 200
    assert site.client().messages(made.sid).media(f"ME{card.id}").delete()
    assert refused(site.client().messages(made.sid).media(f"ME{card.id}").delete) == (404, 20404)
    assert made.media.list() == []


# --- redacted, deleted


def test_a_message_is_redacted_by_an_empty_body(site: "Site") -> None:
    made = create(site)
    fetched(site, made)
    assert made.update(body="").body == ""
    assert site.client().messages(made.sid).fetch().body == ""
    assert len(made.media.list()) == 2


def test_a_message_is_deleted_with_its_media(site: "Site") -> None:
    made = create(site)
    picture, _ = fetched(site, made)
    answer = site.http().delete(f"{MESSAGES}/{made.sid}.json")
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(site.client().messages(made.sid).fetch) == (404, 20404)
    assert refused(made.delete) == (404, 20404)
    assert site.client().messages.list() == []
    assert site.http().get(f"{MESSAGES}/{made.sid}/Media.json").status_code == 404
    assert httpx.get(f"{site.url}/media/{picture.id}").status_code == 404


def test_the_client_deletes_messages(site: "Site") -> None:
    made = create(site, media_url=None)
    site.say(made.sid, *SENT)
    assert made.delete()
    assert site.client().messages.list() == []


def test_nothing_is_taken_away_of_what_is_on_its_way(site: "Site") -> None:
    made = create(site)
    medium = f"ME{media_of(site, made)[0].id}"
    assert refused(lambda: made.update(body="")) == (409, 20009)
    assert refused(made.delete) == (409, 20009)
    assert refused(site.client().messages(made.sid).media(medium).delete) == (409, 20009)
    assert (made.fetch().body, len(made.media.list())) == ("Look!", 2)


def test_nothing_else_is_changed(site: "Site") -> None:
    made = create(site)
    fetched(site, made)
    assert refused(lambda: made.update(body="another text")) == (422, 20422)
    assert refused(lambda: made.update(status="canceled")) == (409, 30409)
    assert refused(lambda: made.update()) == (422, 20422)
    assert made.fetch().body == "Look!"


def test_others_take_nothing_away(site: "Site") -> None:
    made = create(site)
    fetched(site, made)
    theirs = f"{MESSAGES.replace(ACCOUNT, OTHER)}/{made.sid}.json"
    assert site.other().delete(theirs).status_code == 404
    assert site.other().post(theirs, data={"Body": ""}).status_code == 404
    assert site.http(None).delete(f"{MESSAGES}/{made.sid}.json").status_code == 401
    assert made.fetch().body == "Look!"


def test_parameters_of_an_update_without_effect_are_named(site: "Site") -> None:
    made = create(site)
    fetched(site, made)
    answer = site.http().post(f"{MESSAGES}/{made.sid}.json", data={"Body": "", "Tags": "{}"})
    assert (answer.status_code, answer.headers["Tidings-Ignored-Parameters"]) == (200, "Tags")


# --- services


@pytest.fixture
def service(site: "Site") -> str:
    """A service with one sender: its SID."""
    service = Service("0e" * 16, ACCOUNT, 0, 0, "all")
    site.run(site.store.put_resource(service))
    site.run(site.store.put_resource(Member("0f" * 16, ACCOUNT, 0, 0, service.id, SECOND_FROM)))
    return f"MG{service.id}"


def test_a_service_chooses_the_sender(site: "Site", service: str) -> None:
    for named in ({"messaging_service_sid": service, "from_": None}, {"from_": service}):
        made = create(site, media_url=None, **named)
        assert (made.status, made.from_, made.messaging_service_sid) == ("accepted", None, service)
        assert (made.fetch().from_, made.fetch().messaging_service_sid) == (SECOND_FROM, service)


def test_a_sender_named_beside_a_service_is_one_of_its_own(site: "Site", service: str) -> None:
    made = create(site, messaging_service_sid=service, from_=SECOND_FROM)
    assert (made.from_, made.messaging_service_sid) == (SECOND_FROM, service)
    assert refused(lambda: create(site, messaging_service_sid=service, from_=FROM)) == (400, 21711)


def test_a_service_without_senders_can_send_nothing(site: "Site") -> None:
    site.run(site.store.put_resource(Service("0d" * 16, ACCOUNT, 0, 0)))
    made = create(site, from_="MG" + "0d" * 16, media_url=None)
    assert (made.status, made.fetch().status, made.fetch().error_code) == ("accepted", "failed", 21704)


def test_a_service_is_its_accounts_own(site: "Site") -> None:
    site.run(site.store.put_resource(Service("0d" * 16, OTHER, 0, 0)))
    assert refused(lambda: create(site, from_="MG" + "0d" * 16)) == (404, 21701)


# --- applications


def test_an_application_says_where_its_messages_are_told_of(site: "Site") -> None:
    told = "https://app.example.com/status"
    site.run(site.store.put_resource(Application("0e" * 16, ACCOUNT, 0, 0, status_callback=told)))
    site.run(site.store.put_resource(Application("0d" * 16, OTHER, 0, 0, status_callback=told)))
    create(site, application_sid="AP" + "0e" * 16)
    assert site.orders[-1].callback_url == told
    create(site, application_sid="AP" + "0e" * 16, status_callback="https://app.example.com/other")
    assert site.orders[-1].callback_url == "https://app.example.com/other"
    assert refused(lambda: create(site, application_sid="AP" + "0d" * 16)) == (400, 21218)


# --- prices


def test_a_message_beyond_its_price_limit_is_taken_and_fails(site: "Site") -> None:
    dear = create(site, max_price=0.0199)
    assert site.orders[-1].max_price == 19_900
    assert (dear.fetch().status, dear.fetch().error_code) == ("failed", 30010)
    fair = create(site, max_price=0.02)
    assert (fair.fetch().status, fair.fetch().price) == ("queued", None)
    site.say(fair.sid, *SENT)
    assert fair.fetch().price == "-0.02000"
