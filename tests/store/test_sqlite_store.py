"""The embedded store: the conformance suite, and what is its own (files, migrations)."""

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.store.conformance import StoreConformance, Stores
from tests.store.rows import a_message, created
from tidings.apart import Apart
from tidings.model import Account
from tidings.store.base import StoreError
from tidings.store.sqlite import SqliteStore
from tidings.store.sqlite.scribe import Command, Reply, Scribe, Terms

ACCOUNT = Account("0a" * 16, "first", "token", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tidings.db"


@pytest.fixture
def stores(path: Path) -> Stores:
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


@pytest.mark.parametrize("before", [None, 0o644], ids=["new", "of an earlier version"])
def test_nobody_else_may_read_what_it_holds(path: Path, before: int | None) -> None:
    if before is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(before)

    async def others_may() -> dict[str, int]:
        store = SqliteStore(path)
        await store.open()
        await store.put_account(ACCOUNT)
        found = {file.name: file.stat().st_mode & 0o077 for file in path.parent.glob(f"{path.name}*")}
        await store.close()
        return found

    found = asyncio.run(others_may())
    assert len(found) >= 3, "the database, its log and that one's index"
    assert found == dict.fromkeys(found, 0)


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


def test_commits_are_synced_to_disk_and_do_not_block_readers(path: Path) -> None:
    scribe = Scribe(Terms(str(path), alone=False))
    assert scribe.do(Command("open")) == Reply()
    writer = scribe._opened()
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    scribe.close()


async def test_one_gateway_at_a_time_has_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.store.sqlite.scribe.LOCK_PATIENCE", 0.0)
    store = SqliteStore(path, apart=True)
    await store.open()
    try:
        second = Scribe(Terms(str(path), alone=True))
        reply = second.do(Command("open"))
        assert (reply.fault, "another gateway" in reply.detail) == ("StoreError", True)
        visit = SqliteStore(path)
        await visit.open()
        await visit.close()
    finally:
        await store.close()
    again = Scribe(Terms(str(path), alone=True))
    assert again.do(Command("open")) == Reply()
    again.close()


async def test_a_scribe_that_dies_is_replaced_and_what_it_had_not_kept_is_said_so(path: Path) -> None:
    store = SqliteStore(path, apart=True)
    await store.open()
    try:
        apart = store._writer._scribe
        assert isinstance(apart, Apart) and apart._process is not None
        # Stopped, it takes what is handed over, and never answers.
        apart._process.send_signal(signal.SIGSTOP)
        commit = store.commit(created(a_message()))
        async with asyncio.timeout(10):
            while not apart._under_way:  # noqa: ASYNC110 - the batch is handed over within milliseconds
                await asyncio.sleep(0)
        apart._process.kill()
        with pytest.raises(StoreError, match="ended before it answered"):
            await commit
        async with asyncio.timeout(10):
            await apart._connected.wait()
        message = a_message()
        await store.commit(created(message))
        assert message.id in await store.kept([message.id])
    finally:
        await store.close()


class TestSqliteStoreApart(StoreConformance):
    """As a gateway uses it, with the scribe in a process of its own."""

    @pytest.fixture
    def stores(self, path: Path) -> Stores:
        # One gateway at a time: whoever opens it besides is on a visit.
        first = iter([True])
        return lambda: SqliteStore(path, apart=next(first, False))
