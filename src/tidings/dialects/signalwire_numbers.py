"""Numbers, short codes and number groups in the words of SignalWire's REST API (`/api/relay/rest`), for messages.

Pure translation, called by the web room of the same name. What answers a number is its `message_handler` with the
members that belong to it. Members of other handlers have no effect and are not remembered; nor are those of calls,
which are not handled here. A number that SWML answers (`signalwire_resources`) has no `message_handler`, but a
`messaging_handler_resource_id`.

Every error has one shape here, texts throughout: the vendor's API description has it for 422 alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tidings import phone
from tidings.arranged import Handler, Handling, Member, Sender, Service
from tidings.clock import zulu
from tidings.dialects import signalwire_rest_errors, signalwire_rest_logs
from tidings.dialects.signalwire import COMPAT, RELAY
from tidings.dialects.signalwire_members import (
    Reader,
    boolean,
    id_of,
    method,
    one_of,
    read,
    require,
    text,
    text_or_none,
    url,
)
from tidings.dialects.signalwire_pages import D, cut
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.errors import Problem
from tidings.ids import dashed
from tidings.phone import SenderKind

ROOT: Final = "/api/relay/rest"
GROUP_FILTERS: Final = ("filter_name",)
NUMBER_FILTERS: Final = ("filter_name", "filter_number")

Params = Sequence[tuple[str, str]]
Ignored = tuple[str, ...]
"""Names of parameters or members without effect."""

_PAGING: Final = ("page_number", "page_size", "page_token")


# --- what answers a number
class _Spelling(msgspec.Struct, frozen=True):
    """One value of `message_handler`."""

    handler: Handler
    dialect: str
    fields: dict[str, str]
    """Members that belong to it → fields of a `Handling`; it needs the first one."""


_SPELLINGS: Final[dict[str, _Spelling]] = {
    "relay_context": _Spelling(Handler.RELAY, RELAY, {"message_relay_context": "context"}),
    "relay_topic": _Spelling(Handler.RELAY, RELAY, {"message_relay_topic": "context"}),
    "relay_application": _Spelling(Handler.RELAY, RELAY, {"message_relay_application": "context"}),
    "laml_webhooks": _Spelling(
        Handler.MARKUP,
        COMPAT,
        {
            "message_request_url": "url",
            "message_request_method": "method",
            "message_fallback_url": "fallback_url",
            "message_fallback_method": "fallback_method",
        },
    ),
    "laml_application": _Spelling(Handler.APPLICATION, COMPAT, {"message_laml_application_id": "application"}),
}
_SPELLED: Final = {
    Handler.MARKUP: "laml_webhooks",
    Handler.APPLICATION: "laml_application",
    Handler.RELAY: "relay_context",
}
"""Where it was not set here."""
_OF_SHORT_CODES: Final = ("relay_context", "laml_webhooks", "laml_application")

_MEMBERS: Final[dict[str, Reader]] = {
    "name": text,
    "message_request_url": url,
    "message_request_method": method,
    "message_fallback_url": url,
    "message_fallback_method": method,
    "message_laml_application_id": id_of,
    "message_relay_topic": text_or_none,
    "message_relay_context": text_or_none,
    "message_relay_application": text_or_none,
}
_NUMBER: Final = _MEMBERS | {"message_handler": one_of(*_SPELLINGS)}
_SHORT_CODE: Final = _MEMBERS | {"message_handler": one_of(*_OF_SHORT_CODES)}


def changed_sender(sender: Sender, members: dict[str, Any], now: int) -> tuple[Sender, Ignored]:
    """The number or short code as `members` leave it.

    Raises Invalid, also where the member that its handler needs is missing. Whether there is such an application
    is not known here.
    """
    readers = _SHORT_CODE if phone.sender_kind(sender.address) is SenderKind.SHORT_CODE else _NUMBER
    values, ignored = read(members, readers)
    handling, unheeded = _changed_handling(sender.handling, values)
    after = msgspec.structs.replace(
        sender, name=values.get("name", sender.name), handling=handling, updated_at=now
    )
    return after, ignored + tuple(name for name in unheeded if members[name] is not None)


def _changed_handling(before: Handling, values: dict[str, Any]) -> tuple[Handling, Ignored]:
    asked = [name for name in values if name not in ("name", "message_handler")]
    current = _spelling(before)
    word = values.get("message_handler", current)
    if word is None:
        return Handling() if "message_handler" in values else before, tuple(asked)
    spelling = _SPELLINGS[word]
    unheeded = tuple(name for name in asked if name not in spelling.fields)
    if "message_handler" not in values and len(unheeded) == len(asked):
        return before, unheeded
    kept = before if word == current else Handling()
    fields = {field: values.get(name, getattr(kept, field)) for name, field in spelling.fields.items()}
    needed, field = next(iter(spelling.fields.items()))
    require({needed: fields[field]}, needed)
    return Handling(handler=spelling.handler, dialect=spelling.dialect, spelling=word, **fields), unheeded


def _spelling(handling: Handling) -> str | None:
    return handling.spelling or _SPELLED.get(handling.handler)


# --- numbers and short codes
_IMPORT: Final[dict[str, Reader]] = {
    "number": text,
    "number_type": one_of("longcode", "tollfree"),
}


def parse_purchase(members: dict[str, Any]) -> tuple[str, Ignored]:
    """The number, in E.164. Raises Invalid."""
    values, ignored = read(members, {"number": text})
    require(values, "number")
    return _e164(values["number"]), ignored


def parse_import(members: dict[str, Any]) -> tuple[str, Ignored]:
    """The same of a number that is brought along: its type shows in itself, and its capabilities in the carriers.

    Raises Invalid.
    """
    values, ignored = read(members, _IMPORT)
    require(values, *_IMPORT)
    return _e164(values["number"]), ignored


def _e164(spelled: str) -> str:
    number = phone.e164(spelled)
    if number is None:
        raise Invalid(Fault("number", "not_e164", spelled))
    return number


def not_to_be_had(problem: Problem) -> Invalid:
    """What is said where a number cannot be taken."""
    about = problem.details.get("reason") or problem.details.get("value", "")
    return Invalid(Fault("number", "could_not_purchase", str(about)))


def senders_of(kind: SenderKind, senders: Iterable[Sender]) -> list[Sender]:
    return [sender for sender in senders if phone.sender_kind(sender.address) is kind]


def number_json(sender: Sender, media: bool) -> dict[str, Any]:
    """The phone number resource; `media`: whether media messages can be sent from here."""
    known = phone.e164(sender.address) is not None
    return {
        **_sender_json(sender, media),
        "number_type": "toll-free" if known and phone.is_toll_free(sender.address) else "longcode",
        "e911_address_id": None,
        "e911_status": None,
        "next_billed_at": None,
        **_CALLS,
        **_handling_json(sender.handling, "relay_context", "relay_topic", "laml_webhooks", "laml_application"),
        "messaging_handler_resource_id": sender.handling.resource and dashed(sender.handling.resource),
        "country_code": phone.country(sender.address) if known else None,
    }


def short_code_json(sender: Sender, media: bool) -> dict[str, Any]:
    """The short code resource. Of a lease nothing is known, and of a country neither: `ZZ` is ISO 3166's code for
    none, as the vendor has no null there."""
    return {
        **_sender_json(sender, media),
        "number_type": "shortcode",
        "code_type": "random",
        "country_code": "ZZ",
        "next_billed_at": None,
        "lease_duration": None,
        **_handling_json(sender.handling, *_OF_SHORT_CODES),
    }


def _sender_json(sender: Sender, media: bool) -> dict[str, Any]:
    return {
        "id": dashed(sender.id),
        "number": sender.address,
        "name": sender.name or None,
        "capabilities": _capabilities(media),
        "created_at": zulu(sender.created_at),
        "updated_at": zulu(sender.updated_at),
    }


def _capabilities(media: bool) -> list[str]:
    return ["sms", "mms"] if media else ["sms"]


def _handling_json(handling: Handling, *words: str) -> dict[str, Any]:
    """The members of the handlers `words`: null but for those of the one that is set.

    `message_relay_application`, of which the vendor's responses know nothing, is there where it is set.
    """
    word = _spelling(handling)
    shown: dict[str, Any] = {"message_handler": word}
    shown |= {name: None for other in words for name in _SPELLINGS[other].fields}
    if word is not None:
        shown |= {name: getattr(handling, field) for name, field in _SPELLINGS[word].fields.items()}
    if application := shown["message_laml_application_id"]:
        shown["message_laml_application_id"] = dashed(application)
    return shown


_CALLS: Final[dict[str, Any]] = {
    "call_handler": None,
    "calling_handler_resource_id": None,
    "call_receive_mode": "voice",
    "call_request_url": None,
    "call_request_method": None,
    "call_fallback_url": None,
    "call_fallback_method": None,
    "call_status_callback_url": None,
    "call_status_callback_method": None,
    "call_laml_application_id": None,
    "call_dialogflow_agent_id": None,
    "call_relay_topic": None,
    "call_relay_topic_status_callback_url": None,
    "call_relay_script_url": None,
    "call_relay_context": None,
    "call_relay_context_status_callback_url": None,
    "call_relay_application": None,
    "call_relay_connector_id": None,
    "call_sip_endpoint_id": None,
    "call_verto_resource": None,
    "call_video_room_id": None,
}


# --- number groups
_GROUP: Final[dict[str, Reader]] = {"name": text, "sticky_sender": boolean}


def changed_group(group: Service, members: dict[str, Any], now: int) -> tuple[Service, Ignored]:
    """The group as `members` leave it. Raises Invalid, also where it would have no name."""
    values, ignored = read(members, _GROUP)
    name = values.get("name", group.name)
    require({"name": name}, "name")
    sticky = values.get("sticky_sender", group.sticky)
    return msgspec.structs.replace(group, name=name, sticky=sticky, updated_at=now), ignored


def parse_membership(members: dict[str, Any]) -> tuple[str, Ignored]:
    """The id of the number that is to be in a group. Raises Invalid."""
    values, ignored = read(members, {"phone_number_id": id_of})
    require(values, "phone_number_id")
    return values["phone_number_id"], ignored


def group_json(group: Service, numbers: int) -> dict[str, Any]:
    return {
        "id": dashed(group.id),
        "name": group.name,
        "sticky_sender": group.sticky,
        "phone_number_count": numbers,
    }


def groups_json(where: str, listing: "Listing", groups: Sequence[Service], members: Sequence[Member]) -> Any:
    """A page of groups; `members` are those of all of them."""
    counts = Counter(member.parent for member in members)
    return page_json(where, listing, groups, lambda group: group_json(group, counts[group.id]))


def membership_json(member: Member, sender: Sender | None, media: bool) -> dict[str, Any]:
    """A membership, also of a number that has gone since: of that only the digits are left."""
    number: dict[str, Any] = {"number": member.address}
    if sender is not None:
        number |= {"id": dashed(sender.id), "name": sender.name, "capabilities": _capabilities(media)}
    return {
        "id": dashed(member.id),
        "number_group_id": dashed(member.parent),
        "phone_number": number,
        "created_at": zulu(member.created_at),
        "updated_at": zulu(member.updated_at),
    }


# --- lists
class Listing(msgspec.Struct, frozen=True):
    """One page of a list, as it was asked for."""

    page: int
    page_size: int
    after: str | None
    """Id of the object that the page continues behind."""
    filters: tuple[tuple[str, str], ...]
    """As given, for the links to the pages."""
    ignored: Ignored


def parse_list(query: Params, filters: tuple[str, ...] = ()) -> Listing:
    """What a list asks for: pages as those of the logs. Raises Invalid."""
    place = signalwire_rest_logs.parse_list([(name, value) for name, value in query if name in _PAGING])
    given = {name: value for name, value in query if value}
    return Listing(
        page=place.page,
        page_size=place.page_size,
        after=place.before,
        filters=tuple((name, given[name]) for name in filters if name in given),
        ignored=tuple(name for name in given if name not in (*filters, *_PAGING)),
    )


def page_json(
    where: str, listing: Listing, found: Sequence[D], show: Callable[[D], dict[str, Any]]
) -> dict[str, Any]:
    """A page of those of `found` that have what the filters say in their name or number, newest first.

    `where` is the URL of the list. Raises Invalid for a token of none of them. `prev` is there on the second page
    only, as tokens lead forward.
    """
    asked = dict(listing.filters)

    def wanted(one: D) -> bool:
        return asked.get("filter_name", "") in getattr(one, "name", "") and (
            asked.get("filter_number", "").strip() in getattr(one, "address", "")
        )

    try:
        shown, last = cut(found, listing.page_size, listing.after, wanted)
    except LookupError:
        raise Invalid(Fault("page_token", "page_token_is_invalid")) from None

    def link(page: int, after: str | None) -> str:
        token = [("page_token", f"PA{dashed(after)}")] if after else []
        paging = [("page_number", str(page)), ("page_size", str(listing.page_size)), *token]
        return f"{where}?{urlencode([*listing.filters, *paging])}"

    links = {"self": link(listing.page, listing.after), "first": link(0, None)}
    if last is not None:
        links["next"] = link(listing.page + 1, last)
    if listing.page == 1:
        links["prev"] = link(0, None)
    return {"links": links, "data": [show(one) for one in shown]}


# --- errors
def errors_json(problem: Problem) -> tuple[int, dict[str, Any]]:
    """HTTP status and body: the same findings as those of the REST API for messages, in another shape."""
    status, said = signalwire_rest_errors.errors_json(problem)
    details = [entry["message"] for entry in said.get("errors", [{"message": problem.message}])]
    title = "Invalid Attribute" if status == 422 else HTTPStatus(status).phrase
    entries = [
        {"detail": detail, "status": str(status), "title": title, "code": str(status)} for detail in details
    ]
    return status, {"errors": entries}
