"""The embedded store's schema: what lies in which table, and which index answers which list."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.store.conformance_contents import SECRET, told
from tests.store.rows import HOST, a_change, a_message, a_replay
from tidings.model import Arrival, Attempt, Callback, CallbackState, InboundPart, Medium, OptOut, Replay
from tidings.store.base import CallbackFilter
from tidings.store.sqlite import SqliteStore, places
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.statements import SQL

OWED, RETRYING, DONE, GIVEN_UP = CallbackState


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
    [
        ("callbacks", Callback),
        ("attempts", Attempt),
        ("replays", Replay),
        ("media", Medium),
        ("opt_outs", OptOut),
        ("inbound_parts", InboundPart),
        ("arrivals", Arrival),
    ],
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
    made_up = ("SCAN json_each", "SCAN hosts", "SCAN heads", "SCAN waiting", "SCAN CONSTANT ROW")
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
BY_ID = "SEARCH m USING INDEX sqlite_autoindex_messages_1 (id=?)"
RESOURCE = "SEARCH resources USING INDEX sqlite_autoindex_resources_1 (id=?)"
OF_GROUP = (
    "INDEX sqlite_autoindex_inbound_parts_1 (carrier=? AND source=? AND destination=? AND reference=? AND parts=?)"
)
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
        (
            "due_messages",
            ["SEARCH messages USING INDEX messages_due (carrier=? AND account=? AND sender=? AND due_at<?)"],
        ),
        (
            "next_due",
            ["SEARCH messages USING INDEX messages_due (carrier=? AND account=? AND sender=? AND due_at>?)"],
        ),
        (
            "queues",
            [
                "SEARCH messages USING INDEX messages_due (carrier>?)",  # the first one
                BY_ID,
                "SEARCH n USING INDEX messages_due (carrier=? AND account=? AND sender>?)",  # the next one
                "SEARCH n USING INDEX messages_due (carrier=? AND account>?)",
                "SEARCH n USING INDEX messages_due (carrier>?)",
                BY_ID,
            ],
        ),
        ("waiting_segments", ["SEARCH messages USING INDEX messages_due (carrier>?)"]),
        ("expired", ["SEARCH messages USING INDEX messages_expiring (<expr><?)"]),
        ("next_expiry", ["SEARCH messages USING INDEX messages_expiring (<expr>>?)"]),
        ("due_scheduled", ["SEARCH messages USING INDEX messages_scheduled (due_at<?)"]),
        ("next_scheduled", ["SEARCH messages USING INDEX messages_scheduled (due_at>?)"]),
        (
            "opt_outs",
            [
                "SEARCH opt_outs USING PRIMARY KEY "
                "(account=? AND (scope,recipient)>(?,?) AND (scope,recipient)<(?,?))"
            ],
        ),
        (
            "opt_outs_of_recipient",
            ["SEARCH opt_outs USING INDEX opt_outs_of_recipient (account=? AND recipient=? AND scope>?)"],
        ),
        ("inbound_parts", [f"SEARCH inbound_parts USING {OF_GROUP}"]),
        (
            "stale_parts",
            ["SEARCH p USING INDEX inbound_parts_by_age (received_at<?)", f"SEARCH e USING {OF_GROUP}"],
        ),
        ("oldest_part", ["SEARCH inbound_parts USING INDEX inbound_parts_by_age"]),
        ("drop_arrivals", ["SEARCH arrivals USING INDEX arrivals_by_age (at<?)"]),
        (
            "drop_stickies_of_member",
            ["SEARCH stickies USING PRIMARY KEY (service=?)", RESOURCE, RESOURCE],
        ),
    ],
)
def test_lists_are_read_by_their_index(database: sqlite3.Connection, query: str, steps: list[str]) -> None:
    assert plan(database, query) == steps


@pytest.mark.parametrize(
    "query",
    [
        "messages",
        "messages_to",
        "messages_from",
        "resources",
        "resources_of_parent",
        "media",
        "latest",
        "due_messages",
        "queues",
        "expired",
        "due_scheduled",
        "opt_outs",
        "opt_outs_of_recipient",
        "inbound_parts",
        "stale_parts",
    ],
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


def test_what_is_scheduled_is_counted_without_a_look_at_the_messages(database: sqlite3.Connection) -> None:
    steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL['scheduled']}")]
    assert steps[0] == "SCAN messages USING COVERING INDEX messages_scheduled"


def test_a_message_pays_only_for_the_lists_that_every_one_is_in(database: sqlite3.Connection) -> None:
    indexes = {name: partial for _, name, _, _, partial in database.execute("PRAGMA index_list (messages)")}
    for_some = {name for name, partial in indexes.items() if partial}
    assert for_some == {"messages_due", "messages_expiring", "messages_scheduled", "messages_redacted"}
    assert indexes.keys() - for_some == {
        "sqlite_autoindex_messages_1",
        "messages_of_account",
        "messages_by_recipient",
        "messages_by_sender",
    }
