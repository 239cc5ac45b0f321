"""SQL by name, and the statements that keep a batch of changes.

The rows of each kind are passed as one JSON array and unpacked by SQLite's `json_each`: one statement a kind,
whatever the batch's size, and no Python between two rows, so the writer thread does not fight the event loop for
the interpreter (measured in docs/performance.md).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from operator import attrgetter
from typing import Any, Final

import msgspec

from tidings.store.base import Change


def _load() -> dict[str, str]:
    text = (files(__package__) / "queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


SQL: Final = _load()


Rows = list[Any]


def _all(rows: Rows) -> Rows:
    return rows


def _last(*identity: str) -> Callable[[Rows], Rows]:
    """The last word on each row: within a batch, earlier ones are already history."""
    key = attrgetter(*identity)
    return lambda rows: list({key(row): row for row in rows}.values())


# Kind of row → the statements that keep it. Written in this order: what a row refers to comes first.
_KINDS: Final[list[tuple[str, Callable[[Rows], Rows], tuple[str, ...]]]] = [
    ("keys", _all, ("insert_idempotency_keys",)),
    ("messages", _all, ("insert_messages",)),
    ("standings", _last("id"), ("update_standings",)),
    ("recut", _all, ("recut_segments",)),
    ("segments", _last("message_id", "part"), ("upsert_segments",)),
    ("events", _all, ("append_events",)),
    ("receipts", _all, ("insert_receipts",)),
    ("parked", _all, ("park_receipts",)),
    ("matched", _all, ("match_receipts", "unpark_receipts")),
    ("callbacks", _all, ("insert_callbacks",)),
    ("outcomes", _last("message_id", "number"), ("update_callbacks",)),
    ("opt_outs", _all, ("insert_opt_outs",)),
    ("opt_ins", _all, ("lift_opt_outs",)),
]

_encode = msgspec.json.Encoder().encode


def statements(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """(SQL, JSON array of rows) for every kind of row that `changes` hold."""
    gathered: defaultdict[str, Rows] = defaultdict(list)
    for change in changes:
        for kind, rows in change.rows():
            gathered[kind] += rows
    batch: list[tuple[str, str]] = []
    for kind, distinct, queries in _KINDS:
        if gathered[kind]:
            rows_of_kind = _encode(distinct(gathered[kind])).decode()
            batch.extend((SQL[query], rows_of_kind) for query in queries)
    return batch
