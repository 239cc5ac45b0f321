"""The embedded store's schema: what a file of an older version becomes, and which index answers which list."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tidings.arranged import Handling
from tidings.ids import from_any
from tidings.lifecycle import Status
from tidings.model import (
    Account,
    Attempt,
    Callback,
    CallbackOptions,
    CallbackState,
    Medium,
    Replay,
    Target,
)
from tidings.store.base import CallbackFilter, Change, MessageFilter
from tidings.store.sqlite import SqliteStore, places
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.statements import SQL

if TYPE_CHECKING:
    from tests.store.conformance_contents import SECRET, told
    from tests.store.rows import (
        ACCOUNT,
        HOST,
        NOON,
        a_callback,
        a_change,
        a_message,
        a_replay,
        an_event,
        standing_of,
    )
else:
    from conformance_contents import SECRET, told
    from rows import ACCOUNT, HOST, NOON, a_callback, a_change, a_message, a_replay, an_event, standing_of

OWED, RETRYING, DONE, GIVEN_UP = CallbackState


def old_schema(path: Path, version: int) -> sqlite3.Connection:
    """A database as that version left it."""
    connection = sqlite3.connect(path)
    migrations = files("tidings.store.sqlite") / "migrations"
    for script in sorted(migrations.iterdir(), key=lambda script: script.name)[:version]:
        connection.executescript(script.read_text("utf-8"))
    connection.execute(f"PRAGMA user_version = {version}")
    return connection


async def test_a_database_of_the_first_schema_keeps_accounts_and_callbacks_in_every_state(tmp_path: Path) -> None:
    messages = [a_message(), a_message()]
    usual = {"due_at": NOON + 1, "attempts": 2, "response": 500, "error": 11200, "done_at": NOON + 2}
    callbacks = [
        a_callback(message, number, state=state, **usual)
        for message in messages
        for number, state in enumerate(CallbackState, 1)
    ]
    new = ("target", "owed_since", "replay")
    rows = [
        [value for name, value in msgspec.structs.asdict(callback).items() if name not in new]
        for callback in reversed(callbacks)
    ]
    first = old_schema(tmp_path / "tidings.db", 1)
    with first:
        first.execute("INSERT INTO accounts VALUES (?, 'first', 'token', ?, 1, '[\"US\"]')", (ACCOUNT, NOON))
        first.executemany("INSERT INTO callbacks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    first.close()

    store = SqliteStore(tmp_path / "tidings.db")
    await store.open()
    try:
        for message in messages:
            kept = [one for one in callbacks if one.message_id == message.id]
            assert await store.callbacks(message.id) == kept
        account = Account(ACCOUNT, "first", "token", NOON, countries=("US",))
        assert await store.accounts() == [account]
        assert account.callbacks == CallbackOptions()
        assert await store.subscriptions() == []
        assert await store.owing() == [(HOST, ACCOUNT, Target.MESSAGE, 4)]

        change = Change()
        for message in messages:
            change.messages.append(message)
            change.standings.append(standing_of(message))
            change.events.extend(an_event(message, number) for number in (1, 2, 3, 4))
        await store.commit(change)
        due = await store.due_callbacks(HOST, ACCOUNT, NOON + 1, 10)
        assert [owed.callback for owed in due] == [one for one in callbacks if one.state in (OWED, RETRYING)]
        given_up = await store.find_callbacks(ACCOUNT, CallbackFilter(states=(GIVEN_UP,)), 10)
        assert given_up == [one for one in reversed(callbacks) if one.state is GIVEN_UP]
    finally:
        await store.close()


async def test_a_database_of_the_second_schema_keeps_messages_and_its_senders_get_ids(tmp_path: Path) -> None:
    messages = [a_message(NOON + at, body=f"number {at}", validity=60) for at in range(3)]
    standings = [standing_of(message, status=Status.SENT, sent_at=NOON + 9, tries=2) for message in messages]
    new = {"channel", "media", "service", "price", "extras"}
    rows = [
        [value for name, value in msgspec.structs.asdict(message).items() if name not in new]
        + list(msgspec.structs.astuple(standing)[1:9])
        for message, standing in zip(messages, standings, strict=True)
    ]
    second = old_schema(tmp_path / "tidings.db", 2)
    with second:
        second.execute(
            "INSERT INTO accounts (id, name, auth_token, created_at, active) VALUES (?, 'second', 'token', ?, 1)",
            (ACCOUNT, NOON),
        )
        second.executemany(f"INSERT INTO messages VALUES ({', '.join('?' * 20)})", rows)
        second.executemany("INSERT INTO senders VALUES (?, ?, ?)", [("+1500", ACCOUNT, 10), ("ACME", ACCOUNT, 0)])
    second.close()

    store = SqliteStore(tmp_path / "tidings.db")
    await store.open()
    try:
        expected = list(zip(messages, standings, strict=True))
        assert await store.messages(ACCOUNT, MessageFilter(), 10) == expected[::-1]
        assert await store.message(ACCOUNT, messages[0].id) == expected[0]
        assert await store.accounts() == [Account(ACCOUNT, "second", "token", NOON)]
        senders = await store.senders(ACCOUNT)
        assert [(sender.address, sender.queue_limit) for sender in senders] == [("+1500", 10), ("ACME", 0)]
        assert len({sender.id for sender in senders if from_any(sender.id) == sender.id}) == 2
        for sender in senders:
            assert sender.handling == Handling()
            assert sender.created_at == sender.updated_at > 0
            assert await store.sender_by_id(ACCOUNT, sender.id) == sender

        late = a_message(extras={"tags": ["late"]})
        moved = [msgspec.structs.replace(standing, status=Status.DELIVERED) for standing in standings]
        await store.commit(a_change(messages=[late], standings=[standing_of(late), *moved]))
        kept = await store.kept([message.id for message in (*messages, late)])
        assert [kept[standing.id].standing for standing in moved] == moved
        assert kept[late.id].message == late
    finally:
        await store.close()


async def test_after_a_redaction_no_table_holds_the_text(tmp_path: Path) -> None:
    message = a_message(body=SECRET)
    store = SqliteStore(tmp_path / "tidings.db")
    await store.open()
    try:
        await store.commit(told(message))
        assert holding(tmp_path / "tidings.db", SECRET) == {"messages", "events", "receipts", "attempts"}
        await store.commit(a_change(redacted=[(message.id,)]))
        assert holding(tmp_path / "tidings.db", SECRET) == set()
        assert holding(tmp_path / "tidings.db", message.id) >= {"messages", "events", "receipts", "attempts"}
    finally:
        await store.close()


def holding(path: Path, text: str) -> set[str]:
    """The tables of a database with a text anywhere in their rows."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {
        table
        for table in tables
        for row in connection.execute(f"SELECT * FROM {table}")
        if any(text in str(value) for value in row)
    }
    connection.close()
    return found


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("table", "struct"),
    [("callbacks", Callback), ("attempts", Attempt), ("replays", Replay), ("media", Medium)],
)
def test_columns_stand_in_the_order_of_the_struct(
    database: sqlite3.Connection, table: str, struct: type[msgspec.Struct]
) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    assert [{"found_by": "where"}.get(column, column) for column in columns] == list(struct.__struct_fields__)


def plan(database: sqlite3.Connection, query: str) -> list[str]:
    """How SQLite reads each of a query's tables: "SEARCH callbacks USING INDEX …"."""
    parameters: defaultdict[str, Any] = defaultdict(lambda: None)
    steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", parameters)]
    made_up = ("SCAN json_each", "SCAN hosts", "SCAN heads", "SCAN CONSTANT ROW")
    reads = [step for step in steps if step.startswith(("SEARCH", "SCAN")) and not step.startswith(made_up)]
    return [step.replace("COVERING ", "") for step in reads]


@pytest.mark.parametrize(
    ("where", "queries"),
    [
        (CallbackFilter(), ["callbacks_of_account"]),
        (CallbackFilter((DONE,)), ["callbacks_of_account"]),
        (CallbackFilter((GIVEN_UP,), message_id="0" * 32), ["callbacks_of_account"]),
        (CallbackFilter((GIVEN_UP,)), ["callbacks_given_up"]),
        (CallbackFilter((OWED,)), ["callbacks_outstanding"]),
        (CallbackFilter((RETRYING,), host=HOST), ["callbacks_outstanding"]),
        (CallbackFilter((OWED, RETRYING, GIVEN_UP)), ["callbacks_outstanding", "callbacks_given_up"]),
        (CallbackFilter(()), []),
    ],
)
def test_what_is_done_is_read_only_where_it_is_asked_for(where: CallbackFilter, queries: list[str]) -> None:
    assert places.lists(where) == queries


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (CallbackFilter((GIVEN_UP,)), "replayable_given_up"),
        (CallbackFilter((DONE, GIVEN_UP)), "replayable_of_account"),
        (CallbackFilter(), "replayable_of_account"),
    ],
)
def test_a_replay_of_what_was_given_up_reads_nothing_else(where: CallbackFilter, query: str) -> None:
    assert places.replayable(a_replay(where))[0] == query


OF_ACCOUNT = [
    "SEARCH m USING INDEX messages_of_account (account=? AND id>? AND id<?)",
    "SEARCH c USING PRIMARY KEY (message_id=?)",
]
GIVEN_UP_ONES = ["SEARCH callbacks USING INDEX callbacks_given_up (account=? AND message_id>? AND message_id<?)"]


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ("callbacks_of_account", OF_ACCOUNT),
        ("replayable_of_account", OF_ACCOUNT),
        ("callbacks_given_up", GIVEN_UP_ONES),
        ("replayable_given_up", GIVEN_UP_ONES),
        (
            "callbacks_outstanding",
            [
                "SEARCH callbacks USING INDEX callbacks_owed",  # the first host
                "SEARCH callbacks USING INDEX callbacks_owed (host>?)",  # the next one
                "SEARCH c USING INDEX callbacks_owed (host=? AND account=?)",
            ],
        ),
        (
            "next_callback_due",
            ["SEARCH callbacks USING INDEX callbacks_owed (host=? AND account=? AND due_at>?)"],
        ),
        ("attempts", ["SEARCH attempts USING INDEX attempts_of_callback (message_id=? AND number=?)"]),
        ("failed_attempts", ["SEARCH attempts USING INDEX attempts_failed (account=? AND id>? AND id<?)"]),
        ("replay_states", ["SEARCH callbacks USING INDEX callbacks_replayed (replay=?)"]),
        ("running_replays", ["SCAN replays USING INDEX replays_running"]),
        ("hasten", ["SEARCH callbacks USING INDEX callbacks_owed (host=? AND account=? AND due_at>?)"]),
        ("messages", ["SEARCH messages USING INDEX messages_of_account (account=? AND id>? AND id<?)"]),
        (
            "messages_to",
            ["SEARCH messages USING INDEX messages_by_recipient (recipient=? AND account=? AND id>? AND id<?)"],
        ),
        (
            "messages_from",
            ["SEARCH messages USING INDEX messages_by_sender (sender=? AND account=? AND id>? AND id<?)"],
        ),
        ("redacted", ["SEARCH messages USING INDEX messages_redacted (id=?)"]),
        ("media", ["SEARCH media USING INDEX media_of_message (message_id=?)"]),
        ("sender_by_id", ["SEARCH senders USING INDEX senders_by_id (account=? AND id=?)"]),
        ("resources", ["SEARCH resources USING INDEX resources_of_account (account=? AND kind=?)"]),
        ("resources_of_parent", ["SEARCH resources USING INDEX resources_of_parent (parent=?)"]),
    ],
)
def test_lists_are_read_by_their_index(database: sqlite3.Connection, query: str, steps: list[str]) -> None:
    assert plan(database, query) == steps


@pytest.mark.parametrize(
    "query", ["messages", "messages_to", "messages_from", "resources", "resources_of_parent", "media"]
)
def test_lists_are_read_in_the_order_of_their_index(database: sqlite3.Connection, query: str) -> None:
    parameters: defaultdict[str, Any] = defaultdict(lambda: None)
    steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", parameters)]
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("query", ["redact_messages", "redact_events", "redact_receipts", "redact_attempts"])
def test_a_redaction_reads_only_what_is_its_message_s(database: sqlite3.Connection, query: str) -> None:
    (step,) = (row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", ("",)))
    assert step.startswith("SEARCH")


def test_what_is_due_is_read_by_host_and_account_in_the_order_of_time(database: sqlite3.Connection) -> None:
    steps = plan(database, "due_callbacks")
    assert steps[0] == "SEARCH h USING INDEX callbacks_owed (host=? AND account=? AND due_at<?)"
    assert not [step for step in steps if step.startswith("SCAN")]
