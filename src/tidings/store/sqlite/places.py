"""Where the rows that a filter asks for lie together: which query finds them, and between which bounds.

Every list is of one account and ordered by id, so its query reads its page and little else. Dates become bounds on
ids, which tell when something was made (`ids.floor_id`). `store` asks.
"""

from typing import Any, Final

import msgspec

from tidings import ids
from tidings.clock import DAY, HOUR
from tidings.model import CallbackState, Replay
from tidings.store.base import CallbackFilter, CallbackKey, MessageFilter

LONGEST_WAIT: Final = 36 * DAY
"""No message is sent longer after its creation: scheduled up to 35 days ahead, then up to 10 hours in the queue.
Bounds how far back a list by date must look."""
LATEST_NEWS: Final = LONGEST_WAIT + 7 * DAY
"""As far back a list by the dates of events looks: a receipt may come days after the message was sent."""
STEP: Final = HOUR
"""What a clock may have stepped back by between the making of an id and the time noted beside it."""
KEY: Final = len(CallbackKey._fields)

_AFTER_ALL: Final = "g"
"""Sorts after every id."""
_LAST_TEXT: Final = "\U0010ffff"
"""Sorts after every address as well."""
_FOR_EVER: Final = 2**63 - 1
"""SQLite's last integer."""
_OUTSTANDING: Final = frozenset({CallbackState.OWED, CallbackState.RETRYING})


def messages(account: str, where: MessageFilter, before: str | None) -> tuple[str, dict[str, Any]]:
    """The query that lists messages, and its parameters, less the limit."""
    floors = [
        ids.floor_id(at - back)
        for at, back in ((where.sent_from, LONGEST_WAIT), (where.created_from, STEP))
        if at is not None
    ]
    # Sent before then means made before then.
    ceilings = [ids.floor_id(at + STEP) for at in (where.sent_until, where.created_until) if at is not None]
    bounds = msgspec.structs.asdict(where) | {
        "account": account,
        "statuses": None if where.statuses is None else msgspec.json.encode(where.statuses).decode(),
        "floor": max(floors, default=""),
        "before": min([before or _AFTER_ALL, *ceilings]),
    }
    return "messages_to" if where.recipient else "messages_from" if where.sender else "messages", bounds


def lists(where: CallbackFilter) -> list[str]:
    """The queries that together find callbacks. What is done is most of them, and read only when asked for."""
    states = set(where.states)
    if where.message_id is not None or CallbackState.DONE in states:
        return ["callbacks_of_account"]
    return [
        *(["callbacks_outstanding"] if states & _OUTSTANDING else []),
        *(["callbacks_given_up"] if CallbackState.GIVEN_UP in states else []),
    ]


def bounds(account: str, where: CallbackFilter) -> dict[str, Any]:
    """A filter of callbacks as parameters; `floor` and `ceiling` are the first and the last message id."""
    floor, ceiling = "", _AFTER_ALL
    if where.since is not None:
        floor = ids.floor_id(where.since - LATEST_NEWS)
    if where.until is not None:
        ceiling = ids.floor_id(where.until + STEP)
    if where.message_id is not None:
        floor, ceiling = max(floor, where.message_id), min(ceiling, where.message_id)
    return {
        "account": account,
        "states": msgspec.json.encode(where.states).decode(),
        "host": where.host,
        "error": where.error,
        "target": where.target,
        "since": 0 if where.since is None else where.since,
        "until": _FOR_EVER if where.until is None else where.until,
        "floor": floor,
        "ceiling": ceiling,
    }


def page(before: CallbackKey | None) -> dict[str, Any]:
    """Where a page continues."""
    message_id, number, target = before or (_AFTER_ALL, 0, "")
    return {"before_message": message_id, "before_number": number, "before_target": target}


def replayable(replay: Replay) -> tuple[str, dict[str, Any]]:
    """The query that a replay goes on by. What happened after it was asked for was not meant."""
    where = msgspec.convert(replay.where, CallbackFilter)
    asked = replay.made_at + 1
    until = asked if where.until is None else min(asked, where.until)
    states = tuple(state for state in where.states if state not in _OUTSTANDING)
    where = msgspec.structs.replace(where, until=until, states=states)
    query = "replayable_given_up" if states == (CallbackState.GIVEN_UP,) else "replayable_of_account"
    return query, bounds(replay.account, where) | {"cursor": replay.cursor}


def made(since: int, until: int, before: str | None) -> dict[str, Any]:
    """Bounds for attempts made between two times."""
    return {
        "since": since,
        "until": until,
        "floor": ids.floor_id(since - STEP),
        "before": min(before or _AFTER_ALL, ids.floor_id(until + STEP)),
    }


def opt_outs(
    account: str, scope: str | None, recipient: str | None, after: tuple[str, str] | None
) -> tuple[str, dict[str, Any]]:
    """The query that lists opt-outs, and its parameters, less the limit. Its bounds are pairs of scope and
    recipient, both included."""
    first = (scope or "", recipient or "")
    last = (_LAST_TEXT if scope is None else scope, _LAST_TEXT if recipient is None else recipient)
    if after is not None:
        # Nothing sorts between a text and the same with a NUL.
        first = max(first, (after[0], after[1] + "\0"))
    bounds = {
        "account": account,
        "recipient": recipient,
        "first_scope": first[0],
        "first_recipient": first[1],
        "last_scope": last[0],
        "last_recipient": last[1],
    }
    return "opt_outs_of_recipient" if scope is None and recipient is not None else "opt_outs", bounds
