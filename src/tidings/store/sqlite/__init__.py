"""The embedded store, a SQLite file."""

from tidings.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
