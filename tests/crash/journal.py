"""What a receiver of callbacks wrote down, held against the events feed and the store.

Two kinds of call are told apart by where they go: Twilio's, to the URL of a message, and the account-wide ones.
Each check collects everything that is wrong before it fails.
"""

import base64
import hmac
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from tests.crash.audit import TOLD, fail

EVENTS = "/events"
"""Where account-wide callbacks go; all others are Twilio's."""
ON_ITS_WAY = 30.0
"""Seconds between the time that an account-wide callback is signed with and its arrival, at the most."""
NO_ANSWER_IN_TIME = 11203

Chain = tuple[str, str]
"""A message's id and a target: what is told in order."""
Key = tuple[str, str, int]
"""Of a callback: its chain, and the event's number."""


@dataclass
class Call:
    """One attempt, as it arrived. Places are those of lines in the journal."""

    message_id: str
    target: str
    number: int
    status: str
    """Of the message, as it was told."""
    token: str
    place: int
    answer: int | None = None
    """HTTP status, where the whole answer went out."""
    answered: int = 0
    """The place of that."""
    problem: str = ""
    """What is wrong with its signature."""

    @property
    def chain(self) -> Chain:
        return self.message_id, self.target

    @property
    def key(self) -> Key:
        return self.message_id, self.target, self.number

    @property
    def taken(self) -> bool:
        return self.answer is not None and self.answer // 100 == 2


@dataclass
class Journal:
    calls: list[Call] = field(default_factory=list)
    """In the order in which they arrived."""
    moods: Counter[str] = field(default_factory=Counter)
    """What the receiver made of them."""
    kills: list[tuple[int, int]] = field(default_factory=list)
    """Places between which nothing that had been heard could be kept; one and the same where that took no time."""


def read(entries: Iterable[Mapping[str, Any]], auth_token: str, secret: str) -> Journal:
    """`entries` as `flapping` writes them; `secret` is that of account-wide callbacks."""
    journal = Journal()
    calls: dict[int, Call] = {}
    for place, entry in enumerate(entries):
        match entry:
            case {"did": "killed" | "away"}:
                journal.kills.append((place, place))
            case {"did": "back"}:
                journal.kills[-1] = journal.kills[-1][0], place
            case {"answered": call, "status": status}:
                calls[call].answer, calls[call].answered = status, place
            case {"call": call, "path": str(path), "mood": mood}:
                calls[call] = _account_wide(entry, secret) if path == EVENTS else _twilio(entry, auth_token)
                calls[call].place = place
                journal.calls.append(calls[call])
                journal.moods[mood] += 1
    return journal


def _twilio(entry: Mapping[str, Any], auth_token: str) -> Call:
    headers = entry["headers"]
    form = dict(parse_qsl(entry["body"], keep_blank_values=True, strict_parsing=True))
    url = f"http://{headers['host']}{entry['path']}"
    good = RequestValidator(auth_token).validate(url, form, headers["x-twilio-signature"])
    return Call(
        form["MessageSid"].removeprefix("SM"),
        "message",
        int(form["TidingsSequence"]),
        form["MessageStatus"],
        headers["i-twilio-idempotency-token"],
        0,
        problem="" if good else "X-Twilio-Signature is wrong",
    )


def _account_wide(entry: Mapping[str, Any], secret: str) -> Call:
    """Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body, its key in base64 behind `whsec_`."""
    headers, event = entry["headers"], json.loads(entry["body"])["data"]["event"]
    token, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{token}.{timestamp}.{entry['body']}".encode(), "sha256")
    problem = ""
    if f"v1,{base64.b64encode(mac).decode()}" not in headers["webhook-signature"].split():
        problem = "webhook-signature is wrong"
    elif not -1 < entry["time"] - int(timestamp) < ON_ITS_WAY:
        problem = f"webhook-timestamp is {timestamp}, it is {entry['time']}"
    return Call(event["message_id"], "account", event["number"], event["status"], token, 0, problem=problem)


def owed(feed: Iterable[Mapping[str, Any]]) -> dict[Key, str]:
    """Which callbacks there must be for these events, in order, and the status each of them tells."""
    found = {}
    for event in feed:
        found[event["message_id"], "account", event["number"]] = event["status"]
        if event["moved"] and event["status"] in TOLD:
            found[event["message_id"], "message", event["number"]] = event["status"]
    return found


def check_told(calls: Sequence[Call], owed: Mapping[Key, str]) -> None:
    """Everything owed was taken at least once, and nothing else was ever told."""
    taken = {call.key for call in calls if call.taken}
    wrong = [f"{key}: never taken" for key in owed.keys() - taken]
    wrong += [
        f"{call.key}: told {call.status}, owed {owed.get(call.key)}"
        for call in calls
        if call.status != owed.get(call.key)
    ]
    fail(wrong)


def check_order(calls: Sequence[Call], owed: Iterable[Key]) -> None:
    """Each chain's events come one after the other: the next one once the one before was taken, and then that one
    never again."""
    in_order: defaultdict[Chain, list[int]] = defaultdict(list)
    for message_id, target, number in owed:
        in_order[message_id, target].append(number)
    first_taken: dict[Key, int] = {}
    arrived: defaultdict[Chain, list[Call]] = defaultdict(list)
    for call in calls:
        arrived[call.chain].append(call)
        if call.taken:
            first_taken[call.key] = min(first_taken.get(call.key, call.answered), call.answered)
    wrong = []
    for chain, attempts in arrived.items():
        wrong += [
            f"{chain}: event {after.number} arrived behind event {before.number}"
            for before, after in pairwise(attempts)
            if after.number < before.number
        ]
        wrong += [
            f"{chain}: event {after} arrived before event {before} was taken"
            for before, after in pairwise(sorted(in_order[chain]))
            for attempt in attempts
            if attempt.number == after and first_taken.get((*chain, before), attempt.place) >= attempt.place
        ]
    fail(wrong)


def check_tokens(calls: Iterable[Call]) -> None:
    """An event has one token on every attempt, at either target, and no other event has it."""
    events, tokens = defaultdict(set), defaultdict(set)
    for call in calls:
        event = call.message_id, call.number
        events[call.token].add(event)
        tokens[event].add(call.token)
    wrong = [f"token {token} stands for {of}" for token, of in events.items() if not token or len(of) > 1]
    wrong += [f"{event} has tokens {of}" for event, of in tokens.items() if len(of) > 1]
    fail(wrong)


def check_signed(calls: Iterable[Call]) -> None:
    fail([f"{call.key} at {call.place}: {call.problem}" for call in calls if call.problem])


@dataclass
class Row:
    """An attempt as the store has it."""

    ordinal: int
    response: int | None
    error: int | None


@dataclass
class Kept:
    """A callback as the store has it."""

    state: str
    attempts: int
    rows: list[Row] = field(default_factory=list)


def kept(database: Path) -> dict[Key, Kept]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as store:
        store.execute("BEGIN")
        found = {
            (message_id, target, number): Kept(state, attempts)
            for message_id, target, number, state, attempts in store.execute(
                "SELECT message_id, target, number, state, attempts FROM callbacks"
            )
        }
        for message_id, target, number, *row in store.execute(
            "SELECT message_id, target, number, ordinal, response, error FROM attempts ORDER BY ordinal, id"
        ):
            found[message_id, target, number].rows.append(Row(*row))
    return found


def check_attempts(journal: Journal, kept: Mapping[Key, Kept], owed: Iterable[Key]) -> None:
    """Every callback is done, by the last of its attempts; what is kept of them is what the receiver saw.

    Of the calls that were answered one alone may be missing: the last one before a kill, which came between it and
    being kept, so that the callback was told again.
    """
    wrong = [f"{key}: owed and not kept, or kept and not owed" for key in kept.keys() ^ set(owed)]
    calls: defaultdict[Key, list[Call]] = defaultdict(list)
    for call in journal.calls:
        calls[call.key].append(call)
    for key, callback in kept.items():
        wrong += [f"{key}: {problem}" for problem in _row_problems(callback)]
        wrong += [f"{key}: {problem}" for problem in _call_problems(callback.rows, calls[key], journal.kills)]
    fail(wrong)


def _row_problems(callback: Kept) -> Iterable[str]:
    ordinals = [row.ordinal for row in callback.rows]
    if callback.state != "done":
        yield f"is {callback.state}"
    if not ordinals or ordinals != list(range(1, callback.attempts + 1)):
        yield f"has {callback.attempts} attempts, of which these are kept: {ordinals}"
    elif [row.ordinal for row in callback.rows if row.error is None] != ordinals[-1:]:
        yield f"is not done by its last attempt alone: {callback.rows}"


def _call_problems(rows: Sequence[Row], calls: Sequence[Call], kills: Sequence[tuple[int, int]]) -> Iterable[str]:
    answers = Counter(call.answer for call in calls if call.answer is not None)
    if invented := Counter(row.response for row in rows if row.response is not None) - answers:
        yield f"answers {dict(invented)} are kept, and were never given"
    certain = sum(call.answer is not None for call in calls[-1:]) + sum(
        before.answer is not None and not any(before.place < end and start < after.place for start, end in kills)
        for before, after in pairwise(calls)
    )
    # An answer that was given too late is kept as none.
    heard = sum(row.response is not None or row.error == NO_ANSWER_IN_TIME for row in rows)
    if heard < certain:
        yield f"{certain} were answered and not under way at a kill, {heard} are kept"
