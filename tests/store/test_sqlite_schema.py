"""The embedded store's schema: what a file of an older version becomes, and which index answers which list."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tidings.model import Account, Attempt, Callback, CallbackOptions, CallbackState, Replay, Target
from tidings.store.base import CallbackFilter, Change
from tidings.store.sqlite import SqliteStore, places
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.statements import SQL

if TYPE_CHECKING:
    from tests.store.rows import ACCOUNT, HOST, NOON, a_callback, a_message, a_replay, an_event, standing_of
else:
    from rows import ACCOUNT, HOST, NOON, a_callback, a_message, a_replay, an_event, standing_of

OWED, RETRYING, DONE, GIVEN_UP = CallbackState


def first_schema(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.executescript((files("tidings.store.sqlite") / "migrations" / "0001_first.sql").read_text("utf-8"))
    connection.execute("PRAGMA user_version = 1")
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
    first = first_schema(tmp_path / "tidings.db")
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


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("table", "struct"), [("callbacks", Callback), ("attempts", Attempt), ("replays", Replay)]
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
    ],
)
def test_lists_are_read_by_their_index(database: sqlite3.Connection, query: str, steps: list[str]) -> None:
    assert plan(database, query) == steps


def test_what_is_due_is_read_by_host_and_account_in_the_order_of_time(database: sqlite3.Connection) -> None:
    steps = plan(database, "due_callbacks")
    assert steps[0] == "SEARCH h USING INDEX callbacks_owed (host=? AND account=? AND due_at<?)"
    assert not [step for step in steps if step.startswith("SCAN")]
