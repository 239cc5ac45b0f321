"""SQL by name, and how the kinds of row in a change are kept."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from operator import attrgetter, itemgetter
from typing import Any, Final

from msgspec.structs import astuple

from tidings import model
from tidings.arranged import Sender
from tidings.store.base import Change

Rows = list[Any]

COLUMNS: Final = {
    "account": model.Account.__struct_fields__,
    "arrival": model.Arrival.__struct_fields__,
    "attempt": model.Attempt.__struct_fields__,
    "callback": model.Callback.__struct_fields__,
    "event": model.Event.__struct_fields__,
    "inbound_part": model.InboundPart.__struct_fields__,
    "medium": model.Medium.__struct_fields__,
    "message": model.Message.__struct_fields__,
    "opt_out": model.OptOut.__struct_fields__,
    "receipt": model.KeptReceipt.__struct_fields__,
    "segment": model.Segment.__struct_fields__,
    "sender": Sender.__struct_fields__,
    "standing": model.Standing.__struct_fields__[1:],
}
"""What queries write in braces → the columns it stands for. A standing lies in the row of its message."""


def _columns(name: re.Match[str]) -> str:
    table, struct = name.groups()
    return ", ".join(f"{table}.{column}" if table else column for column in COLUMNS[struct])


def _load(file: str) -> dict[str, str]:
    text = re.sub(r"\{(?:(\w+)\.)?(\w+)\}", _columns, (files(__package__) / file).read_text("utf-8"))
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _repeated(insert: str) -> str:
    """The same insert for AT_ONCE rows."""
    return re.sub(r"VALUES (\(.+?\))", lambda values: "VALUES " + ", ".join([values[1]] * AT_ONCE), insert)


SQL: Final = _load("batches.sql") | _load("queries.sql") | _load("callbacks.sql")

AT_ONCE: Final = 8
"""Rows that are inserted by one statement, which costs a third less than as many statements."""
INSERTS: Final = {name: _repeated(text) for name, text in SQL.items() if "VALUES (?" in text}
"""The queries that insert a row, for AT_ONCE rows."""

KEEP: Final[dict[str, tuple[tuple[str, Callable[[Any], Any] | None], ...]]] = {
    "keys": (("insert_idempotency_keys", None),),
    "messages": (("insert_messages", None),),
    "chosen": (("choose_senders", itemgetter(1, 0)),),
    "standings": (("update_standings", itemgetter(1, 2, 3, 4, 5, 6, 7, 8, 0)),),
    "taken_away": (("take_away", itemgetter(1, 2, 0)),),
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
    "opt_ins": (("lift_opt_outs", itemgetter(slice(3))),),
    "opt_outs": (("insert_opt_outs", None),),
    "joined": (("join_parts", None),),
    "parts": (("insert_parts", None),),
    "arrivals": (("upsert_arrivals", None),),
    "media": (("upsert_media", None),),
    "dropped_media": (("drop_media", None), ("drop_contents", None)),
    "stickies": (("upsert_stickies", None),),
    "redacted": (
        ("redact_messages", None),
        ("redact_events", None),
        ("redact_receipts", None),
        ("redact_attempts", None),
        ("redact_queries", None),
    ),
}
"""Kind of row → the statements that keep it, and which of its values each takes, in which order (None: all).
They are kept in this order: what others refer to before those, what takes away last; but what takes away what may
come anew (`UNDONE`) before that. Whom a message is from comes before it takes its place in a queue."""

JSON: Final = {
    "messages": COLUMNS["message"].index("extras"),
    "events": COLUMNS["event"].index("detail"),
    "receipts": COLUMNS["receipt"].index("receipt"),
    "replays": model.Replay.__struct_fields__.index("where"),
}
"""Kind of row → its place that is kept as JSON."""

TELLING: Final = {
    "receipts": COLUMNS["receipt"].index("message_id"),
    "matched": 1,
    "attempts": COLUMNS["attempt"].index("message_id"),
}
"""Kinds of row that may hold the text of a message that is kept already → the place of its id."""

_pair = attrgetter("account", "scope", "recipient")
UNDONE: Final[tuple[tuple[str, Callable[[Any], Any], str, Callable[[Any], Any]], ...]] = (
    ("opt_outs", _pair, "opt_ins", _pair),
    ("parts", attrgetter("group"), "joined", tuple),
)
"""Kind of row, what names one; kind that undoes it, what that names. Either may follow the other in a batch."""

_SENDER: Final = COLUMNS["message"].index("sender")
_STANDING: Final = model.Standing.__struct_fields__.index("redacted_at")
"""How many values of a standing a message's row begins with; what is taken away is kept apart."""


def gather(changes: Sequence[Change]) -> dict[str, Rows]:
    """The rows of a batch by kind."""
    gathered: defaultdict[str, Rows] = defaultdict(list)
    for change in changes:
        for kind, rows in change.rows.items():
            gathered[kind] += rows
    for kind, named, undoing, undone in UNDONE:
        if kind in gathered and undoing in gathered:
            gathered[kind] = _left(changes, kind, named, undoing, undone)
    # Within a batch, earlier words on where something stands are already history.
    segments = {(segment.message_id, segment.part): segment for segment in gathered["segments"]}
    standings = {standing.id: standing for standing in gathered["standings"]}
    # Rare, and for good: no other standing writes these columns, nor their index.
    taken_away = [
        (standing.id, standing.redacted_at, standing.deleted_at)
        for standing in standings.values()
        if standing.redacted_at is not None or standing.deleted_at is not None
    ]
    # A new message and where it stands make one row of the table.
    messages = [
        [*astuple(message), *astuple(standings.pop(message.id))[1:_STANDING]] for message in gathered["messages"]
    ]
    chosen = dict(gathered["chosen"])
    for row in messages if chosen else ():
        row[_SENDER] = chosen.pop(row[0], row[_SENDER])
    return gathered | {
        "messages": messages,
        "chosen": list(chosen.items()),
        "standings": list(standings.values()),
        "taken_away": taken_away,
        "segments": list(segments.values()),
    }


def _left(
    changes: Sequence[Change], kind: str, named: Callable[[Any], Any], undoing: str, undone: Callable[[Any], Any]
) -> Rows:
    """The rows of a kind that nothing of their own change or of a later one undoes."""
    gone: set[Any] = set()
    left: Rows = []
    for change in reversed(changes):
        gone.update(map(undone, change.rows.get(undoing, ())))
        left[:0] = [row for row in change.rows.get(kind, ()) if named(row) not in gone]
    return left
