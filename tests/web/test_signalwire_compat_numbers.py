"""Numbers and applications of SignalWire's Compatibility API, asked by a plain client, and by Twilio's own, which
SignalWire's is made of."""

from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from twilio.rest import Client

from tests.schemas import signalwire
from tidings.arranged import Application, Handler, Handling, Member, Sender, Service
from tidings.ids import dashed, from_project

if TYPE_CHECKING:
    from tests.web.conftest import Site


ACCOUNT, TOKEN, PROJECT = "0a" * 16, "token of the first", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
OTHER, OTHER_TOKEN, OTHER_PROJECT = "0b" * 16, "token of the second", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"
MINE, ALSO_MINE, ELSEWHERE, FREE = "+15005550006", "+15005550007", "+15005550009", "+13103386745"
PREFIXES = ("/api/laml", "", "/api/laml/api/laml")
ROOT = f"/api/laml/2010-04-01/Accounts/{PROJECT}"
NUMBERS, APPLICATIONS = f"{ROOT}/IncomingPhoneNumbers", f"{ROOT}/Applications"
NOBODY = "0d0d0d0d-0d0d-0d0d-0d0d-0d0d0d0d0d0d"
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"


def http(site: "Site", user: str = PROJECT, password: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=site.url, auth=(user, password))


def conforming(name: str, answer: httpx.Response) -> Any:
    """The body, which is what the API description has under that name."""
    body = answer.json()
    signalwire("compat-numbers", name).validate(body)
    return body


def refused(answer: httpx.Response) -> tuple[int, int]:
    """Status and number."""
    body = conforming("CompatibilityErrorResponse", answer)
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def sender(site: "Site", address: str = MINE) -> Sender:
    found = site.run(site.store.sender(address))
    assert found is not None
    return found


def number_path(site: "Site", address: str = MINE) -> str:
    return f"{NUMBERS}/{dashed(sender(site, address).id)}"


def update(site: "Site", address: str = MINE, **given: str) -> Any:
    answer = http(site).post(number_path(site, address), data=given)
    assert answer.status_code == 200, answer.text
    return conforming("IncomingPhoneNumber", answer)


def application(site: "Site", **given: str) -> Any:
    answer = http(site).post(APPLICATIONS, data={"FriendlyName": "Mine"} | given)
    assert answer.status_code == 201, answer.text
    return conforming("Application", answer)


# --- numbers: what there are
@pytest.mark.parametrize("ending", ["", ".json"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_path_is_served_by_every_prefix(site: "Site", prefix: str, ending: str) -> None:
    root = f"{prefix}/2010-04-01/Accounts/{PROJECT}"
    made = application(site)
    for path in (
        "IncomingPhoneNumbers",
        f"IncomingPhoneNumbers/{dashed(sender(site).id)}",
        "Applications",
        f"Applications/{made['sid']}",
    ):
        assert http(site).get(f"{root}/{path}{ending}").status_code == 200


def test_the_account_sees_its_own_numbers_and_no_short_codes_or_names(site: "Site") -> None:
    for address in ("12345", "ACME"):
        site.run(site.put_sender(Sender(address, ACCOUNT)))
    page = conforming("IncomingPhoneNumberListResponse", http(site).get(NUMBERS))
    assert {number["phone_number"] for number in page["incoming_phone_numbers"]} == {
        MINE,
        ALSO_MINE,
        "+15005550008",
    }
    for address in ("12345", "ACME"):
        assert refused(http(site).get(number_path(site, address))) == (404, 20404)


def test_a_number_shows_what_it_can_do(site: "Site") -> None:
    number = conforming("IncomingPhoneNumber", http(site).get(number_path(site)))
    assert number["capabilities"] == {"voice": False, "sms": True, "mms": True, "fax": False}
    assert (number["friendly_name"], number["country_code"]) == ("(500) 555-0006", "US")
    assert (number["account_sid"], number["account_id"]) == (PROJECT, PROJECT)
    assert (number["sms_url"], number["sms_method"], number["sms_application_sid"]) == (None, "POST", None)
    assert number["uri"] == f"{number_path(site)}.json"
    assert http(site).get(number["uri"]).json() == number


def test_a_number_of_no_country_is_shown_all_the_same(site: "Site") -> None:
    site.run(site.put_sender(Sender("+99912345678", ACCOUNT)))
    number = conforming("IncomingPhoneNumber", http(site).get(number_path(site, "+99912345678")))
    assert (number["friendly_name"], number["country_code"]) == ("+99912345678", "ZZ")


PATTERNS = {
    MINE: {MINE},
    "500555": {MINE, ALSO_MINE, "+15005550008"},
    "+1*0006": {MINE},
    "*7": {ALSO_MINE},
    "6*5": set(),
    "*" * 60 + "9": set(),
    "+44": set(),
}


@pytest.mark.parametrize(("pattern", "found"), PATTERNS.items())
def test_numbers_are_found_by_a_part_of_them(site: "Site", pattern: str, found: set[str]) -> None:
    page = http(site).get(NUMBERS, params={"PhoneNumber": pattern}).json()
    assert {number["phone_number"] for number in page["incoming_phone_numbers"]} == found


def test_numbers_are_found_by_their_name(site: "Site") -> None:
    update(site, FriendlyName="Support & Sales")
    for name, found in (("Support & Sales", [MINE]), ("Support", []), ("(500) 555-0007", [ALSO_MINE])):
        page = http(site).get(NUMBERS, params={"FriendlyName": name}).json()
        assert [number["phone_number"] for number in page["incoming_phone_numbers"]] == found


def test_pages_go_newest_first_and_hold_their_filters(site: "Site") -> None:
    for place in range(5):
        site.clock.time += 1_000_000
        http(site).post(NUMBERS, data={"PhoneNumber": f"+1310338670{place}"}).raise_for_status()
    path, seen, pages = f"{NUMBERS}?PageSize=2&PhoneNumber=310338", [], []
    while path:
        page = conforming("IncomingPhoneNumberListResponse", http(site).get(path))
        seen += [number["phone_number"][-1] for number in page["incoming_phone_numbers"]]
        pages.append(page["page"])
        path = page["next_page_uri"]
    assert (seen, pages) == (["4", "3", "2", "1", "0"], [0, 1, 2])


@pytest.mark.parametrize("path", [NUMBERS, APPLICATIONS])
def test_what_goes_while_it_is_listed_is_missed_by_nobody(site: "Site", path: str) -> None:
    for place in range(5):
        http(site).post(path, data={"PhoneNumber": f"+1310338670{place}", "FriendlyName": "Mine"})
    page: str | None = f"{path}?PageSize=2&FriendlyName=Mine"
    gone = 0
    while page:
        listed = http(site).get(page).raise_for_status().json()
        for one in listed.get("incoming_phone_numbers") or listed["applications"]:
            gone += http(site).delete(f"{path}/{one['sid']}").status_code == 204
        page = listed["next_page_uri"]
    assert gone == 5


BAD_PAGES: list[tuple[dict[str, str], int]] = [
    ({"PageSize": "0"}, 54454),
    ({"PageSize": "x"}, 54454),
    ({"PageSize": "1001"}, 54454),
    ({"Page": "1"}, 54453),
    ({"PageToken": "PB"}, 21481),
]


@pytest.mark.parametrize("path", [NUMBERS, APPLICATIONS])
@pytest.mark.parametrize(("query", "code"), BAD_PAGES)
def test_a_page_that_is_none_is_refused(site: "Site", path: str, query: dict[str, str], code: int) -> None:
    assert refused(http(site).get(path, params=query)) == (422, code)


def test_twilios_client_manages_numbers_and_applications(site: "Site") -> None:
    client = Client(PROJECT, TOKEN)
    client.api.base_url = site.url
    made = client.applications.create(friendly_name="Mine", sms_url=HOOK, message_status_callback=SPARE)
    assert (made.sms_url, made.message_status_callback) == (HOOK, SPARE)
    numbers = client.incoming_phone_numbers
    (number,) = numbers.list(phone_number=MINE)
    assert number.update(sms_application_sid=made.sid).sms_application_sid == made.sid
    taken = numbers.create(phone_number=FREE, friendly_name="New")
    assert {number.phone_number for number in numbers.list(page_size=1)} >= {MINE, FREE}
    assert numbers(taken.sid).fetch().friendly_name == "New"
    assert numbers(taken.sid).delete()
    assert client.applications(made.sid).delete()
    assert client.applications.list() == []


# --- numbers: what they are changed to
@pytest.mark.parametrize("as_json", [False, True])
def test_a_number_is_answered_by_a_url(site: "Site", as_json: bool) -> None:
    given = {
        "FriendlyName": "Support",
        "SmsUrl": HOOK,
        "SmsMethod": "GET",
        "SmsFallbackUrl": SPARE,
        "SmsFallbackMethod": "GET",
    }
    sent: dict[str, Any] = {"json": given} if as_json else {"data": given}
    number = conforming("IncomingPhoneNumber", http(site).post(number_path(site), **sent))
    assert (number["friendly_name"], number["sms_url"], number["sms_method"]) == ("Support", HOOK, "GET")
    assert (number["sms_fallback_url"], number["sms_fallback_method"]) == (SPARE, "GET")
    assert sender(site).handling == Handling(
        Handler.MARKUP,
        "signalwire_compat",
        url=HOOK,
        method="GET",
        fallback_url=SPARE,
        fallback_method="GET",
    )
    # What is not given stays.
    assert update(site, SmsMethod="POST") | {"sms_method": "GET"} == number
    assert update(site, SmsUrl="")["sms_url"] is None
    assert sender(site).handling.handler is Handler.NONE


def test_a_number_is_answered_by_an_application_before_its_url(site: "Site") -> None:
    made = application(site, SmsUrl=HOOK)
    number = update(site, SmsUrl=SPARE, SmsApplicationSid=made["sid"])
    assert (number["sms_application_sid"], number["sms_url"]) == (made["sid"], SPARE)
    assert sender(site).handling.handler is Handler.APPLICATION
    assert sender(site).handling.application == from_project(made["sid"])
    assert update(site, SmsApplicationSid="")["sms_url"] == SPARE
    assert sender(site).handling.handler is Handler.MARKUP


def test_what_another_surface_set_stays_until_a_url_is_set(site: "Site") -> None:
    relay = Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_topic")
    site.run(site.put_sender(msgspec.structs.replace(sender(site), handling=relay)))
    assert update(site, SmsMethod="GET", SmsUrl="", FriendlyName="Desk")["sms_method"] == "POST"
    assert sender(site).handling == relay
    assert update(site, SmsUrl=HOOK)["sms_url"] == HOOK
    assert sender(site).handling == Handling(Handler.MARKUP, "signalwire_compat", url=HOOK)


def test_a_name_that_is_taken_away_gives_place_to_the_number(site: "Site") -> None:
    assert update(site, FriendlyName="Support")["friendly_name"] == "Support"
    assert update(site, FriendlyName="")["friendly_name"] == "(500) 555-0006"


def test_parameters_of_calls_have_no_effect_and_are_named(site: "Site") -> None:
    given = {"VoiceUrl": HOOK, "StatusCallback": HOOK, "PhoneNumber": FREE, "FriendlyName": "x"}
    answer = http(site).post(number_path(site), data=given)
    assert answer.headers["tidings-ignored-parameters"] == "VoiceUrl, StatusCallback, PhoneNumber"
    number = conforming("IncomingPhoneNumber", answer)
    assert (number["voice_url"], number["status_callback"], number["phone_number"]) == (None, None, MINE)


BAD_UPDATES: list[tuple[dict[str, Any], int]] = [
    ({"SmsUrl": "ftp://a.example"}, 21402),
    ({"SmsUrl": "http://under_score.example"}, 21402),
    ({"SmsFallbackUrl": "no url"}, 21402),
    ({"SmsMethod": "PUT"}, 13221),
    ({"SmsFallbackMethod": "x"}, 13221),
    ({"SmsApplicationSid": "AP" + "0" * 32}, 21420),
    ({"SmsApplicationSid": NOBODY}, 21420),
    ({"FriendlyName": "x" * 256}, 90000),
    ({"AccountSid": OTHER_PROJECT}, 20010),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("given", "code"), BAD_UPDATES)
def test_a_bad_parameter_changes_nothing(site: "Site", given: dict[str, Any], code: int, as_json: bool) -> None:
    before = sender(site)
    for path, needed in ((number_path(site), {}), (NUMBERS, {"PhoneNumber": FREE})):
        sent: dict[str, Any] = {"json" if as_json else "data": needed | given}
        assert refused(http(site).post(path, **sent)) == (422, code)
    assert sender(site) == before
    assert site.run(site.store.sender(FREE)) is None


@pytest.mark.parametrize(
    "value", [5, 1.5, True, False, None, [], ["a", "b"], [5], {}, {"a": 1}, [[1]], "\U0001f600"]
)
@pytest.mark.parametrize(
    "name", ["SmsUrl", "SmsMethod", "SmsApplicationSid", "FriendlyName", "PhoneNumber", "SmsStatusCallback", "x"]
)
def test_json_of_any_kind_is_taken_or_refused(site: "Site", name: str, value: Any) -> None:
    paths = {
        NUMBERS: {"PhoneNumber": FREE},
        number_path(site): {},
        APPLICATIONS: {"FriendlyName": "x"},
        f"{APPLICATIONS}/{application(site)['sid']}": {},
    }
    for path, needed in paths.items():
        answer = http(site).post(path, json=needed | {name: value})
        assert answer.status_code in (200, 201) or refused(answer)[0] == 422, answer.text


@pytest.mark.parametrize("content", [b"[]", b"{", b"5", b'{"FriendlyName": "a\\u0000"}'])
def test_json_that_is_no_object_is_refused(site: "Site", content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = http(site).post(number_path(site), content=content, headers=headers)
    assert refused(answer)[0] in (400, 422)


# --- numbers: taken and given up
def test_a_free_number_is_taken_and_given_up(site: "Site") -> None:
    answer = http(site).post(NUMBERS, data={"PhoneNumber": FREE, "SmsUrl": HOOK})
    assert (answer.status_code, "tidings-ignored-parameters" in answer.headers) == (201, False)
    number = conforming("IncomingPhoneNumber", answer)
    assert (number["phone_number"], number["friendly_name"]) == (FREE, "(310) 338-6745")
    assert number["sms_url"] == HOOK
    assert http(site).get(number["uri"]).json() == number
    group, member = Service("01" * 16, ACCOUNT, 0, 0), Member("02" * 16, ACCOUNT, 0, 0, "01" * 16, FREE)
    for resource in (group, member):
        site.run(site.store.put_resource(resource))
    deleted = http(site).delete(f"{NUMBERS}/{number['sid']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert refused(http(site).get(number["uri"])) == (404, 20404)
    assert site.run(site.store.resources(Member, ACCOUNT)) == []
    assert site.run(site.store.resources(Service, ACCOUNT)) == [group]
    assert http(site).post(NUMBERS, data={"PhoneNumber": FREE}).status_code == 201


@pytest.mark.parametrize("address", [MINE, ELSEWHERE])
def test_a_number_that_is_somebodys_is_not_to_be_had(site: "Site", address: str) -> None:
    before = sender(site, address)
    answer = http(site).post(NUMBERS, data={"PhoneNumber": address})
    # SignalWire has no number of its own for it.
    assert refused(answer) == (422, 90000)
    assert "not to be had" in answer.json()["message"]
    assert sender(site, address) == before


NO_NUMBERS: list[tuple[dict[str, str], int]] = [
    ({}, 21421),
    ({"AreaCode": "310"}, 21421),
    ({"PhoneNumber": "12345"}, 21401),
    ({"PhoneNumber": "+1"}, 21401),
    ({"PhoneNumber": "ACME"}, 21401),
    ({"PhoneNumber": "+99912345678"}, 21401),
]


@pytest.mark.parametrize(("given", "code"), NO_NUMBERS)
def test_what_is_no_number_cannot_be_taken(site: "Site", given: dict[str, str], code: int) -> None:
    assert refused(http(site).post(NUMBERS, data=given)) == (422, code)


def test_numbers_are_the_operators_where_nobody_may_claim_them(site: "Site") -> None:
    site.claims = False
    assert refused(http(site).post(NUMBERS, data={"PhoneNumber": FREE})) == (422, 20010)
    assert site.run(site.store.sender(FREE)) is None


def test_the_operators_own_numbers_cannot_be_given_up(site: "Site") -> None:
    assert refused(http(site).delete(number_path(site))) == (422, 20010)
    assert sender(site).account == ACCOUNT


# --- applications
def test_an_application_is_made_changed_and_found(site: "Site") -> None:
    made = application(
        site, SmsUrl=HOOK, SmsMethod="GET", SmsFallbackUrl=SPARE, SmsFallbackMethod="GET", SmsStatusCallback=SPARE
    )
    assert (made["friendly_name"], made["sms_url"], made["sms_method"]) == ("Mine", HOOK, "GET")
    assert (made["sms_status_callback"], made["message_status_callback"]) == (SPARE, SPARE)
    kept = site.run(site.store.resource(Application, ACCOUNT, from_project(made["sid"]) or ""))
    assert kept is not None
    assert (kept.url, kept.fallback_url, kept.status_callback) == (HOOK, SPARE, SPARE)
    site.clock.time += 5_000_000
    changed = http(site).post(made["uri"], data={"FriendlyName": "Ours", "SmsStatusCallback": ""})
    assert conforming("Application", changed) == made | {
        "friendly_name": "Ours",
        "sms_status_callback": None,
        "message_status_callback": None,
        "date_updated": changed.json()["date_updated"],
    }
    assert changed.json()["date_updated"] != made["date_updated"]
    assert http(site).get(made["uri"]).json() == changed.json()


def test_applications_are_listed_newest_first_and_by_name(site: "Site") -> None:
    for name in ("one", "two", "two"):
        site.clock.time += 1
        application(site, FriendlyName=name)
    page = conforming("ApplicationListResponse", http(site).get(APPLICATIONS))
    assert [one["friendly_name"] for one in page["applications"]] == ["two", "two", "one"]
    first = http(site).get(APPLICATIONS, params={"FriendlyName": "two", "PageSize": "1"}).json()
    second = http(site).get(first["next_page_uri"]).json()
    assert [one["friendly_name"] for one in second["applications"]] == ["two"]
    assert second["next_page_uri"] is None


BAD_APPLICATIONS: list[tuple[dict[str, str], int]] = [
    ({"FriendlyName": ""}, 90000),
    ({"FriendlyName": "x" * 65}, 90000),
    ({"SmsUrl": "nowhere"}, 21402),
    ({"SmsStatusCallback": "ftp://a.example"}, 21402),
    ({"MessageStatusCallback": "ftp://a.example"}, 21402),
    ({"SmsFallbackMethod": "HEAD"}, 13221),
]


@pytest.mark.parametrize(("given", "code"), BAD_APPLICATIONS)
def test_an_application_that_cannot_be_is_refused(site: "Site", given: dict[str, str], code: int) -> None:
    made = application(site)
    assert refused(http(site).post(APPLICATIONS, data={"FriendlyName": "Mine"} | given)) == (422, code)
    assert refused(http(site).post(made["uri"], data=given)) == (422, code)
    assert http(site).get(APPLICATIONS).json()["applications"] == [made]


def test_an_application_needs_a_name(site: "Site") -> None:
    assert refused(http(site).post(APPLICATIONS, data={"SmsUrl": HOOK})) == (422, 90000)


def test_callbacks_that_are_asked_for_by_get_are_named_as_posted(site: "Site") -> None:
    for method, headers in (("POST", None), ("GET", "SmsStatusCallbackMethod")):
        given = {"FriendlyName": "x", "SmsStatusCallbackMethod": method}
        answer = http(site).post(APPLICATIONS, data=given)
        assert answer.headers.get("tidings-ignored-parameters") == headers
        assert answer.json()["sms_status_callback_method"] == "POST"


def test_an_application_that_goes_leaves_its_numbers_without_a_handler(site: "Site") -> None:
    made, other = application(site), application(site)
    update(site, MINE, SmsApplicationSid=made["sid"], SmsUrl=HOOK)
    update(site, ALSO_MINE, SmsApplicationSid=other["sid"])
    answer = http(site).delete(made["uri"])
    assert (answer.status_code, answer.headers["tidings-unanswered-senders"]) == (204, MINE)
    assert sender(site).handling == Handling()
    assert sender(site, ALSO_MINE).handling.handler is Handler.APPLICATION
    assert refused(http(site).get(made["uri"])) == (404, 20404)
    unused = http(site).delete(application(site)["uri"])
    assert "tidings-unanswered-senders" not in unused.headers


# --- who may
def test_what_is_anothers_is_not_there(site: "Site") -> None:
    theirs = f"/api/laml/2010-04-01/Accounts/{OTHER_PROJECT}"
    with http(site, OTHER_PROJECT, OTHER_TOKEN) as client:
        made = client.post(f"{theirs}/Applications", data={"FriendlyName": "Theirs"}).json()
    ids = {NUMBERS: dashed(sender(site, ELSEWHERE).id), APPLICATIONS: made["sid"]}
    for path, id_ in ids.items():
        for spelled in (id_, NOBODY, "PN" + "0" * 32, "x"):
            for method in ("GET", "POST", "DELETE"):
                assert refused(http(site).request(method, f"{path}/{spelled}")) == (404, 20404)
    assert refused(http(site).post(number_path(site), data={"SmsApplicationSid": made["sid"]})) == (422, 21420)


@pytest.mark.parametrize("path", ["IncomingPhoneNumbers", f"Applications/{NOBODY}"])
def test_nobody_gets_in_without_the_accounts_own_credentials(site: "Site", path: str) -> None:
    for user, password in ((PROJECT, "wrong"), (OTHER_PROJECT, OTHER_TOKEN), (NOBODY, TOKEN)):
        assert refused(http(site, user, password).get(f"{ROOT}/{path}")) == (401, 20003)


def test_a_method_that_is_not_there_is_refused(site: "Site") -> None:
    assert refused(http(site).put(NUMBERS))[0] == 405
