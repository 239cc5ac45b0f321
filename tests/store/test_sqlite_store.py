"""The embedded store: the conformance suite, and what is its own (files, migrations)."""

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.model import Account
from tidings.store.base import StoreError
from tidings.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.store.conformance import StoreConformance, Stores
else:
    from conformance import StoreConformance

ACCOUNT = Account("0a" * 16, "first", "token", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tidings.db"


@pytest.fixture
def stores(path: Path) -> "Stores":
    return lambda: SqliteStore(path)


class TestSqliteStore(StoreConformance):
    """Every test of the suite, on a file."""


def schema(path: Path) -> int:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


async def test_a_fresh_file_is_made_with_its_directory_and_the_latest_schema(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.put_account(ACCOUNT)
    await store.close()
    assert schema(path) >= 1


async def test_opening_again_migrates_nothing_and_keeps_everything(path: Path) -> None:
    for _ in range(2):
        store = SqliteStore(path)
        await store.open()
        known = await store.accounts()
        await store.put_account(ACCOUNT)
        await store.close()
    assert known == [ACCOUNT]


async def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    newer = schema(path) + 1
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    with pytest.raises(StoreError, match=f"schema {newer}"):
        await SqliteStore(path).open()
    assert schema(path) == newer


def test_a_file_that_is_no_database_is_refused_by_name(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be read as a header of one" * 20)
    with pytest.raises(StoreError, match=str(path)):
        asyncio.run(SqliteStore(path).open())


async def test_a_place_that_cannot_hold_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        await SqliteStore(tmp_path / "file" / "tidings.db").open()


async def test_commits_are_synced_to_disk_and_do_not_block_readers(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    writer = store._writer
    assert writer is not None
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    await store.close()
