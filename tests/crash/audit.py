"""The proof: what the store, the SMSC's log, the events feed and the application say, held side by side.

Crash tests call it through their stage. Each check collects everything that is wrong before it fails: one lost
message seldom comes alone.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.crash.sink import Call
from tidings.carriers.simulator.ledger import Submitted
from tidings.lifecycle import WHOLE, Kind, SegmentState, Status, advance, fold

EXPECTED: Mapping[str, Status] = {
    "0200": Status.DELIVERED,
    "0202": Status.SENT,
    "0206": Status.DELIVERED,
    "0208": Status.DELIVERED,
    "0403": Status.UNDELIVERED,
    "0408": Status.UNDELIVERED,
    "0409": Status.DELIVERED,
    "0425": Status.DELIVERED,
    "0429": Status.DELIVERED,
    "0500": Status.FAILED,
}
"""Where a message ends by the last four digits of its recipient, unless it is held as uncertain on the way.
One to 0503 always is: the carrier closes the connection instead of an answer."""

RECEIPTED = frozenset(suffix for suffix in EXPECTED if EXPECTED[suffix] in (Status.DELIVERED, Status.UNDELIVERED))
_UNDER_WAY = frozenset({"owed", "retrying"})
TOLD = frozenset({"sent", "delivered", "undelivered", "failed"})
"""Statuses that Twilio calls back for."""


@dataclass
class Step:
    """A row of events."""

    number: int
    kind: Kind
    status: Status
    moved: bool
    applied: bool
    part: int
    detail: dict[str, Any]


@dataclass
class Message:
    """A message as the store has it."""

    recipient: str
    status: Status
    events: int
    due: bool
    segments: dict[int, SegmentState] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)

    @property
    def suffix(self) -> str:
        return self.recipient[-4:]

    @property
    def held(self) -> bool:
        """Uncertain, and its events say so and what the policy is."""
        return (
            self.status is Status.SENDING
            and SegmentState.UNCERTAIN in self.segments.values()
            and any(step.kind is Kind.UNCERTAIN and step.detail["policy"] == "hold" for step in self.history)
        )


@dataclass
class Books:
    """The store at one moment."""

    messages: dict[str, Message]
    callbacks: Counter[str]
    """How many are in which state."""
    receipts: list[str]
    """The PDUs, in hex."""


def read(database: Path) -> Books:
    """One consistent look at the store, whether or not a gateway runs on it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as store:
        store.execute("BEGIN")
        rows = store.execute("SELECT id, recipient, status, events, due_at IS NOT NULL FROM messages")
        messages = {row[0]: Message(row[1], Status(row[2]), row[3], bool(row[4])) for row in rows}
        for message_id, part, state in store.execute("SELECT message_id, part, state FROM segments"):
            messages[message_id].segments[part] = SegmentState(state)
        for row in store.execute(
            "SELECT message_id, number, kind, status, moved, applied, part, detail FROM events ORDER BY cursor"
        ):
            messages[row[0]].history.append(
                Step(row[1], Kind(row[2]), Status(row[3]), bool(row[4]), bool(row[5]), row[6], json.loads(row[7]))
            )
        callbacks = Counter(dict(store.execute("SELECT state, count(*) FROM callbacks GROUP BY state").fetchall()))
        receipts = [raw for (raw,) in store.execute("SELECT raw FROM receipts")]
    return Books(messages, callbacks, receipts)


def unsettled(books: Books, log: Sequence[Submitted]) -> list[str]:
    """What is still to happen: empty once the gateway has come to rest."""
    found = [f"{count} callbacks {state}" for state, count in books.callbacks.items() if state in _UNDER_WAY]
    taken = {"+" + entry.destination for entry in log if entry.status == 0}
    for message_id, message in books.messages.items():
        told = f"{message_id} to {message.recipient}, {message.status}"
        if message.due:
            found.append(f"{told}: waits for a carrier")
        # Of one segment in doubt its receipt is known by the recipient; of several nobody knows which it is for.
        inferable = len(message.segments) == 1 and message.recipient in taken
        for part, state in message.segments.items():
            if state is SegmentState.SUBMITTING:
                found.append(f"{told}: part {part} has no answer")
            elif message.suffix in RECEIPTED and state is SegmentState.ACCEPTED:
                found.append(f"{told}: part {part} has no receipt")
            elif message.suffix in RECEIPTED and state is SegmentState.UNCERTAIN and inferable:
                found.append(f"{told}: uncertain, though the carrier has it and sends receipts")
    return found


def check_kept(books: Books, answered: Iterable[str]) -> None:
    """Every message answered 201 (its id) is there; every message there is where it must end, or is held."""
    wrong = [f"{message_id}: answered 201, and lost" for message_id in set(answered) - books.messages.keys()]
    wrong += [
        f"{message_id} to {message.recipient}: {message.status}, {message.segments}"
        for message_id, message in books.messages.items()
        if not message.held and message.status is not EXPECTED.get(message.suffix)
    ]
    fail(wrong)


def check_keys(books: Books, keys: Iterable[str]) -> None:
    """Each idempotency key made exactly one message."""
    made = Counter(
        str(message.history[0].detail["idempotency_key"])
        for message in books.messages.values()
        if "idempotency_key" in message.history[0].detail
    )
    fail([f"{key}: made {made[key]} messages" for key in keys if made[key] != 1])


def check_submitted_once(log: Sequence[Submitted]) -> None:
    """A segment comes to the SMSC again only after the SMSC has refused it."""
    wrong = []
    earlier: dict[tuple[str, str, int], Submitted] = {}
    for entry in log:
        segment = entry.destination, entry.text, entry.part
        before = earlier.get(segment)
        if before is not None and before.status == 0:
            wrong.append(f"{segment}: submitted twice, {(entry.at - before.at) / 1e6:.3f} s apart")
        earlier[segment] = entry
    fail(wrong)


def check_truth(books: Books, log: Sequence[Submitted]) -> None:
    """A message that went through was handed over whole; one that "never left" was never taken."""
    taken: defaultdict[str, set[int]] = defaultdict(set)
    for entry in log:
        if entry.status == 0:
            taken["+" + entry.destination].add(entry.part)
    wrong = []
    for message_id, message in books.messages.items():
        parts = taken[message.recipient]
        if message.status in (Status.SENT, Status.DELIVERED) and parts != set(message.segments):
            wrong.append(f"{message_id} is {message.status}: the carrier has {parts} of {set(message.segments)}")
        if message.status is Status.FAILED and parts:
            wrong.append(f"{message_id} is failed: the carrier has {parts}")
    fail(wrong)


def check_callbacks(feed: Sequence[Mapping[str, Any]], calls: Sequence["Call"]) -> None:
    """Each event in the feed that applications are told of was: in order, signed, with one token on every attempt.

    Attempts may be repeated, but never behind a later event of the same message.
    """
    owed: defaultdict[str, list[str]] = defaultdict(list)
    for event in feed:
        if event["moved"] and event["status"] in TOLD:
            owed["SM" + event["message_id"]].append(event["status"])
    attempts: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        attempts[call.sid].append(call)
    wrong = [f"{sid}: told of, and not in the feed" for sid in attempts.keys() - owed.keys()]
    for sid, events in owed.items():
        wrong.extend(f"{sid}: {problem}" for problem in _callback_problems(events, attempts[sid]))
    events_of = defaultdict(set)
    for call in calls:
        events_of[call.token].add((call.sid, call.status))
        if not call.signed:
            wrong.append(f"{call.sid} {call.status}: the signature is wrong")
    wrong.extend(f"token {token} stands for {events}" for token, events in events_of.items() if len(events) > 1)
    fail(wrong)


def _callback_problems(events: list[str], attempts: list["Call"]) -> Iterable[str]:
    told = [attempt.status for attempt in attempts]
    if list(dict.fromkeys(told)) != events:
        yield f"owed {events}, told {told}"
    elif any(events.index(after) < events.index(before) for before, after in pairwise(told)):
        yield f"told again of an event behind a later one: {told}"
    for event in events:
        tokens = {attempt.token for attempt in attempts if attempt.status == event}
        if len(tokens) != 1:
            yield f"{event}: tokens {tokens}"
        if not any(attempt.status == event and attempt.answer == 204 for attempt in attempts):
            yield f"{event}: never taken"


def check_consistent(database: Path, books: Books) -> None:
    """The file is sound, numbers have no gaps, and every state is what the events before it lead to."""
    with closing(sqlite3.connect(database)) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    wrong = []
    for message_id, message in books.messages.items():
        numbers = [step.number for step in message.history]
        if numbers != list(range(1, message.events + 1)):
            wrong.append(f"{message_id}: events {numbers} of {message.events}")
        moved = [step.status for step in message.history if step.moved]
        if moved[-1] is not message.status:
            wrong.append(f"{message_id}: is {message.status}, its events say {moved}")
        if len(moved) != len(set(moved)):
            wrong.append(f"{message_id}: moved to a status twice: {moved}")
        wrong.extend(f"{message_id}: {problem}" for problem in _replay(message))
    fail(wrong)


def _replay(message: Message) -> Iterable[str]:
    """Play the events through the lifecycle again, and compare."""
    states = dict.fromkeys(message.segments, SegmentState.WAITING)
    status = message.history[0].status
    laid_out = False
    for step in message.history[1:]:
        laid_out = laid_out or step.kind is Kind.INTENT
        if not laid_out:
            # It speaks of the message as it waits.
            status = WHOLE.get((status, step.kind), status)
            if (True, status) != (step.applied, step.status):
                yield f"event {step.number}: {step.status}, applied: {step.applied}; it leads to {status}"
            continue
        led = {
            part: state
            for part in (states if step.part == 0 else (step.part,))
            if (state := advance(states[part], step.kind)) is not None
        }
        states |= led
        status = fold(status, list(states.values())) if led else status
        if (bool(led), status) != (step.applied, step.status):
            yield f"event {step.number}: {step.status}, applied: {step.applied}; it leads to {status}, {bool(led)}"
    if states != message.segments:
        yield f"segments are {message.segments}, their events lead to {states}"


def fail(wrong: Sequence[str]) -> None:
    """Fail where anything is wrong, and show the first of it."""
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:20])
