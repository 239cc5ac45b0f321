"""What our own API is asked of callbacks: parameters become a filter, and a filter is told in the same words.

Called by the web room, as `own` is. Nothing that is given is ignored (`own_params`), as a replay that is wider
than it was meant tells again what nobody asked for.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tidings.clock import iso
from tidings.dialects.own import callback_key, time_json
from tidings.dialects.own_params import Params, Reader, choice, number, read, time
from tidings.ids import from_any
from tidings.model import CallbackState, Replay, Target
from tidings.store.base import CallbackFilter, CallbackKey

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""Callbacks a page."""

_SEVERAL: Final = frozenset({"state"})
"""Parameters that may come more than once."""
_HOST: Final = re.compile(r"(?:webhook:)?https?://[0-9a-z.:\[\]-]+:[0-9]{1,5}|relay:[0-9a-f]{32}:.{1,200}|script:")


class CallbackListing(msgspec.Struct, frozen=True):
    """One page of callbacks, as it was asked for."""

    where: CallbackFilter
    limit: int
    before: CallbackKey | None
    """The last callback of the page before."""


def parse_callbacks(query: Params) -> CallbackListing:
    """Which callbacks to list. Raises Problem 20422 for a parameter that is not known or cannot be read."""
    given = read(query, _LISTING, _SEVERAL)
    return CallbackListing(_where(given), given.get("limit", DEFAULT_LIMIT), given.get("after"))


def parse_replay(form: Params) -> CallbackFilter:
    """Which callbacks to tell again: those given up where no state is named. Raises Problem as for a list."""
    return _where({"state": (CallbackState.GIVEN_UP,), **read(form, _REPLAY, _SEVERAL)})


def replay_json(replay: Replay, states: Mapping[CallbackState, int]) -> dict[str, Any]:
    """`states`: of the callbacks that it made owed, how many are in which."""
    return {
        "id": replay.id,
        "made_at": iso(replay.made_at),
        "ended_at": time_json(replay.ended_at),
        "where": _where_json(msgspec.convert(replay.where, CallbackFilter)),
        "requeued": replay.requeued,
        "progress": {state: states.get(state, 0) for state in CallbackState},
    }


def _where_json(where: CallbackFilter) -> dict[str, Any]:
    """A filter under the names of its parameters; what it does not ask for is left out."""
    found = {name: getattr(where, field) for name, field in _FILTERS.items()}
    found |= {name: time_json(found[name]) for name in ("from", "to")}
    return {name: value for name, value in found.items() if value is not None}


def _where(given: Mapping[str, Any]) -> CallbackFilter:
    return CallbackFilter(**{field: given[name] for name, field in _FILTERS.items() if name in given})


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("not scheme://host:port, as in https://app.example.com:443")
    return text


def _message_id(text: str) -> str:
    found = from_any(text)
    if found is None:
        raise ValueError("not a message's SID, UUID, or 32 hex digits")
    return found


def _cursor(text: str) -> CallbackKey:
    found = callback_key(text)
    if found is None:
        raise ValueError("not a cursor that this list gave out")
    return found


_FILTERS: Final = {
    "state": "states",
    "host": "host",
    "error": "error",
    "message": "message_id",
    "target": "target",
    "from": "since",
    "to": "until",
}
"""Parameter → field of `CallbackFilter`."""
_REPLAY: Final[Mapping[str, Reader]] = {
    # What is owed is told anyway.
    "state": choice((CallbackState.DONE, CallbackState.GIVEN_UP)),
    "host": _host,
    "error": number(999_999),
    "message": _message_id,
    "target": choice(Target),
    "from": time(end=False),
    "to": time(end=True),
}
_LISTING: Final[Mapping[str, Reader]] = {
    **_REPLAY,
    "state": choice(CallbackState),
    "limit": number(MAX_LIMIT),
    "after": _cursor,
}
