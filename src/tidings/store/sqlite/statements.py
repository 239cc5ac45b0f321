"""SQL by name, and the statements that keep a batch of changes.

The rows of each kind are passed as one JSON array and unpacked by SQLite's `json_each`: one statement a kind,
whatever the batch's size, and no Python between two rows, so the writer thread does not fight the event loop for
the interpreter (measured in docs/performance.md).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from itertools import chain
from typing import Any, Final

import msgspec

from tidings.store.base import Change


def _load() -> dict[str, str]:
    text = (files(__package__) / "queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


SQL: Final = _load()


def _all(attribute: str) -> Callable[[Sequence[Change]], Iterable[Any]]:
    return lambda changes: list(chain.from_iterable(getattr(change, attribute) for change in changes))


def _last(attribute: str, identity: Callable[[Any], Any]) -> Callable[[Sequence[Change]], Iterable[Any]]:
    """The last word on each row: within a batch, earlier ones are already history."""
    return lambda changes: list(
        {identity(row): row for change in changes for row in getattr(change, attribute)}.values()
    )


# In the order in which they are written: what a row refers to comes first.
_KINDS: Final[list[tuple[str, Callable[[Sequence[Change]], Iterable[Any]]]]] = [
    (SQL["insert_idempotency_keys"], _all("keys")),
    (SQL["insert_messages"], _all("messages")),
    (SQL["update_standings"], _last("standings", lambda row: row.id)),
    (SQL["recut_segments"], _all("recut")),
    (SQL["upsert_segments"], _last("segments", lambda row: (row.message_id, row.part))),
    (SQL["append_events"], _all("events")),
    (SQL["insert_receipts"], _all("receipts")),
    (SQL["park_receipts"], lambda changes: [[r, c, k, t] for ch in changes for c, k, r, t in ch.parked]),
    (SQL["match_receipts"], _all("matched")),
    (SQL["unpark_receipts"], _all("matched")),
    (SQL["insert_callbacks"], _all("callbacks")),
    (SQL["update_callbacks"], _last("outcomes", lambda row: (row.message_id, row.number))),
    (SQL["insert_opt_outs"], _all("opt_outs")),
    (SQL["lift_opt_outs"], _all("opt_ins")),
]

_encode = msgspec.json.Encoder().encode


def statements(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """(SQL, JSON array of rows) for every kind of row that `changes` hold."""
    return [(sql, _encode(rows).decode()) for sql, gather in _KINDS if (rows := gather(changes))]
