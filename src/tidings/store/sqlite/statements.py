"""SQL by name, and how the kinds of row in a change are kept."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from operator import attrgetter, itemgetter
from typing import Any, Final

from msgspec.structs import astuple

from tidings.store.base import Change

Rows = list[Any]


def _load(file: str) -> dict[str, str]:
    text = (files(__package__) / file).read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


SQL: Final = _load("queries.sql") | _load("callbacks.sql")

KEEP: Final[dict[str, tuple[tuple[str, Callable[[Any], Any] | None], ...]]] = {
    "keys": (("insert_idempotency_keys", None),),
    "messages": (("insert_messages", None),),
    "standings": (("update_standings", itemgetter(1, 2, 3, 4, 5, 6, 7, 8, 0)),),
    "recut": (("recut_segments", None),),
    "segments": (("upsert_segments", None),),
    "events": (("append_events", None),),
    "receipts": (("insert_receipts", None),),
    "parked": (("park_receipts", None),),
    "matched": (("match_receipts", itemgetter(1, 2, 0)), ("unpark_receipts", itemgetter(slice(1)))),
    "callbacks": (("insert_callbacks", None),),
    "outcomes": (("update_callbacks", itemgetter(4, 5, 7, 8, 9, 10, 11, 12, 13, 0, 1, 2)),),
    "attempts": (("insert_attempts", None),),
    "replays": (("upsert_replays", None),),
    "opt_outs": (("insert_opt_outs", None),),
    "opt_ins": (("lift_opt_outs", itemgetter(slice(3))),),
}
"""Kind of row → the statements that keep it, and which of its values each takes, in which order (None: all)."""

JSON_AT_END: Final = frozenset({"events", "receipts", "replays"})
"""Kinds whose last value is kept as JSON."""

# Within a batch, earlier words on these rows are already history.
_LAST: Final = {
    "standings": attrgetter("id"),
    "segments": attrgetter("message_id", "part"),
    "outcomes": attrgetter("message_id", "number", "target"),
}


def gather(changes: Sequence[Change]) -> dict[str, Rows]:
    """The rows of a batch by kind."""
    gathered: defaultdict[str, Rows] = defaultdict(list)
    for change in changes:
        for kind, rows in change.rows.items():
            gathered[kind] += rows
    for kind, identity in _LAST.items():
        if kind in gathered:
            gathered[kind] = list({identity(row): row for row in gathered[kind]}.values())
    if "messages" in gathered:
        _join_standings(gathered)
    return gathered


def _join_standings(gathered: dict[str, Rows]) -> None:
    """A new message and where it stands make one row of the table."""
    standings = {standing.id: standing for standing in gathered["standings"]}
    gathered["messages"] = [
        astuple(message) + astuple(standings.pop(message.id))[1:] for message in gathered["messages"]
    ]
    gathered["standings"] = list(standings.values())
