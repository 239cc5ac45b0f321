"""Messaging services in the words of Twilio's API (Messaging v1): parameters change them, JSON shows them.

Pure translation, called by the web room of the same name. A service is what SignalWire calls a number group: what
was made as one is also the other. Its senders are in four collections, by kind. Some of what Twilio knows of a
service is only kept (`_KEPT`), for those who ask.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from tidings import phone
from tidings.arranged import Handler, Handling, Member, Sender, Service
from tidings.clock import zulu
from tidings.dialects import numbers, twilio_v1
from tidings.dialects.numbers import Ignored, Listing, method, url
from tidings.dialects.twilio import NAME, Params
from tidings.dialects.twilio_lists import parse_place
from tidings.dialects.twilio_orders import MAX_VALIDITY
from tidings.errors import Problem
from tidings.ids import from_sid, sid
from tidings.model import Account
from tidings.phone import SenderKind

SERVICES: Final = "/v1/Services"
MAX_SENDERS: Final = 400
"""Numbers and short codes in a service (Twilio: 21714)."""

_MAX_NAME: Final = 64
"""Characters of a `FriendlyName` (20002)."""
_USECASES: Final = frozenset({"notifications", "marketing", "verification", "discussion", "poll", "undeclared"})
_SCANS: Final = frozenset({"inherit", "enable", "disable"})
_COUNTRY: Final = "IsoCountryCode"
_TRUTH: Final = {"true": True, "false": False}


# --- services, as they come in
def _name(name: str, value: str) -> str:
    if not 1 <= len(value) <= _MAX_NAME:
        raise Problem(20002)
    return value


def _boolean(name: str, value: str) -> bool:
    truth = _TRUTH.get(value.lower())
    if truth is None:
        raise Problem(20422, name=name, value=value)
    return truth


def _validity(name: str, value: str) -> int:
    seconds = int(value) if re.fullmatch(r"[0-9]{1,5}", value) else 0
    if not 1 <= seconds <= MAX_VALIDITY:
        raise Problem(21624, value=value)
    return seconds


def _usecase(name: str, value: str) -> str:
    if value not in _USECASES:
        raise Problem(21713, value=value)
    return value


def _scan(name: str, value: str) -> str:
    if value not in _SCANS:
        raise Problem(20422, name=name, value=value)
    return value


_Readers = Mapping[str, tuple[str, Callable[[str, str], Any]]]
"""Parameter → the field it is for, and what its value comes to there."""

_SERVICE: Final[_Readers] = {
    "FriendlyName": ("name", _name),
    "StatusCallback": ("status_callback", url),
    "StickySender": ("sticky", _boolean),
    "SmartEncoding": ("smart_encoding", _boolean),
    "AreaCodeGeomatch": ("area_code_geomatch", _boolean),
    "ValidityPeriod": ("validity", _validity),
    "UseInboundWebhookOnNumber": ("defers", _boolean),
}
_HANDLING: Final[_Readers] = {
    "InboundRequestUrl": ("url", url),
    "InboundMethod": ("method", method(20422)),
    "FallbackUrl": ("fallback_url", url),
    "FallbackMethod": ("fallback_method", method(20422)),
}
_KEPT: Final[_Readers] = {
    "MmsConverter": ("mms_converter", _boolean),
    "FallbackToLongCode": ("fallback_to_long_code", _boolean),
    "ScanMessageContent": ("scan_message_content", _scan),
    "SynchronousValidation": ("synchronous_validation", _boolean),
    "Usecase": ("usecase", _usecase),
}
"""The same for `Service.kept`."""
_KEPT_BY_DEFAULT: Final[dict[str, Any]] = {
    "mms_converter": True,
    "fallback_to_long_code": False,
    "scan_message_content": "inherit",
    "synchronous_validation": False,
    "usecase": "undeclared",
}
_HEEDED: Final = frozenset({*_SERVICE, *_HANDLING, *_KEPT})
_NOT_DONE: Final = frozenset(
    {("MmsConverter", "true"), ("FallbackToLongCode", "true"), ("SynchronousValidation", "true")}
    | {("ScanMessageContent", "enable")}
)
"""What asks for something that is only kept."""
_CAN_BE_EMPTY: Final = frozenset({"FriendlyName", "StatusCallback", "InboundRequestUrl", "FallbackUrl"})
"""An empty URL takes away what was set; all else that is empty counts as not given."""


def bare_service(id_: str, account: str, now: int) -> Service:
    """A service as Twilio makes one where nothing is said of it; it lacks a name."""
    return Service(id_, account, now, now, sticky=True, smart_encoding=True, area_code_geomatch=True, defers=False)


def changed_service(service: Service, params: Params, now: int) -> tuple[Service, Ignored]:
    """The service as `params` leave it, and the names of those that ask for what is not done.

    Of a parameter that comes twice the last one counts; what is not given stays. Raises Problem: 20002 name, also
    where there would be none, 21402 URLs, 21624 validity, 21713 use case, 20422 all else.
    """
    given = {name: value for name, value in params if value or name in _CAN_BE_EMPTY}
    if not service.name and "FriendlyName" not in given:
        raise Problem(20002, reason="it is missing")
    after = msgspec.structs.replace(
        service,
        updated_at=now,
        handling=_handling(service.handling, _read(given, _HANDLING)),
        kept=service.kept | _read(given, _KEPT),
        **_read(given, _SERVICE),
    )
    ignored = [name for name, value in given.items() if name not in _HEEDED or (name, value.lower()) in _NOT_DONE]
    return after, tuple(ignored)


def _read(given: Mapping[str, str], readers: _Readers) -> dict[str, Any]:
    return {field: read(name, given[name]) for name, (field, read) in readers.items() if name in given}


def _handling(before: Handling, changes: dict[str, Any]) -> Handling:
    if not changes:
        return before
    after = msgspec.structs.replace(before, dialect=NAME, **changes)
    return msgspec.structs.replace(after, handler=Handler.MARKUP if after.url else Handler.NONE)


def parse_services(query: Params) -> Listing:
    """What a list of services asks for. Raises Problem as `parse_place`."""
    return numbers.parse_list((), lambda given: parse_place(given, "MG"), query)


# --- the senders of a service
class Pool(msgspec.Struct, frozen=True):
    """One of the collections in which a service shows its senders."""

    path: str
    link: str
    """What `links` has it under."""
    key: str
    """What a list has its objects under."""
    prefix: str
    """Of their SIDs."""
    kind: SenderKind
    field: str
    """Which field is the sender's address."""
    parameter: str
    """Which parameter says whom to add."""
    countries: bool = False
    """Whether names that are for one country only are in it, and can be asked for by `IsoCountryCode`."""


PHONE_NUMBERS: Final = Pool(
    "PhoneNumbers", "phone_numbers", "phone_numbers", "PN", SenderKind.NUMBER, "phone_number", "PhoneNumberSid"
)
SHORT_CODES: Final = Pool(
    "ShortCodes", "short_codes", "short_codes", "SC", SenderKind.SHORT_CODE, "short_code", "ShortCodeSid"
)
ALPHA_SENDERS: Final = Pool(
    "AlphaSenders", "alpha_senders", "alpha_senders", "AI", SenderKind.ALPHANUMERIC, "alpha_sender", "AlphaSender"
)
DESTINATION_ALPHA_SENDERS: Final = Pool(
    "DestinationAlphaSenders",
    "destination_alpha_senders",
    "alpha_senders",
    "AI",
    SenderKind.ALPHANUMERIC,
    "alpha_sender",
    "AlphaSender",
    countries=True,
)
POOLS: Final = (PHONE_NUMBERS, SHORT_CODES, ALPHA_SENDERS, DESTINATION_ALPHA_SENDERS)


class Pooled(msgspec.Struct, frozen=True):
    """A sender of a service, as a collection has it."""

    id: str
    """What its SID spells: the id of the number or short code, or that of the name's place in the service."""
    member: Member


def pooled(pool: Pool, members: Iterable[Member], senders: Iterable[Sender]) -> list[Pooled]:
    """Those of a service's `members` that a collection has. `senders` are the account's: a member that is none of
    them any more is not shown, and nothing is sent from it."""
    ids = {sender.address: sender.id for sender in senders}
    named = pool.kind is SenderKind.ALPHANUMERIC
    return [
        Pooled(member.id if named else ids[member.address], member)
        for member in members
        if member.address in ids
        and phone.sender_kind(member.address) is pool.kind
        and (pool.countries or not member.country)
    ]


def parse_senders(pool: Pool, query: Params) -> Listing:
    """What a list of a service's senders asks for. Raises Problem as `parse_place`."""
    filters = (_COUNTRY,) if pool.countries else ()
    return numbers.parse_list(filters, lambda given: parse_place(given, pool.prefix), query)


def parse_sender(pool: Pool, params: Params) -> tuple[str | None, Ignored]:
    """The id of the number or short code that is to be added, None where what is given is no SID of one; and the
    names of parameters without effect. Raises Problem: 20422 where none is given."""
    given = {name: value for name, value in params if value}
    if pool.parameter not in given:
        raise Problem(20422, name=pool.parameter, reason="it is missing")
    return from_sid(given[pool.parameter], pool.prefix), _others(given, pool.parameter)


def parse_name(pool: Pool, params: Params) -> tuple[str, str, Ignored]:
    """The name that is to be added, the country that it is for ("" for all), and the names of parameters without
    effect. Raises Problem: 21708 where no name is given, 21709 where it cannot be one, 20422 country."""
    given = {name: value for name, value in params if value}
    name = given.get(pool.parameter, "")
    if not name:
        raise Problem(21708)
    if phone.sender_kind(name) is not SenderKind.ALPHANUMERIC:
        raise Problem(21709, value=name)
    heeded = (pool.parameter, _COUNTRY) if pool.countries else (pool.parameter,)
    country = given.get(_COUNTRY, "").upper() if pool.countries else ""
    if country and not phone.is_country(country):
        raise Problem(20422, name=_COUNTRY, value=country)
    return name, country, _others(given, *heeded)


def _others(given: Mapping[str, str], *names: str) -> tuple[str, ...]:
    return tuple(name for name in given if name not in names)


# --- what goes out
def service_url(service: str, base_url: str) -> str:
    return f"{base_url}{SERVICES}/{sid('MG', service)}"


def pool_url(pool: Pool, service: str, base_url: str) -> str:
    """Of one of a service's collections."""
    return f"{service_url(service, base_url)}/{pool.path}"


def service_json(service: Service, base_url: str) -> dict[str, Any]:
    """The Service resource. `links` has what is there, which is less than Twilio has."""
    handling = service.handling
    return {
        "sid": sid("MG", service.id),
        "account_sid": sid("AC", service.account),
        "friendly_name": service.name,
        "date_created": zulu(service.created_at),
        "date_updated": zulu(service.updated_at),
        "inbound_request_url": handling.url,
        "inbound_method": handling.method,
        "fallback_url": handling.fallback_url,
        "fallback_method": handling.fallback_method,
        "status_callback": service.status_callback,
        "sticky_sender": service.sticky,
        "smart_encoding": service.smart_encoding,
        "area_code_geomatch": service.area_code_geomatch,
        "validity_period": service.validity or MAX_VALIDITY,
        "use_inbound_webhook_on_number": service.defers,
        **_KEPT_BY_DEFAULT,
        **service.kept,
        "us_app_to_person_registered": False,
        "url": service_url(service.id, base_url),
        "links": {pool.link: pool_url(pool, service.id, base_url) for pool in POOLS},
    }


def services_json(listing: Listing, services: Iterable[Service], base_url: str) -> dict[str, Any]:
    """A page of the account's services."""
    shown, last = twilio_v1.cut(services, listing.place)
    objects = [service_json(service, base_url) for service in shown]
    return twilio_v1.page_json(base_url + SERVICES, "services", "MG", listing, objects, last)


def sender_json(pool: Pool, one: Pooled, account: Account, base_url: str, media: bool) -> dict[str, Any]:
    """A sender of a service; `media`: whether media messages can be sent from here."""
    member, own = one.member, sid(pool.prefix, one.id)
    named = pool.kind is SenderKind.ALPHANUMERIC
    shown: dict[str, Any] = {
        "sid": own,
        "account_sid": sid("AC", member.account),
        "service_sid": sid("MG", member.parent),
        "date_created": zulu(member.created_at),
        "date_updated": zulu(member.updated_at),
        pool.field: member.address,
        "capabilities": ["SMS", "MMS"] if media and not named else ["SMS"],
        "url": f"{pool_url(pool, member.parent, base_url)}/{own}",
    }
    if not named:
        shown["country_code"] = _country(member.address, account)
    elif pool.countries:
        shown["iso_country_code"] = member.country
    return shown


def senders_json(
    url: str, pool: Pool, listing: Listing, found: Iterable[Pooled], show: Callable[[Pooled], dict[str, Any]]
) -> dict[str, Any]:
    """A page of one of a service's collections, which is at `url`."""
    country = dict(listing.filters).get(_COUNTRY)
    wanted = [one for one in found if country is None or one.member.country == country.upper()]
    shown, last = twilio_v1.cut(wanted, listing.place)
    return twilio_v1.page_json(url, pool.key, pool.prefix, listing, [show(one) for one in shown], last)


def _country(address: str, account: Account) -> str | None:
    if not address.startswith("+"):
        return account.short_code_country
    return phone.country(address) if phone.e164(address) else None
