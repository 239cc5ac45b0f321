"""SWML for numbers, in the words of SignalWire's Fabric API (`/api/fabric/resources`): webhooks and scripts.

Pure translation, called by the web room of the same name. Of the vendor's resources these two are here, and only
for messages: the vendor takes a resource that does not say so for one of calls, so it has to be said. What answers
a number is copied to it when it is routed to a resource, and whenever that changes.
"""

from typing import Any, Final

import msgspec

from tidings.answering.effects import Document, Unusable
from tidings.arranged import Handler, Handling, Sender, SwmlHandler
from tidings.clock import zulu
from tidings.dialects.signalwire import REST
from tidings.dialects.signalwire_members import Reader, id_of, method, one_of, read, require, text, url
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.dialects.swml_document import parse
from tidings.ids import dashed

ROOT: Final = "/api/fabric/resources"

Ignored = tuple[str, ...]
"""Names of members without effect."""

_UNREADABLE: Final = 12100
"""What `swml_document` says of what is no object in JSON or YAML; of any other it says what is wrong with it."""
_for_messages: Final = one_of("messaging", word="unsupported_option")


def _contents(name: str, value: Any) -> str:
    """The document as text, read as it is when a message asks for it; what was given as JSON is kept as JSON."""
    if isinstance(value, dict):
        value = msgspec.json.encode(value).decode()
    if not isinstance(value, str):
        raise Invalid(Fault(name, "not_json_or_yaml"))
    try:
        parse(Document(url="", content_type="", content=value.encode()))
    except Unusable as unusable:
        word = "not_json_or_yaml" if unusable.code == _UNREADABLE else "invalid_parameter"
        raise Invalid(Fault(name, word, str(unusable))) from None
    return value


class Kind(msgspec.Struct, frozen=True):
    """One of the two kinds of resource."""

    word: str
    """The vendor's `type`."""
    use: str
    """The member that says what it is for."""
    fields: dict[str, tuple[str, Reader]]
    """Member → field of a `SwmlHandler`, and its reader."""
    needs: dict[str, str]
    """Member → field that is never empty."""


WEBHOOK: Final = Kind(
    "swml_webhook",
    "used_for",
    {
        "name": ("name", text),
        "primary_request_url": ("url", url),
        "primary_request_method": ("method", method),
        "fallback_request_url": ("fallback_url", url),
        "fallback_request_method": ("fallback_method", method),
    },
    {"primary_request_url": "url"},
)
SCRIPT: Final = Kind(
    "swml_script",
    "script_type",
    {"name": ("name", text), "display_name": ("name", text), "contents": ("script", _contents)},
    {"name": "name", "contents": "script"},
)


def kind_of(resource: SwmlHandler) -> Kind:
    return WEBHOOK if resource.script is None else SCRIPT


def check_use(kind: Kind, members: dict[str, Any]) -> None:
    """Raise Invalid where `members`, of what is to be made, do not say that it is for messages."""
    if members.get(kind.use) is None:
        raise Invalid(Fault(kind.use, "unsupported_option"))


def changed(kind: Kind, resource: SwmlHandler, members: dict[str, Any], now: int) -> tuple[SwmlHandler, Ignored]:
    """The resource as `members` leave it. Raises Invalid, also where it would lack something, or serve calls."""
    readers = {name: reader for name, (_, reader) in kind.fields.items()}
    values, ignored = read(members, {kind.use: _for_messages, **readers})
    changes = {field: values[name] for name, (field, _) in kind.fields.items() if name in values}
    after = msgspec.structs.replace(resource, updated_at=now, **changes)
    require({name: getattr(after, field) for name, field in kind.needs.items()}, *kind.needs)
    return after, ignored


def handling_of(resource: SwmlHandler) -> Handling:
    """What answers a number that is routed to the resource."""
    return Handling(
        handler=Handler.SWML,
        dialect=REST,
        url=resource.url,
        method=resource.method,
        fallback_url=resource.fallback_url,
        fallback_method=resource.fallback_method,
        script=resource.script,
        resource=resource.id,
    )


_ROUTE: Final[dict[str, Reader]] = {"phone_route_id": id_of, "handler": _for_messages}


def parse_route(members: dict[str, Any]) -> tuple[str, Ignored]:
    """The id of the number whose messages a resource is to answer. Raises Invalid."""
    values, ignored = read(members, _ROUTE)
    require(values, *_ROUTE)
    return values["phone_route_id"], ignored


def resource_json(resource: SwmlHandler) -> dict[str, Any]:
    kind = kind_of(resource)
    own = _webhook_json if kind is WEBHOOK else _script_json
    return {
        "id": dashed(resource.id),
        "project_id": dashed(resource.account),
        "display_name": resource.name,
        "type": kind.word,
        "created_at": zulu(resource.created_at),
        "updated_at": zulu(resource.updated_at),
        kind.word: own(resource),
    }


def _webhook_json(resource: SwmlHandler) -> dict[str, Any]:
    return {
        "id": dashed(resource.id),
        "name": resource.name,
        "used_for": "messaging",
        "primary_request_url": resource.url,
        "primary_request_method": resource.method,
        "fallback_request_url": resource.fallback_url,
        "fallback_request_method": resource.fallback_method,
        "status_callback_url": None,
        "status_callback_method": "POST",
    }


def _script_json(resource: SwmlHandler) -> dict[str, Any]:
    """A script; nothing is served at a URL of its own."""
    return {
        "id": dashed(resource.id),
        "display_name": resource.name,
        "script_type": "messaging",
        "request_url": None,
        "contents": resource.script,
    }


def route_json(sender: Sender) -> dict[str, Any]:
    """The address that a number is to the resource it is routed to."""
    return {
        "id": dashed(sender.id),
        "name": sender.address,
        "display_name": sender.name or sender.address,
        "cover_url": None,
        "preview_url": None,
        "locked": False,
        "channels": {"messaging": sender.address},
        "created_at": zulu(sender.created_at),
        "type": "app",
    }
