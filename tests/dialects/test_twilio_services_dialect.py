"""Parameters of Twilio's services in → what a service becomes, or an error; services and senders → JSON."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.arranged import Handler, Handling, Keywords, Member, Sender, Service
from tidings.clock import SECOND
from tidings.dialects.listing import Place
from tidings.dialects.twilio_services import (
    ALPHA_SENDERS,
    DESTINATION_ALPHA_SENDERS,
    PHONE_NUMBERS,
    SHORT_CODES,
    Pool,
    bare_service,
    changed_service,
    parse_name,
    pooled,
    sender_json,
    service_json,
)
from tidings.dialects.twilio_v1 import cut
from tidings.errors import Problem
from tidings.model import Account

BASE = "https://sms.example.com"
ID, ACCOUNT = "1" * 32, "3" * 32
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"
GROUP = Service(ID, ACCOUNT, 0, 0, "Orders")
"""As SignalWire makes one."""


def changed(service: Service, **params: str) -> Service:
    return changed_service(service, list(params.items()), SECOND)[0]


@pytest.mark.parametrize(
    ("params", "field", "value"),
    [
        ({"FriendlyName": "x" * 64}, "name", "x" * 64),
        ({"StatusCallback": HOOK + "#rc=2"}, "status_callback", HOOK + "#rc=2"),
        ({"StickySender": "TRUE"}, "sticky", True),
        ({"SmartEncoding": "true"}, "smart_encoding", True),
        ({"AreaCodeGeomatch": "true"}, "area_code_geomatch", True),
        ({"UseInboundWebhookOnNumber": "false"}, "defers", False),
        ({"ValidityPeriod": "1"}, "validity", 1),
        ({"ValidityPeriod": "36000"}, "validity", 36_000),
        ({"InboundRequestUrl": HOOK}, "handling", Handling(Handler.MARKUP, "twilio", HOOK)),
        ({"FallbackUrl": SPARE}, "handling", Handling(fallback_url=SPARE)),
        ({"InboundMethod": "get"}, "handling", Handling(method="GET")),
        ({"Usecase": "poll"}, "kept", {"usecase": "poll"}),
        ({"MmsConverter": "False"}, "kept", {"mms_converter": False}),
    ],
)
def test_a_parameter_changes_one_thing(params: dict[str, str], field: str, value: Any) -> None:
    after = changed(GROUP, **params)
    assert after == msgspec.structs.replace(GROUP, updated_at=SECOND, **{field: value})


def test_what_is_not_given_stays() -> None:
    before = Service(
        ID,
        ACCOUNT,
        0,
        0,
        "Orders",
        handling=Handling(Handler.MARKUP, "twilio", HOOK, "GET", SPARE, "GET"),
        keywords=(Keywords(stop=("ARRET",)),),
        kept={"usecase": "poll"},
    )
    assert changed(before) == msgspec.structs.replace(before, updated_at=SECOND)
    assert changed(before, MmsConverter="false").kept == {"usecase": "poll", "mms_converter": False}
    silent = changed(before, InboundRequestUrl="", FallbackUrl="")
    assert silent.handling == Handling(Handler.NONE, "twilio", None, "GET", None, "GET")


def test_of_a_parameter_that_comes_twice_the_last_one_counts() -> None:
    after, _ = changed_service(GROUP, [("FriendlyName", "first"), ("FriendlyName", "last")], SECOND)
    assert after.name == "last"


def test_a_new_service_is_more_than_a_group() -> None:
    bare = bare_service(ID, ACCOUNT, SECOND)
    assert (bare.sticky, bare.smart_encoding, bare.area_code_geomatch, bare.defers) == (True, True, True, False)
    with pytest.raises(Problem) as caught:
        changed(bare, Usecase="poll")
    assert caught.value.code == 20002


def test_what_is_only_kept_has_a_default_to_show() -> None:
    shown = service_json(GROUP, BASE)
    kept = ("mms_converter", "fallback_to_long_code", "scan_message_content", "synchronous_validation", "usecase")
    assert [shown[field] for field in kept] == [True, False, "inherit", False, "undeclared"]
    assert service_json(changed(GROUP, MmsConverter="false"), BASE)["mms_converter"] is False


_NAMES = ["FriendlyName", "StatusCallback", "InboundRequestUrl", "InboundMethod", "ValidityPeriod", "StickySender"]
_NAMES += ["ScanMessageContent", "Usecase", "AlphaSender", "IsoCountryCode", "Colour"]
_VALUES = st.text() | st.sampled_from(("true", "600", "GET", HOOK, "poll", "enable", "Acme", "FR"))


@given(st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES)))
def test_whatever_is_asked_for_is_done_or_refused(params: list[tuple[str, str]]) -> None:
    with suppress(Problem):
        after, ignored = changed_service(GROUP, params, SECOND)
        service_json(after, BASE)
        assert set(ignored) <= set(_NAMES)
    with suppress(Problem):
        name, country, _ = parse_name(DESTINATION_ALPHA_SENDERS, params)
        assert 1 <= len(name) <= 11
        assert len(country) in (0, 2)


# --- senders
SENDERS = [Sender("+15005550006", ACCOUNT, id="a" * 32), Sender("12345", ACCOUNT, id="b" * 32)]
SENDERS += [Sender("Acme", ACCOUNT, id="c" * 32)]
MEMBERS = [
    Member("d" * 32, ACCOUNT, 0, 0, ID, "+15005550006"),
    Member("e" * 32, ACCOUNT, 0, 0, ID, "12345"),
    Member("f" * 32, ACCOUNT, 0, 0, ID, "Acme"),
    Member("9" * 32, ACCOUNT, 0, 0, ID, "Acme", "FR"),
    Member("8" * 32, ACCOUNT, 0, 0, ID, "+15005550007"),
]


@pytest.mark.parametrize(
    ("pool", "ids"),
    [
        (PHONE_NUMBERS, ["a"]),
        (SHORT_CODES, ["b"]),
        (ALPHA_SENDERS, ["f"]),
        (DESTINATION_ALPHA_SENDERS, ["f", "9"]),
    ],
)
def test_every_sender_is_in_the_collections_of_its_kind(pool: Pool, ids: list[str]) -> None:
    assert [one.id for one in pooled(pool, MEMBERS, SENDERS)] == [digit * 32 for digit in ids]


@pytest.mark.parametrize(
    ("address", "country"),
    [("+442079460123", "GB"), ("+14165550123", "CA"), ("+8005550006", None), ("12345", "DE")],
)
def test_a_sender_has_the_country_of_its_number(address: str, country: str | None) -> None:
    account = Account(ACCOUNT, "", "", 0, short_code_country="DE")
    pool = PHONE_NUMBERS if address.startswith("+") else SHORT_CODES
    (one,) = pooled(pool, [Member(ID, ACCOUNT, 0, 0, ID, address)], [Sender(address, ACCOUNT, id=ID)])
    assert sender_json(pool, one, account, BASE, False)["country_code"] == country


def test_a_name_for_one_country_is_only_where_countries_are() -> None:
    params = [("AlphaSender", "Acme"), ("IsoCountryCode", "fr"), ("Colour", "red")]
    assert parse_name(DESTINATION_ALPHA_SENDERS, params) == ("Acme", "FR", ("Colour",))
    assert parse_name(ALPHA_SENDERS, params) == ("Acme", "", ("IsoCountryCode", "Colour"))


# --- pages
def test_a_page_goes_on_where_one_that_is_gone_was() -> None:
    members = [Member(digit * 32, ACCOUNT, 0, 0, ID, "") for digit in "13579"]

    def page(after: str | None) -> tuple[str, str | None]:
        shown, last = cut(members, Place(0, 2, after and after * 32))
        return "".join(one.id[0] for one in shown), last and last[0]

    assert page(None) == ("97", "7")
    assert page("7") == ("53", "3")
    assert page("6") == ("53", "3")
    assert page("4") == ("31", None)
    assert page("1") == ("", None)
