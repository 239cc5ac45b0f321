"""Numbers in our own API's words: a form says who answers the messages that come in to one, and JSON shows it.

Called by the web room of the same name. A form says the whole of it: what was so before, in whatever API it was
set, is not so any more. A number that SignalWire's APIs had answered is shown as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidings.answering.effects import Document, Unusable
from tidings.arranged import Handler, Handling, Sender
from tidings.callbacks.url import parse_url
from tidings.dialects import twilio
from tidings.dialects.own import masked, time_json
from tidings.dialects.own_params import Params, Reader, choice, read
from tidings.dialects.signalwire import COMPAT, RELAY, REST
from tidings.dialects.signalwire_members import MAX_TEXT
from tidings.dialects.signalwire_relay import Context
from tidings.dialects.swml_document import parse
from tidings.errors import Problem
from tidings.ids import from_any
from tidings.model import Account


class _Kind(msgspec.Struct, frozen=True):
    """What belongs to one handler."""

    dialects: tuple[str, ...]
    """Those that it can be asked in, the usual one first."""
    needs: tuple[str, ...]
    """Parameters of which it takes exactly one."""
    asks: bool = False
    """Whether the parameters of requests belong to it."""


_KINDS: Final[Mapping[Handler, _Kind]] = {
    Handler.NONE: _Kind((), ()),
    Handler.MARKUP: _Kind((twilio.NAME, COMPAT), ("url",), asks=True),
    Handler.APPLICATION: _Kind((COMPAT, twilio.NAME), ("application",)),
    Handler.SWML: _Kind((REST,), ("url", "script"), asks=True),
    Handler.RELAY: _Kind((RELAY,), ("context",)),
}
_REQUESTS: Final = {"method": "url", "fallback_url": None, "fallback_method": "fallback_url"}
"""Parameters of requests, and those that they say nothing without."""


# --- what comes in
def changed(sender: Sender, account: Account, form: Params, now: int) -> Sender:
    """The account's number as a form leaves it; without `handler` only its name can change.

    Raises Problem 20422. Whether there is such an application is not known here.
    """
    given = read(form, _READERS)
    name = given.pop("name", sender.name)
    handling = _handling(given, account) if given else sender.handling
    return msgspec.structs.replace(sender, name=name, handling=handling, updated_at=now)


def _handling(given: dict[str, Any], account: Account) -> Handling:
    handler: Handler | None = given.get("handler")
    if handler is None:
        raise Problem(20422, name="handler", reason="it is missing: say who answers")
    kind = _KINDS[handler]
    if handler is Handler.NONE:
        _check_belonging(handler, given, frozenset())
        return Handling()
    requests = frozenset(_REQUESTS) if kind.asks else frozenset()
    _check_belonging(handler, given, {"dialect", *kind.needs, *requests})
    if sum(name in given for name in kind.needs) != 1:
        raise Problem(20422, name="handler", value=handler, reason=f"it needs {' or '.join(kind.needs)}")
    for name, other in _REQUESTS.items():
        if name in given and other is not None and other not in given:
            raise Problem(20422, name=name, reason=f"it goes with {other}, which is not given")
    return Handling(**{**given, "dialect": _dialect(handler, given.get("dialect"), account)})


def _check_belonging(handler: Handler, given: Mapping[str, Any], known: frozenset[str] | set[str]) -> None:
    for name in given:
        if name != "handler" and name not in known:
            raise Problem(20422, name=name, reason=f"it has no meaning where the handler is {handler}")


def _dialect(handler: Handler, asked: str | None, account: Account) -> str:
    """The one that is asked for, or else the first that the account speaks."""
    possible = _KINDS[handler].dialects
    dialect = asked or next(filter(account.speaks, possible), possible[0])
    if dialect not in possible:
        reason = f"where the handler is {handler} it can only be {' or '.join(possible)}"
        raise Problem(20422, name="dialect", value=dialect, reason=reason)
    if not account.speaks(dialect):
        raise Problem(20422, name="dialect", value=dialect, reason="this account does not speak it")
    return dialect


def _name(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    return text.strip()


def _url(text: str) -> str:
    parse_url(text)
    return text


def _application(text: str) -> str:
    found = from_any(text)
    if found is None:
        raise ValueError("not an application's SID, UUID, or 32 hex digits")
    return found


def _context(text: str) -> str:
    try:
        return msgspec.convert(text, Context)
    except msgspec.ValidationError:
        # As narrow as the contexts that a session can listen to.
        raise ValueError("not a context: 1 to 200 characters, none of them a control character") from None


def _script(text: str) -> str:
    try:
        parse(Document(url="", content_type="", content=text.encode()))
    except Unusable as unusable:
        raise ValueError(str(unusable)) from None
    return text


_READERS: Final[Mapping[str, Reader]] = {
    "name": _name,
    "handler": choice(Handler),
    "dialect": choice((twilio.NAME, COMPAT, REST, RELAY)),
    "url": _url,
    "method": choice(("POST", "GET")),
    "fallback_url": _url,
    "fallback_method": choice(("POST", "GET")),
    "application": _application,
    "context": _context,
    "script": _script,
}


# --- what goes out
def number_json(sender: Sender) -> dict[str, Any]:
    """A number under the names that the form has. Passwords in its URLs are not shown."""
    handling = sender.handling
    return {
        "id": sender.id,
        "address": sender.address,
        "name": sender.name,
        "handler": handling.handler,
        "dialect": None if handling.handler is Handler.NONE else handling.dialect,
        **_request_json("", handling.url, handling.method),
        **_request_json("fallback_", handling.fallback_url, handling.fallback_method),
        "application": handling.application,
        "context": handling.context,
        "script": handling.script,
        "resource": handling.resource,
        "claimed": sender.claimed,
        "created_at": time_json(sender.created_at or None),
        "updated_at": time_json(sender.updated_at or None),
    }


def _request_json(prefix: str, url: str | None, method: str) -> dict[str, str | None]:
    return {f"{prefix}url": url and masked(url), f"{prefix}method": method if url else None}
