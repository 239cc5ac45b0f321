"""Whose turn it is."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tidings.gateway.line import Line


class Place(msgspec.Struct, frozen=True):
    account: str
    sender: str = "1"


def turns(line: Line[Place], number: int) -> list[str]:
    """Who has the next turns, in order; all of them want more."""
    had = []
    for _ in range(number):
        place = line.first()
        assert place is not None
        line.turn(place)
        had.append(place.account + place.sender)
    return had


def line_of(*places: str) -> Line[Place]:
    line: Line[Place] = Line()
    for place in places:
        line.join(Place(place[0], place[1]))
    return line


def test_accounts_take_turns_and_within_an_account_its_senders_do() -> None:
    line = line_of("a1", "a2", "a3", "b1")
    assert turns(line, 8) == ["a1", "b1", "a2", "b1", "a3", "b1", "a1", "b1"]


def test_nobody_stands_in_an_empty_line() -> None:
    assert Line[Place]().first() is None


def test_whoever_stands_in_line_keeps_the_place_when_joining_again() -> None:
    line = line_of("a1", "b1")
    line.join(Place("a"))
    line.join(Place("b"))
    assert turns(line, 3) == ["a1", "b1", "a1"]


def test_whoever_comes_later_waits_for_one_turn_of_each_other_account() -> None:
    line = line_of("a1", "a2", "a3", "a4", "b1")
    turns(line, 1)
    line.join(Place("c"))
    assert turns(line, 3) == ["b1", "a2", "c1"]


def test_an_account_stands_in_line_as_long_as_one_of_its_queues_does() -> None:
    line = line_of("a1", "a2")
    assert line
    line.leave(Place("a", "1"))
    assert "a" in line
    line.leave(Place("a", "2"))
    assert "a" not in line
    assert not line


def test_whoever_leaves_has_no_turn_and_may_leave_twice() -> None:
    line = line_of("a1", "a2", "b1")
    for place in (Place("a", "1"), Place("b", "1"), Place("b", "1"), Place("c", "1")):
        line.leave(place)
    assert turns(line, 2) == ["a2", "a2"]
    line.leave(Place("a", "2"))
    assert line.first() is None


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1))
def test_every_account_has_as_many_turns_as_any_other_whatever_it_has_waiting(senders: dict[str, int]) -> None:
    line = line_of(*(f"{account}{number}" for account, most in senders.items() for number in range(most)))
    had = Counter(turn[0] for turn in turns(line, 4 * len(senders)))
    assert set(had.values()) == {4}
