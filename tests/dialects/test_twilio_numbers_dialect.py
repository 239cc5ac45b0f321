"""Parameters of Twilio's numbers, short codes and applications in → what they are changed to, or an error."""

from typing import Any

import msgspec
import pytest

from tidings.arranged import Application, Handler, Handling, Sender
from tidings.dialects.twilio_numbers import APPLICATIONS, NUMBERS, SHORT_CODES, number_json, parse_new, rehearsed
from tidings.errors import Problem
from tidings.phone import NumberType

ACCOUNT, OTHER, APPLICATION = "0a" * 16, "0b" * 16, "0c" * 16
HOOK, SPARE = "https://app.example.com/sms", "https://app.example.com/spare"
NUMBER = Sender("+13103386745", ACCOUNT, id="1" * 32, created_at=1)
SHORT_CODE = Sender("12345", ACCOUNT, id="2" * 32, created_at=1)
NOW = 5

UNANSWERED = Handling()
COMPAT = Handling(Handler.MARKUP, "signalwire_compat", url=HOOK, fallback_url=SPARE)
BY_APPLICATION = Handling(Handler.APPLICATION, "signalwire_compat", application=APPLICATION)
RELAY = Handling(Handler.RELAY, "signalwire_relay", context="office", spelling="relay_topic")
SWML = Handling(Handler.SWML, "signalwire_rest", url=HOOK)

CHANGES: list[tuple[Handling, dict[str, str], Handling]] = [
    (UNANSWERED, {"SmsUrl": HOOK}, Handling(Handler.MARKUP, "twilio", url=HOOK)),
    (UNANSWERED, {"SmsUrl": HOOK, "SmsMethod": "get"}, Handling(Handler.MARKUP, "twilio", url=HOOK, method="GET")),
    (
        UNANSWERED,
        {"SmsUrl": HOOK, "SmsFallbackUrl": SPARE, "SmsFallbackMethod": "GET"},
        Handling(Handler.MARKUP, "twilio", url=HOOK, fallback_url=SPARE, fallback_method="GET"),
    ),
    (
        UNANSWERED,
        {"SmsApplicationSid": f"AP{APPLICATION}", "SmsUrl": HOOK},
        Handling(Handler.APPLICATION, "twilio", url=HOOK, application=APPLICATION),
    ),
    # What says nothing of who answers leaves them to be asked as they are used to be.
    (COMPAT, {}, COMPAT),
    (COMPAT, {"FriendlyName": "Desk"}, COMPAT),
    (COMPAT, {"SmsMethod": "GET"}, msgspec.structs.replace(COMPAT, method="GET")),
    (COMPAT, {"SmsFallbackUrl": ""}, msgspec.structs.replace(COMPAT, fallback_url=None)),
    (COMPAT, {"SmsUrl": HOOK}, msgspec.structs.replace(COMPAT, dialect="twilio")),
    (COMPAT, {"SmsUrl": ""}, msgspec.structs.replace(COMPAT, handler=Handler.NONE, url=None)),
    (BY_APPLICATION, {"SmsMethod": "GET"}, msgspec.structs.replace(BY_APPLICATION, method="GET")),
    (BY_APPLICATION, {"SmsApplicationSid": ""}, Handling(Handler.NONE, "signalwire_compat")),
    # What there are no words for stays until somebody else is to answer.
    (RELAY, {"SmsMethod": "GET", "SmsUrl": "", "SmsApplicationSid": ""}, RELAY),
    (RELAY, {"SmsUrl": HOOK}, Handling(Handler.MARKUP, "twilio", url=HOOK)),
    (SWML, {"SmsFallbackMethod": "GET"}, SWML),
    (
        SWML,
        {"SmsApplicationSid": f"AP{APPLICATION}"},
        Handling(Handler.APPLICATION, "twilio", application=APPLICATION),
    ),
]


@pytest.mark.parametrize(("before", "given", "after"), CHANGES)
def test_a_number_is_answered_as_it_was_or_as_it_is_said(
    before: Handling, given: dict[str, str], after: Handling
) -> None:
    number = msgspec.structs.replace(NUMBER, handling=before)
    changed, _ = NUMBERS[None].changed(number, list(given.items()), NOW)
    assert changed == msgspec.structs.replace(
        number, handling=after, name=given.get("FriendlyName", ""), updated_at=NOW
    )


@pytest.mark.parametrize("before", [RELAY, SWML, BY_APPLICATION])
def test_a_short_code_knows_no_applications_either(before: Handling) -> None:
    code = msgspec.structs.replace(SHORT_CODE, handling=before)
    assert SHORT_CODES.json(code, False)["sms_url"] is None
    kept, ignored = SHORT_CODES.changed(code, [("SmsMethod", "GET"), ("SmsApplicationSid", "x")], NOW)
    assert (kept.handling, ignored) == (before, ("SmsMethod", "SmsApplicationSid"))
    changed, _ = SHORT_CODES.changed(code, [("SmsUrl", HOOK)], NOW)
    assert changed.handling == Handling(Handler.MARKUP, "twilio", url=HOOK)


def test_of_what_comes_twice_the_last_one_counts() -> None:
    changed, _ = NUMBERS[None].changed(NUMBER, [("SmsUrl", HOOK), ("SmsUrl", SPARE)], NOW)
    assert changed.handling.url == SPARE


IGNORED: list[tuple[Handling, dict[str, str], tuple[str, ...]]] = [
    (UNANSWERED, {"VoiceUrl": HOOK, "SmsUrl": HOOK, "BundleSid": "x", "TrunkSid": ""}, ("VoiceUrl", "BundleSid")),
    (UNANSWERED, {"StatusCallback": HOOK, "VoiceMethod": "GET"}, ("StatusCallback", "VoiceMethod")),
    (UNANSWERED, {"AccountSid": f"AC{ACCOUNT}", "FriendlyName": "x", "SmsMethod": "GET"}, ()),
    (UNANSWERED, {"ApiVersion": "2010-04-01", "VoiceMethod": "POST", "VoiceCallerIdLookup": "false"}, ()),
    (UNANSWERED, {"ApiVersion": "2008-08-01", "EmergencyStatus": "Active"}, ("ApiVersion", "EmergencyStatus")),
    (RELAY, {"SmsMethod": "GET", "FriendlyName": "x"}, ("SmsMethod",)),
]


@pytest.mark.parametrize(("before", "given", "ignored"), IGNORED)
def test_what_has_no_effect_is_named(before: Handling, given: dict[str, str], ignored: tuple[str, ...]) -> None:
    number = msgspec.structs.replace(NUMBER, handling=before)
    assert NUMBERS[None].changed(number, list(given.items()), NOW)[1] == ignored


REFUSED: list[tuple[Handling, dict[str, str], int]] = [
    (UNANSWERED, {"SmsUrl": "ftp://app.example.com"}, 21402),
    (UNANSWERED, {"SmsUrl": HOOK, "SmsFallbackUrl": "nowhere"}, 21402),
    (UNANSWERED, {"SmsMethod": "PUT"}, 21403),
    (UNANSWERED, {"SmsFallbackMethod": "x"}, 21403),
    (UNANSWERED, {"SmsApplicationSid": APPLICATION}, 21420),
    (UNANSWERED, {"SmsApplicationSid": f"SM{APPLICATION}"}, 21420),
    (UNANSWERED, {"FriendlyName": "x" * 65}, 20002),
    (UNANSWERED, {"AccountSid": f"AC{OTHER}"}, 20010),
    (UNANSWERED, {"SmsFallbackUrl": SPARE}, 21406),
    (COMPAT, {"SmsUrl": "", "SmsFallbackUrl": SPARE}, 21406),
    (BY_APPLICATION, {"SmsFallbackUrl": SPARE}, 21406),
    # Its URL is of another kind, and is not shown.
    (SWML, {"SmsFallbackUrl": SPARE}, 21406),
]


@pytest.mark.parametrize(("before", "given", "code"), REFUSED)
def test_what_cannot_be_is_refused(before: Handling, given: dict[str, str], code: int) -> None:
    with pytest.raises(Problem) as caught:
        NUMBERS[None].changed(msgspec.structs.replace(NUMBER, handling=before), list(given.items()), NOW)
    assert caught.value.code == code


def test_a_name_of_64_characters_may_be_and_an_empty_one_gives_place_to_the_number() -> None:
    named, _ = NUMBERS[None].changed(NUMBER, [("FriendlyName", "x" * 64)], NOW)
    assert number_json(named, False)["friendly_name"] == "x" * 64
    bare, _ = NUMBERS[None].changed(named, [("FriendlyName", "")], NOW)
    assert number_json(bare, False)["friendly_name"] == "(310) 338-6745"


def test_a_longer_name_that_another_api_gave_is_in_nobodys_way() -> None:
    named = msgspec.structs.replace(NUMBER, name="x" * 200)
    assert NUMBERS[None].changed(named, [("SmsUrl", HOOK)], NOW)[0].name == "x" * 200


# --- applications
BARE = Application(APPLICATION, ACCOUNT, 1, 1)


def test_an_application_needs_no_name_but_may_not_have_an_empty_one() -> None:
    nameless, _ = APPLICATIONS.made(BARE, [], NOW)
    assert APPLICATIONS.json(nameless)["friendly_name"] is None
    for name in ("", "x" * 65):
        with pytest.raises(Problem) as caught:
            APPLICATIONS.changed(nameless, [("FriendlyName", name)], NOW)
        assert caught.value.code == 20002


@pytest.mark.parametrize("order", [1, -1])
def test_the_status_callback_that_is_not_deprecated_counts(order: int) -> None:
    given = [("SmsStatusCallback", SPARE), ("MessageStatusCallback", HOOK)][::order]
    assert APPLICATIONS.made(BARE, given, NOW)[0].status_callback == HOOK
    assert APPLICATIONS.made(BARE, [("SmsStatusCallback", SPARE)], NOW)[0].status_callback == SPARE


def test_an_application_too_has_no_fallback_for_nothing() -> None:
    with pytest.raises(Problem) as caught:
        APPLICATIONS.made(BARE, [("SmsFallbackUrl", SPARE)], NOW)
    assert caught.value.code == 21406


# --- which numbers a create asks for
LOCAL, MOBILE, TOLL_FREE = "+13103386745", "+447911123456", "+18003386745"


@pytest.mark.parametrize(
    ("type_", "given", "wanted"),
    [
        (None, {"PhoneNumber": LOCAL}, [LOCAL]),
        (None, {"PhoneNumber": "+1 (310) 338-6745"}, [LOCAL]),
        (None, {"PhoneNumber": LOCAL, "AreaCode": "510"}, [LOCAL]),
        (None, {"AreaCode": "510"}, [f"+1510555{line:04}" for line in range(100, 200)]),
        (NumberType.LOCAL, {"PhoneNumber": LOCAL}, [LOCAL]),
        (NumberType.MOBILE, {"PhoneNumber": MOBILE}, [MOBILE]),
        (NumberType.TOLL_FREE, {"PhoneNumber": TOLL_FREE}, [TOLL_FREE]),
    ],
)
def test_a_create_asks_for_a_number_or_any_of_an_area(
    type_: NumberType | None, given: dict[str, str], wanted: list[str]
) -> None:
    assert parse_new(type_, list(given.items())) == wanted


@pytest.mark.parametrize(
    ("type_", "given", "code"),
    [
        (None, {}, 21421),
        (None, {"PhoneNumber": "12345"}, 21421),
        (None, {"PhoneNumber": "ACME"}, 21421),
        (None, {"PhoneNumber": "+99912345678"}, 21421),
        (None, {"AreaCode": "110"}, 21451),
        (None, {"AreaCode": "5100"}, 21451),
        (None, {"AreaCode": "٥١٠"}, 21451),
        (NumberType.LOCAL, {"AreaCode": "510"}, 21457),
        (NumberType.LOCAL, {"PhoneNumber": TOLL_FREE}, 21458),
        (NumberType.MOBILE, {"PhoneNumber": LOCAL}, 21458),
        (NumberType.TOLL_FREE, {"PhoneNumber": MOBILE}, 21458),
        (NumberType.TOLL_FREE, {}, 21421),
    ],
)
def test_a_create_that_asks_for_none_is_refused(
    type_: NumberType | None, given: dict[str, str], code: int
) -> None:
    with pytest.raises(Problem) as caught:
        parse_new(type_, list(given.items()))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"PhoneNumber": "+15005550006"}, None),
        ({"AreaCode": "500"}, None),
        ({"PhoneNumber": "+15005550000"}, 21422),
        ({"PhoneNumber": LOCAL}, 21422),
        ({"PhoneNumber": "+15005550001"}, 21421),
        ({"AreaCode": "533"}, 21452),
        ({"AreaCode": "510"}, 21452),
    ],
)
def test_test_credentials_get_what_the_magic_numbers_say(given: dict[str, str], code: int | None) -> None:
    wanted = parse_new(None, list(given.items()))
    if code is None:
        assert rehearsed(wanted) == ["+15005550006"]
        return
    with pytest.raises(Problem) as caught:
        rehearsed(wanted)
    assert caught.value.code == code


# --- lists
@pytest.mark.parametrize("query", [{"Beta": "maybe"}, {"Origin": "signalwire"}])
def test_a_filter_that_cannot_be_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        NUMBERS[None].parse_list(list(query.items()))
    assert caught.value.code == 20422


def test_a_list_names_what_it_does_not_filter_by() -> None:
    listing = NUMBERS[None].parse_list([("Beta", "True"), ("TrunkSid", "TK1"), ("Page", "0")])
    assert (listing.filters, listing.ignored) == ((("Beta", "True"),), ("TrunkSid",))
