"""Numbers, short codes and number groups of SignalWire's REST API, asked by SignalWire's own client, unmodified;
what that hides is asked by a plain one."""

from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from signalwire.rest import RestClient
from signalwire.rest._base import SignalWireRestError

from tests.schemas import signalwire, specified
from tidings.arranged import Application, Handler, Handling, Member, Sender
from tidings.ids import dashed

if TYPE_CHECKING:
    from tests.web.conftest import Site


ACCOUNT, TOKEN, PROJECT = "0a" * 16, "token of the first", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
OTHER_TOKEN, OTHER_PROJECT = "token of the second", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"
MINE, ALSO_MINE, ELSEWHERE, FREE, CODE = "+15005550006", "+15005550007", "+15005550009", "+18005550100", "12345"
ROOT = "/api/relay/rest"
NOBODY = "0d0d0d0d-0d0d-0d0d-0d0d-0d0d0d0d0d0d"
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"
CODES_OWN = "Types.StatusCodes.ValidationError"


def client(site: "Site", project: str = PROJECT, token: str = TOKEN) -> RestClient:
    return RestClient(project, token, site.url.removeprefix("http://"))


def http(site: "Site", user: str = PROJECT, password: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=site.url + ROOT, auth=(user, password))


def conforming(name: str, body: Any) -> Any:
    """The body, which is what the API description has under that name."""
    signalwire("rest-numbers", name).validate(body)
    return body


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and what is said, which has the one shape that errors have here."""
    (entry,) = conforming(CODES_OWN, answer.json())["errors"]
    assert entry["status"] == entry["code"] == str(answer.status_code)
    return answer.status_code, entry["detail"]


def sender(site: "Site", address: str = MINE) -> Sender:
    found = site.run(site.store.sender(address))
    assert found is not None
    return found


def number_id(site: "Site", address: str = MINE) -> str:
    return dashed(sender(site, address).id)


def add_short_code(site: "Site") -> str:
    site.run(site.put_sender(Sender(CODE, ACCOUNT)))
    return number_id(site, CODE)


def put_application(site: "Site", account: str = ACCOUNT) -> str:
    site.run(site.store.put_resource(Application("0e" * 16, account, 0, 0, "Mine", HOOK)))
    return dashed("0e" * 16)


# --- numbers: what there are
def test_the_account_sees_its_own_numbers(site: "Site") -> None:
    add_short_code(site)
    page = conforming("PhoneNumberListResponse", client(site).phone_numbers.list())
    assert {number["number"] for number in page["data"]} == {MINE, ALSO_MINE, "+15005550008"}
    number = conforming("PhoneNumberResponse", client(site).phone_numbers.get(number_id(site)))
    assert number in page["data"]
    assert (number["capabilities"], number["number_type"]) == (["sms", "mms"], "longcode")
    assert (number["country_code"], number["name"], number["message_handler"]) == ("US", None, None)


def test_a_number_of_no_country_is_shown_all_the_same(site: "Site") -> None:
    site.run(site.put_sender(Sender("+99912345678", ACCOUNT)))
    number = client(site).phone_numbers.get(number_id(site, "+99912345678"))
    assert conforming("PhoneNumberResponse", number)["country_code"] is None


def test_numbers_are_found_by_parts_of_name_and_number(site: "Site") -> None:
    numbers = client(site).phone_numbers
    numbers.update(number_id(site), name="Front desk")
    searches: list[tuple[dict[str, Any], list[str]]] = [
        ({"filter_name": "desk"}, [MINE]),
        ({"filter_number": "0007"}, [ALSO_MINE]),
        ({"filter_number": "+1500555000", "filter_name": "Front"}, [MINE]),
        ({"filter_name": "back"}, []),
    ]
    for asked, found in searches:
        assert [number["number"] for number in numbers.list(**asked)["data"]] == found


def test_pages_go_newest_first_and_hold_their_filters(site: "Site") -> None:
    for place in range(5):
        site.clock.time += 1_000_000
        site.run(site.put_sender(Sender(f"+1310338670{place}", ACCOUNT, created_at=site.clock.now())))
    numbers = client(site).phone_numbers
    walked = [number["number"][-1] for number in numbers.paginate(page_size=2, filter_number="310338")]
    assert walked == ["4", "3", "2", "1", "0"]
    first = numbers.list(page_size=2, filter_number="310338")
    assert set(first["links"]) == {"self", "first", "next"}
    assert first["links"]["self"].startswith(f"{site.url}{ROOT}/phone_numbers?")
    second = conforming("PhoneNumberListResponse", httpx.get(first["links"]["next"], auth=(PROJECT, TOKEN)).json())
    assert second["links"]["prev"] == first["links"]["first"]


BAD_PAGES = [
    ({"page_size": "0"}, "page_size"),
    ({"page_size": "x"}, "page_size"),
    ({"page_number": "-1"}, "page_number"),
    ({"page_number": "1"}, "page_token"),
    ({"page_token": "x"}, "page_token"),
    ({"page_token": f"PA{NOBODY}"}, "page_token"),
]


@pytest.mark.parametrize("path", ["phone_numbers", "short_codes", "number_groups"])
@pytest.mark.parametrize(("query", "attribute"), BAD_PAGES)
def test_a_page_that_is_none_is_refused(site: "Site", path: str, query: dict[str, str], attribute: str) -> None:
    status, detail = refused(http(site).get(f"/{path}", params=query))
    assert (status, detail.split()[0]) == (422, f"'{attribute}'")


# --- numbers: what answers them
HANDLERS: list[tuple[dict[str, Any], Handling]] = [
    (
        {"message_handler": "relay_context", "message_relay_context": "office"},
        Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_context"),
    ),
    (
        {"message_handler": "relay_topic", "message_relay_topic": "office"},
        Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_topic"),
    ),
    (
        {"message_handler": "relay_application", "message_relay_application": "office"},
        Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_application"),
    ),
    (
        {
            "message_handler": "laml_webhooks",
            "message_request_url": HOOK,
            "message_request_method": "GET",
            "message_fallback_url": SPARE,
            "message_fallback_method": "POST",
        },
        Handling(
            Handler.MARKUP,
            "signalwire_compat",
            url=HOOK,
            method="GET",
            fallback_url=SPARE,
            spelling="laml_webhooks",
        ),
    ),
    (
        {"message_handler": "laml_application", "message_laml_application_id": dashed("0e" * 16)},
        Handling(Handler.APPLICATION, "signalwire_compat", application="0e" * 16, spelling="laml_application"),
    ),
]


@pytest.mark.parametrize(("members", "handling"), HANDLERS)
def test_a_number_is_answered_as_it_was_set_and_shows_it(
    site: "Site", members: dict[str, Any], handling: Handling
) -> None:
    put_application(site)
    number = client(site).phone_numbers.update(number_id(site), name="Desk", **members)
    shown = {name: value for name, value in number.items() if name.startswith("message_") and value is not None}
    assert shown == members
    assert sender(site).handling == handling
    assert client(site).phone_numbers.get(number_id(site)) == number
    if members["message_handler"] != "relay_application":
        # Of that one's member the vendor's responses know nothing.
        conforming("PhoneNumberResponse", number)


@pytest.mark.parametrize(("members", "handling"), HANDLERS)
def test_a_short_code_is_answered_likewise(site: "Site", members: dict[str, Any], handling: Handling) -> None:
    put_application(site)
    code = add_short_code(site)
    if members["message_handler"] in ("relay_topic", "relay_application"):
        assert refused(http(site).put(f"/short_codes/{code}", json=members))[0] == 422
        return
    changed = conforming("ShortCodeResponse", client(site).short_codes.update(code, name="Votes", **members))
    shown = {name: value for name, value in changed.items() if name.startswith("message_") and value is not None}
    assert shown == members
    assert sender(site, CODE).handling == handling
    page = conforming("ShortCodeListResponse", client(site).short_codes.list(filter_name="Vot"))
    assert page["data"] == [changed]
    assert client(site).short_codes.get(code) == changed


def test_what_is_not_given_stays(site: "Site") -> None:
    numbers = client(site).phone_numbers
    numbers.update(
        number_id(site), message_handler="laml_webhooks", message_request_url=HOOK, message_request_method="GET"
    )
    numbers.update(number_id(site), name="Desk", message_fallback_url=SPARE)
    handling = sender(site).handling
    assert (handling.url, handling.method, handling.fallback_url) == (HOOK, "GET", SPARE)
    numbers.update(number_id(site), message_handler="laml_webhooks")
    assert sender(site).handling == handling
    http(site).put(f"/phone_numbers/{number_id(site)}", json={"message_fallback_url": None})
    assert sender(site).handling == msgspec.structs.replace(handling, fallback_url=None)


def test_another_handler_forgets_what_the_one_before_had(site: "Site") -> None:
    numbers = client(site).phone_numbers
    numbers.update(number_id(site), message_handler="laml_webhooks", message_request_url=HOOK)
    numbers.update(number_id(site), message_handler="relay_topic", message_relay_topic="office")
    answer = http(site).put(f"/phone_numbers/{number_id(site)}", json={"message_handler": "laml_webhooks"})
    assert refused(answer) == (422, "'message_request_url' is missing")
    answer = http(site).put(f"/phone_numbers/{number_id(site)}", json={"message_handler": "relay_context"})
    assert refused(answer) == (422, "'message_relay_context' is missing")
    assert sender(site).handling.context == "office"


def test_a_handler_is_taken_away(site: "Site") -> None:
    client(site).phone_numbers.update(number_id(site), message_handler="relay_topic", message_relay_topic="office")
    number = http(site).put(f"/phone_numbers/{number_id(site)}", json={"message_handler": None}).json()
    assert number["message_handler"] is None
    assert sender(site).handling == Handling()


def test_a_number_that_the_compatibility_api_set_shows_its_handler(site: "Site") -> None:
    for handling, word in (
        (Handling(Handler.MARKUP, "signalwire_compat", url=HOOK), "laml_webhooks"),
        (Handling(Handler.APPLICATION, "twilio", application="0e" * 16), "laml_application"),
    ):
        site.run(site.put_sender(msgspec.structs.replace(sender(site), handling=handling)))
        assert client(site).phone_numbers.get(number_id(site))["message_handler"] == word
        client(site).phone_numbers.update(number_id(site), name="Desk")
        assert sender(site).handling == handling


def test_members_without_effect_are_named(site: "Site") -> None:
    members = {
        "call_handler": "relay_topic",
        "call_relay_topic": "calls",
        "message_handler": "relay_topic",
        "message_relay_topic": "office",
        "message_relay_context": "shop",
        "message_request_url": None,
    }
    answer = http(site).put(f"/phone_numbers/{number_id(site)}", json=members)
    assert answer.headers["tidings-ignored-parameters"] == "call_handler, call_relay_topic, message_relay_context"
    assert conforming("PhoneNumberResponse", answer.json())["call_handler"] is None
    unheeded = http(site).put(f"/phone_numbers/{number_id(site)}", json={"message_request_url": HOOK})
    assert unheeded.headers["tidings-ignored-parameters"] == "message_request_url"
    assert sender(site).handling.context == "office"


BAD_UPDATES: list[tuple[dict[str, Any], str]] = [
    ({"message_handler": "laml_webhooks"}, "message_request_url"),
    ({"message_handler": "laml_webhooks", "message_request_url": ""}, "message_request_url"),
    ({"message_handler": "laml_webhooks", "message_request_url": "ftp://x"}, "message_request_url"),
    ({"message_handler": "laml_application"}, "message_laml_application_id"),
    (
        {"message_handler": "laml_application", "message_laml_application_id": NOBODY},
        "message_laml_application_id",
    ),
    ({"message_handler": "laml_application", "message_laml_application_id": "x"}, "message_laml_application_id"),
    ({"message_handler": "relay_topic", "message_relay_context": "office"}, "message_relay_topic"),
    ({"message_handler": "relay_topic", "message_relay_topic": "  "}, "message_relay_topic"),
    ({"message_handler": "relay_context"}, "message_relay_context"),
    ({"message_handler": "relay_application"}, "message_relay_application"),
    ({"message_handler": "dialogflow"}, "message_handler"),
    ({"message_request_method": "PUT"}, "message_request_method"),
    ({"name": "x" * 256}, "name"),
    ({"name": 5}, "name"),
]


@pytest.mark.parametrize(("members", "attribute"), BAD_UPDATES)
def test_a_bad_member_changes_nothing(site: "Site", members: dict[str, Any], attribute: str) -> None:
    before = sender(site)
    status, detail = refused(http(site).put(f"/phone_numbers/{number_id(site)}", json=members))
    assert (status, detail.split()[0]) == (422, f"'{attribute}'")
    assert sender(site) == before


def test_all_that_is_wrong_is_said_at_once(site: "Site") -> None:
    answer = http(site).put(f"/phone_numbers/{number_id(site)}", json={"name": 5, "message_handler": "x"})
    assert [entry["detail"] for entry in conforming(CODES_OWN, answer.json())["errors"]] == [
        "'name' must be a string",
        "'message_handler' is not valid: x",
    ]


# --- numbers: taken and given up
def test_a_free_number_is_taken_and_given_up(site: "Site") -> None:
    numbers = client(site).phone_numbers
    number = conforming("PhoneNumberResponse", numbers.create(number=FREE))
    assert (number["number"], number["number_type"]) == (FREE, "toll-free")
    assert numbers.get(number["id"]) == number
    groups = client(site).number_groups
    group = groups.create(name="Pool")
    groups.add_membership(group["id"], phone_number_id=number["id"])
    assert numbers.delete(number["id"]) == {}
    assert groups.get(group["id"])["phone_number_count"] == 0
    assert site.run(site.store.sender(FREE)) is None


def test_a_number_that_was_brought_along_is_taken(site: "Site") -> None:
    number = client(site).imported_numbers.create(number=FREE, number_type="tollfree", capabilities=["sms"])
    assert conforming("PhoneNumberResponse", number)["number"] == FREE
    assert sender(site, FREE).claimed


NOT_TO_BE_HAD: list[tuple[str, dict[str, Any]]] = [
    ("phone_numbers", {"number": MINE}),
    ("phone_numbers", {"number": ELSEWHERE}),
    ("phone_numbers", {"number": "12345"}),
    ("phone_numbers", {"number": 5}),
    ("phone_numbers", {}),
    ("imported_phone_numbers", {"number": ELSEWHERE, "number_type": "longcode"}),
    ("imported_phone_numbers", {"number": "x", "number_type": "longcode"}),
]


@pytest.mark.parametrize(("path", "members"), NOT_TO_BE_HAD)
def test_what_is_somebodys_or_no_number_cannot_be_taken(site: "Site", path: str, members: dict[str, Any]) -> None:
    status, detail = refused(http(site).post(f"/{path}", json=members))
    assert (status, detail.split()[0]) == (422, "'number'")


def test_a_number_needs_a_type_to_be_brought_along(site: "Site") -> None:
    answer = http(site).post("/imported_phone_numbers", json={"number": FREE})
    assert refused(answer) == (422, "'number_type' is missing")


def test_numbers_are_the_operators_where_nobody_may_claim_them(site: "Site") -> None:
    site.claims = False
    with pytest.raises(SignalWireRestError) as caught:
        client(site).phone_numbers.create(number=FREE)
    assert caught.value.status_code == 422
    assert "the operator" in caught.value.body["errors"][0]["detail"]
    assert refused(http(site).delete(f"/phone_numbers/{number_id(site)}"))[0] == 422
    assert sender(site).account == ACCOUNT


# --- number groups
def test_a_group_is_made_changed_and_goes(site: "Site") -> None:
    groups = client(site).number_groups
    made = conforming("NumberGroupResponse", groups.create(name="Pool"))
    assert made | {"id": ""} == {"id": "", "name": "Pool", "sticky_sender": False, "phone_number_count": 0}
    changed = groups.update(made["id"], name="Team", sticky_sender=True)
    assert changed == made | {"name": "Team", "sticky_sender": True}
    assert groups.get(made["id"]) == changed
    assert groups.delete(made["id"]) == {}
    with pytest.raises(SignalWireRestError) as caught:
        groups.get(made["id"])
    assert caught.value.status_code == 404


def test_numbers_join_and_leave_a_group(site: "Site") -> None:
    groups = client(site).number_groups
    group = groups.create(name="Pool", sticky_sender=True)["id"]
    client(site).phone_numbers.update(number_id(site), name="Desk")
    joined = conforming(
        "NumberGroupMembershipResponse", groups.add_membership(group, phone_number_id=number_id(site))
    )
    assert joined["number_group_id"] == group
    assert joined["phone_number"] == {
        "id": number_id(site),
        "name": "Desk",
        "number": MINE,
        "capabilities": ["sms", "mms"],
    }
    site.clock.time += 1
    second = groups.add_membership(group, phone_number_id=number_id(site, ALSO_MINE))
    page = conforming("NumberGroupMembershipListResponse", groups.list_memberships(group))
    assert page["data"] == [second, joined]
    assert groups.get_membership(joined["id"]) == joined
    assert groups.list()["data"][0]["phone_number_count"] == 2
    assert groups.delete_membership(joined["id"]) == {}
    assert groups.list_memberships(group)["data"] == [second]
    groups.delete(group)
    assert site.run(site.store.resources(Member, ACCOUNT)) == []


def test_a_membership_outlives_its_number(site: "Site") -> None:
    groups = client(site).number_groups
    group = groups.create(name="Pool")["id"]
    joined = groups.add_membership(group, phone_number_id=number_id(site))
    site.run(site.store.drop_sender(MINE))
    left = joined | {"phone_number": {"number": MINE}}
    assert groups.get_membership(joined["id"]) == left
    assert groups.list_memberships(group)["data"] == [left]
    site.run(site.put_sender(Sender(MINE, "0b" * 16, name="Theirs")))
    assert groups.get_membership(joined["id"]) == left
    assert groups.list_memberships(group)["data"] == [left]


def test_groups_are_listed_newest_first_and_by_name(site: "Site") -> None:
    groups = client(site).number_groups
    for name in ("North", "South", "Northwest"):
        site.clock.time += 1
        groups.create(name=name)
    assert [group["name"] for group in groups.paginate(page_size=1)] == ["Northwest", "South", "North"]
    page = conforming("NumberGroupListResponse", groups.list(filter_name="North"))
    assert [group["name"] for group in page["data"]] == ["Northwest", "North"]


BAD_GROUPS: list[dict[str, Any]] = [
    {},
    {"name": ""},
    {"name": "  "},
    {"name": None},
    {"name": ["x"]},
    {"name": "x" * 256},
    {"name": "x", "sticky_sender": "true"},
]


@pytest.mark.parametrize("members", BAD_GROUPS)
def test_a_group_that_cannot_be_is_refused(site: "Site", members: dict[str, Any]) -> None:
    assert refused(http(site).post("/number_groups", json=members))[0] == 422
    assert client(site).number_groups.list()["data"] == []
    made = client(site).number_groups.create(name="Pool")
    if members:
        assert refused(http(site).put(f"/number_groups/{made['id']}", json=members))[0] == 422
    assert client(site).number_groups.get(made["id"]) == made


def test_only_numbers_of_the_account_join_a_group_and_only_once(site: "Site") -> None:
    groups = client(site).number_groups
    path = f"/number_groups/{groups.create(name='Pool')['id']}/number_group_memberships"
    groups.add_membership(path.split("/")[2], phone_number_id=number_id(site))
    strangers = [number_id(site), number_id(site, ELSEWHERE), add_short_code(site), NOBODY, "x", "", None, 5]
    for stranger in strangers:
        status, detail = refused(http(site).post(path, json={"phone_number_id": stranger}))
        assert (status, detail.split()[0]) == (422, "'phone_number_id'")
    assert refused(http(site).post(path, json={}))[0] == 422
    assert len(groups.list_memberships(path.split("/")[2])["data"]) == 1


# --- who may, and what is no request
def test_what_is_anothers_is_not_there(site: "Site") -> None:
    theirs = client(site, OTHER_PROJECT, OTHER_TOKEN).number_groups
    group = theirs.create(name="Theirs")["id"]
    member = theirs.add_membership(group, phone_number_id=number_id(site, ELSEWHERE))["id"]
    memberships = f"number_groups/{group}/number_group_memberships"
    for path in (f"number_groups/{group}", f"number_group_memberships/{member}", memberships):
        for method in ("GET", "PUT", "DELETE", "POST"):
            assert refused(http(site).request(method, f"/{path}", json={"name": "x"}))[0] in (404, 405)
    assert refused(http(site).get(f"/phone_numbers/{number_id(site, ELSEWHERE)}"))[0] == 404
    assert theirs.list_memberships(group)["data"][0]["id"] == member


def test_an_application_of_another_account_answers_nothing(site: "Site") -> None:
    theirs = put_application(site, "0b" * 16)
    members = {"message_handler": "laml_application", "message_laml_application_id": theirs}
    assert refused(http(site).put(f"/phone_numbers/{number_id(site)}", json=members))[0] == 422


@pytest.mark.parametrize(
    "path", ["phone_numbers", "short_codes", "number_groups", "number_group_memberships", "nothing"]
)
@pytest.mark.parametrize("id_", [NOBODY, "x", "PN" + "0" * 32])
def test_what_is_not_there_is_not_found(site: "Site", path: str, id_: str) -> None:
    assert refused(http(site).get(f"/{path}/{id_}"))[0] == 404


def test_a_number_is_no_short_code_and_the_other_way_round(site: "Site") -> None:
    assert refused(http(site).get(f"/phone_numbers/{add_short_code(site)}"))[0] == 404
    assert refused(http(site).get(f"/short_codes/{number_id(site)}"))[0] == 404


def test_nobody_gets_in_without_credentials(site: "Site") -> None:
    for user, password in ((PROJECT, "wrong"), (NOBODY, TOKEN)):
        answer = http(site, user, password).get("/number_groups")
        assert refused(answer)[0] == 401
        assert answer.json()["errors"][0]["title"] == "Unauthorized"
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("content", [b"[]", b"{", b"5", b'"x"', b'{"name": "a\\u0000"}', b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(site: "Site", content: bytes) -> None:
    for method, path in (("POST", "number_groups"), ("PUT", f"phone_numbers/{number_id(site)}")):
        assert refused(http(site).request(method, f"/{path}", content=content))[0] in (400, 422)


@pytest.mark.parametrize("value", [5, 1.5, True, None, [], ["a"], {}, {"a": 1}, "", "x", "\U0001f600", "x" * 999])
def test_values_of_any_kind_are_taken_or_refused(site: "Site", value: Any) -> None:
    put_application(site)
    names = list(specified("rest-numbers")["$defs"]["UpdatePhoneNumberRequest"]["properties"])
    paths = [f"phone_numbers/{number_id(site)}", f"short_codes/{add_short_code(site)}"]
    for name in (*names, "x"):
        for path in paths:
            answer = http(site).put(f"/{path}", json={name: value})
            assert answer.status_code == 200 or refused(answer)[0] == 422, (name, answer.text)
    for path in ("phone_numbers", "imported_phone_numbers"):
        for name in ("number", "number_type", "capabilities"):
            members = {"number": FREE, "number_type": "tollfree", name: value}
            answer = http(site).post(f"/{path}", json=members)
            assert answer.status_code == 200 or refused(answer)[0] == 422, (name, answer.text)
