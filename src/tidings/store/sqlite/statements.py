"""SQL by name, and what is handed to SQLite to keep a batch of changes.

The rows of each kind are passed as one JSON array and unpacked by SQLite's `json_each`, all of them by one
statement (keep.sql): whatever the batch's size, the writer thread runs no Python between two rows and asks for the
interpreter once, so it does not fight the event loop for it (docs/performance.md).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from operator import attrgetter
from typing import Any, Final

import msgspec

from tidings.store.base import Change

_HERE: Final = files(__package__)


def _load() -> dict[str, str]:
    text = (_HERE / "queries.sql").read_text("utf-8")
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


# The columns of the view `batch` (keep.sql): each kind of row, and what of several rows is written.
_KINDS: Final[dict[str, Callable[[Rows], Rows]]] = {
    "keys": _all,
    "messages": _all,
    "standings": _last("id"),
    "recut": _all,
    "segments": _last("message_id", "part"),
    "events": _all,
    "receipts": _all,
    "parked": _all,
    "matched": _all,
    "callbacks": _all,
    "outcomes": _last("message_id", "number"),
    "opt_outs": _all,
    "opt_ins": _all,
}

KEEP: Final = (_HERE / "keep.sql").read_text("utf-8")
"""Run once on the writing connection."""
INSERT: Final = f"INSERT INTO batch ({', '.join(_KINDS)}) VALUES ({', '.join('?' * len(_KINDS))})"  # noqa: S608 - names from above

_encode = msgspec.json.Encoder().encode


def batch(changes: Sequence[Change]) -> list[str | None]:
    """What `INSERT` takes to keep `changes`: a JSON array for every kind of row, None where there is none."""
    gathered: defaultdict[str, Rows] = defaultdict(list)
    for change in changes:
        for kind, rows in change.rows.items():
            gathered[kind] += rows
    return [
        _encode(written(gathered[kind])).decode() if kind in gathered else None for kind, written in _KINDS.items()
    ]
