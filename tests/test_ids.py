import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.clock import SECOND
from tidings.ids import dashed, floor_id, from_any, from_sid, new_id, sid

NOW = 1_790_000_000 * SECOND
hex_ids = st.text("0123456789abcdef", min_size=32, max_size=32)


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    far = NOW * 2
    made = uuid.UUID(new_id(far + 123_456))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == (far + 123_456) // 1000


def test_ids_grow_while_the_clock_stands_still_or_is_set_back_a_little() -> None:
    made = [new_id(now) for now in (NOW, NOW, NOW + 5, NOW - SECOND // 2, *([NOW] * 5000), NOW + SECOND)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_was_far_ahead_is_followed_back() -> None:
    new_id(NOW + 3600 * SECOND)
    back = new_id(NOW)
    assert int(back[:12], 16) == NOW // 1000


def test_a_floor_lies_below_what_is_made_then_and_above_what_was_made_before() -> None:
    start = NOW * 3
    before, then = new_id(start - 1000), new_id(start)
    assert before < floor_id(start) <= then
    assert floor_id(-5) == "0" * 32


@given(hex_ids)
def test_every_spelling_leads_back_to_the_id(id_: str) -> None:
    assert from_sid(sid("SM", id_), "SM", "MM") == id_
    for spelled in (id_, id_.upper(), sid("SM", id_), dashed(id_), dashed(id_).upper(), sid("AC", id_.upper())):
        assert from_any(spelled) == id_
    assert dashed(id_) == str(uuid.UUID(id_))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SM",
        "SM" + "g" * 32,
        "SM" + "a" * 31,
        "SM" + "a" * 33,
        "sm" + "a" * 32,
        "a" * 32,
        "SM" + "a" * 32 + "\n",
    ],
)
def test_what_is_no_sid_names_nothing(text: str) -> None:
    assert from_sid(text, "SM", "MM") is None


def test_a_sid_of_another_kind_names_nothing() -> None:
    assert from_sid("AC" + "a" * 32, "SM", "MM") is None
    assert from_sid("MM" + "a" * 32, "SM", "MM") == "a" * 32


@given(st.text(max_size=40))
def test_from_any_takes_nothing_but_ids(text: str) -> None:
    found = from_any(text)
    assert found is None or len(found) == 32


@pytest.mark.parametrize(
    "text", ["a" * 32 + "\n", "٣" * 32, "a" * 8 + "-" + "a" * 24, "{" + dashed("a" * 32) + "}"]
)
def test_near_misses_are_no_ids(text: str) -> None:
    assert from_any(text) is None
