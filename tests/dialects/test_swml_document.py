"""Documents of Messaging SWML → the program, or SignalWire's word for what is wrong and where."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.answering.effects import Document, Unusable
from tidings.dialects.swml_document import (
    MAX_JUMPS,
    MAX_NOTES,
    MAX_TIMEOUT,
    Choice,
    GoTo,
    Jump,
    Label,
    Outgoing,
    Program,
    Receive,
    Request,
    Return,
    SendReply,
    SendSms,
    Step,
    Switch,
    parse,
)
from tidings.errors import CATALOGUE

JSON, YAML = "application/json", "application/yaml"
URL = "https://a.example/swml"


def document(content: Any, kind: str = JSON) -> Document:
    text = content if isinstance(content, str) else json.dumps(content)
    return Document(URL, kind, text.encode())


def program(*steps: Any) -> Program:
    return parse(document({"sections": {"main": [*steps]}}))


def step(given: Any) -> Step:
    (only,) = program(given).sections["main"]
    return only


def refused(content: Any, kind: str = JSON) -> Unusable:
    with pytest.raises(Unusable) as caught:
        parse(document(content, kind))
    assert str(caught.value).startswith(f"{caught.value.word}: ")
    assert caught.value.code in CATALOGUE
    return caught.value


WHERE = "sections.main[0]"
STEPS: list[tuple[Any, Step]] = [
    ({"receive": {}}, Receive(f"{WHERE}.receive")),
    ("receive", Receive(f"{WHERE}.receive")),
    ({"reply": "Hi"}, SendReply(f"{WHERE}.reply", Outgoing("Hi"))),
    ({"reply": 42}, SendReply(f"{WHERE}.reply", Outgoing("42"))),
    ({"reply": {"body": None, "media": ["/x"]}}, SendReply(f"{WHERE}.reply", Outgoing(media=("/x",)))),
    (
        {"reply": {"body": "a", "media": ["b"], "to": "c", "from": "d", "status_url": "e"}},
        SendReply(f"{WHERE}.reply", Outgoing("a", ("b",), "c", "d", "e")),
    ),
    (
        {
            "send_sms": {"to_number": "a", "from_number": "b", "body": "c", "region": "d", "tags": ["e", 1]}
            | {"media": ["f"], "status_callback": "g"}
        },
        SendSms(f"{WHERE}.send_sms", Outgoing("c", ("f",), "a", "b", "g", ("e", "1"), "d")),
    ),
    (
        {"request": {"url": "/x"}},
        Request(f"{WHERE}.request", "/x", "POST", {}, None, MAX_TIMEOUT, saves=False),
    ),
    (
        {"request": {"url": "u", "method": "put", "headers": {"A": 1}, "body": {"b": 2}, "timeout": 1}} | {},
        Request(f"{WHERE}.request", "u", "PUT", {"A": 1}, {"b": 2}, 1.0, saves=False),
    ),
    (
        {"request": {"url": "u", "body": "b", "timeout": 60, "save_variables": True}},
        Request(f"{WHERE}.request", "u", "POST", {}, "b", MAX_TIMEOUT, saves=True),
    ),
    ({"execute": "other"}, GoTo(f"{WHERE}.execute", True, "other", {}, "POST", expands=False)),
    (
        {"execute": {"dest": "other", "params": {"a": 1}}},
        GoTo(f"{WHERE}.execute", True, "other", {"a": 1}, "POST", expands=True),
    ),
    ({"transfer": "other"}, GoTo(f"{WHERE}.transfer", False, "other", {}, "POST", expands=False)),
    (
        {"transfer": {"dest": "other", "method": "get"}},
        GoTo(f"{WHERE}.transfer", False, "other", {}, "GET", expands=True),
    ),
    ({"transfer": {}}, GoTo(f"{WHERE}.transfer", False, "", {}, "POST", expands=True)),
    ({"transfer": {"dest": {}}}, GoTo(f"{WHERE}.transfer", False, {}, {}, "POST", expands=True)),
    ({"goto": "a"}, Jump(f"{WHERE}.goto", "a", MAX_JUMPS)),
    ({"goto": {"label": "a", "max": 1}}, Jump(f"{WHERE}.goto", "a", 1)),
    ({"goto": {"label": "a", "max": MAX_JUMPS}}, Jump(f"{WHERE}.goto", "a", MAX_JUMPS)),
    ({"label": "a"}, Label(f"{WHERE}.label", "a")),
    ("return", Return(f"{WHERE}.return", None)),
    ({"return": None}, Return(f"{WHERE}.return", None)),
    ({"return": {"a": [1]}}, Return(f"{WHERE}.return", {"a": [1]})),
    (
        {"reply": {"switch": {"variable": "v", "case": {"a": "x", "b": {"body": "y"}}, "default": "z"}}},
        SendReply(f"{WHERE}.reply", Choice("v", str, {"a": Outgoing("x"), "b": Outgoing("y")}, Outgoing("z"))),
    ),
    (
        {"switch": {"variable": "v", "transform": "uppercase", "case": {"1": [{"label": "a"}]}, "default": []}},
        Switch(
            f"{WHERE}.switch",
            Choice("v", str.upper, {"1": (Label(f"{WHERE}.switch.case.1[0].label", "a"),)}, ()),
        ),
    ),
]


@pytest.mark.parametrize(("given", "read"), STEPS, ids=[json.dumps(given)[:60] for given, _ in STEPS])
def test_a_step_is_read(given: Any, read: Step) -> None:
    assert step(given) == read


SIMPLE: list[tuple[Any, tuple[Step, ...]]] = [
    ({"reply": "Hi"}, (SendReply("reply", Outgoing("Hi")),)),
    ({"receive": {}}, (Receive("receive"),)),
    ({"receive": None, "version": "1.0.0"}, (Receive("receive"),)),
    ({}, ()),
    ({"sections": {"main": []}}, ()),
]


@pytest.mark.parametrize(("content", "steps"), SIMPLE, ids=[json.dumps(content) for content, _ in SIMPLE])
def test_a_document_may_be_one_method_or_none(content: Any, steps: tuple[Step, ...]) -> None:
    assert parse(document(content)) == Program({"main": steps})


def test_every_section_is_read() -> None:
    sections = parse(document({"version": "1.0.0", "sections": {"b": ["return"], "main": []}})).sections
    assert sections == {"b": (Return("sections.b[0].return", None),), "main": ()}


# --- content types

SCRIPT = 'reply:\n  to: +1555\n  body: "%{message.body}"\n'
READ = Program({"main": (SendReply("reply", Outgoing("%{message.body}", (), "+1555")),)})


@pytest.mark.parametrize("kind", [YAML, "text/x-yaml", "application/x-yaml", "text/yaml", ""])
def test_yaml_is_read(kind: str) -> None:
    assert parse(document(SCRIPT, kind)) == READ
    assert parse(document("\ufeff" + SCRIPT, kind)) == READ


@pytest.mark.parametrize("kind", [JSON, YAML, ""])
def test_json_is_read_as_json_and_as_yaml(kind: str) -> None:
    content = {"reply": {"to": "+1555", "body": "%{message.body}"}}
    assert parse(document(content, kind)) == READ
    assert parse(document("\ufeff" + json.dumps(content, indent=2), kind)) == READ


def test_json_without_a_type_may_be_indented_by_tabs() -> None:
    assert parse(document('\n{\n\t"receive": {}\n}', "")) == Program({"main": (Receive("receive"),)})


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/xml", "text/json"])
def test_any_other_content_type_is_refused(kind: str) -> None:
    error = refused({"receive": {}}, kind)
    assert (error.code, error.word) == (12300, "json_or_yaml_required")
    assert kind in str(error)


UNREADABLE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", JSON),
    ("nothing of no type", b"", ""),
    ("no YAML", b"a: [", YAML),
    ("YAML that should be JSON", b"receive: {}", JSON),
    ("not UTF-8", b'{"reply": "\xe9"}', JSON),
    ("a list", b"[]", JSON),
    ("text", b"OK", YAML),
    ("XML", b"<Response/>", YAML),
    ("a key twice", b'{"reply": "a", "reply": "b"}', JSON),
    ("a section twice", b"sections:\n  main: []\n  main: []", YAML),
    ("deep", b"[" * 60_000, YAML),
    ("an object of Python", b"reply: !!python/name:os.system", YAML),
]


@pytest.mark.parametrize(("content", "kind"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_what_is_neither_json_nor_yaml_is_refused(content: bytes, kind: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse(Document(URL, kind, content))
    assert (caught.value.code, caught.value.word) == (12100, "json_or_yaml_required")


# --- what is wrong


def main(*steps: Any) -> dict[str, Any]:
    return {"sections": {"main": [*steps]}}


INVALID, SECTION = "swml_invalid_document", "swml_invalid_section_format"
WRONG: list[tuple[Any, str, str]] = [
    ({"reply": "a", "receive": {}}, INVALID, "reply and receive"),
    ({"reply": "a", **main()}, INVALID, "reply and sections"),
    ({"version": "1.0.0"}, "swml_missing_entry_point", "neither"),
    ({"say": "a"}, "swml_missing_entry_point", "neither"),
    ({"version": "2.0.0", **main()}, INVALID, "version"),
    ({"version": 1, **main()}, INVALID, "version"),
    ({"sections": []}, SECTION, "main"),
    ({"sections": {}}, SECTION, "main"),
    ({"sections": {"main": {}}}, SECTION, "main"),
    ({"sections": {"main": [], "b": "x"}}, SECTION, "sections.b"),
    (main({"play": "x"}), "swml_unsupported_method", "sections.main[0]: there is no method 'play'"),
    (main("receive", {"Reply": "x"}), "swml_unsupported_method", "sections.main[1]"),
    (main({"set": {"a": 1}}), "swml_unsupported_method", "'set'"),
    (main({"receive": {}, "reply": "x"}), INVALID, "sections.main[0] must be an object with one method"),
    (main({}), INVALID, "sections.main[0]"),
    (main([]), INVALID, "sections.main[0]"),
    (main("reply"), INVALID, "sections.main[0]"),
    (main(None), INVALID, "sections.main[0]"),
    (main({"receive": "x"}), INVALID, "sections.main[0].receive must be an object"),
    (main({"reply": None}), INVALID, "reply must be text"),
    (main({"reply": True}), INVALID, "reply must be text"),
    (main({"reply": ["x"]}), INVALID, "reply must be text"),
    (main({"reply": {"body": {}}}), INVALID, "reply.body must be text"),
    (main({"reply": {"body": False}}), INVALID, "reply.body must be text"),
    (main({"reply": {"media": "x"}}), INVALID, "reply.media must be a list"),
    (main({"reply": {"media": ["x", None]}}), INVALID, "reply.media[1] must be text"),
    (main({"reply": {"switch": {"variable": "v", "case": {}}, "body": "x"}}), INVALID, "has a switch"),
    (main({"reply": {"switch": {"case": {}}}}), INVALID, "reply.switch.variable"),
    (main({"reply": {"switch": {"variable": "v"}}}), INVALID, "reply.switch.case must be an object"),
    (main({"reply": {"switch": {"variable": "v", "case": {"a": []}}}}), INVALID, "reply.switch.case.a must be"),
    (main({"send_sms": {"from_number": "x", "body": "x"}}), INVALID, "must have to_number"),
    (main({"send_sms": {"to_number": "x", "body": "x"}}), INVALID, "must have from_number"),
    (main({"send_sms": "x"}), INVALID, "send_sms must be an object"),
    (main({"request": "x"}), INVALID, "request must be an object"),
    (main({"request": {"url": []}}), INVALID, "request.url"),
    (main({"request": {"url": "x", "method": "HEAD"}}), INVALID, "request.method must be one of GET"),
    (main({"request": {"url": "x", "headers": []}}), INVALID, "request.headers"),
    (main({"request": {"url": "x", "body": 1}}), INVALID, "request.body"),
    (main({"request": {"url": "x", "timeout": "1"}}), INVALID, "request.timeout"),
    (main({"request": {"url": "x", "timeout": -1}}), INVALID, "request.timeout"),
    (main({"request": {"url": "x", "timeout": True}}), INVALID, "request.timeout"),
    (main({"request": {"url": "x", "save_variables": "yes"}}), INVALID, "request.save_variables"),
    (main({"execute": []}), INVALID, "execute must be an object"),
    (main({"execute": {"dest": "x", "params": []}}), INVALID, "execute.params"),
    (main({"transfer": {"dest": "x", "method": []}}), INVALID, "transfer.method"),
    (main({"switch": []}), INVALID, "switch must be an object"),
    (main({"switch": {"variable": 1, "case": {}}}), INVALID, "switch.variable"),
    (main({"switch": {"variable": "v", "case": []}}), INVALID, "switch.case"),
    (main({"switch": {"variable": "v", "case": {"a": {}}}}), INVALID, "switch.case.a must be a list of steps"),
    (main({"switch": {"variable": "v", "case": {}, "default": "x"}}), INVALID, "switch.default"),
    (
        main({"switch": {"variable": "v", "case": {"a": ["receive", {"x": 1}]}}}),
        "swml_unsupported_method",
        "sections.main[0].switch.case.a[1]",
    ),
    (
        main({"switch": {"variable": "v", "transform": "Lowercase", "case": {}}}),
        "swml_switch_invalid_transform",
        "'Lowercase' is not one of lowercase, uppercase",
    ),
    (main({"switch": {"variable": "v", "transform": [], "case": {}}}), "swml_switch_invalid_transform", "[]"),
    (main({"goto": {}}), INVALID, "goto.label must be text"),
    (main({"goto": {"label": "a", "max": 0}}), INVALID, "goto.max"),
    (main({"goto": {"label": "a", "max": MAX_JUMPS + 1}}), INVALID, "goto.max"),
    (main({"goto": {"label": "a", "max": 1.5}}), INVALID, "goto.max"),
    (main({"goto": {"label": "a", "max": True}}), INVALID, "goto.max"),
    (main({"label": {}}), INVALID, "label must be text"),
    (main({"label": "a"}, {"label": "a"}), INVALID, "'a' is there twice"),
    (
        main({"label": "a"}, {"switch": {"variable": "v", "case": {"x": [{"label": "a"}]}}}),
        INVALID,
        "sections.main[1].switch.case.x[0].label",
    ),
]


@pytest.mark.parametrize(
    ("content", "word", "why"), WRONG, ids=[f"{word}: {json.dumps(content)[:60]}" for content, word, _ in WRONG]
)
def test_a_document_that_is_wrong_is_refused_and_the_place_is_told(content: Any, word: str, why: str) -> None:
    error = refused(content)
    assert (error.code, error.word) == (12200, word)
    assert why in str(error)


def test_a_label_may_be_in_each_section() -> None:
    parse(document({"sections": {"main": [{"label": "a"}], "b": [{"label": "a"}]}}))


def test_more_steps_than_are_done_may_be_written() -> None:
    assert len(program(*["receive"] * 500).sections["main"]) == 500


NOTED: list[tuple[Any, str]] = [
    ({"receive": {}, "comment": "x"}, "comment has no meaning in the document"),
    (main({"receive": {"x": 1}}), "x has no meaning in sections.main[0].receive"),
    (main({"reply": {"body": "x", "tags": []}}), "tags has no meaning in sections.main[0].reply"),
    (main({"execute": {"dest": "x", "method": "GET"}}), "method has no meaning in sections.main[0].execute"),
    (main({"transfer": {"dest": "x", "meta": {}}}), "meta has no meaning in sections.main[0].transfer"),
    (main({"goto": {"label": "x", "when": "y"}}), "when has no meaning in sections.main[0].goto"),
]


@pytest.mark.parametrize(("content", "note"), NOTED, ids=[note for _, note in NOTED])
def test_what_has_no_meaning_is_noted(content: Any, note: str) -> None:
    assert parse(document(content)).notes == (note,)


def test_only_the_first_notes_are_kept() -> None:
    assert len(parse(document({"receive": {str(n): n for n in range(MAX_NOTES + 1)}})).notes) == MAX_NOTES


# --- anything at all

WORDS = st.sampled_from(
    [
        "main",
        "reply",
        "receive",
        "sections",
        "switch",
        "case",
        "default",
        "variable",
        "transform",
        "dest",
        "label",
        "goto",
        "max",
        "execute",
        "transfer",
        "request",
        "url",
        "body",
        "media",
        "send_sms",
        "return",
        "params",
    ]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | WORDS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=3),
    max_leaves=15,
)
METHODS = st.sampled_from(["reply", "switch", "request", "execute", "goto"])
LIKELY = st.lists(st.dictionaries(METHODS, ANY_JSON, max_size=1), max_size=3).map(lambda steps: main(*steps))
CONTENTS = st.binary(max_size=60) | (ANY_JSON | LIKELY).map(lambda value: json.dumps(value).encode())


@given(CONTENTS, st.sampled_from([JSON, YAML, "", "text/plain"]))
def test_any_bytes_are_a_program_or_unusable(content: bytes, kind: str) -> None:
    try:
        assert "main" in parse(Document(URL, kind, content)).sections
    except Unusable as error:
        assert error.code in CATALOGUE
        assert str(error).startswith(f"{error.word}: ")
