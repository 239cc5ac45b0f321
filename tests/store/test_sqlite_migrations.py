"""The embedded store's migrations: what a file of an older version becomes."""

import sqlite3
from importlib.resources import files
from pathlib import Path

import msgspec

from tests.store.rows import ACCOUNT, HOST, NOON, a_callback, a_change, a_message, an_event, scheduled, standing_of
from tidings.arranged import Handling
from tidings.clock import SECOND
from tidings.ids import from_any
from tidings.lifecycle import Status
from tidings.model import Account, CallbackOptions, CallbackState, OptOut, Target
from tidings.store.base import CallbackFilter, Change, MessageFilter
from tidings.store.sqlite import SqliteStore

OWED, RETRYING, _, GIVEN_UP = CallbackState


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
    new = {"channel", "media", "service", "price", "send_at", "extras"}
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


async def test_a_database_of_the_third_schema_keeps_what_waits_in_queues_and_its_opt_outs(tmp_path: Path) -> None:
    messages = [
        a_message(NOON + at, sender=sender, media=at, extras={"tags": [str(at)]}, validity=60)
        for at, sender in enumerate(("+1500", "+1501", "+1500"))
    ]
    standings = [standing_of(message) for message in messages[:2]]
    standings.append(standing_of(messages[2], status=Status.SENT, due_at=None, redacted_at=NOON + 9))
    rows = [
        msgspec.structs.asdict(message)
        | msgspec.structs.asdict(standing)
        | {"extras": msgspec.json.encode(message.extras).decode()}
        for message, standing in zip(messages, standings, strict=True)
    ]
    columns = [name for name in rows[0] if name != "send_at"]
    third = old_schema(tmp_path / "tidings.db", 3)
    with third:
        third.execute(
            "INSERT INTO accounts (id, name, auth_token, created_at, active) VALUES (?, 'third', 'token', ?, 1)",
            (ACCOUNT, NOON),
        )
        third.executemany(f"INSERT INTO messages ({', '.join(columns)}) VALUES (:{', :'.join(columns)})", rows)
        third.execute("INSERT INTO opt_outs VALUES (?, '+1500', '+1555', ?, 'STOP')", (ACCOUNT, NOON))
    third.close()

    store = SqliteStore(tmp_path / "tidings.db")
    await store.open()
    try:
        expected = list(zip(messages, standings, strict=True))
        assert await store.messages(ACCOUNT, MessageFilter(), 10) == expected[::-1]
        assert await store.accounts() == [Account(ACCOUNT, "third", "token", NOON, short_code_country="US")]
        assert await store.queues() == [("main", ACCOUNT, "+1500"), ("main", ACCOUNT, "+1501")]
        assert await store.due_messages("main", ACCOUNT, "+1500", NOON, 10) == [(messages[0].id, NOON)]
        assert await store.waiting_segments() == {(ACCOUNT, "+1500"): 1, (ACCOUNT, "+1501"): 1}
        assert await store.expired(NOON + 60 * SECOND, 10) == [messages[0].id]
        assert await store.next_expiry(NOON + 60 * SECOND) == NOON + 1 + 60 * SECOND
        assert await store.scheduled() == {}
        choice = OptOut(ACCOUNT, "+1500", "+1555", NOON, "STOP", "keyword")
        assert await store.opt_outs(ACCOUNT, None, "+1555", 10) == [choice]
        assert await store.opted_out(ACCOUNT, "+1500", "+1555")

        later = a_message(sender="", send_at=NOON + 7)
        moved = msgspec.structs.replace(standings[0], status=Status.SENDING, due_at=None)
        await store.commit(scheduled(later))
        await store.commit(a_change(opt_ins=[choice], standings=[moved]))
        assert await store.due_scheduled(NOON + 7, 10) == [(later.id, NOON + 7)]
        assert await store.queues() == [("main", ACCOUNT, "+1501")]
        assert not await store.opted_out(ACCOUNT, "+1500", "+1555")
    finally:
        await store.close()
