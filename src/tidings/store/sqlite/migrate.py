"""Brings a database file to this version's schema: numbered files, each applied once, in order.

`PRAGMA user_version` holds the number of the last one applied. A file from a newer version is refused.
"""

import sqlite3
from importlib.resources import files

from tidings.store.base import StoreError


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, each migration in a transaction of its own."""
    scripts = sorted(
        (entry for entry in (files(__package__) / "migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(scripts):
        raise StoreError(
            f"the database is of schema {version}, this version of Tidings knows up to {len(scripts)}: "
            "run the version that made it, or a later one"
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        text = script.read_text("utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")
