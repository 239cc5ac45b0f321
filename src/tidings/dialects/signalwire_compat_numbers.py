"""Numbers and applications in the Compatibility API's words: parameters change them, and JSON shows them.

Called by the web room `signalwire_compat_numbers`. A number with an application is answered by that, whatever URLs
it has beside it (Twilio's rule). A number whose messages another of SignalWire's APIs had go to RELAY or to SWML,
for which this one has no words, is shown without URLs, and stays as it is until a URL or an application is set.
Calls are not handled: their parameters have no effect, and their fields are empty.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tidings import phone
from tidings.arranged import Application, Handler, Handling, Method, Sender
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND
from tidings.dialects.listing import Filters, Place
from tidings.dialects.signalwire import METHODS
from tidings.dialects.signalwire_compat import API_VERSION, NAME, Params, account_uri, without_effect
from tidings.dialects.signalwire_compat_lists import envelope, parse_place
from tidings.dialects.signalwire_pages import D, cut
from tidings.dialects.twilio import rfc2822
from tidings.errors import Problem
from tidings.ids import dashed, from_project

MAX_NAME: Final = 255
"""Characters of a number's `FriendlyName`."""
MAX_APPLICATION_NAME: Final = 64
NUMBER_FILTERS: Final = ("PhoneNumber", "FriendlyName")
APPLICATION_FILTERS: Final = ("FriendlyName",)

_PAGING: Final = ("Page", "PageSize", "PageToken")
_FOREIGN: Final = frozenset({Handler.SWML, Handler.RELAY})
"""Handlers that only SignalWire's other surfaces set."""
_UNKNOWN_COUNTRY: Final = "ZZ"
"""ISO 3166's code for what has none; the vendor knows no null here."""


class Listing(msgspec.Struct, frozen=True):
    """One page of a list, as it was asked for."""

    place: Place
    filters: Filters
    ignored: tuple[str, ...]
    """Names of parameters that have no effect."""


# --- what comes in
def _url(name: str, value: str) -> str | None:
    if not value:
        return None
    try:
        parse_url(value)
    except InvalidUrl as error:
        raise Problem(21402, name=name, reason=str(error)) from None
    return value


def _method(name: str, value: str) -> Method:
    method = METHODS.get(value.upper())
    if method is None:
        raise Problem(13221, name=name, value=value)
    return method


def _application(name: str, value: str) -> str | None:
    found = from_project(value)
    if value and found is None:
        raise Problem(21420, value=value)
    return found


_Reader = Callable[[str, str], str | None]
_HANDLING: Final[dict[str, tuple[str, _Reader]]] = {
    "SmsUrl": ("url", _url),
    "SmsMethod": ("method", _method),
    "SmsFallbackUrl": ("fallback_url", _url),
    "SmsFallbackMethod": ("fallback_method", _method),
    "SmsApplicationSid": ("application", _application),
}
"""Parameter → field of a `Handling`, and what its value comes to; an empty one takes away what was set."""
_APPLICATION: Final[dict[str, tuple[str, _Reader]]] = {
    "SmsUrl": ("url", _url),
    "SmsMethod": ("method", _method),
    "SmsFallbackUrl": ("fallback_url", _url),
    "SmsFallbackMethod": ("fallback_method", _method),
    "MessageStatusCallback": ("status_callback", _url),
    "SmsStatusCallback": ("status_callback", _url),
}
"""The same of an `Application`; `MessageStatusCallback` is what Twilio's libraries write."""
_NUMBER_PARAMETERS: Final = frozenset({*_HANDLING, "FriendlyName", "AccountSid"})
_APPLICATION_PARAMETERS: Final = frozenset({*_APPLICATION, "FriendlyName"})


def parse_list(query: Params, filters: tuple[str, ...]) -> Listing:
    """What a list asks for. Raises Problem as `parse_place`."""
    given = {name: value for name, value in query if value}
    asked = tuple((name, given[name]) for name in filters if name in given)
    return Listing(parse_place(given), asked, without_effect(given, frozenset({*filters, *_PAGING})))


def parse_phone_number(params: Params) -> str:
    """The number that a create asks for, in E.164. Raises Problem: 21421 none is named, 21401 it is no number."""
    value = dict(params).get("PhoneNumber", "")
    if not value:
        raise Problem(21421)
    number = phone.e164(value)
    if number is None:
        raise Problem(21401, value=value)
    return number


def changed_number(sender: Sender, params: Params, now: int) -> tuple[Sender, tuple[str, ...]]:
    """The number as `params` leave it, and the names of parameters without effect.

    Of a parameter that comes twice the last one counts; what is not given stays. Raises Problem: 20422 name,
    21402 URL, 13221 method, 21420 application (whether there is one is not known here), 20010 a transfer.
    """
    given = dict(params)
    if given.get("AccountSid", "") not in ("", dashed(sender.account)):
        raise Problem(20010, name="AccountSid", reason="numbers are not transferred between accounts")
    after = msgspec.structs.replace(
        sender,
        name=_name(given.get("FriendlyName", sender.name), MAX_NAME),
        handling=_changed_handling(sender.handling, _read(given, _HANDLING)),
        updated_at=now,
    )
    return after, without_effect(given, _NUMBER_PARAMETERS)


def changed_application(application: Application, params: Params, now: int) -> tuple[Application, tuple[str, ...]]:
    """The same of an application. Raises Problem: 20422 no name, or too long a one, 21402 URL, 13221 method."""
    given = dict(params)
    name = _name(given.get("FriendlyName", application.name), MAX_APPLICATION_NAME)
    if not name:
        raise Problem(20422, name="FriendlyName", reason="an application needs a name")
    after = msgspec.structs.replace(application, name=name, updated_at=now, **_read(given, _APPLICATION))
    # What is posted is what callbacks are.
    asked = {name: value for name, value in given.items() if (name, value) != ("SmsStatusCallbackMethod", "POST")}
    return after, without_effect(asked, _APPLICATION_PARAMETERS)


def _name(value: str, most: int) -> str:
    if len(value) > most:
        raise Problem(20422, name="FriendlyName", reason=f"longer than {most} characters")
    return value


def _read(given: dict[str, str], readers: dict[str, tuple[str, _Reader]]) -> dict[str, Any]:
    return {field: reader(name, given[name]) for name, (field, reader) in readers.items() if name in given}


def _changed_handling(before: Handling, read: dict[str, Any]) -> Handling:
    foreign = before.handler in _FOREIGN
    if not read or (foreign and not (read.get("url") or read.get("application"))):
        return before
    kept = Handling() if foreign else before
    fields = {field: read.get(field, getattr(kept, field)) for field, _ in _HANDLING.values()}
    handler = Handler.NONE
    if fields["application"]:
        handler = Handler.APPLICATION
    elif fields["url"]:
        handler = Handler.MARKUP
    return Handling(handler=handler, dialect=NAME, **fields)


# --- what goes out
def numbers_json(account: str, listing: Listing, senders: Sequence[Sender], media: bool) -> dict[str, Any]:
    """A page of the account's numbers. Raises Problem: 21481 for a token of none of them."""
    asked = dict(listing.filters)

    def wanted(sender: Sender) -> bool:
        return _matches(asked.get("PhoneNumber", ""), sender.address) and (
            asked.get("FriendlyName") in (None, _friendly_name(sender))
        )

    shown, around = _page(f"{account_uri(account)}/IncomingPhoneNumbers", listing, senders, wanted)
    return around | {"incoming_phone_numbers": [number_json(sender, media) for sender in shown]}


def applications_json(account: str, listing: Listing, applications: Sequence[Application]) -> dict[str, Any]:
    """A page of the account's applications. Raises Problem: 21481 for a token of none of them."""
    name = dict(listing.filters).get("FriendlyName")
    path = f"{account_uri(account)}/Applications"
    shown, around = _page(path, listing, applications, lambda application: name in (None, application.name))
    return around | {"applications": [application_json(application) for application in shown]}


def _page(
    path: str, listing: Listing, found: Sequence[D], wanted: Callable[[D], bool]
) -> tuple[list[D], dict[str, Any]]:
    place = listing.place
    try:
        shown, last = cut(found, place.page_size, place.after, wanted)
    except LookupError:
        raise Problem(21481, value=f"PA{place.after}") from None
    return shown, envelope(path, place, listing.filters, last)


def _matches(pattern: str, number: str) -> bool:
    """Whether a number has the parts of the pattern in their order: `*` stands for any digits."""
    place = 0
    for part in pattern.strip().split("*"):
        place = number.find(part, place) + len(part)
        if place < len(part):
            return False
    return True


def number_json(sender: Sender, media: bool) -> dict[str, Any]:
    """The IncomingPhoneNumber resource; `media`: whether media messages can be sent from here."""
    handling = Handling() if sender.handling.handler in _FOREIGN else sender.handling
    account = dashed(sender.account)
    known = phone.e164(sender.address) is not None
    return {
        "account_id": account,
        "account_sid": account,
        "address_requirements": "none",
        "address_sid": None,
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"voice": False, "sms": True, "mms": media, "fax": False},
        "country_code": (known and phone.country(sender.address)) or _UNKNOWN_COUNTRY,
        "date_created": rfc2822(sender.created_at // SECOND),
        "date_updated": rfc2822(sender.updated_at // SECOND),
        "emergency_address_sid": None,
        "emergency_status": "Inactive",
        "friendly_name": _friendly_name(sender),
        "identity_sid": None,
        "origin": "signalwire" if sender.claimed else "hosted",
        "phone_number": sender.address,
        "sid": dashed(sender.id),
        "sms_application_sid": handling.application and dashed(handling.application),
        "sms_fallback_method": handling.fallback_method,
        "sms_fallback_url": handling.fallback_url,
        "sms_method": handling.method,
        "sms_url": handling.url,
        **_CALLS,
        "trunk_sid": None,
        "uri": f"{account_uri(sender.account)}/IncomingPhoneNumbers/{dashed(sender.id)}.json",
        "voice_application_sid": None,
    }


def _friendly_name(sender: Sender) -> str:
    if sender.name or phone.e164(sender.address) is None:
        return sender.name or sender.address
    return phone.national(sender.address)


def application_json(application: Application) -> dict[str, Any]:
    """The Application resource."""
    return {
        "sid": dashed(application.id),
        "account_sid": dashed(application.account),
        "api_version": API_VERSION,
        "date_created": rfc2822(application.created_at // SECOND),
        "date_updated": rfc2822(application.updated_at // SECOND),
        "friendly_name": application.name,
        "uri": f"{account_uri(application.account)}/Applications/{dashed(application.id)}.json",
        **_CALLS,
        "sms_url": application.url,
        "sms_method": application.method,
        "sms_fallback_url": application.fallback_url,
        "sms_fallback_method": application.fallback_method,
        "sms_status_callback": application.status_callback,
        "sms_status_callback_method": "POST",
        "message_status_callback": application.status_callback,
    }


_CALLS: Final[dict[str, Any]] = {
    "status_callback": None,
    "status_callback_method": "POST",
    "voice_caller_id_lookup": None,
    "voice_fallback_method": "POST",
    "voice_fallback_url": None,
    "voice_method": "POST",
    "voice_url": None,
}
"""What numbers and applications say of calls; `status_callback` is for those alone."""
