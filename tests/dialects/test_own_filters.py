"""What is asked of callbacks in our own API → a filter, and back in the same words."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import DAY, iso, micros
from tidings.dialects.own_filters import parse_callbacks, parse_replay, replay_json
from tidings.dialects.own_params import parse_nothing
from tidings.errors import Problem
from tidings.model import CallbackState, Replay, Target
from tidings.store.base import CallbackFilter, CallbackKey

MESSAGE = "0123456789abcdef" * 2
NOON = micros(datetime(2026, 11, 21, 12, tzinfo=UTC))
DATE = NOON - DAY // 2


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ([], {}),
        ([("state", "done"), ("state", "owed"), ("state", "done")], {"states": ("done", "owed")}),
        ([("host", "http://10.0.0.1:80")], {"host": "http://10.0.0.1:80"}),
        ([("host", "https://2001:db8::1:443")], {"host": "https://2001:db8::1:443"}),
        ([("error", "11200")], {"error": 11200}),
        ([("message", "SM" + MESSAGE.upper())], {"message_id": MESSAGE}),
        ([("target", "account")], {"target": Target.ACCOUNT}),
        ([("from", "2026-11-21")], {"since": DATE}),
        ([("to", "2026-11-21")], {"until": DATE + DAY}),
        ([("from", "2026-11-21T12:00:00Z")], {"since": NOON}),
        ([("to", "2026-11-21T12:00:00Z")], {"until": NOON}),
        ([("from", "2026-11-21T17:30:00.5+05:30")], {"since": NOON + 500_000}),
        ([("from", "1969-12-31")], {"since": 0}),
    ],
)
def test_filters(query: list[tuple[str, str]], where: dict[str, Any]) -> None:
    asked = parse_callbacks(query)
    assert asked.where == CallbackFilter(**where)
    assert (asked.limit, asked.before) == (100, None)


def test_pages_are_named_by_size_and_the_last_callback_before() -> None:
    asked = parse_callbacks([("limit", "1000"), ("after", f"{MESSAGE}-12-account")])
    assert (asked.limit, asked.before) == (1000, CallbackKey(MESSAGE, 12, Target.ACCOUNT))


def test_a_replay_is_of_what_was_given_up_unless_it_says_otherwise() -> None:
    assert parse_replay([]).states == (CallbackState.GIVEN_UP,)
    assert parse_replay([("state", "done")]).states == (CallbackState.DONE,)


@pytest.mark.parametrize("state", ["owed", "retrying"])
def test_what_is_owed_is_not_replayed(state: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_replay([("state", "done"), ("state", state)])
    assert (caught.value.code, caught.value.details["name"]) == (20422, "state")


@pytest.mark.parametrize("name", ["limit", "after", "other"])
def test_a_replay_has_no_pages(name: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_replay([(name, "1")])
    assert caught.value.code == 20422


def test_where_nothing_can_be_asked_anything_is_refused() -> None:
    parse_nothing([])
    with pytest.raises(Problem):
        parse_nothing([("state", "done")])


@given(st.datetimes(), st.sampled_from(["Z", "+00:00", "+14:00", "-12:00"]), st.sampled_from(["from", "to"]))
def test_every_time_that_is_read_can_be_told(at: datetime, offset: str, bound: str) -> None:
    for spelled in (at.isoformat() + offset, at.date().isoformat()):
        replay = Replay(MESSAGE, MESSAGE, NOON, where=msgspec.to_builtins(parse_replay([(bound, spelled)])))
        assert replay_json(replay, {})["where"][bound]


def test_a_filter_is_told_in_the_words_it_was_asked_in() -> None:
    asked = [
        ("state", "done"),
        ("host", "https://app.example.com:443"),
        ("error", "11200"),
        ("message", MESSAGE),
        ("target", "message"),
        ("from", iso(NOON)),
        ("to", iso(NOON + DAY)),
    ]
    replay = Replay(MESSAGE, MESSAGE, NOON, 5, where=msgspec.to_builtins(parse_replay(asked)))
    told = replay_json(replay, {CallbackState.DONE: 3, CallbackState.OWED: 2})
    assert told["where"] == dict(asked) | {"state": (CallbackState.DONE,), "error": 11200}
    assert told["progress"] == {"owed": 2, "retrying": 0, "done": 3, "given_up": 0}
    assert (told["requeued"], told["ended_at"]) == (5, None)
