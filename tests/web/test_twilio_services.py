"""Twilio's API for messaging services, asked by Twilio's own client; what that hides is asked by a plain one."""

from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from tests.web.messaging_client import (
    ACCOUNT,
    ALSO_MINE,
    ELSEWHERE,
    MINE,
    NOBODY,
    SERVICES,
    fields,
    groups,
    http,
    refused,
    services,
    sid_of,
)
from tidings.arranged import Handler, Handling, Keywords, Member, Service
from tidings.clock import SECOND, instant
from tidings.errors import CATALOGUE, Problem
from tidings.ids import dashed

if TYPE_CHECKING:
    from tests.web.conftest import Site

OTHER, OTHER_TOKEN = "0b" * 16, "token of the second"
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"


# --- services
def test_a_service_is_made_as_twilio_makes_one(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    now = instant(site.clock.now()).replace(microsecond=0)
    url = f"{site.url}/v1/Services/{made.sid}"
    assert fields(made) == {
        "sid": made.sid,
        "account_sid": "AC" + ACCOUNT,
        "friendly_name": "Orders",
        "date_created": now,
        "date_updated": now,
        "inbound_request_url": None,
        "inbound_method": "POST",
        "fallback_url": None,
        "fallback_method": "POST",
        "status_callback": None,
        "sticky_sender": True,
        "mms_converter": True,
        "smart_encoding": True,
        "scan_message_content": "inherit",
        "fallback_to_long_code": False,
        "area_code_geomatch": True,
        "synchronous_validation": False,
        "validity_period": 36_000,
        "url": url,
        "links": {
            "phone_numbers": f"{url}/PhoneNumbers",
            "short_codes": f"{url}/ShortCodes",
            "alpha_senders": f"{url}/AlphaSenders",
            "destination_alpha_senders": f"{url}/DestinationAlphaSenders",
        },
        "usecase": "undeclared",
        "us_app_to_person_registered": False,
        "use_inbound_webhook_on_number": False,
    }
    assert fields(services(site)(made.sid).fetch()) == fields(made)
    assert {http(site).get(link).status_code for link in made.links.values()} == {200}


def test_a_service_says_what_it_was_told(site: "Site") -> None:
    told = {
        "friendly_name": "Orders \N{PACKAGE}",
        "inbound_request_url": HOOK,
        "inbound_method": "GET",
        "fallback_url": SPARE,
        "fallback_method": "GET",
        "status_callback": f"{HOOK}/status#rc=2",
        "sticky_sender": False,
        "mms_converter": False,
        "smart_encoding": False,
        "scan_message_content": "disable",
        "fallback_to_long_code": True,
        "area_code_geomatch": False,
        "validity_period": 600,
        "synchronous_validation": True,
        "usecase": "marketing",
        "use_inbound_webhook_on_number": True,
    }
    made = services(site).create(**told)
    assert fields(made).items() >= told.items()
    assert fields(made.fetch()) == fields(made)


def test_what_matters_to_messages_is_kept_where_they_look_for_it(site: "Site") -> None:
    told = {"inbound_request_url": HOOK, "fallback_url": SPARE, "status_callback": HOOK, "validity_period": 600}
    made = services(site).create(friendly_name="Orders", **told)
    kept = site.run(site.store.resource(Service, ACCOUNT, made.sid[2:]))
    assert kept is not None
    assert kept.handling == Handling(Handler.MARKUP, "twilio", HOOK, fallback_url=SPARE)
    assert (kept.sticky, kept.smart_encoding, kept.area_code_geomatch, kept.defers) == (True, True, True, False)
    assert (kept.status_callback, kept.validity, kept.kept) == (HOOK, 600, {})


def test_an_update_changes_what_it_names_and_nothing_else(site: "Site") -> None:
    told = {"friendly_name": "Orders", "inbound_request_url": HOOK, "fallback_url": SPARE, "usecase": "poll"}
    made = services(site).create(**told, validity_period=600)
    site.clock.time += SECOND
    changed = made.update(sticky_sender=False, inbound_method="GET", scan_message_content="disable")
    differences = {"sticky_sender": False, "inbound_method": "GET", "scan_message_content": "disable"}
    assert fields(changed) == fields(made) | differences | {
        "date_updated": instant(site.clock.now()).replace(microsecond=0)
    }
    assert fields(made.fetch()) == fields(changed)
    emptied = made.update(inbound_request_url="", status_callback="", friendly_name="Returns")
    assert (emptied.inbound_request_url, emptied.fallback_url, emptied.friendly_name) == (None, SPARE, "Returns")
    # What an update leaves empty and is no URL counts as not given.
    answer = http(site).post(
        f"{SERVICES}/{made.sid}", data={"ValidityPeriod": "", "StickySender": "", "InboundMethod": ""}
    )
    body = answer.json()
    assert (body["validity_period"], body["sticky_sender"], body["inbound_method"]) == (600, False, "GET")


def test_services_are_listed_page_by_page(site: "Site") -> None:
    made = [services(site).create(friendly_name=str(number)).sid for number in range(7)]
    made.reverse()
    assert [service.sid for service in services(site).list()] == made
    assert [service.sid for service in services(site).list(page_size=3)] == made
    assert [service.sid for service in services(site).stream(page_size=2, limit=5)] == made[:5]
    first = services(site).page(page_size=3)
    second = first.next_page()
    assert [service.sid for service in second] == made[3:6]
    assert [service.sid for service in second.previous_page()] == made[:3]
    assert second.next_page().next_page() is None


def test_what_is_listed_can_be_deleted_meanwhile(site: "Site") -> None:
    for number in range(5):
        services(site).create(friendly_name=str(number))
    assert all(service.delete() for service in services(site).stream(page_size=2))
    assert services(site).list() == []


def test_pages_name_each_other_by_absolute_urls(site: "Site") -> None:
    for number in range(2):
        services(site).create(friendly_name=str(number))
    page = http(site).get(f"{SERVICES}?PageSize=1&Colour=red")
    assert page.headers["Tidings-Ignored-Parameters"] == "Colour"
    last = page.json()["services"][0]["sid"]
    root = f"{site.url}/v1/Services?PageSize=1&Page="
    assert page.json()["meta"] == {
        "key": "services",
        "page": 0,
        "page_size": 1,
        "url": root + "0",
        "first_page_url": root + "0",
        "next_page_url": f"{root}1&PageToken=PA{last}",
        "previous_page_url": None,
    }
    site.public_url = "https://sms.example.com/gateway/"
    page = http(site).get(f"{SERVICES}?PageSize=1")
    assert page.json()["meta"]["next_page_url"].startswith("https://sms.example.com/gateway/v1/Services?")
    (service,) = page.json()["services"]
    assert service["url"] == f"https://sms.example.com/gateway/v1/Services/{last}"
    assert service["links"]["phone_numbers"] == f"{service['url']}/PhoneNumbers"


def test_a_deleted_service_is_gone_with_its_senders(site: "Site") -> None:
    made, other = (services(site).create(friendly_name=name) for name in ("Orders", "Returns"))
    services(site)(made.sid).phone_numbers.create(phone_number_sid=sid_of(site, MINE))
    assert made.delete() is True
    for method in ("get", "post", "delete"):
        assert refused(getattr(http(site), method)(f"{SERVICES}/{made.sid}")) == (404, 20404)
    assert [service.sid for service in services(site).list()] == [other.sid]
    assert site.run(site.store.resources(Member, ACCOUNT)) == []
    services(site)(other.sid).phone_numbers.create(phone_number_sid=sid_of(site, MINE))


BAD = [
    ({"FriendlyName": ""}, 400, 20002),
    ({"FriendlyName": "x" * 65}, 400, 20002),
    ({"InboundRequestUrl": "ftp://app.example.com"}, 400, 21402),
    ({"FallbackUrl": "http://my_app.example.com"}, 400, 21402),
    ({"StatusCallback": "app.example.com"}, 400, 21402),
    ({"InboundMethod": "PUT"}, 422, 20422),
    ({"FallbackMethod": "none"}, 422, 20422),
    ({"StickySender": "perhaps"}, 422, 20422),
    ({"SmartEncoding": "1"}, 422, 20422),
    ({"AreaCodeGeomatch": "yes"}, 422, 20422),
    ({"UseInboundWebhookOnNumber": "?"}, 422, 20422),
    ({"MmsConverter": "?"}, 422, 20422),
    ({"FallbackToLongCode": "?"}, 422, 20422),
    ({"SynchronousValidation": "?"}, 422, 20422),
    ({"ScanMessageContent": "read"}, 422, 20422),
    ({"ValidityPeriod": "0"}, 400, 21624),
    ({"ValidityPeriod": "36001"}, 400, 21624),
    ({"ValidityPeriod": "a day"}, 400, 21624),
    ({"Usecase": "spam"}, 400, 21713),
]


@pytest.mark.parametrize(("changes", "status", "code"), BAD)
def test_what_cannot_be_said_of_a_service_leaves_nothing_half_done(
    site: "Site", changes: dict[str, str], status: int, code: int
) -> None:
    assert refused(http(site).post(SERVICES, data={"FriendlyName": "Orders"} | changes)) == (status, code)
    assert services(site).list() == []
    made = services(site).create(friendly_name="Orders", validity_period=600)
    site.clock.time += SECOND
    assert refused(http(site).post(f"{SERVICES}/{made.sid}", data={"StickySender": "false"} | changes)) == (
        status,
        code,
    )
    assert fields(made.fetch()) == fields(made)


def test_a_service_needs_a_name(site: "Site") -> None:
    assert refused(http(site).post(SERVICES, data={"Usecase": "poll"})) == (400, 20002)
    assert services(site).list() == []


def test_the_client_tells_what_was_wrong(site: "Site") -> None:
    with pytest.raises(TwilioRestException) as caught:
        services(site).create(friendly_name="Orders", usecase="spam")
    assert (caught.value.status, caught.value.code, caught.value.method) == (400, 21713, "POST")
    assert caught.value.msg.endswith(CATALOGUE[21713].message + ": spam")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"MmsConverter": "true"}, "MmsConverter"),
        ({"FallbackToLongCode": "True", "Colour": "red"}, "FallbackToLongCode, Colour"),
        ({"SynchronousValidation": "true"}, "SynchronousValidation"),
        ({"ScanMessageContent": "enable", "Usecase": "poll"}, "ScanMessageContent"),
        ({"MmsConverter": "false", "ScanMessageContent": "inherit", "Colour": "red"}, "Colour"),
        ({"MmsConverter": "false", "ScanMessageContent": "disable", "Colour": ""}, None),
    ],
)
def test_what_is_asked_for_and_not_done_is_named(site: "Site", given: dict[str, str], named: str | None) -> None:
    made = http(site).post(SERVICES, data={"FriendlyName": "Orders"} | given)
    assert (made.status_code, made.headers.get("Tidings-Ignored-Parameters")) == (201, named)
    changed = http(site).post(f"{SERVICES}/{made.json()['sid']}", data=given)
    assert (changed.status_code, changed.headers.get("Tidings-Ignored-Parameters")) == (200, named)


# --- who else has to do with a service
def known(site: "Site", sid: str) -> tuple[str, set[str]]:
    """What submissions know of a service: its name, and which of these are in it."""
    service = site.run(site.services.find(ACCOUNT, sid[2:]))
    found = set()
    for address in (MINE, ALSO_MINE, "Acme"):
        with suppress(Problem):
            site.run(site.services.check(service, address))
            found.add(address)
    return service.name, found


def test_submissions_know_what_was_changed_at_once(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    assert known(site, made.sid) == ("Orders", set())
    made.update(friendly_name="Returns")
    senders = services(site)(made.sid)
    number = senders.phone_numbers.create(phone_number_sid=sid_of(site, MINE))
    name = senders.alpha_senders.create(alpha_sender="Acme")
    assert known(site, made.sid) == ("Returns", {MINE, "Acme"})
    name.delete()
    number.delete()
    assert known(site, made.sid) == ("Returns", set())
    made.delete()
    with pytest.raises(Problem) as caught:
        known(site, made.sid)
    assert caught.value.code == 21701


def test_submissions_know_what_became_of_a_number_group_at_once(site: "Site") -> None:
    rest = groups(site)
    group = rest.post("/number_groups", json={"name": "Orders"}).json()["id"]
    sid = "MG" + group.replace("-", "")
    assert known(site, sid) == ("Orders", set())
    rest.put(f"/number_groups/{group}", json={"name": "Returns"})
    number = {"phone_number_id": dashed(sid_of(site, MINE, ""))}
    membership = rest.post(f"/number_groups/{group}/number_group_memberships", json=number).json()
    assert known(site, sid) == ("Returns", {MINE})
    rest.delete(f"/number_group_memberships/{membership['id']}")
    assert known(site, sid) == ("Returns", set())
    rest.delete(f"/number_groups/{group}")
    with pytest.raises(Problem) as caught:
        known(site, sid)
    assert caught.value.code == 21701


def test_a_number_group_is_a_service_and_the_other_way_round(site: "Site") -> None:
    rest = groups(site)
    group = rest.post("/number_groups", json={"name": "x" * 100}).json()
    sid = "MG" + group["id"].replace("-", "")
    shown = services(site)(sid).fetch()
    assert (shown.friendly_name, shown.sticky_sender, shown.smart_encoding) == ("x" * 100, False, False)
    assert (shown.use_inbound_webhook_on_number, shown.validity_period) == (True, 36_000)
    # Neither loses what only the other can say, nor what neither can.
    kept = site.run(site.store.resource(Service, ACCOUNT, sid[2:]))
    assert kept is not None
    keywords = (Keywords(language="fr", stop=("ARRET",)),)
    site.run(site.store.put_resource(Service(kept.id, ACCOUNT, 0, 0, kept.name, keywords=keywords)))
    told = {"status_callback": HOOK, "inbound_request_url": SPARE, "validity_period": 60, "usecase": "poll"}
    assert shown.update(**told).friendly_name == "x" * 100
    changed = rest.put(f"/number_groups/{group['id']}", json={"name": "Orders", "sticky_sender": True}).json()
    assert (changed["name"], changed["sticky_sender"]) == ("Orders", True)
    after = services(site)(sid).fetch()
    assert (after.friendly_name, after.sticky_sender) == ("Orders", True)
    assert fields(after).items() >= told.items()
    last = site.run(site.store.resource(Service, ACCOUNT, sid[2:]))
    assert last is not None
    assert last.keywords == keywords


def test_members_of_a_number_group_are_numbers_of_the_service(site: "Site") -> None:
    rest = groups(site)
    group = rest.post("/number_groups", json={"name": "Orders"}).json()["id"]
    path = f"/number_groups/{group}/number_group_memberships"
    number = sid_of(site, MINE)
    assert rest.post(path, json={"phone_number_id": dashed(number[2:])}).status_code == 200
    service = services(site)("MG" + group.replace("-", ""))
    assert [one.sid for one in service.phone_numbers.list()] == [number]
    service.phone_numbers.create(phone_number_sid=sid_of(site, ALSO_MINE))
    assert {one["phone_number"]["number"] for one in rest.get(path).json()["data"]} == {MINE, ALSO_MINE}
    service.phone_numbers(number).delete()
    assert [one["phone_number"]["number"] for one in rest.get(path).json()["data"]] == [ALSO_MINE]


def test_accounts_see_only_their_own(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    services(site)(made.sid).phone_numbers.create(phone_number_sid=sid_of(site, MINE))
    theirs = services(site, OTHER, OTHER_TOKEN)
    assert theirs.list() == []
    number = theirs(made.sid).phone_numbers
    acts = (
        theirs(made.sid).fetch,
        theirs(made.sid).delete,
        lambda: theirs(made.sid).update(friendly_name="Mine"),
        number(sid_of(site, MINE)).fetch,
        number(sid_of(site, MINE)).delete,
        lambda: number.create(phone_number_sid=sid_of(site, ELSEWHERE)),
    )
    for act in acts:
        with pytest.raises(TwilioRestException) as caught:
            act()
        assert (caught.value.status, caught.value.code) == (404, 20404)
    with pytest.raises(TwilioException, match="20404"):
        number.list()
    assert len(services(site)(made.sid).phone_numbers.list()) == 1


@pytest.mark.parametrize(
    "path", ["/x", *(sid + NOBODY + more for sid in ("/MG", "/SM") for more in ("", "/PhoneNumbers"))]
)
def test_what_is_not_there_is_404_in_twilios_form(site: "Site", path: str) -> None:
    assert refused(http(site).get(SERVICES + path)) == (404, 20404)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("PageSize=0", 400, 20007),
        ("PageSize=1001", 400, 20007),
        ("Page=x", 422, 20422),
        ("Page=1", 400, 21481),
        ("PageToken=PASM" + NOBODY, 400, 21481),
    ],
)
def test_a_list_that_cannot_be_given_is_refused(site: "Site", query: str, status: int, code: int) -> None:
    made = services(site).create(friendly_name="Orders")
    assert refused(http(site).get(f"{SERVICES}?{query}")) == (status, code)
    assert refused(http(site).get(f"{SERVICES}/{made.sid}/PhoneNumbers?{query}")) == (status, code)


def test_strangers_are_401_and_other_methods_405(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    for path in ("", f"/{made.sid}", f"/{made.sid}/PhoneNumbers", f"/{made.sid}/AlphaSenders/AI{NOBODY}"):
        stranger = httpx.get(f"{site.url}{SERVICES}{path}", auth=("AC" + ACCOUNT, "wrong"))
        assert (stranger.status_code, stranger.json()["code"]) == (401, 20003)
        assert refused(http(site).put(SERVICES + path)) == (405, 20004)
    assert "Twilio-Request-Id" in http(site).get(SERVICES).headers
