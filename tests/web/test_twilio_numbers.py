"""Twilio's numbers, short codes and applications, asked by Twilio's own client and by a plain one, whose answers
are held against Twilio's description."""

import socket
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from twilio.base.exceptions import TwilioRestException

from tests.web.twilio_description import body_of
from tidings.arranged import Application, Handler, Handling, Member, Sender, Service
from tidings.errors import Problem
from tidings.ids import dashed
from tidings.model import Account
from tidings.web import senders

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, TOKEN, OTHER = "0a" * 16, "token of the first", "0b" * 16
TEST = Account("0d" * 16, "test", "token of the test", 0, test=True)
MINE, ALSO_MINE, STILL_MINE, ELSEWHERE = "+15005550006", "+15005550007", "+15005550008", "+15005550009"
FREE, MOBILE, TOLL_FREE, CODE = "+13103386745", "+447911123456", "+18003386745", "12345"
ROOT = f"/2010-04-01/Accounts/AC{ACCOUNT}"
NUMBERS, CODES, APPLICATIONS = (
    f"{ROOT}/{path}" for path in ("IncomingPhoneNumbers", "SMS/ShortCodes", "Applications")
)
COMPAT = f"/api/laml/2010-04-01/Accounts/{dashed(ACCOUNT)}"
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"
NOBODYS = "0e" * 16


def refused(answer: httpx.Response) -> tuple[int, int]:
    """Status and code."""
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def get(site: "Site", path: str, **query: str) -> Any:
    answer = site.http().get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return body_of(answer)


def post(site: "Site", path: str, status: int = 200, **given: str) -> Any:
    answer = site.http().post(path, data=given)
    assert answer.status_code == status, answer.text
    return body_of(answer)


def sender(site: "Site", address: str = MINE) -> Sender:
    found = site.run(site.store.sender(address))
    assert found is not None
    return found


def path_of(site: "Site", address: str = MINE) -> str:
    return f"{NUMBERS}/PN{sender(site, address).id}.json"


def handled(site: "Site", handling: Handling, address: str = MINE) -> None:
    """Another API's word for who answers a number."""
    site.run(site.put_sender(msgspec.structs.replace(sender(site, address), handling=handling)))


def application(site: "Site", **given: str) -> Any:
    return post(site, f"{APPLICATIONS}.json", 201, **given)


def has_code(site: "Site", **changes: Any) -> str:
    """The path of a short code of the account."""
    site.run(site.put_sender(Sender(CODE, ACCOUNT, created_at=site.clock.now(), **changes)))
    return f"{CODES}/SC{sender(site, CODE).id}.json"


# --- numbers
def test_the_account_sees_its_numbers_alone(site: "Site") -> None:
    has_code(site)
    page = get(site, f"{NUMBERS}.json")
    shown = {number["phone_number"] for number in page["incoming_phone_numbers"]}
    assert shown == {MINE, ALSO_MINE, STILL_MINE}
    for id_ in (sender(site, ELSEWHERE).id, sender(site, CODE).id, NOBODYS):
        for method in ("GET", "POST", "DELETE"):
            assert refused(site.http().request(method, f"{NUMBERS}/PN{id_}.json")) == (404, 20404)


def test_a_number_shows_what_it_can_do(site: "Site") -> None:
    number = get(site, path_of(site))
    assert number["capabilities"] == {"voice": False, "sms": True, "mms": True, "fax": False}
    assert (number["friendly_name"], number["type"], number["origin"]) == ("(500) 555-0006", "local", "hosted")
    assert (number["sms_url"], number["sms_method"], number["sms_application_sid"]) == (None, "POST", None)
    assert (number["sid"], number["account_sid"]) == (f"PN{sender(site).id}", f"AC{ACCOUNT}")
    assert site.http().get(number["uri"]).json() == number


def test_the_official_client_manages_numbers(site: "Site") -> None:
    numbers = site.client().incoming_phone_numbers
    taken = numbers.create(phone_number=FREE, friendly_name="New", sms_url=HOOK, sms_method="GET")
    assert (taken.friendly_name, taken.sms_url, taken.sms_method, taken.origin) == ("New", HOOK, "GET", "twilio")
    assert sender(site, FREE).handling == Handling(Handler.MARKUP, "twilio", url=HOOK, method="GET")
    changed = taken.update(sms_fallback_url=SPARE, sms_fallback_method="GET", friendly_name="Desk")
    assert (changed.sms_url, changed.sms_fallback_url, changed.friendly_name) == (HOOK, SPARE, "Desk")
    fetched = numbers(taken.sid).fetch()
    assert (fetched.sms_fallback_url, fetched.sms_fallback_method) == (SPARE, "GET")
    assert fetched.date_created == taken.date_created
    (found,) = numbers.list(phone_number="*3386745", friendly_name="Desk", beta=False, origin="twilio")
    assert (found.sid, found.capabilities["sms"], found.voice_url) == (taken.sid, True, None)
    assert taken.delete()
    with pytest.raises(TwilioRestException) as caught:
        numbers(taken.sid).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_the_official_client_manages_numbers_of_each_type(site: "Site") -> None:
    numbers = site.client().incoming_phone_numbers
    for of_type, number in ((numbers.local, FREE), (numbers.mobile, MOBILE), (numbers.toll_free, TOLL_FREE)):
        taken = of_type.create(phone_number=number)
        assert numbers(taken.sid).fetch().phone_number == number
    assert {number.phone_number for number in numbers.local.list()} == {MINE, ALSO_MINE, STILL_MINE, FREE}
    assert [number.phone_number for number in numbers.mobile.list()] == [MOBILE]
    assert [number.phone_number for number in numbers.toll_free.list(page_size=1)] == [TOLL_FREE]
    types = {number.phone_number: number.type for number in numbers.list()}
    assert (types[FREE], types[MOBILE], types[TOLL_FREE]) == ("local", "mobile", "tollfree")


def test_a_number_of_no_country_is_shown_all_the_same(site: "Site") -> None:
    site.run(site.put_sender(Sender("+99912345678", ACCOUNT)))
    number = get(site, path_of(site, "+99912345678"))
    assert (number["friendly_name"], number["type"]) == ("+99912345678", "local")
    assert len(get(site, f"{NUMBERS}/Local.json")["incoming_phone_numbers"]) == 4


def test_numbers_are_found_by_whose_they_were(site: "Site") -> None:
    post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)
    numbers = site.client().incoming_phone_numbers
    assert [number.phone_number for number in numbers.list(origin="twilio")] == [FREE]
    assert len(numbers.list(origin="hosted")) == 3


def test_numbers_are_told_in_xml_as_well(site: "Site") -> None:
    one = site.http().get(path_of(site).removesuffix(".json"))
    assert f"<IncomingPhoneNumber><Sid>PN{sender(site).id}</Sid>" in one.text
    many = site.http().get(f"{NUMBERS}/Local")
    assert many.text.count("<IncomingPhoneNumber>") == 3


PATTERNS: dict[str, set[str]] = {
    MINE: {MINE},
    "500555": {MINE, ALSO_MINE, STILL_MINE},
    "+1*0006": {MINE},
    "*7": {ALSO_MINE},
    "6*5": set(),
    "+44": set(),
}


@pytest.mark.parametrize(("pattern", "found"), PATTERNS.items())
def test_numbers_are_found_by_a_part_of_them(site: "Site", pattern: str, found: set[str]) -> None:
    listed = site.client().incoming_phone_numbers.list(phone_number=pattern)
    assert {number.phone_number for number in listed} == found


def test_pages_hold_their_filters_and_show_everything_once(site: "Site") -> None:
    for place in range(5):
        site.clock.time += 1_000_000
        post(site, f"{NUMBERS}.json", 201, PhoneNumber=f"+1310338670{place}")
    path, seen, pages = f"{NUMBERS}.json?PageSize=2&PhoneNumber=310338", [], []
    while path:
        page = get(site, path)
        seen += [number["phone_number"][-1] for number in page["incoming_phone_numbers"]]
        pages.append((page["page"], page["start"], page["end"]))
        path = page["next_page_uri"]
    assert ("".join(seen), pages) == ("43210", [(0, 0, 1), (1, 2, 3), (2, 4, 4)])


def test_what_is_given_up_while_it_is_listed_is_missed_by_nobody(site: "Site") -> None:
    numbers = site.client().incoming_phone_numbers
    for place in range(5):
        numbers.create(phone_number=f"+1310338670{place}")
    assert all(number.delete() for number in numbers.stream(phone_number="310338", page_size=2))
    assert numbers.list(phone_number="310338") == []


BAD_PAGES: list[tuple[dict[str, str], tuple[int, int]]] = [
    ({"PageSize": "0"}, (400, 20007)),
    ({"PageSize": "1001"}, (400, 20007)),
    ({"Page": "x"}, (422, 20422)),
    ({"Page": "1"}, (400, 21481)),
    ({"PageToken": "PA" + NOBODYS}, (400, 21481)),
    ({"PageToken": f"PASM{NOBODYS}"}, (400, 21481)),
]


@pytest.mark.parametrize("path", [NUMBERS, f"{NUMBERS}/Mobile", CODES, APPLICATIONS])
@pytest.mark.parametrize(("query", "refusal"), BAD_PAGES)
def test_a_page_that_is_none_is_refused(
    site: "Site", path: str, query: dict[str, str], refusal: tuple[int, int]
) -> None:
    assert refused(site.http().get(f"{path}.json", params=query)) == refusal


def test_parameters_of_calls_have_no_effect_and_are_named(site: "Site") -> None:
    given = {"VoiceUrl": HOOK, "StatusCallback": HOOK, "PhoneNumber": FREE, "SmsUrl": HOOK}
    answer = site.http().post(path_of(site), data=given)
    assert answer.headers["tidings-ignored-parameters"] == "VoiceUrl, StatusCallback, PhoneNumber"
    number = body_of(answer)
    assert (number["voice_url"], number["status_callback"], number["phone_number"]) == (None, None, MINE)
    listed = site.http().get(f"{NUMBERS}.json", params={"TrunkSid": "TK1", "Beta": "true"})
    assert listed.headers["tidings-ignored-parameters"] == "TrunkSid"


REFUSALS: list[tuple[dict[str, str], tuple[int, int]]] = [
    ({"SmsUrl": "ftp://a.example"}, (400, 21402)),
    ({"SmsMethod": "PUT"}, (400, 21403)),
    ({"SmsFallbackUrl": SPARE}, (400, 21406)),
    ({"SmsApplicationSid": "AP1"}, (400, 21420)),
    ({"SmsApplicationSid": f"AP{NOBODYS}"}, (400, 21420)),
    ({"FriendlyName": "x" * 65}, (400, 20002)),
    ({"AccountSid": f"AC{OTHER}"}, (400, 20010)),
]


@pytest.mark.parametrize(("given", "refusal"), REFUSALS)
def test_a_bad_parameter_changes_nothing(site: "Site", given: dict[str, str], refusal: tuple[int, int]) -> None:
    before = sender(site)
    assert refused(site.http().post(path_of(site), data=given)) == refusal
    assert refused(site.http().post(f"{NUMBERS}.json", data={"PhoneNumber": FREE} | given)) == refusal
    assert sender(site) == before
    assert site.run(site.store.sender(FREE)) is None


# --- numbers: taken and given up
NO_NUMBERS: list[tuple[str, dict[str, str], int]] = [
    ("", {}, 21421),
    ("", {"PhoneNumber": "ACME"}, 21421),
    ("", {"PhoneNumber": MINE}, 21422),
    ("", {"PhoneNumber": ELSEWHERE}, 21422),
    ("", {"AreaCode": "1x0"}, 21451),
    ("/Local", {"AreaCode": "310"}, 21457),
    ("/Mobile", {"PhoneNumber": FREE}, 21458),
]


@pytest.mark.parametrize(("path", "given", "code"), NO_NUMBERS)
def test_what_is_not_to_be_had_cannot_be_taken(site: "Site", path: str, given: dict[str, str], code: int) -> None:
    before = sender(site, ELSEWHERE)
    assert refused(site.http().post(f"{NUMBERS}{path}.json", data=given)) == (400, code)
    assert sender(site, ELSEWHERE) == before


def test_an_area_code_has_numbers_until_all_are_taken(site: "Site") -> None:
    numbers = site.client().incoming_phone_numbers
    assert numbers.create(area_code="510", sms_url=HOOK).phone_number == "+15105550100"
    assert numbers.create(area_code="510").phone_number == "+15105550101"
    assert sender(site, "+15105550100").handling.url == HOOK
    for line in range(102, 200):
        site.run(site.put_sender(Sender(f"+15105550{line}", OTHER)))
    assert refused(site.http().post(f"{NUMBERS}.json", data={"AreaCode": "510"})) == (400, 21452)


def test_numbers_are_the_operators_where_nobody_may_claim_them(site: "Site") -> None:
    site.claims = False
    assert refused(site.http().post(f"{NUMBERS}.json", data={"PhoneNumber": FREE})) == (400, 20010)
    assert refused(site.http().delete(path_of(site))) == (400, 20010)
    assert sender(site).address == MINE


def test_nothing_is_sent_from_a_number_once_it_is_given_up(site: "Site") -> None:
    number = post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)
    order = {"From": FREE, "To": "+15551230000", "Body": "Hello"}
    post(site, f"{ROOT}/Messages.json", 201, **order)
    site.http().delete(number["uri"]).raise_for_status()
    assert refused(site.http().post(f"{ROOT}/Messages.json", data=order)) == (400, 21606)


def test_a_number_that_is_given_up_leaves_its_service(site: "Site") -> None:
    number = post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)
    for resource in (Service("01" * 16, ACCOUNT, 0, 0), Member("02" * 16, ACCOUNT, 0, 0, "01" * 16, FREE)):
        site.run(site.store.put_resource(resource))
    assert site.run(site.services.of(ACCOUNT, FREE)) is not None
    assert site.http().delete(number["uri"]).status_code == 204
    assert site.run(site.store.resources(Member, ACCOUNT)) == []
    assert site.run(site.services.of(ACCOUNT, FREE)) is None


def test_a_number_that_is_given_up_while_it_is_being_changed_stays_with_whoever_has_it_next(site: "Site") -> None:
    path = post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)["uri"]
    address, credentials = httpx.URL(site.url), b64encode(f"AC{ACCOUNT}:{TOKEN}".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port or 0), 10) as client:
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")  # it waits for the body
        assert site.http().delete(path).status_code == 204
        site.run(site.put_sender(Sender(FREE, OTHER)))
        client.sendall(b"FriendlyName=Me")
        assert client.recv(1000).startswith(b"HTTP/1.1 404 ")
    assert (sender(site, FREE).account, sender(site, FREE).name) == (OTHER, "")


def test_a_number_that_has_changed_hands_is_not_given_up_for_its_new_owner(site: "Site") -> None:
    path = post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)["uri"]
    before = sender(site, FREE)
    site.http().delete(path).raise_for_status()
    site.run(site.put_sender(Sender(FREE, OTHER, claimed=True)))
    for late in (senders.give_up, senders.change):
        with pytest.raises(Problem, match="20404"):
            site.run(late(site, before))
    assert sender(site, FREE).account == OTHER


# --- numbers: one object, two APIs
def test_what_one_api_says_of_a_number_the_other_shows(site: "Site") -> None:
    compat = f"{COMPAT}/IncomingPhoneNumbers/{dashed(sender(site).id)}"
    site.http().post(compat, data={"SmsUrl": HOOK, "FriendlyName": "Desk"}).raise_for_status()
    assert sender(site).handling.dialect == "signalwire_compat"
    number = get(site, path_of(site))
    assert (number["sms_url"], number["friendly_name"]) == (HOOK, "Desk")
    # Whoever answers is asked as before, until somebody says who answers.
    post(site, path_of(site), SmsMethod="GET")
    assert sender(site).handling == Handling(Handler.MARKUP, "signalwire_compat", url=HOOK, method="GET")
    post(site, path_of(site), SmsUrl=SPARE)
    assert sender(site).handling.dialect == "twilio"
    assert site.http().get(compat).json()["sms_url"] == SPARE


def test_a_number_that_is_taken_in_one_api_can_be_given_up_in_the_other(site: "Site") -> None:
    taken = site.http().post(f"{COMPAT}/IncomingPhoneNumbers", data={"PhoneNumber": FREE}).json()
    assert site.http().delete(f"{NUMBERS}/PN{taken['sid'].replace('-', '')}.json").status_code == 204
    sid = post(site, f"{NUMBERS}.json", 201, PhoneNumber=FREE)["sid"]
    assert site.http().delete(f"{COMPAT}/IncomingPhoneNumbers/{dashed(sid[2:])}").status_code == 204


FOREIGN = [
    Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_topic"),
    Handling(Handler.SWML, "signalwire_rest", url=HOOK, resource="0c" * 16),
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_what_only_signalwire_knows_stays_until_a_url_is_set(site: "Site", foreign: Handling) -> None:
    handled(site, foreign)
    assert get(site, path_of(site))["sms_url"] is None
    answer = site.http().post(path_of(site), data={"SmsMethod": "GET", "SmsUrl": "", "FriendlyName": "Desk"})
    assert answer.headers["tidings-ignored-parameters"] == "SmsMethod"
    assert body_of(answer)["sms_method"] == "POST"
    assert (sender(site).handling, sender(site).name) == (foreign, "Desk")
    assert post(site, path_of(site), SmsUrl=SPARE)["sms_url"] == SPARE
    assert sender(site).handling == Handling(Handler.MARKUP, "twilio", url=SPARE)


# --- short codes
def test_the_official_client_manages_short_codes(site: "Site") -> None:
    has_code(site)
    (found,) = site.client().short_codes.list(short_code="12*", friendly_name=CODE)
    assert (found.short_code, found.sms_url) == (CODE, None)
    changed = found.update(sms_url=HOOK, sms_method="GET", sms_fallback_url=SPARE, friendly_name="Votes")
    assert (changed.sms_url, changed.sms_method, changed.friendly_name) == (HOOK, "GET", "Votes")
    assert site.client().short_codes(found.sid).fetch().sms_fallback_url == SPARE
    assert sender(site, CODE).handling.dialect == "twilio"
    assert site.client().short_codes.list(friendly_name="Polls") == []


def test_short_codes_have_the_shape_that_twilio_describes(site: "Site") -> None:
    path = has_code(site)
    page = get(site, f"{CODES}.json")
    assert page["short_codes"] == [get(site, path)]
    assert page["short_codes"][0]["uri"] == path
    assert post(site, path, SmsUrl=HOOK)["sms_url"] == HOOK


def test_short_codes_are_the_operators(site: "Site") -> None:
    path = has_code(site)
    assert refused(site.http().delete(path)) == (405, 20004)
    assert refused(site.http().post(f"{CODES}.json", data={"ShortCode": "54321"})) == (405, 20004)
    assert refused(site.http().get(f"{CODES}/SC{sender(site).id}.json")) == (404, 20404)


# --- applications
def test_the_official_client_manages_applications(site: "Site") -> None:
    applications = site.client().applications
    made = applications.create(
        friendly_name="Shop", sms_url=HOOK, sms_fallback_url=SPARE, message_status_callback=SPARE
    )
    assert (made.sms_url, made.message_status_callback, made.sms_status_callback) == (HOOK, SPARE, SPARE)
    assert (made.sms_fallback_url, made.sms_fallback_method) == (SPARE, "POST")
    assert made.update(sms_method="GET", sms_status_callback="").message_status_callback is None
    fetched = applications(made.sid).fetch()
    assert (fetched.friendly_name, fetched.sms_method, fetched.voice_url) == ("Shop", "GET", None)
    assert [one.sid for one in applications.list(friendly_name="Shop")] == [made.sid]
    assert applications.list(friendly_name="Shops") == []
    assert made.delete()
    assert applications.list() == []


def test_applications_have_the_shape_that_twilio_describes(site: "Site") -> None:
    first, second = application(site), application(site, FriendlyName="Shop", SmsUrl=HOOK)
    assert (first["friendly_name"], second["friendly_name"]) == (None, "Shop")
    page = get(site, f"{APPLICATIONS}.json", PageSize="1")
    assert page["applications"] == [second]
    rest = get(site, page["next_page_uri"])
    assert (rest["applications"], rest["next_page_uri"]) == ([first], None)
    assert get(site, first["uri"]) == first
    assert post(site, first["uri"], FriendlyName="Kiosk")["friendly_name"] == "Kiosk"


def test_an_application_is_one_in_both_apis(site: "Site") -> None:
    made = application(site, SmsUrl=HOOK)
    compat = f"{COMPAT}/Applications/{dashed(made['sid'][2:])}"
    # The other API wants names of new ones; this one has none, and can be changed there all the same.
    site.http().post(compat, data={"SmsStatusCallback": SPARE}).raise_for_status()
    shown = get(site, made["uri"])
    assert (shown["sms_url"], shown["message_status_callback"]) == (HOOK, SPARE)
    assert site.http().delete(compat).status_code == 204
    assert refused(site.http().get(made["uri"])) == (404, 20404)


def test_a_number_is_answered_by_an_application_until_it_is_deleted(site: "Site") -> None:
    made = application(site, SmsUrl=HOOK)
    number = post(site, path_of(site), SmsApplicationSid=made["sid"], SmsUrl=SPARE)
    assert (number["sms_application_sid"], number["sms_url"]) == (made["sid"], SPARE)
    assert sender(site).handling.handler is Handler.APPLICATION
    answer = site.http().delete(made["uri"])
    assert (answer.status_code, answer.headers["tidings-unanswered-senders"]) == (204, MINE)
    assert sender(site).handling == Handling()


def test_an_applications_status_callback_is_told_of_its_messages(site: "Site") -> None:
    made = application(site, MessageStatusCallback=HOOK)
    site.client().messages.create(to="+15551230000", from_=MINE, body="Hello", application_sid=made["sid"])
    assert [order.callback_url for order in site.orders] == [HOOK]


def test_what_no_application_can_be_is_refused(site: "Site") -> None:
    made = application(site, FriendlyName="Shop")
    for given, code in (
        ({"FriendlyName": "x" * 65}, 20002),
        ({"SmsUrl": "nowhere"}, 21402),
        ({"MessageStatusCallback": "nowhere"}, 21402),
        ({"SmsFallbackMethod": "PUT"}, 21403),
        ({"SmsFallbackUrl": SPARE}, 21406),
    ):
        for path in (f"{APPLICATIONS}.json", made["uri"]):
            assert refused(site.http().post(path, data=given)) == (400, code)
    assert site.run(site.store.resources(Application, ACCOUNT)) != []
    assert get(site, made["uri"]) == made
    for method in ("GET", "POST", "DELETE"):
        assert refused(site.http().request(method, f"{APPLICATIONS}/AP{NOBODYS}.json")) == (404, 20404)


# --- whoever asks
PATHS = (NUMBERS, f"{NUMBERS}/Local", f"{NUMBERS}/PN{NOBODYS}", CODES, f"{CODES}/SC{NOBODYS}", APPLICATIONS)


@pytest.mark.parametrize("path", PATHS)
def test_nobody_else_gets_in(site: "Site", path: str) -> None:
    for http in (site.other(), site.http(None)):
        assert refused(http.get(f"{path}.json")) == (401, 20003)


def test_another_accounts_are_not_there(site: "Site") -> None:
    made, path = application(site), path_of(site)
    for uri in (made["uri"], path):
        theirs = uri.replace(ACCOUNT, OTHER)
        assert refused(site.other().get(theirs)) == (404, 20404)
        assert refused(site.other().post(theirs, data={"FriendlyName": "x"})) == (404, 20404)
        assert refused(site.other().delete(theirs)) == (404, 20404)


def test_test_credentials_take_the_magic_number_and_nothing_is_kept(site: "Site") -> None:
    with site.http(TEST) as http:
        root = f"/2010-04-01/Accounts/AC{TEST.id}"
        given = {"PhoneNumber": "+15005550006", "SmsUrl": HOOK, "FriendlyName": "Rehearsed"}
        number = body_of(http.post(f"{root}/IncomingPhoneNumbers.json", data=given))
        assert (number["sms_url"], number["friendly_name"]) == (HOOK, "Rehearsed")
        for wanted, code in (("+15005550000", 21422), ("+15005550001", 21421), (FREE, 21422)):
            answer = http.post(f"{root}/IncomingPhoneNumbers.json", data={"PhoneNumber": wanted})
            assert refused(answer) == (400, code)
        for method, path in (
            ("GET", "IncomingPhoneNumbers"),
            ("GET", f"IncomingPhoneNumbers/{number['sid']}"),
            ("GET", "SMS/ShortCodes"),
            ("POST", "Applications"),
        ):
            assert refused(http.request(method, f"{root}/{path}.json")) == (403, 20008)
    assert site.run(site.store.senders(TEST.id)) == []
