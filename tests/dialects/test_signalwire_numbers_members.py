"""Members of JSON bodies: what they come to, and what is said of what they cannot hold."""

from typing import Any

import pytest

from tidings.dialects import signalwire_members as members
from tidings.dialects.signalwire_members import Reader, one_of, read, require
from tidings.dialects.signalwire_rest_errors import Fault, Invalid

ID = "0a" * 16
UUID = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"

READ: list[tuple[Reader, Any, Any]] = [
    (members.text, " Desk ", "Desk"),
    (members.text, "x" * 255, "x" * 255),
    (members.text, None, ""),
    (members.text_or_none, "office", "office"),
    (members.text_or_none, "  ", None),
    (members.text_or_none, None, None),
    (members.boolean, True, True),
    (members.boolean, False, False),
    (members.url, "https://a.example/x?y=1#rt=500", "https://a.example/x?y=1#rt=500"),
    (members.url, "", None),
    (members.url, None, None),
    (members.method, "GET", "GET"),
    (members.method, "post", "POST"),
    (members.method, None, "POST"),
    (members.id_of, UUID, ID),
    (members.id_of, UUID.upper(), ID),
    (members.id_of, "", None),
    (one_of("a", "b"), "b", "b"),
    (one_of("a", "b"), None, None),
]

REFUSED: list[tuple[Reader, Any, str]] = [
    (members.text, 5, "not_a_string"),
    (members.text, ["x"], "not_a_string"),
    (members.text, "x" * 256, "character_limit_exceeded"),
    (members.boolean, None, "not_a_boolean"),
    (members.boolean, 1, "not_a_boolean"),
    (members.boolean, "true", "not_a_boolean"),
    (members.url, 5, "not_an_http_url"),
    (members.url, "ftp://a.example", "not_an_http_url"),
    (members.method, "HEAD", "invalid_http_method"),
    (members.method, {}, "not_a_string"),
    (members.id_of, ID, "does_not_exist"),
    (members.id_of, "PN" + ID, "does_not_exist"),
    (members.id_of, 5, "not_a_string"),
    (one_of("a", "b"), "c", "invalid_parameter"),
    (one_of("a", "b"), ["a"], "invalid_parameter"),
    (one_of("a", word="unsupported_option"), "b", "unsupported_option"),
]


@pytest.mark.parametrize(("reader", "value", "found"), READ)
def test_a_member_comes_to(reader: Reader, value: Any, found: Any) -> None:
    assert read({"it": value}, {"it": reader}) == ({"it": found}, ())


@pytest.mark.parametrize(("reader", "value", "word"), REFUSED)
def test_a_member_cannot_hold(reader: Reader, value: Any, word: str) -> None:
    with pytest.raises(Invalid) as caught:
        read({"it": value}, {"it": reader})
    (fault,) = caught.value.faults
    assert (fault.attribute, fault.word) == ("it", word)


def test_what_is_not_given_is_not_read_and_what_has_no_reader_is_named() -> None:
    given = {"name": "Desk", "call_handler": "x", "call_flow_id": None}
    assert read(given, {"name": members.text, "url": members.url}) == ({"name": "Desk"}, ("call_handler",))


def test_all_that_is_wrong_or_missing_is_said_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        read({"a": 1, "b": "x", "c": 2}, {"a": members.text, "b": members.text, "c": members.text})
    assert caught.value.faults == (Fault("a", "not_a_string"), Fault("c", "not_a_string"))
    with pytest.raises(Invalid) as caught:
        require({"a": "", "b": "x", "c": None}, "a", "b", "c", "d")
    assert [fault.attribute for fault in caught.value.faults] == ["a", "c", "d"]
