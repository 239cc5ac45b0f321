"""Logs: one line an entry on stderr, for people or as JSON, whoever of our libraries writes it.

The command line calls `configure` once, before anything else logs. Entries say which message, carrier or host; no
credential is ever handed to a logger (settings and accounts leave theirs out of their `repr`).
"""

import logging
import sys
from typing import Final, Literal, TextIO

import msgspec

from tidings.clock import iso

Form = Literal["human", "json"]

LEVELS: Final = ("debug", "info", "warning", "error")

_CHATTY: Final = ("uvicorn", "asyncio")
"""Libraries whose info is about themselves: only their warnings are logged, unless everything is."""
_CLIENTS: Final = ("httpx", "httpcore", "twilio")
"""They would log requests as they are, texts included: warnings only, always."""
CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    10: "\\n",
    13: "\\r",
    9: "\\t",
}
"""For `str.translate`: what comes from outside may not end a line or move the cursor."""


def configure(level: str = "info", form: Form = "human", stream: TextIO | None = None) -> None:
    """Send every logger's entries from `level` upwards to `stream` (stderr) and nowhere else."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Human())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a log nobody reads any more must not stop what it tells of
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Human(logging.Formatter):
    """`2026-11-21T17:28:16.123456Z warning gateway.receipts: receipt parked …`; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().translate(CONTROLS)
        line = f"{_at(record)} {record.levelname.lower():<7} {_room(record)}: {message}"
        if trace := self._trace(record):
            line += "\n" + "\n".join(f"    {text}" for text in trace.splitlines())
        return line

    def _trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class _Json(_Human):
    """One object a line: at, level, logger, message and, where there is one, exception."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": _room(record),
            "message": record.getMessage(),
        }
        if trace := self._trace(record):
            entry["exception"] = trace
        return msgspec.json.encode(entry).decode()


def _at(record: logging.LogRecord) -> str:
    return iso(int(record.created * 1_000_000))


def _room(record: logging.LogRecord) -> str:
    """The logger by the name of its room: `gateway.receipts`."""
    return record.name.removeprefix("tidings.")
