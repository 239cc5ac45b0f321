"""JSON and YAML → the same plain values or a reason; paths and placeholders → text, within what may be spent."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tidings.dialects import swml_values
from tidings.dialects.swml_values import (
    MAX_DEPTH,
    MAX_EXPANDED,
    MAX_VALUES,
    TRANSFORMS,
    Scope,
    TooLong,
    Unreadable,
    as_text,
    expand,
    look_up,
    read_json,
    read_yaml,
)

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML comes with libyaml and without; both read the same."""
    monkeypatch.setattr(swml_values, "_PARSER", request.param)


YAML: list[tuple[str, Any]] = [
    ("a: 1", {"a": 1}),
    ("- 1\n- [2, -3.5e2]\n- {x: y}", [1, [2, -350.0], {"x": "y"}]),
    ("to: +15551230000", {"to": "+15551230000"}),
    ("code: 0123", {"code": "0123"}),
    ("at: 12:30", {"at": "12:30"}),
    ("day: 2026-11-21", {"day": "2026-11-21"}),
    ("[yes, No, on, OFF]", ["yes", "No", "on", "OFF"]),
    ("[true, False, TRUE]", [True, False, True]),
    ("[null, ~, Null, ]", [None, None, None]),
    ("a:", {"a": None}),
    ("version: 1.0.0", {"version": "1.0.0"}),
    ("[0x1f, 1_000, .5, .inf, 1e3]", ["0x1f", "1_000", ".5", ".inf", 1000.0]),
    ("['1', \"true\", !!str 2, ! 3]", ["1", "true", "2", "3"]),
    ("{1: a, yes: b, null: c, 01: d, 2.50: e}", {"1": "a", "yes": "b", "null": "c", "01": "d", "2.50": "e"}),
    ("a: &x {b: 1}\nc: *x\nd: [*x, *x]", {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}),
    ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
    ("&k a: {*k : 1}", {"a": {"a": 1}}),
    ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
    ("--- {a: 1}\n...\n", {"a": 1}),
    ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
    ("<<: 1", {"<<": 1}),
]


@pytest.mark.parametrize(("text", "value"), YAML, ids=[text for text, _ in YAML])
def test_yaml_is_read_as_json_would_say_it(text: str, value: Any) -> None:
    assert read_yaml(text) == value


def bomb(levels: int) -> str:
    """Each line stands for ten of the one before."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


BAD_YAML: list[tuple[str, str, str]] = [
    ("nothing", "", "empty"),
    ("a comment", "# x", "empty"),
    ("two documents", "a: 1\n---\nb: 2", "another document"),
    ("a key twice", "a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
    ("a key twice, written differently", "yes: 1\n'yes': 2", "twice"),
    ("a list as a key", "? [1]\n: 2", "a key must be text"),
    ("a list as a key by alias", "a: &x [1]\n*x : 2", "a key must be text"),
    ("not closed", "a: [1", "line"),
    ("a tab", "a:\n\t- 1", "line"),
    ("an alias for nothing", "a: *x", "stands for nothing"),
    ("an alias for itself", "a: &x [*x]", "stands for nothing"),
    ("a Python object", "a: !!python/object/apply:os.system [ls]", "tag"),
    ("binary", "a: !!binary aGk=", "tag"),
    ("a set", "!!set {a}", "tag"),
    ("an own tag", "a: !x y", "tag"),
    ("a bomb of aliases", bomb(9), f"more than {MAX_VALUES} values"),
    ("a number beyond all", "a: 1e999", "too large"),
    ("a number of too many digits", "a: " + "9" * 5000, "digits"),
    ("a control character", "a: \x01", ""),
]


@pytest.mark.parametrize(("text", "why"), [row[1:] for row in BAD_YAML], ids=[row[0] for row in BAD_YAML])
def test_yaml_that_is_none_or_too_much_is_unreadable(text: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_yaml(text)
    assert why in str(caught.value)


BAD_JSON: list[tuple[str, str, str]] = [
    ("nothing", "", "Expecting value"),
    ("not JSON", "{'a': 1}", "Expecting property name"),
    ("more behind it", "{} {}", "Extra data"),
    ("a key twice", '{"a": {"b": 1, "c": 2, "b": 3}}', "the key 'b' is there twice"),
    ("no number", '{"a": NaN}', "NaN is no number"),
    ("a number beyond all", '{"a": 1e999}', "too large"),
    ("a number of too many digits", '{"a": ' + "9" * 5000 + "}", "digits"),
    ("half a surrogate pair", '{"a": "\\ud800"}', "surrogate"),
    ("half a surrogate pair in a key", '{"\\udc00": 1}', "surrogate"),
    ("very deep", "[" * 60_000, f"deeper than {MAX_DEPTH} levels"),
]


@pytest.mark.parametrize(("text", "why"), [row[1:] for row in BAD_JSON], ids=[row[0] for row in BAD_JSON])
def test_json_that_is_none_or_too_much_is_unreadable(text: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_json(text)
    assert why in str(caught.value)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_values_are_deep_up_to_a_limit(read: Any) -> None:
    assert json.dumps(read(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(Unreadable):
        read(nested(MAX_DEPTH + 2))


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_values_are_many_up_to_a_limit(read: Any) -> None:
    assert len(read(json.dumps([1] * (MAX_VALUES - 1)))) == MAX_VALUES - 1
    with pytest.raises(Unreadable):
        read(json.dumps([1] * MAX_VALUES))


def test_aliases_count_as_often_as_they_are_used() -> None:
    hundred = "a: &x [" + "1, " * 99 + "]\n"
    assert len(read_yaml(hundred + "b: [" + "*x, " * 198 + "]")["b"]) == 198
    with pytest.raises(Unreadable):
        read_yaml(hundred + "b: [" + "*x, " * 200 + "]")


PLAIN_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    # U+0085 and U+2028 are line breaks to YAML 1.1, U+FEFF and non-characters are not for it.
    | st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="\x7f\x85\u2028\u2029")),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text("abc1 ", max_size=3), inside, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN_JSON)
def test_json_reads_the_same_as_yaml(value: Any) -> None:
    text = json.dumps(value)
    assert read_json(text) == value
    assert read_yaml(text) == value


@given(st.text(max_size=60) | st.text("ab:-[]{},&*!|>'\"#%@`? \n\t1.", max_size=60))
def test_any_text_is_a_value_or_unreadable(text: str) -> None:
    for read in (read_json, read_yaml):
        try:
            value = read(text)
        except Unreadable:
            continue
        assert json.loads(json.dumps(value, allow_nan=False)) == value


# --- variables

SCOPE_VALUES: dict[str, dict[str, Any]] = {
    "message": {
        "body": "%{message.from}",
        "from": "+1555",
        "media": [{"url": "u0"}, {"url": "u1"}],
        "none": None,
    },
    "params": {"name": "Ann", "list": [[1, 2]], "yes": True},
    "vars": {
        "request_response": {"a-b": {"c": 1.5}, "é": "ü", "x": [None]},
        "reply_result": "queued",
        "params": "no",
    },
}


def scope(left: int = MAX_EXPANDED) -> Scope:
    return Scope(SCOPE_VALUES["message"], SCOPE_VALUES["params"], SCOPE_VALUES["vars"], left)


PATHS: list[tuple[str, Any]] = [
    ("message.from", "+1555"),
    (" message.from ", "+1555"),
    ("message.media[1].url", "u1"),
    ("message.media[2].url", None),
    ("message.media.0", None),
    ("message.media[-1]", None),
    ("message.none", None),
    ("message.nothing", None),
    ("message.from.length", None),
    ("message.from[0]", None),
    ("params.name", "Ann"),
    ("params.list[0][1]", 2),
    ("vars.reply_result", "queued"),
    ("reply_result", "queued"),
    ("request_response.a-b.c", 1.5),
    ("request_response.é", "ü"),
    ("request_response.x", [None]),
    ("from", None),
    ("name", None),
    ("", None),
    (".", None),
    ("message..from", None),
    ("message.", None),
    ("[0]", None),
    ("message.from + 1", None),
    ("message['from']", None),
    ("message.media[99999999999999999999]", None),
]


@pytest.mark.parametrize(("path", "value"), PATHS, ids=[repr(path) for path, _ in PATHS])
def test_a_path_leads_to_a_value_or_to_nothing(path: str, value: Any) -> None:
    assert look_up(path, scope()) == value


EXPANDED: list[tuple[Any, Any]] = [
    ("no variable", "no variable"),
    ("from %{message.from}!", "from +1555!"),
    ("%{message.from}%{params.name}", "+1555Ann"),
    ("%{nothing}", ""),
    ("%{message.from + 1}", ""),
    ("%{}", ""),
    ("%{message.none}", ""),
    ("%{params.yes}", "true"),
    ("%{request_response.a-b.c}", "1.5"),
    ("%{params.list}", "[[1,2]]"),
    ("%{message.media[0]}", '{"url":"u0"}'),
    ("${message.from} %message.from %{message.from", "${message.from} %message.from %{message.from"),
    ("%%{message.from}%", "%+1555%"),
    ("what came in is not read again: %{message.body}", "what came in is not read again: %{message.from}"),
    (["%{params.name}", {"%{params.name}": "%{params.name}"}], ["Ann", {"%{params.name}": "Ann"}]),
    ([1, None, True], [1, None, True]),
]


@pytest.mark.parametrize(("value", "expanded"), EXPANDED, ids=[str(value) for value, _ in EXPANDED])
def test_placeholders_stand_for_values(value: Any, expanded: Any) -> None:
    assert expand(value, scope()) == expanded


def test_what_may_be_expanded_is_spent_once_for_all() -> None:
    limited = scope(left=20)
    expand("%{params.name}", limited)  # the value, the placeholder, three characters
    assert limited.left == 15
    expand(["%{message.from}", 1], limited)
    assert limited.left == 6
    with pytest.raises(TooLong):
        expand("%{reply_result}", limited)


def test_a_text_that_doubles_itself_comes_to_an_end() -> None:
    growing = scope()
    with pytest.raises(TooLong):
        for _ in range(30):
            growing.params = {"x": expand("%{params.x}%{params.x}ab", growing)}
    assert len(growing.params["x"]) <= MAX_EXPANDED


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lowercase", " stop "),
        ("uppercase", " STOP "),
        ("trim", "Stop"),
        ("lowercase_trim", "stop"),
        ("uppercase_trim", "STOP"),
    ],
)
def test_transforms(name: str, changed: str) -> None:
    assert TRANSFORMS[name](" Stop ") == changed


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), ("é", "é"), (3, "3"), (False, "false"), ({"é": [1]}, '{"é":[1]}')]
)
def test_values_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text
