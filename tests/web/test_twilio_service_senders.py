"""The senders of Twilio's messaging services, asked for by Twilio's own client, or by a plain one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.web.messaging_client import (
    ACCOUNT,
    ALSO_MINE,
    CODE,
    ELSEWHERE,
    MINE,
    NOBODY,
    POOLS,
    SERVICES,
    fields,
    http,
    new,
    own,
    refused,
    services,
    sid_of,
)
from tidings.arranged import Member, Sender
from tidings.clock import SECOND, instant
from tidings.ids import new_id

if TYPE_CHECKING:
    from tests.web.conftest import Site

OTHER = "0b" * 16


# --- numbers and short codes in a service
def test_a_number_is_added_fetched_listed_and_taken_out(site: "Site") -> None:
    service = new(site)
    site.clock.time += SECOND
    sid, now = sid_of(site, MINE), instant(site.clock.now()).replace(microsecond=0)
    added = service.phone_numbers.create(phone_number_sid=sid)
    service_sid = service.fetch().sid
    assert fields(added) == {
        "sid": sid,
        "account_sid": "AC" + ACCOUNT,
        "service_sid": service_sid,
        "date_created": now,
        "date_updated": now,
        "phone_number": MINE,
        "country_code": "US",
        "capabilities": ["SMS", "MMS"],
        "url": f"{site.url}/v1/Services/{service_sid}/PhoneNumbers/{sid}",
    }
    assert fields(service.phone_numbers(sid).fetch()) == fields(added)
    assert [fields(one) for one in service.phone_numbers.list()] == [fields(added)]
    assert http(site).get(added.url).json()["phone_number"] == MINE
    assert service.phone_numbers(sid).delete() is True
    assert service.phone_numbers.list() == []
    assert refused(http(site).delete(added.url)) == (404, 20404)


def test_a_short_code_is_added_fetched_listed_and_taken_out(site: "Site") -> None:
    service = new(site)
    sid = own(site, CODE, "SC")
    added = service.short_codes.create(short_code_sid=sid)
    assert (added.sid, added.short_code, added.country_code) == (sid, CODE, "US")
    assert added.capabilities == ["SMS", "MMS"]
    assert fields(service.short_codes(sid).fetch()) == fields(added)
    assert [one.sid for one in service.short_codes.list()] == [sid]
    assert service.phone_numbers.list() == []
    assert service.short_codes(sid).delete() is True
    assert service.short_codes.list() == []


def test_media_are_promised_only_where_a_carrier_takes_them(site: "Site") -> None:
    site.carries_media = lambda recipient: False  # type: ignore[method-assign]  # a gateway without such a carrier
    service = new(site)
    assert service.phone_numbers.create(phone_number_sid=sid_of(site, MINE)).capabilities == ["SMS"]


@pytest.mark.parametrize(
    ("path", "parameter", "address", "prefix"),
    [("PhoneNumbers", "PhoneNumberSid", MINE, "PN"), ("ShortCodes", "ShortCodeSid", CODE, "SC")],
)
def test_a_sender_that_is_there_already_stays(
    site: "Site", path: str, parameter: str, address: str, prefix: str
) -> None:
    own(site, CODE)
    made = services(site).create(friendly_name="Orders")
    asked = {parameter: sid_of(site, address, prefix)}
    first = http(site).post(f"{SERVICES}/{made.sid}/{path}", data=asked)
    site.clock.time += SECOND
    again = http(site).post(f"{SERVICES}/{made.sid}/{path}", data=asked | {"Colour": "red"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["Tidings-Ignored-Parameters"] == "Colour"
    other = services(site).create(friendly_name="Returns")
    refusal = http(site).post(f"{SERVICES}/{other.sid}/{path}", data=asked)
    assert refused(refusal) == (409, 21712)
    assert made.sid in refusal.json()["message"]
    assert http(site).get(f"{SERVICES}/{other.sid}/{path}").json()["meta"]["next_page_url"] is None
    assert len(site.run(site.store.resources(Member, ACCOUNT))) == 1


def test_of_two_services_that_ask_for_a_number_at_once_one_gets_it(site: "Site") -> None:
    made = [services(site).create(friendly_name=name).sid for name in ("Orders", "Returns")]
    asked = {"PhoneNumberSid": sid_of(site, MINE)}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda sid: http(site).post(f"{SERVICES}/{sid}/PhoneNumbers", data=asked), made))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(site.run(site.store.resources(Member, ACCOUNT))) == 1


def test_senders_that_a_service_cannot_have(site: "Site") -> None:
    code, name = own(site, CODE, ""), own(site, "Acme", "")
    made = services(site).create(friendly_name="Orders")

    def add(path: str, **given: str) -> tuple[int, int]:
        return refused(http(site).post(f"{SERVICES}/{made.sid}/{path}", data=given))

    assert add("PhoneNumbers", PhoneNumberSid=sid_of(site, ELSEWHERE)) == (404, 20404)
    assert add("PhoneNumbers", PhoneNumberSid="PN" + NOBODY) == (404, 20404)
    assert add("PhoneNumbers", PhoneNumberSid=MINE) == (404, 20404)
    assert add("PhoneNumbers", PhoneNumberSid=sid_of(site, MINE, "SC")) == (404, 20404)
    assert add("PhoneNumbers", PhoneNumberSid="PN" + code) == (400, 21715)
    assert add("PhoneNumbers", PhoneNumberSid="PN" + name) == (400, 21715)
    assert add("ShortCodes", ShortCodeSid=sid_of(site, MINE, "SC")) == (400, 21715)
    assert add("ShortCodes", ShortCodeSid="SC" + name) == (400, 21715)
    assert add("PhoneNumbers", PhoneNumberSid="") == (422, 20422)
    assert add("ShortCodes", PhoneNumberSid=sid_of(site, MINE)) == (422, 20422)
    assert site.run(site.store.resources(Member, ACCOUNT)) == []


def test_a_service_has_room_for_400_numbers_and_short_codes(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    now = site.clock.now()
    members = [
        Member(new_id(now), ACCOUNT, now, now, made.sid[2:], f"+1500556{number:04}" if number else CODE)
        for number in range(400)
    ]

    async def fill() -> None:
        await asyncio.gather(*(site.store.put_resource(member) for member in members))

    site.run(fill())
    senders = services(site)(made.sid)
    with pytest.raises(TwilioRestException) as caught:
        senders.phone_numbers.create(phone_number_sid=sid_of(site, MINE))
    assert (caught.value.status, caught.value.code) == (400, 21714)
    senders.alpha_senders.create(alpha_sender="Acme")
    site.run(site.store.drop_resource(ACCOUNT, members[7].id))
    senders.phone_numbers.create(phone_number_sid=sid_of(site, MINE))


def test_the_numbers_of_a_service_are_listed_page_by_page(site: "Site") -> None:
    numbers = [f"+1500556{number:04}" for number in range(5)]
    service = new(site)
    sids = [service.phone_numbers.create(phone_number_sid=own(site, number)).sid for number in numbers]
    assert {one.sid for one in service.phone_numbers.list(page_size=2)} == set(sids)
    assert len(service.phone_numbers.list(page_size=2)) == 5
    first = service.phone_numbers.page(page_size=3)
    assert len([*first.next_page()]) == 2
    assert all(one.delete() for one in service.phone_numbers.stream(page_size=2))
    assert service.phone_numbers.list() == []


def test_a_number_that_is_no_longer_the_accounts_is_not_shown(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    service = services(site)(made.sid)
    kept, lost = sid_of(site, MINE), sid_of(site, ALSO_MINE)
    for sid in (kept, lost):
        service.phone_numbers.create(phone_number_sid=sid)
    site.run(site.store.drop_sender(ALSO_MINE))
    assert [one.sid for one in service.phone_numbers.list()] == [kept]
    assert refused(http(site).get(f"{SERVICES}/{made.sid}/PhoneNumbers/{lost}")) == (404, 20404)


# --- names in a service
def test_a_name_is_added_fetched_listed_and_taken_out(site: "Site") -> None:
    own(site, "Acme & Co")
    service = new(site)
    added = service.alpha_senders.create(alpha_sender="Acme & Co")
    assert (added.sid[:2], added.alpha_sender, added.capabilities) == ("AI", "Acme & Co", ["SMS"])
    assert added.url == f"{site.url}/v1/Services/{added.service_sid}/AlphaSenders/{added.sid}"
    assert fields(service.alpha_senders(added.sid).fetch()) == fields(added)
    assert [fields(one) for one in service.alpha_senders.list()] == [fields(added)]
    assert service.alpha_senders(added.sid).delete() is True
    assert service.alpha_senders.list() == []


def test_names_are_for_all_countries_or_for_one(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    service = services(site)(made.sid)
    general = service.alpha_senders.create(alpha_sender="Acme")
    destinations = service.destination_alpha_senders
    french = destinations.create(alpha_sender="Acme", iso_country_code="FR")
    german = destinations.create(alpha_sender="Acme DE", iso_country_code="de")
    assert (french.iso_country_code, german.iso_country_code) == ("FR", "DE")
    assert fields(destinations(german.sid).fetch()) == fields(german)
    assert french.url == f"{site.url}/v1/Services/{made.sid}/DestinationAlphaSenders/{french.sid}"
    shown = {one.sid: one.iso_country_code for one in destinations.list(page_size=1)}
    assert shown == {general.sid: "", french.sid: "FR", german.sid: "DE"}
    assert [one.sid for one in destinations.list(iso_country_code="fr")] == [french.sid]
    assert [one.sid for one in service.alpha_senders.list()] == [general.sid]
    assert refused(http(site).get(f"{SERVICES}/{made.sid}/AlphaSenders/{french.sid}")) == (404, 20404)
    assert destinations(french.sid).delete() is True
    assert destinations(general.sid).delete() is True
    assert [one.sid for one in destinations.list()] == [german.sid]


def test_a_filter_by_country_holds_over_pages(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    for country in ("FR", "DE"):
        for name in ("Acme", "Acme 2"):
            given = {"AlphaSender": name, "IsoCountryCode": country}
            assert http(site).post(f"{SERVICES}/{made.sid}/DestinationAlphaSenders", data=given).status_code == 201
    page = http(site).get(f"{SERVICES}/{made.sid}/DestinationAlphaSenders?IsoCountryCode=FR&PageSize=1").json()
    following = page["meta"]["next_page_url"]
    assert parse_qs(urlsplit(following).query)["IsoCountryCode"] == ["FR"]
    rest = http(site).get(following).json()
    assert [one["iso_country_code"] for one in (*page["alpha_senders"], *rest["alpha_senders"])] == ["FR", "FR"]
    assert rest["meta"]["next_page_url"] is None


def test_a_name_can_be_in_several_services(site: "Site") -> None:
    for name in ("Orders", "Returns"):
        service = new(site, name)
        assert service.alpha_senders.create(alpha_sender="Acme").alpha_sender == "Acme"


def test_a_name_that_is_nobodys_is_taken_in_development_only(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    services(site)(made.sid).alpha_senders.create(alpha_sender="Acme")
    taken = site.run(site.store.sender("Acme"))
    assert taken is not None
    assert (taken.account, taken.claimed) == (ACCOUNT, True)
    site.claims = False
    other = {"AlphaSender": "Initech", "IsoCountryCode": "FR"}
    assert refused(http(site).post(f"{SERVICES}/{made.sid}/DestinationAlphaSenders", data=other)) == (400, 21709)
    assert site.run(site.store.sender("Initech")) is None


def test_names_that_a_service_cannot_have(site: "Site") -> None:
    site.run(site.put_sender(Sender("Initech", OTHER)))
    made = services(site).create(friendly_name="Orders")

    def add(path: str, **given: str) -> tuple[int, int]:
        return refused(http(site).post(f"{SERVICES}/{made.sid}/{path}", data=given))

    general, by_country = "AlphaSenders", "DestinationAlphaSenders"
    for path in (general, by_country):
        assert add(path, IsoCountryCode="FR") == (400, 21708)
        for name in (
            "A name too long",
            "12345",
            MINE,
            "Acm\N{LATIN SMALL LETTER E WITH ACUTE}",
            " ",
            "a.b",
            "Initech",
        ):
            assert add(path, AlphaSender=name) == (400, 21709), name
    for country in ("F", "FRA", "XX", "33"):
        assert add(by_country, AlphaSender="Umbrella", IsoCountryCode=country) == (422, 20422)
    assert site.run(site.store.sender("Umbrella")) is None
    assert site.run(site.store.resources(Member, ACCOUNT)) == []


def test_a_service_has_one_name_for_all_countries_and_none_twice_for_one(site: "Site") -> None:
    made = services(site).create(friendly_name="Orders")
    services(site)(made.sid).alpha_senders.create(alpha_sender="Acme")
    services(site)(made.sid).destination_alpha_senders.create(alpha_sender="Acme", iso_country_code="FR")

    def add(path: str, **given: str) -> tuple[int, int]:
        return refused(http(site).post(f"{SERVICES}/{made.sid}/{path}", data=given))

    for path in ("AlphaSenders", "DestinationAlphaSenders"):
        assert add(path, AlphaSender="Acme") == (409, 21710)
        assert add(path, AlphaSender="Initech") == (400, 21714)
    assert add("DestinationAlphaSenders", AlphaSender="Acme", IsoCountryCode="fr") == (409, 21710)
    assert site.run(site.store.sender("Initech")) is None
    assert len(site.run(site.store.resources(Member, ACCOUNT))) == 2


@pytest.mark.parametrize("collection", POOLS)
def test_senders_that_are_not_there_are_404(site: "Site", collection: str) -> None:
    made = services(site).create(friendly_name="Orders")
    for one in ("PN", "SC", "AI", "", "x"):
        assert refused(http(site).get(f"{SERVICES}/{made.sid}/{collection}/{one}{NOBODY}")) == (404, 20404)
        assert refused(http(site).delete(f"{SERVICES}/{made.sid}/{collection}/{one}{NOBODY}")) == (404, 20404)
