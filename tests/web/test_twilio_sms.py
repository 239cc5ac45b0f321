"""Twilio's deprecated /SMS/Messages: gone where the settings do not ask for it, and served where they do."""

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException

from tidings.arranged import Application
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind
from tidings.web.app import build

if TYPE_CHECKING:
    from tests.web.conftest import Server, Site

ACCOUNT, OTHER, TEST = "0a" * 16, "0b" * 16, "0d" * 16
FROM, TO = "+15005550006", "+15551230000"
SMS = f"/2010-04-01/Accounts/AC{ACCOUNT}/SMS/Messages"
FORM = {"To": TO, "From": FROM, "Body": "Hello"}
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))
FIELDS = {"account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction"} | {
    *("from", "price", "price_unit", "sid", "status", "to", "uri")
}


@pytest.fixture
def old_site(site: "Site", web_server: "Server") -> "Site":
    """A site that serves the resource."""
    site.sms_messages = True
    web_server.app = build(site)
    return site


def create(site: "Site", **form: Any) -> dict[str, Any]:
    made: dict[str, Any] = site.http().post(f"{SMS}.json", data=FORM | form).json()
    return made


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


# --- gone


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [SMS, f"{SMS}/SM{'0' * 32}"])
def test_it_is_gone_for_every_method(site: "Site", method: str, path: str) -> None:
    assert code(site.http().request(method, f"{path}.json")) == (410, 20410)
    answer = site.http().request(method, path)
    assert answer.status_code == 410
    assert ElementTree.fromstring(answer.content).findtext("RestException/Code") == "20410"
    assert site.http().head(path).status_code == 410


def test_only_its_account_is_told_that_it_is_gone(site: "Site") -> None:
    for http in (site.http(None), site.other()):
        assert code(http.post(f"{SMS}.json", data=FORM)) == (401, 20003)
    assert not site.orders


# --- served


def test_a_message_made_there_is_the_same_in_messages(old_site: "Site") -> None:
    answer = old_site.http().post(f"{SMS}.json", data=FORM)
    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == FIELDS
    assert made["uri"] == f"{SMS}/{made['sid']}.json"
    assert (made["status"], made["direction"], made["price_unit"]) == ("queued", "outbound-api", "USD")
    fetched = old_site.client().messages(made["sid"]).fetch()
    assert (fetched.body, fetched.to, fetched.from_, fetched.status) == ("Hello", TO, FROM, "queued")
    assert old_site.http().get(made["uri"]).json() == made


def test_nothing_is_to_be_heard_of_it_once_it_is_sent(old_site: "Site") -> None:
    create(old_site)
    assert old_site.orders[-1].extras == {"receipts": False}
    old_site.client().messages.create(to=TO, from_=FROM, body="Hello")
    assert "receipts" not in old_site.orders[-1].extras


def test_where_it_stands_is_told_there_as_well(old_site: "Site") -> None:
    made = create(old_site)
    old_site.say(made["sid"], *SENT)
    now = old_site.http().get(made["uri"]).json()
    assert (now["status"], now["price"]) == ("sent", "-0.00790")
    assert now["date_sent"]


@pytest.mark.parametrize("body", ["x" * 160, "\N{WAVING HAND SIGN}" * 80, "é" * 160])
def test_a_text_of_160_characters_is_taken(old_site: "Site", body: str) -> None:
    assert create(old_site, Body=body)["body"] == body


REFUSED: list[tuple[dict[str, str], int, int]] = [
    ({"Body": "x" * 161}, 400, 21605),
    ({"Body": "\N{WAVING HAND SIGN}" * 81}, 400, 21605),
    ({"Body": ""}, 400, 21602),
    ({"To": ""}, 400, 21604),
    ({"From": ""}, 400, 21603),
    ({"From": "+15005559999"}, 400, 21606),
    ({"From": "MG" + "0e" * 16}, 400, 21212),
    ({"From": "", "MessagingServiceSid": "MG" + "0e" * 16}, 400, 21603),
    ({"Body": "", "MediaUrl": "https://a.example/cat.png"}, 400, 21602),
    ({"StatusCallback": "nowhere"}, 400, 21609),
    ({"ApplicationSid": "AP" + "0e" * 16}, 400, 21218),
]


@pytest.mark.parametrize(("form", "status", "error"), REFUSED)
def test_a_refusal_reads_as_for_messages(old_site: "Site", form: dict[str, str], status: int, error: int) -> None:
    assert code(old_site.http().post(f"{SMS}.json", data=FORM | form)) == (status, error)
    assert old_site.client().messages.list() == []


def test_it_is_told_of_where_the_message_or_its_application_says(old_site: "Site") -> None:
    told = "https://app.example.com/status"
    create(old_site, StatusCallback=told)
    assert old_site.orders[-1].callback_url == told
    old_site.run(
        old_site.store.put_resource(Application("0e" * 16, ACCOUNT, 0, 0, status_callback=f"{told}?of=app"))
    )
    create(old_site, ApplicationSid="AP" + "0e" * 16)
    assert old_site.orders[-1].callback_url == f"{told}?of=app"


def test_what_the_resource_never_knew_is_named_as_ignored(old_site: "Site") -> None:
    form = FORM | {"MediaUrl": "https://a.example/cat.png", "ValidityPeriod": "60", "SendAsMms": ""}
    answer = old_site.http().post(f"{SMS}.json", data=form)
    assert answer.status_code == 201
    assert answer.headers["Tidings-Ignored-Parameters"] == "MediaUrl, ValidityPeriod"
    assert (old_site.orders[-1].media, old_site.orders[-1].validity) == ((), None)


def test_a_repeated_create_makes_one_message(old_site: "Site") -> None:
    headers = {"Idempotency-Key": "order 17"}
    first, again = (old_site.http().post(f"{SMS}.json", data=FORM, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


# --- lists


def walk(site: "Site", uri: str) -> list[list[str]]:
    """The SIDs on each page."""
    pages = []
    while uri:
        page = site.http().get(uri).json()
        assert all(message.keys() == FIELDS for message in page["sms_messages"])
        pages.append([message["sid"] for message in page["sms_messages"]])
        uri = page["next_page_uri"]
    return pages


def test_texts_are_listed_newest_first_wherever_they_were_made(old_site: "Site") -> None:
    one = create(old_site)["sid"]
    two = old_site.client().messages.create(to=TO, from_=FROM, body="Hello").sid
    three = create(old_site, To="+15551230001")["sid"]
    assert walk(old_site, f"{SMS}.json?PageSize=2") == [[three, two], [one]]
    assert walk(old_site, f"{SMS}.json?To=%2B15551230000") == [[two, one]]
    assert walk(old_site, f"{SMS}.json?DateSent=2020-01-01") == [[]]
    assert code(old_site.http().get(f"{SMS}.json?PageSize=0")) == (400, 20007)
    assert old_site.http().get(f"{SMS}.json?Body=x").headers["Tidings-Ignored-Parameters"] == "Body"


def test_media_messages_are_none_of_its_own(old_site: "Site") -> None:
    texts = [create(old_site)["sid"] for _ in range(2)]
    pictured = old_site.client().messages.create(to=TO, from_=FROM, media_url=["https://a.example/cat.png"])
    texts.append(create(old_site)["sid"])
    assert walk(old_site, f"{SMS}.json?PageSize=2") == [[texts[2]], [texts[1], texts[0]]]
    for prefix in ("SM", "MM"):
        assert code(old_site.http().get(f"{SMS}/{prefix}{pictured.sid[2:]}.json")) == (404, 20404)


def test_it_speaks_xml(old_site: "Site") -> None:
    answer = old_site.http().post(SMS, data=FORM)
    message = ElementTree.fromstring(answer.content).find("SMSMessage")
    assert message is not None
    assert [child.tag for child in message] == [
        *("Sid", "DateCreated", "DateUpdated", "DateSent", "AccountSid", "To", "From", "Body", "Status"),
        *("Direction", "ApiVersion", "Price", "PriceUnit", "Uri"),
    ]
    uri = f"{SMS}/{message.findtext('Sid')}"
    assert message.findtext("Uri") == uri
    assert old_site.http().get(uri).content == answer.content
    listed = ElementTree.fromstring(old_site.http().get(SMS).content).findall("SMSMessages/SMSMessage")
    assert [one.findtext("Uri") for one in listed] == [uri]


# --- who asks, and what is not possible


def test_it_is_for_its_account_alone(old_site: "Site") -> None:
    made = create(old_site)
    theirs = SMS.replace(ACCOUNT, OTHER)
    for http, path, status in (
        (old_site.http(None), made["uri"], 401),
        (old_site.other(), made["uri"], 401),
        (old_site.other(), f"{theirs}/{made['sid']}.json", 404),
        (old_site.http(), f"{SMS}/{made['sid'][2:]}.json", 404),
    ):
        assert http.get(path).status_code == status
    assert old_site.other().get(f"{theirs}.json").json()["sms_messages"] == []


def test_test_credentials_can_rehearse_there(old_site: "Site") -> None:
    path = SMS.replace(ACCOUNT, TEST)
    http = httpx.Client(base_url=old_site.url, auth=(f"AC{TEST}", "token of the test"))
    made = http.post(f"{path}.json", data=FORM)
    assert (made.status_code, made.json().keys()) == (201, FIELDS)
    assert code(http.get(f"{path}.json")) == (403, 20008)


def test_a_message_is_not_changed_or_deleted_there(old_site: "Site") -> None:
    made = create(old_site)
    for method, path, allowed in (
        ("DELETE", made["uri"], "GET, HEAD"),
        ("POST", made["uri"], "GET, HEAD"),
        ("DELETE", f"{SMS}.json", "GET, HEAD, POST"),
    ):
        answer = old_site.http().request(method, path)
        assert (*code(answer), answer.headers["Allow"]) == (405, 20004, allowed)


def test_the_official_client_is_served_beside_it(old_site: "Site") -> None:
    with pytest.raises(TwilioRestException) as caught:
        old_site.client().messages.create(to=TO, from_=FROM, body="x" * 1601)
    assert caught.value.code == 21617
    assert len(old_site.client().messages.create(to=TO, from_=FROM, body="x" * 161).body) == 161
