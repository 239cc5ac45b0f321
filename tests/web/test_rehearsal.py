"""Test credentials: what is asked with them is checked, answered, and neither kept nor sent nor told."""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tidings.arranged import Sender
from tidings.clock import instant
from tidings.gateway.rehearsal import RECIPIENTS
from tidings.ids import dashed
from tidings.model import ApiKey
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, TEST = "0a" * 16, "0d" * 16
TOKEN = "token of the test"
GOOD, TO = "+15005550006", "+15551230000"
ROOT = f"/2010-04-01/Accounts/AC{TEST}"
MESSAGES, NUMBERS = f"{ROOT}/Messages", f"{ROOT}/IncomingPhoneNumbers"
FORM = {"To": TO, "From": GOOD, "Body": "Hello"}


@pytest.fixture
def client(site: "Site") -> Client:
    """Twilio's own client, with test credentials."""
    client = Client("AC" + TEST, TOKEN)
    client.api.base_url = client.messaging.base_url = client.monitor.base_url = site.url
    return client


@pytest.fixture
def http(site: "Site") -> httpx.Client:
    return httpx.Client(base_url=site.url, auth=("AC" + TEST, TOKEN))


def create(client: Client, **changed: Any) -> Any:
    return client.messages.create(**{"to": TO, "from_": GOOD, "body": "Hello"} | changed)


def kept(site: "Site") -> int:
    """Messages of the test account."""
    return len(site.run(site.store.messages(TEST, MessageFilter(), 100)))


# --- messages
def test_a_message_is_answered_as_if_it_were_queued_and_is_not_kept(site: "Site", client: Client) -> None:
    made = create(client, body="Hello \N{WAVING HAND SIGN}", status_callback="https://a.example/status")
    assert (made.status, made.direction, made.from_, made.to) == ("queued", "outbound-api", GOOD, TO)
    assert (made.body, made.num_segments, made.num_media) == ("Hello \N{WAVING HAND SIGN}", "1", "0")
    assert (made.account_sid, made.error_code, made.price, made.date_sent) == ("AC" + TEST, None, None, None)
    assert made.date_created == made.date_updated == instant(site.clock.now()).replace(microsecond=0)
    assert kept(site) == 0
    assert site.outbox.kept == {}
    assert site.run(site.store.feed(TEST, 0, 10)) == []


def test_each_request_makes_another_message(client: Client) -> None:
    assert create(client).sid != create(client).sid


def test_media_and_long_texts_are_counted(client: Client) -> None:
    pictures = create(client, media_url=["https://a.example/1.png", "https://a.example/2.png"])
    assert (pictures.sid[:2], pictures.num_media, pictures.num_segments) == ("MM", "2", "1")
    assert create(client, body="a" * 161).num_segments == "2"
    assert create(client, body="\N{RIGHT SINGLE QUOTATION MARK}" * 80, smart_encoded=True).body == "'" * 80


@pytest.mark.parametrize(
    ("magic", "code", "status"),
    [
        ("+15005550001", 21212, 400),
        ("+15005550007", 21606, 400),
        ("+15005550008", 21611, 429),
        ("+15551239999", 21606, 400),
        ("12345", 21606, 400),
        ("Tidings", 21606, 400),
        ("not a sender at all", 21606, 400),
    ],
)
def test_magic_senders_choose_how_it_is_refused(client: Client, magic: str, code: int, status: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        create(client, from_=magic)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_numbers_of_real_accounts_are_no_senders_of_a_test_account(site: "Site", client: Client) -> None:
    site.run(site.put_sender(Sender("+15551112222", ACCOUNT)))
    with pytest.raises(TwilioRestException) as refused:
        create(client, from_="+15551112222")
    assert refused.value.code == 21606


@pytest.mark.parametrize(
    ("magic", "code"),
    [
        ("+15005550001", 21211),
        ("+15005550002", 21612),
        ("+15005550003", 21408),
        ("+15005550004", 21610),
        ("+15005550009", 21614),
        ("+1500555", 21211),
        ("not a number", 21211),
        (GOOD, 21211),
    ],
)
def test_magic_recipients_choose_how_it_is_refused_and_others_are_checked(
    client: Client, magic: str, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        create(client, to=magic)
    assert (refused.value.code, refused.value.status) == (code, 400)


def test_other_recipients_are_good_whatever_routes_there_are(client: Client) -> None:
    for number in ("+491711234567", "+44 7911 123456", "+1 (555) 123-0000"):
        assert create(client, to=number).status == "queued"


def test_the_magic_of_one_side_is_none_on_the_other(client: Client) -> None:
    assert {"+15005550007", "+15005550008"} & RECIPIENTS.keys() == set()
    for number in ("+15005550007", "+15005550008"):
        assert create(client, to=number).status == "queued"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": GOOD, "Body": "Hello"}, 21604),
        ({"To": TO, "Body": "Hello"}, 21603),
        ({"To": TO, "From": GOOD}, 21602),
        ({"To": TO, "From": GOOD, "Body": "a" * 1601}, 21617),
        (FORM | {"StatusCallback": "nowhere"}, 21609),
        (FORM | {"ValidityPeriod": "0"}, 21624),
        (FORM | {"ApplicationSid": "AP" + "0e" * 16}, 21218),
        ({"To": TO, "MessagingServiceSid": "MG" + "0e" * 16, "Body": "Hello"}, 21701),
        ({"To": TO, "From": GOOD, "MessagingServiceSid": "MG" + "0e" * 16, "Body": "Hello"}, 21701),
        (FORM | {"ScheduleType": "fixed", "SendAt": "2026-12-01T00:00:00Z"}, 35118),
    ],
)
def test_what_is_wrong_is_refused_as_ever(http: httpx.Client, form: dict[str, str], code: int) -> None:
    assert http.post(MESSAGES + ".json", data=form).json()["code"] == code


def test_parameters_without_effect_are_named(http: httpx.Client) -> None:
    answer = http.post(MESSAGES + ".json", data=FORM | {"Attempt": "1"})
    assert answer.status_code == 201
    assert answer.headers["Tidings-Ignored-Parameters"] == "Attempt"


def test_an_idempotency_key_is_not_kept_either(site: "Site", http: httpx.Client) -> None:
    made = [
        http.post(
            MESSAGES + ".json",
            data=FORM | {"Body": body},
            headers={"Idempotency-Key": "the same"},
        )
        for body in ("one", "two")
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    assert site.run(site.store.idempotency_key(TEST, "the same")) is None


def test_a_key_of_a_test_account_rehearses_as_well(site: "Site") -> None:
    site.run(site.store.put_api_key(ApiKey("0f" * 16, TEST, "", sha256(b"test").hexdigest(), 0)))
    answer = httpx.post(site.url + MESSAGES + ".json", data=FORM, auth=("SK" + "0f" * 16, "test"))
    assert answer.status_code == 201
    assert kept(site) == 0


def test_test_credentials_are_for_the_test_account_alone(site: "Site", http: httpx.Client) -> None:
    answer = http.post(f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json", data=FORM)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    wrong = httpx.post(site.url + MESSAGES + ".json", data=FORM, auth=("AC" + TEST, "token of the first"))
    assert (wrong.status_code, wrong.json()["code"]) == (401, 20003)


# --- numbers
def test_the_magic_number_is_had_and_not_kept(site: "Site", client: Client) -> None:
    for wanted in ({"phone_number": GOOD}, {"area_code": "500"}):
        number = client.incoming_phone_numbers.create(friendly_name="Front desk", **wanted)
        assert (number.phone_number, number.friendly_name) == (GOOD, "Front desk")
        assert number.account_sid == "AC" + TEST
    assert site.run(site.store.senders(TEST)) == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"phone_number": "+15005550000"}, 21422),
        ({"phone_number": "+15005550001"}, 21421),
        ({"phone_number": TO}, 21422),
        ({"area_code": "533"}, 21452),
    ],
)
def test_magic_numbers_choose_how_others_are_refused(client: Client, wanted: dict[str, str], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(**wanted)
    assert (refused.value.status, refused.value.code) == (400, code)


# --- everything else
SID = "0e" * 16


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{MESSAGES}.json"),
        ("GET", f"{MESSAGES}/SM{SID}.json"),
        ("POST", f"{MESSAGES}/SM{SID}.json"),
        ("DELETE", f"{MESSAGES}/SM{SID}.json"),
        ("POST", f"{MESSAGES}/SM{SID}/Feedback.json"),
        ("GET", f"{MESSAGES}/SM{SID}/Media.json"),
        ("GET", f"{MESSAGES}/SM{SID}/Media/ME{SID}.json"),
        ("DELETE", f"{MESSAGES}/SM{SID}/Media/ME{SID}.json"),
        ("GET", f"{NUMBERS}.json"),
        ("GET", f"{NUMBERS}/PN{SID}.json"),
        ("POST", f"{NUMBERS}/PN{SID}.json"),
        ("DELETE", f"{NUMBERS}/PN{SID}.json"),
        ("GET", f"{ROOT}/SMS/ShortCodes.json"),
        ("GET", f"{ROOT}/Applications.json"),
        ("POST", f"{ROOT}/Applications.json"),
        ("GET", "/v1/Services"),
        ("POST", "/v1/Services"),
        ("GET", f"/v1/Services/MG{SID}"),
        ("POST", f"/v1/Services/MG{SID}"),
        ("DELETE", f"/v1/Services/MG{SID}"),
        ("GET", f"/v1/Services/MG{SID}/PhoneNumbers"),
        ("POST", f"/v1/Services/MG{SID}/PhoneNumbers"),
        ("GET", f"/v1/Services/MG{SID}/ShortCodes"),
        ("GET", f"/v1/Services/MG{SID}/AlphaSenders"),
        ("GET", "/v1/Alerts"),
        ("GET", f"/v1/Alerts/NO{SID}"),
    ],
)
def test_all_else_of_twilio_s_apis_is_forbidden(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path, data={"Body": ""} if method == "POST" else None)
    assert answer.status_code == 403
    body = answer.json()
    assert (body["code"], body["status"]) == (20008, 403)
    assert body["more_info"] == "https://www.twilio.com/docs/errors/20008"


def test_xml_says_so_as_well(http: httpx.Client) -> None:
    answer = http.get(MESSAGES)
    assert answer.status_code == 403
    assert "<Code>20008</Code>" in answer.text
    assert "<Status>queued</Status>" in http.post(MESSAGES, data=FORM).text


def test_twilio_s_client_says_so_too(client: Client) -> None:
    message = client.messages("SM" + SID)
    for ask in (message.fetch, message.delete, client.monitor.v1.alerts("NO" + SID).fetch):
        with pytest.raises(TwilioRestException) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (403, 20008)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/messages/{SID}"),
        ("GET", "/v1/events"),
        ("GET", "/v1/callbacks"),
        ("GET", "/v1/numbers"),
        ("POST", "/v1/simulator/inbound"),
        ("POST", "/v1/replays"),
    ],
)
def test_our_own_api_is_forbidden(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, 20008)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_signalwire_s_apis_refuse_test_credentials_in_their_own_words(site: "Site") -> None:
    with httpx.Client(base_url=site.url, auth=(dashed(TEST), TOKEN)) as http:
        compat = http.post(f"/api/laml/2010-04-01/Accounts/{dashed(TEST)}/Messages", data=FORM)
        assert (compat.status_code, compat.json()["code"]) == (401, 20003)
        rest = http.post("/api/messaging/messages", json={"to": TO, "from": GOOD, "body": "Hello"})
        assert (rest.status_code, rest.json()) == (403, {"error": "Forbidden"})
        numbers = http.get("/api/relay/rest/phone_numbers")
        assert numbers.status_code == 403
    assert kept(site) == 0
