"""Phone numbers, short codes and applications in the words of Twilio's API (2010-04-01): parameters and JSON.

Called by the web room of the same name. What they have in common with SignalWire's is in `numbers`, with the rules
of what answers a number. `StatusCallback` is told of calls, which are not handled; `MessageStatusCallback` of
messages.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from tidings import phone
from tidings.arranged import Application, Handler, Sender
from tidings.dialects import numbers
from tidings.dialects.numbers import (
    FOREIGN,
    ApplicationWords,
    Listing,
    NumberWords,
    Terms,
    application,
    changed_application,
    changed_sender,
    dates_json,
    friendly_name,
    matches,
    parse_list,
    requests,
    requests_json,
    spoken_of,
    told,
)
from tidings.dialects.twilio import API_VERSION, NAME, Params
from tidings.dialects.twilio_lists import envelope, parse_place
from tidings.dialects.twilio_v1 import N, cut
from tidings.errors import Problem
from tidings.ids import from_sid, sid
from tidings.phone import NumberType, SenderKind

MAX_NAME: Final = 64
"""Characters of a `FriendlyName` (20002)."""
PATHS: Final[dict[NumberType | None, str]] = {
    None: "IncomingPhoneNumbers",
    NumberType.LOCAL: "IncomingPhoneNumbers/Local",
    NumberType.MOBILE: "IncomingPhoneNumbers/Mobile",
    NumberType.TOLL_FREE: "IncomingPhoneNumbers/TollFree",
}
"""Where numbers are listed and made: all, and those of each type; they are the same numbers."""

_NUMBER_FILTERS: Final = ("Beta", "FriendlyName", "PhoneNumber", "Origin")
_SHORT_CODE_FILTERS: Final = ("FriendlyName", "ShortCode")
_APPLICATION_FILTERS: Final = ("FriendlyName",)
_CHOICES: Final = {"Beta": frozenset({"true", "false"}), "Origin": frozenset({"twilio", "hosted"})}
"""Filter → what it may be. No number is new to the platform (`Beta`): with them or without is the same."""

_AREA_CODE: Final = re.compile(r"[2-9][0-9]{2}")
_FICTION: Final = range(100, 200)
"""Line numbers of 555-XXXX that the North American plan keeps for fiction: nobody has them."""

# Twilio, "Test credentials": any other number is not to be had, and no area code but 500 has one.
_MAGIC: Final = "+15005550006"
_MAGIC_INVALID: Final = "+15005550001"
_MAGIC_AREA: Final = "+1500"

_REQUESTS: Final = requests(bad_method=21403)
_ASKS_NOTHING: Final = frozenset(
    {("ApiVersion", API_VERSION), ("VoiceReceiveMode", "voice"), ("EmergencyStatus", "Inactive")}
    | {("VoiceCallerIdLookup", "false"), ("PublicApplicationConnectEnabled", "false")}
    | {(f"{name}Method", "POST") for name in ("Voice", "VoiceFallback", "StatusCallback")}
)
_NUMBER: Final = Terms(
    dialect=NAME,
    readers={**_REQUESTS, "SmsApplicationSid": ("application", application(lambda text: from_sid(text, "AP")))},
    max_name=MAX_NAME,
    bad_name=20002,
    lone_fallback=False,
    asks_nothing=_ASKS_NOTHING,
)
_SHORT_CODE: Final = msgspec.structs.replace(_NUMBER, readers=_REQUESTS, unspoken=FOREIGN | {Handler.APPLICATION})
_APPLICATION: Final = msgspec.structs.replace(
    _NUMBER,
    # The first is deprecated.
    readers={**_REQUESTS, **told("SmsStatusCallback", "MessageStatusCallback")},
    min_name=1,
)


# --- what comes in
def parse_new(type_: NumberType | None, params: Params) -> list[str]:
    """The numbers that a create asks for, in E.164: the one that it names, or any of its area code.

    Raises Problem: 21421 none is named, or what is none; 21458 it is of another type than is asked for; 21451 the
    area code is none; 21457 it is given where a type is asked for.
    """
    given = dict(params)
    value, area = given.get("PhoneNumber", ""), given.get("AreaCode", "")
    if area and type_ is not None:
        raise Problem(21457)
    if area and not value:
        if not _AREA_CODE.fullmatch(area):
            raise Problem(21451, value=area)
        return [f"+1{area}5550{line}" for line in _FICTION]
    number = phone.e164(value)
    if number is None:
        raise Problem(21421, value=value)
    if type_ is not None and phone.number_type(number) is not type_:
        raise Problem(21458, value=number)
    return [number]


def rehearsed(wanted: Sequence[str]) -> list[str]:
    """What a test account gets of the numbers that it asks for. Raises Problem: 21421, 21422, 21452."""
    if len(wanted) > 1:
        if not wanted[0].startswith(_MAGIC_AREA):
            raise Problem(21452)
    elif wanted[0] != _MAGIC:
        raise Problem(21421 if wanted[0] == _MAGIC_INVALID else 21422, value=wanted[0])
    return [_MAGIC]


def _parse_list(filters: Sequence[str], prefix: str, query: Params) -> Listing:
    """As `parse_list`; raises Problem 20422 for a filter that cannot have its value, too."""
    listing = parse_list(filters, lambda given: parse_place(given, prefix), query)
    for name, value in listing.filters:
        if name in _CHOICES and value.lower() not in _CHOICES[name]:
            raise Problem(20422, name=name, value=value)
    return listing


# --- what goes out
def number_json(sender: Sender, media: bool) -> dict[str, Any]:
    """The IncomingPhoneNumber resource; `media`: whether media messages can be sent from here."""
    handling = spoken_of(_NUMBER, sender.handling)
    own = sid("PN", sender.id)
    return numbers.number_json(sender, handling, media) | {
        "account_sid": sid("AC", sender.account),
        "bundle_sid": None,
        "emergency_address_status": "unregistered",
        "origin": _origin(sender),
        "sid": own,
        "sms_application_sid": handling.application and sid("AP", handling.application),
        "status": "in-use",
        "type": phone.number_type(sender.address),
        "uri": _path(sender.account, f"IncomingPhoneNumbers/{own}"),
        "voice_caller_id_lookup": False,
        "voice_receive_mode": "voice",
    }


def short_code_json(sender: Sender, _media: bool) -> dict[str, Any]:
    """The ShortCode resource."""
    own = sid("SC", sender.id)
    return {
        "account_sid": sid("AC", sender.account),
        "api_version": API_VERSION,
        "friendly_name": friendly_name(sender),
        "short_code": sender.address,
        "sid": own,
        "uri": _path(sender.account, f"SMS/ShortCodes/{own}"),
        **dates_json(sender),
        **requests_json(spoken_of(_SHORT_CODE, sender.handling)),
    }


def application_json(application: Application) -> dict[str, Any]:
    """The Application resource."""
    own = sid("AP", application.id)
    return numbers.application_json(application) | {
        "account_sid": sid("AC", application.account),
        "friendly_name": application.name or None,
        "public_application_connect_enabled": False,
        "sid": own,
        "uri": _path(application.account, f"Applications/{own}"),
        "voice_caller_id_lookup": False,
    }


def numbers_json(
    type_: NumberType | None, account: str, listing: Listing, senders: Sequence[Sender], media: bool
) -> dict[str, Any]:
    """A page of the account's numbers, or of those of one type."""
    asked = dict(listing.filters)
    found = [
        sender
        for sender in _found(senders, asked, "PhoneNumber")
        if type_ in (None, phone.number_type(sender.address))
    ]
    if origin := asked.get("Origin", "").lower():
        found = [sender for sender in found if _origin(sender) == origin]
    path = _path(account, PATHS[type_])
    return _page_json(path, "PN", listing, found, "incoming_phone_numbers", lambda one: number_json(one, media))


def short_codes_json(account: str, listing: Listing, senders: Sequence[Sender], media: bool) -> dict[str, Any]:
    """A page of the account's short codes."""
    found = _found(senders, dict(listing.filters), "ShortCode")
    path = _path(account, "SMS/ShortCodes")
    return _page_json(path, "SC", listing, found, "short_codes", lambda one: short_code_json(one, media))


def applications_json(account: str, listing: Listing, applications: Sequence[Application]) -> dict[str, Any]:
    """A page of the account's applications."""
    name = dict(listing.filters).get("FriendlyName")
    found = [application for application in applications if name in (None, application.name)]
    return _page_json(_path(account, "Applications"), "AP", listing, found, "applications", application_json)


def _found(senders: Sequence[Sender], asked: Mapping[str, str], by_number: str) -> list[Sender]:
    """Those with the name and the digits that are asked for, these by the filter of that name."""
    return [
        sender
        for sender in senders
        if matches(asked.get(by_number, ""), sender.address)
        and asked.get("FriendlyName") in (None, friendly_name(sender))
    ]


def _page_json(
    path: str, prefix: str, listing: Listing, found: Sequence[N], key: str, show: Callable[[N], dict[str, Any]]
) -> dict[str, Any]:
    """The page of all that was `found`, at `path`."""
    shown, last = cut(found, listing.place)
    return {
        key: [show(one) for one in shown],
        **envelope(path, prefix, listing.place, listing.filters, len(shown), last),
    }


def _path(account: str, below: str) -> str:
    return f"/{API_VERSION}/Accounts/{sid('AC', account)}/{below}.json"


def _origin(sender: Sender) -> str:
    """Numbers that the operator brought are `hosted`: they are not for applications to give up."""
    return "twilio" if sender.claimed else "hosted"


# --- for the web room
def _numbers(type_: NumberType | None) -> NumberWords:
    return NumberWords(
        kind=SenderKind.NUMBER,
        id_of=lambda text: from_sid(text, "PN"),
        parse_list=partial(_parse_list, _NUMBER_FILTERS, "PN"),
        changed=partial(changed_sender, _NUMBER),
        json=number_json,
        page_json=partial(numbers_json, type_),
    )


NUMBERS: Final = {type_: _numbers(type_) for type_ in PATHS}
SHORT_CODES: Final = NumberWords(
    kind=SenderKind.SHORT_CODE,
    id_of=lambda text: from_sid(text, "SC"),
    parse_list=partial(_parse_list, _SHORT_CODE_FILTERS, "SC"),
    changed=partial(changed_sender, _SHORT_CODE),
    json=short_code_json,
    page_json=short_codes_json,
)
APPLICATIONS: Final = ApplicationWords(
    id_of=lambda text: from_sid(text, "AP"),
    parse_list=partial(_parse_list, _APPLICATION_FILTERS, "AP"),
    made=partial(changed_application, _APPLICATION),
    changed=partial(changed_application, _APPLICATION),
    json=application_json,
    page_json=applications_json,
)
