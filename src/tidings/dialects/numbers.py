"""Numbers and applications as Twilio's API has them, and SignalWire's after its model: what they can be set to.

Called by the dialects `twilio_numbers` and `signalwire_compat_numbers`, which differ in ids, codes, limits, and in
what else they show; `twilio_services` reads parameters and lists alike. A number with an application is answered
by that, whatever URLs it has beside it (Twilio's rule). One whose messages go where a resource has no words for
(RELAY, SWML) is shown without URLs, and stays as it is until a URL or an application is set. Calls are not
handled: their parameters have no effect, and their fields are empty.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tidings import phone
from tidings.arranged import Application, Handler, Handling, Method, Sender
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import SECOND
from tidings.dialects.listing import Filters, Place
from tidings.dialects.signalwire import METHODS
from tidings.dialects.twilio import API_VERSION, Params, rfc2822
from tidings.errors import Problem
from tidings.ids import from_any
from tidings.phone import SenderKind

FOREIGN: Final = frozenset({Handler.SWML, Handler.RELAY})
"""Handlers that only SignalWire's other surfaces set."""

Ignored = tuple[str, ...]
"""Names of parameters that have no effect."""
Reader = Callable[[str, str], str | None]
"""From a parameter's name and value to what it comes to; raises Problem."""
Readers = Mapping[str, tuple[str, Reader]]
"""Parameter → field, and its reader; an empty value takes away what was set."""

_PAGING: Final = frozenset({"Page", "PageSize", "PageToken"})


class Terms(msgspec.Struct, frozen=True):
    """What the parameters of a resource may be, and what they do."""

    dialect: str
    """In which those are asked who are set here."""
    readers: Readers
    """For the fields of a `Handling` or an `Application`."""
    max_name: int
    """Characters of its `FriendlyName`."""
    min_name: int = 0
    bad_name: int = 20422
    """The error where it has more or fewer."""
    lone_fallback: bool = True
    """Whether a fallback may be set where there is no URL that it is for."""
    unspoken: frozenset[Handler] = FOREIGN
    """Handlers that the resource has no words for."""
    asks_nothing: frozenset[tuple[str, str]] = frozenset()
    """Given with these values, a parameter without effect has lost none."""


class Listing(msgspec.Struct, frozen=True):
    """One page of a list, as it was asked for."""

    place: Place
    filters: Filters
    ignored: Ignored


class NumberWords(msgspec.Struct, frozen=True):
    """A resource of numbers or short codes in a dialect's words, for the web room."""

    kind: SenderKind
    id_of: Callable[[str], str | None]
    """The id that a path spells."""
    parse_list: Callable[[Params], Listing]
    changed: Callable[[Sender, Params, int], tuple[Sender, Ignored]]
    json: Callable[[Sender, bool], dict[str, Any]]
    """The resource; told whether media messages can be sent from here."""
    page_json: Callable[[str, Listing, Sequence[Sender], bool], dict[str, Any]]
    """A page of an account's senders of that kind."""


class ApplicationWords(msgspec.Struct, frozen=True):
    """Applications in a dialect's words, for the web room."""

    id_of: Callable[[str], str | None]
    parse_list: Callable[[Params], Listing]
    made: Callable[[Application, Params, int], tuple[Application, Ignored]]
    """A new one, as its parameters make it of one that has nothing but an id."""
    changed: Callable[[Application, Params, int], tuple[Application, Ignored]]
    json: Callable[[Application], dict[str, Any]]
    page_json: Callable[[str, Listing, Sequence[Application]], dict[str, Any]]


# --- readers
def url(name: str, value: str) -> str | None:
    if not value:
        return None
    try:
        parse_url(value)
    except InvalidUrl as error:
        raise Problem(21402, name=name, reason=str(error)) from None
    return value


def method(code: int) -> Reader:
    """Of methods; whatever is none is refused with `code`."""

    def read(name: str, value: str) -> Method:
        found = METHODS.get(value.upper())
        if found is None:
            raise Problem(code, name=name, value=value)
        return found

    return read


def application(id_of: Callable[[str], str | None]) -> Reader:
    """Of the ids of applications. Whether there is such a one is not known here."""

    def read(name: str, value: str) -> str | None:
        found = id_of(value)
        if value and found is None:
            raise Problem(21420, value=value)
        return found

    return read


def requests(bad_method: int) -> Readers:
    """Of what an application is asked when a message comes in; `bad_method`: the error where a method is none."""
    return {
        "SmsUrl": ("url", url),
        "SmsMethod": ("method", method(bad_method)),
        "SmsFallbackUrl": ("fallback_url", url),
        "SmsFallbackMethod": ("fallback_method", method(bad_method)),
    }


def told(*names: str) -> Readers:
    """Of where an application is told of its messages, under any of these names; the last that is given counts."""
    return dict.fromkeys(names, ("status_callback", url))


# --- what comes in
def changed_sender(terms: Terms, sender: Sender, params: Params, now: int) -> tuple[Sender, Ignored]:
    """The number as `params` leave it: what is not given stays; of what comes twice the last one counts.

    Raises Problem: the code of the terms for a name, 20010 for a transfer, 21406 for a lone fallback, and as the
    readers do.
    """
    given = dict(params)
    owner = given.get("AccountSid")
    if owner and from_any(owner) != sender.account:
        raise Problem(20010, name="AccountSid", reason="numbers are not transferred between accounts")
    handling = _changed_handling(terms, sender.handling, _read(given, terms.readers))
    after = msgspec.structs.replace(
        sender, name=_changed_name(terms, given, sender.name), handling=handling, updated_at=now
    )
    _check_fallback(terms, given, spoken_of(terms, handling))
    heeded = {"AccountSid", "FriendlyName", *(terms.readers if handling is not sender.handling else ())}
    return after, _without_effect(given, heeded, terms.asks_nothing)


def changed_application(
    terms: Terms, application: Application, params: Params, now: int
) -> tuple[Application, Ignored]:
    """The same of an application, which changes no owner."""
    given = dict(params)
    name = _changed_name(terms, given, application.name)
    after = msgspec.structs.replace(application, name=name, updated_at=now, **_read(given, terms.readers))
    _check_fallback(terms, given, after)
    return after, _without_effect(given, {"FriendlyName", *terms.readers}, terms.asks_nothing)


def _check_fallback(terms: Terms, given: Mapping[str, str], asked: Handling | Application) -> None:
    if given.get("SmsFallbackUrl") and asked.url is None and not terms.lone_fallback:
        raise Problem(21406)


def _changed_name(terms: Terms, given: Mapping[str, str], before: str) -> str:
    if "FriendlyName" not in given:
        return before
    name = given["FriendlyName"]
    if not terms.min_name <= len(name) <= terms.max_name:
        may = f"it may have {terms.min_name} to {terms.max_name}"
        raise Problem(terms.bad_name, reason=f"FriendlyName has {len(name)} characters, {may}")
    return name


def _read(given: Mapping[str, str], readers: Readers) -> dict[str, Any]:
    return {field: reader(name, given[name]) for name, (field, reader) in readers.items() if name in given}


def _changed_handling(terms: Terms, before: Handling, read: dict[str, Any]) -> Handling:
    """`before` itself where nothing of it is changed."""
    answered = read.get("url") or read.get("application")
    spoken = spoken_of(terms, before)
    if not read or not (answered or spoken is before):
        return before
    fields = {field: read.get(field, getattr(spoken, field)) for field, _ in terms.readers.values()}
    handler = Handler.NONE
    if fields.get("application"):
        handler = Handler.APPLICATION
    elif fields["url"]:
        handler = Handler.MARKUP
    # An application that was set in another dialect goes on being asked in that one, whose signature it knows.
    return Handling(handler=handler, dialect=terms.dialect if answered else spoken.dialect, **fields)


def spoken_of(terms: Terms, handling: Handling) -> Handling:
    """What a resource says of a handling: nothing, where it has no words for the handler."""
    return Handling() if handling.handler in terms.unspoken else handling


def _without_effect(
    given: Mapping[str, str], heeded: set[str], asks_nothing: frozenset[tuple[str, str]]
) -> Ignored:
    return tuple(
        name for name, value in given.items() if value and name not in heeded and (name, value) not in asks_nothing
    )


# --- lists
def parse_list(
    filters: Sequence[str], parse_place: Callable[[Mapping[str, str]], Place], query: Params
) -> Listing:
    """What a list asks for. Raises Problem as `parse_place`."""
    given = {name: value for name, value in query if value}
    asked = tuple((name, given[name]) for name in filters if name in given)
    return Listing(parse_place(given), asked, _without_effect(given, {*filters, *_PAGING}, frozenset()))


def matches(pattern: str, number: str) -> bool:
    """Whether a number has the parts of the pattern in their order: `*` stands for any digits."""
    place = 0
    for part in pattern.strip().split("*"):
        place = number.find(part, place) + len(part)
        if place < len(part):
            return False
    return True


# --- what goes out
def number_json(sender: Sender, handling: Handling, media: bool) -> dict[str, Any]:
    """What both say of a number alike; `handling` is as `spoken_of` has it."""
    return {
        "address_requirements": "none",
        "address_sid": None,
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"voice": False, "sms": True, "mms": media, "fax": False},
        "emergency_address_sid": None,
        "emergency_status": "Inactive",
        "friendly_name": friendly_name(sender),
        "identity_sid": None,
        "phone_number": sender.address,
        "trunk_sid": None,
        "voice_application_sid": None,
        **dates_json(sender),
        **requests_json(handling),
        **_CALLS,
    }


def application_json(application: Application) -> dict[str, Any]:
    """What both say of an application alike."""
    return {
        "api_version": API_VERSION,
        "friendly_name": application.name,
        "message_status_callback": application.status_callback,
        "sms_status_callback": application.status_callback,
        **dates_json(application),
        **requests_json(application),
        **_CALLS,
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


def requests_json(asked: Handling | Application) -> dict[str, Any]:
    """What is asked when a message comes in."""
    return {
        "sms_fallback_method": asked.fallback_method,
        "sms_fallback_url": asked.fallback_url,
        "sms_method": asked.method,
        "sms_url": asked.url,
    }


def dates_json(of: Sender | Application) -> dict[str, Any]:
    return {
        "date_created": rfc2822(of.created_at // SECOND),
        "date_updated": rfc2822(of.updated_at // SECOND),
    }


def friendly_name(sender: Sender) -> str:
    """Its name, or else the number as it is written in its own country."""
    if sender.name or phone.e164(sender.address) is None:
        return sender.name or sender.address
    return phone.national(sender.address)
