"""Scripts, and what a driver of a few lines answers → the effects; each limit, each error, any script at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schemas import validator
from tidings.answering.effects import (
    Call,
    Called,
    Document,
    Effect,
    FetchDocument,
    Inbound,
    Note,
    Replied,
    Reply,
    Result,
    Script,
    Unusable,
)
from tidings.clock import SECOND
from tidings.dialects.signalwire import MAX_MEDIA
from tidings.dialects.swml import (
    MAX_DOCUMENTS,
    MAX_REQUESTS,
    MAX_RESPONSE,
    MAX_STEPS,
    message_object,
    parse,
    payload,
    run,
)
from tidings.dialects.swml_document import MAX_JUMPS, MAX_TIMEOUT
from tidings.errors import CATALOGUE

ID, ACCOUNT = "0198f3c2a1b47c3d8e9f001122334455", "a" * 32
DASHED = "0198f3c2-a1b4-7c3d-8e9f-001122334455"
RECEIVED = 1_705_314_600 * SECOND + 5
INBOUND = Inbound(ID, ACCOUNT, "+15551231234", "+15553214321", " Help me", "sms", (), 1, RECEIVED)
SENT, REFUSED = Replied(ID, None), Replied(None, 21610)
URL = "https://b.example/next"


def document(content: Any, kind: str = "application/json") -> Document:
    return Document(URL, kind, (content if isinstance(content, str) else json.dumps(content)).encode())


def main(*steps: Any, **sections: Any) -> Document:
    return document({"sections": {"main": [*steps], **sections}})


def play(script: Script, answer: Callable[[Effect], Result]) -> list[Effect]:
    effects: list[Effect] = []
    try:
        effect = next(script)
        while True:
            effects.append(effect)
            effect = script.send(None if isinstance(effect, Note) else answer(effect))
    except StopIteration:
        return effects


def played(first: Document, *results: Result, inbound: Inbound = INBOUND) -> list[Effect]:
    """Replies are taken; anything else is answered by the next of `results`, of which none may be left."""
    left = list(results)
    effects = play(run(parse(first), inbound), lambda e: SENT if isinstance(e, Reply) else left.pop(0))
    assert not left
    return effects


def refused(first: Document, *results: Result) -> Unusable:
    with pytest.raises(Unusable) as caught:
        played(first, *results)
    return caught.value


def said(effects: list[Effect]) -> list[str]:
    return [effect.body for effect in effects if isinstance(effect, Reply)]


def codes(effects: list[Effect]) -> list[int]:
    return [effect.code for effect in effects if isinstance(effect, Note)]


def switch(variable: str, default: Any = None, transform: str | None = None, **cases: Any) -> dict[str, Any]:
    return {"switch": {"variable": variable, "transform": transform, "case": cases, "default": default}}


# --- the request for a document


def test_the_request_for_a_document_is_signalwires_payload() -> None:
    given = json.loads(payload(INBOUND))
    assert given == {
        "message": {
            "message_id": DASHED,
            "project_id": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "space_id": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "direction": "inbound",
            "type": "sms",
            "from": "+15551231234",
            "to": "+15553214321",
            "body": " Help me",
            "media": [],
            "segments": 1,
            "timestamp": "2024-01-15T10:30:00Z",
        },
        "params": {},
    }


PICTURE = ("https://m.example/1", "image/png", 48213)
MMS = Inbound(ID, ACCOUNT, "+1555", "+1556", "", "mms", (PICTURE,), 1, RECEIVED)
TEXT, UUID = {"type": "string"}, {"type": "string", "format": "uuid"}
WEBHOOK = validator(
    {
        "type": "object",
        "required": ["message", "params"],
        "additionalProperties": False,
        "properties": {
            "vars": {"type": "object"},
            "params": {"type": "object"},
            "message": {
                "type": "object",
                "required": list(message_object(INBOUND)),
                "additionalProperties": False,
                "properties": {
                    "message_id": UUID,
                    "project_id": UUID,
                    "space_id": UUID,
                    "direction": {"enum": ["inbound"]},
                    "type": {"enum": ["sms", "mms"]},
                    "from": TEXT,
                    "to": TEXT,
                    "body": {"anyOf": [TEXT, {"type": "null"}]},
                    "media": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["url", "content_type", "size"],
                            "additionalProperties": False,
                            "properties": {"url": TEXT, "content_type": TEXT, "size": {"type": "integer"}},
                        },
                    },
                    "segments": {"type": "integer"},
                    "timestamp": {"type": "string", "format": "date-time"},
                },
            },
        },
    }
)
"""SignalWire's InboundMessageWebhookPayload, closed as it is there; all that a message has is required."""


@pytest.mark.parametrize(
    "body",
    [payload(INBOUND), payload(MMS), payload(MMS, {"a": 1}), payload(MMS, None, {"reply_result": "queued"})],
)
def test_the_payload_fits_the_schema(body: bytes) -> None:
    WEBHOOK.validate(json.loads(body))


def test_media_without_text_have_no_body() -> None:
    message = message_object(MMS)
    assert message["body"] is None
    assert message["media"] == [{"url": "https://m.example/1", "content_type": "image/png", "size": 48213}]


# --- reply, receive, send_sms

SCRIPTS: list[tuple[str, Document, list[Reply]]] = [
    ("a reply", document({"reply": "Hi"}), [Reply("Hi")]),
    ("a reply in YAML", document("reply: Hi %{message.from}", "text/x-yaml"), [Reply("Hi +15551231234")]),
    ("received", document({"receive": {}}), []),
    ("nothing", document({}), []),
    ("received in a section", main({"receive": {}}), []),
    ("steps in order", main({"reply": "a"}, "receive", {"reply": "b"}), [Reply("a"), Reply("b")]),
    (
        "everything of a reply",
        main({"reply": {"body": "%{message.body}!", "media": ["/%{message.type}", "/b"], "to": "%{message.to}"}}),
        [Reply(" Help me!", ("/sms", "/b"), "+15553214321")],
    ),
    (
        "another number and a status",
        main({"reply": {"body": "a", "from": "777", "status_url": "https://a.example/%{message.segments}"}}),
        [Reply("a", (), None, "777", "https://a.example/1")],
    ),
    ("what is empty is not given", main({"reply": {"body": "a", "to": "%{x}", "from": ""}}), [Reply("a")]),
    (
        "send_sms",
        main(
            {
                "send_sms": {"to_number": "%{message.from}", "from_number": "777", "body": "a", "region": "us"}
                | {"tags": ["x", "%{message.type}"], "media": ["/m"], "status_callback": "https://a.example/s"}
            }
        ),
        [Reply("a", ("/m",), "+15551231234", "777", "https://a.example/s", ("x", "sms"), "us")],
    ),
]


@pytest.mark.parametrize(("first", "replies"), [row[1:] for row in SCRIPTS], ids=[row[0] for row in SCRIPTS])
def test_a_script_sends(first: Document, replies: list[Reply]) -> None:
    assert played(first) == replies


@pytest.mark.parametrize(
    ("body", "answer"), [("HELP", "help"), ("  help\n", "help"), ("Stop", "stop %{x}"), ("what", "else")]
)
def test_a_reply_may_depend_on_a_variable(body: str, answer: str) -> None:
    cases = {"help": "help", "stop": {"body": "stop %{message.body}", "from": "777"}}
    first = document({"reply": switch("message.body", "else", "lowercase_trim", **cases)})
    inbound = Inbound(ID, ACCOUNT, "+1555", "+1556", body, "sms", (), 1, RECEIVED)
    (reply,) = played(first, inbound=inbound)
    assert reply == (Reply("stop Stop", sender="777") if body == "Stop" else Reply(answer))


RESULTS = {"reply": "%{reply_result}/%{vars.reply_message_id}/%{send_sms_result}"}
SMS = {"send_sms": {"to_number": "+1", "from_number": "+2", "body": "a"}}


@pytest.mark.parametrize(
    ("step", "replied", "result"),
    [
        ({"reply": "a"}, SENT, f"queued/{DASHED}/"),
        ({"reply": "a"}, REFUSED, "failed//"),
        (SMS, SENT, "//success"),
        (SMS, REFUSED, "//failed"),
    ],
)
def test_what_became_of_a_message_is_known_to_the_next_step(step: Any, replied: Replied, result: str) -> None:
    answers = [replied, SENT]
    effects = play(run(parse(main(step, RESULTS)), INBOUND), lambda _: answers.pop(0))
    assert said(effects) == ["a", result]
    assert codes(effects) == ([] if replied is SENT else [21610])


def test_the_id_of_a_reply_is_gone_after_one_that_failed() -> None:
    answers = [SENT, REFUSED, SENT]
    effects = play(run(parse(main({"reply": "a"}, {"reply": "b"}, RESULTS)), INBOUND), lambda _: answers.pop(0))
    assert said(effects)[-1] == "failed//"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (21211, "swml_reply_invalid_to_number"),
        (21606, "swml_reply_invalid_from_number"),
        (21617, "swml_reply_character_limit_exceeded"),
        (21621, "swml_reply_missing_messaging_capability"),
        (30001, "swml_reply_failed"),
        (None, "swml_reply_failed"),
    ],
)
def test_why_a_reply_failed_is_noted_in_signalwires_words(error: int | None, word: str) -> None:
    effects = play(run(parse(main({"reply": "a"})), INBOUND), lambda _: Replied(None, error))
    note = effects[-1]
    assert isinstance(note, Note)
    assert note.code == (error or 20500)
    assert note.text.startswith(f"{word}: sections.main[0].reply: ")


@pytest.mark.parametrize("method", ["reply", "send_sms"])
@pytest.mark.parametrize(
    ("message", "code", "word"),
    [
        ({}, 21602, "swml_reply_body_or_media_required"),
        ({"body": "%{nothing}", "media": []}, 21602, "swml_reply_body_or_media_required"),
        ({"media": ["/x"] * (MAX_MEDIA + 1)}, 21623, "swml_reply_media_limit_exceeded"),
    ],
)
def test_a_message_that_cannot_be_fails_softly(method: str, message: Any, code: int, word: str) -> None:
    numbers = {} if method == "reply" else {"to_number": "+1", "from_number": "+2"}
    note, last = played(main({method: message | numbers}, RESULTS))
    assert isinstance(note, Note)
    assert note.code == code
    assert note.text.startswith(word) == (method == "reply")
    assert last == Reply("failed//" if method == "reply" else "//failed")


def test_eight_media_are_sent() -> None:
    (reply,) = played(main({"reply": {"media": ["/x"] * MAX_MEDIA}}))
    assert isinstance(reply, Reply)
    assert len(reply.media) == MAX_MEDIA


# --- request

OUTCOME = {"reply": "%{request_result} %{request_response_code} %{request_response_body} %{request_response.a.b}"}


def called(status: int, content: str | bytes = "", **more: Any) -> Called:
    return Called(status, (), content.encode() if isinstance(content, str) else content, "", **more)


def request(**given: Any) -> dict[str, Any]:
    return {"request": {"url": "https://c.example/", **given}}


@pytest.mark.parametrize(
    ("given", "call"),
    [
        ({}, Call("https://c.example/", "POST", (), b"", MAX_TIMEOUT)),
        (
            {"url": "https://c.example/?q=%{message.from}", "method": "GET", "timeout": 0.5},
            Call("https://c.example/?q=+15551231234", "GET", (), b"", 0.5),
        ),
        (
            {"body": {"phone": "%{message.from}", "n": [1, None]}, "timeout": 5.1},
            Call(
                "https://c.example/",
                "POST",
                (("Content-Type", "application/json"),),
                b'{"phone":"+15551231234","n":[1,null]}',
                MAX_TIMEOUT,
            ),
        ),
        (
            {"body": {}, "method": "PATCH", "headers": {"content-type": "text/x", "X-N": 1, "A": "%{message.to}"}},
            Call(
                "https://c.example/",
                "PATCH",
                (("content-type", "text/x"), ("X-N", "1"), ("A", "+15553214321")),
                b"{}",
                MAX_TIMEOUT,
            ),
        ),
        (
            {"body": "é %{message.type}", "method": "DELETE"},
            Call("https://c.example/", "DELETE", (), "é sms".encode(), MAX_TIMEOUT),
        ),
    ],
)
def test_a_request_is_made(given: dict[str, Any], call: Call) -> None:
    assert played(main(request(**given)), called(200)) == [call]


@pytest.mark.parametrize(
    ("saves", "answer", "outcome"),
    [
        (False, called(200, '{"a":{"b":"c"}}'), 'success 200 {"a":{"b":"c"}} '),
        (True, called(200, '{"a":{"b":"c"}}'), 'success 200 {"a":{"b":"c"}} c'),
        (True, called(299, "\ufeff[]"), "success 299 \ufeff[] "),
        (True, called(201, "no JSON"), "success 201 no JSON "),
        (True, called(200, b"\xff"), "success 200 \ufffd "),
        (True, called(404, '{"a":{"b":1}}'), 'failed 404 {"a":{"b":1}} 1'),
        (False, called(302), "failed 302  "),
        (False, called(0), "failed   "),
        (True, called(0, timed_out=True), "timeout   "),
    ],
)
def test_what_a_request_brought_is_known_to_the_next_step(saves: bool, answer: Called, outcome: str) -> None:
    assert said(played(main(request(save_variables=saves), OUTCOME), answer)) == [outcome]


def test_nothing_of_an_earlier_request_is_left() -> None:
    first = main(request(save_variables=True), request(), OUTCOME)
    assert said(played(first, called(200, '{"a":{"b":"c"}}'), called(0))) == ["failed   "]


def test_the_body_of_a_response_is_cut_at_64_kb() -> None:
    first = main(request(), request(body="%{request_response_body}"))
    last = played(first, called(200, "x" * (MAX_RESPONSE + 1)), called(200))[-1]
    assert isinstance(last, Call)
    assert len(last.body) == MAX_RESPONSE


def test_ten_requests_are_made_and_no_more() -> None:
    first = main(*[request()] * (MAX_REQUESTS + 1), OUTCOME)
    effects = played(first, *[called(200, "x")] * MAX_REQUESTS)
    assert sum(isinstance(effect, Call) for effect in effects) == MAX_REQUESTS
    assert codes(effects) == [14106]
    assert said(effects) == ["limit_exceeded 200 x "]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"content-LENGTH": "3"},
        {"Transfer-Encoding": "chunked"},
        {"A B": "x"},
        {"": "x"},
        {"A": "x\r\nB: y"},
        {"A": "%{params.evil}"},
        {"A": "é"},
    ],
)
def test_a_header_that_would_change_the_request_is_left_out(headers: dict[str, str]) -> None:
    inner = [request(headers={"Keep": "1", **headers})]
    first = main({"execute": {"dest": "b", "params": {"evil": "x\nB: y"}}}, b=inner)
    note, call = played(first, called(200))
    assert isinstance(note, Note)
    assert note.code == 12200
    assert isinstance(call, Call)
    assert call.headers == (("Keep", "1"),)


@pytest.mark.parametrize("url", [None, "", "%{nothing}"])
def test_a_request_without_a_url_ends_the_script(url: str | None) -> None:
    error = refused(main({"request": {"url": url}}))
    assert (error.code, error.word) == (12200, "swml_request_url_required")


# --- switch, goto, return


@pytest.mark.parametrize(
    ("transform", "body", "answer"),
    [
        (None, "yes", "yes"),
        (None, "Yes", "else"),
        ("lowercase", "YES", "yes"),
        ("uppercase", "upper", "UPPER"),
        ("trim", " yes ", "yes"),
        ("lowercase_trim", " yEs\n", "yes"),
        ("uppercase_trim", " upper", "UPPER"),
        (None, "", "nothing"),
    ],
)
def test_a_switch_compares_what_a_variable_is_after_its_transform(
    transform: str | None, body: str, answer: str
) -> None:
    cases = {"yes": [{"reply": "yes"}], "UPPER": [{"reply": "UPPER"}], "": [{"reply": "nothing"}]}
    first = main(switch("message.body", [{"reply": "else"}], transform, **cases), {"reply": "after"})
    inbound = Inbound(ID, ACCOUNT, "+1555", "+1556", body, "sms", (), 1, RECEIVED)
    assert said(played(first, inbound=inbound)) == [answer, "after"]


def test_a_keyword_in_yaml_is_text_whatever_it_looks_like() -> None:
    script = """
sections:
  main:
    - switch:
        variable: message.body
        case:
          yes: [{reply: a}]
          007: [{reply: b}]
          +1:  [{reply: c}]
          null: [{reply: d}]
"""
    for body, answer in [("yes", "a"), ("007", "b"), ("+1", "c"), ("null", "d")]:
        inbound = Inbound(ID, ACCOUNT, "+1555", "+1556", body, "sms", (), 1, RECEIVED)
        assert said(played(document(script, "application/yaml"), inbound=inbound)) == [answer]


@pytest.mark.parametrize(
    ("variable", "given"), [("message.segments", "1"), ("nothing.at.all", ""), ("message.media", "[]")]
)
def test_a_switch_compares_text(variable: str, given: str) -> None:
    step = {"switch": {"variable": variable, "case": {given: [{"reply": "a"}]}}}
    assert said(played(main(step))) == ["a"]


@pytest.mark.parametrize("step", [switch("x", a=[]), {"reply": switch("x", a="b")}])
def test_a_switch_without_a_match_ends_the_script(step: Any) -> None:
    error = refused(main(step))
    assert (error.code, error.word) == (12200, "swml_switch_no_match")
    assert "sections.main[0]" in str(error)


def test_an_empty_default_does_nothing() -> None:
    assert said(played(main(switch("x", [], a=[]), {"reply": "after"}))) == ["after"]


def test_a_goto_repeats_what_follows_its_label_as_often_as_it_may() -> None:
    retry = switch("request_result", [{"reply": "done"}], failed=[{"goto": {"label": "again", "max": 2}}])
    first = main({"label": "again"}, request(), retry, {"reply": "after %{request_result}"})
    assert said(played(first, called(500), called(200))) == ["done", "after success"]
    assert said(played(first, called(500), called(500), called(500))) == ["after failed"]


def test_a_goto_may_go_forth_and_stay_within_a_case() -> None:
    first = main(
        {"goto": "end"},
        {"reply": "never"},
        {"label": "end"},
        switch("x", [{"goto": "inner"}, {"reply": "never"}, {"label": "inner"}, {"reply": "here"}]),
    )
    assert said(played(first)) == ["here"]


def test_jumps_are_counted_for_each_label_and_call() -> None:
    twice = [{"label": "a"}, {"reply": "a"}, {"goto": {"label": "a", "max": 1}}]
    first = main(*twice, {"execute": "b"}, {"execute": "b"}, b=twice)
    assert said(played(first)) == ["a", "a"] * 3


def test_a_goto_jumps_a_hundred_times_at_most_and_steps_end_before() -> None:
    effects = played(main({"label": "a"}, {"goto": {"label": "a", "max": MAX_JUMPS}}))
    assert codes(effects) == [14106]


@pytest.mark.parametrize(
    "first",
    [
        main({"goto": "nowhere"}),
        main({"label": "a"}, {"execute": "b"}, b=[{"goto": "a"}]),
        main({"goto": "a"}, switch("x", [], never=[{"label": "a"}])),
    ],
)
def test_a_goto_to_a_label_that_is_not_in_its_section_ends_the_script(first: Document) -> None:
    error = refused(first)
    assert (error.code, error.word) == (12200, "swml_goto_label_not_found")


def test_a_return_in_main_ends_the_script() -> None:
    assert said(played(main({"reply": "a"}, switch("x", ["return"]), {"reply": "never"}))) == ["a"]


# --- execute and transfer


def test_a_section_is_executed_with_params_and_gives_a_value_back() -> None:
    first = main(
        {"execute": {"dest": "%{message.type}", "params": {"name": "%{message.from}", "deep": [{"x": "y"}]}}},
        {"reply": "%{return_value} [%{params.name}]"},
        sms=[{"reply": "%{params.deep[0].x}"}, {"return": "Hello, %{params.name}!"}, {"reply": "never"}],
    )
    assert said(played(first)) == ["y", "Hello, +15551231234! []"]


def test_params_are_replaced_and_come_back() -> None:
    first = main(
        {"execute": {"dest": "a", "params": {"x": "1", "y": "2"}}},
        {"reply": "main %{params.x}"},
        a=[
            {"execute": {"dest": "b", "params": {"x": "3"}}},
            {"execute": "b"},
            {"reply": "a %{params}"},
        ],
        b=[{"reply": "b %{params}"}],
    )
    assert said(played(first)) == ['b {"x":"3"}', "b {}", 'a {"x":"1","y":"2"}', "main "]


def test_a_section_without_return_leaves_the_value_of_an_earlier_one() -> None:
    value = {"reply": "<%{return_value}>"}
    first = main(
        *({"execute": "one"}, {"execute": "none"}, value, {"execute": "bare"}, value),
        one=[{"return": {"n": 1}}],
        none=[{"execute": "two"}, value],
        two=[{"return": 2}],
        bare=["return"],
    )
    assert said(played(first)) == ["<2>", '<{"n":1}>', "<>"]


def test_a_return_leaves_the_cases_of_its_section_only() -> None:
    cases = switch("x", [switch("x", ["return"])])
    first = main({"execute": "a"}, {"reply": "after"}, a=[cases, {"reply": "never"}])
    assert said(played(first)) == ["after"]


def test_variables_of_a_section_are_the_callers() -> None:
    last = {"reply": "%{request_result} %{vars.reply_result}"}
    first = main({"execute": "a"}, last, a=[request(), {"reply": "x"}])
    assert said(played(first, called(200))) == ["x", "success queued"]


def test_a_section_that_is_transferred_to_does_not_come_back() -> None:
    first = main(
        {"execute": "a"},
        {"reply": "never"},
        a=[switch("x", [{"transfer": {"dest": "b", "params": {"p": "q"}}}]), {"reply": "never"}],
        b=[{"reply": "%{params.p}"}],
    )
    assert said(played(first)) == ["q"]


def asked(effect: Effect, method: str = "POST") -> dict[str, Any]:
    assert isinstance(effect, FetchDocument)
    assert (effect.url, effect.method, effect.params) == (URL, method, ())
    assert effect.body is not None
    body: dict[str, Any] = json.loads(effect.body)
    WEBHOOK.validate(body)
    assert body["message"] == message_object(INBOUND)
    return body


def test_a_url_is_executed_with_params_and_variables_and_comes_back() -> None:
    first = main(
        {"reply": "a"},
        {"execute": {"dest": URL, "params": {"from": "%{message.from}"}}},
        {"reply": "<%{return_value}>"},
        {"execute": "own"},
        own=[{"reply": "own"}],
    )
    other = main({"reply": "%{params.from} %{reply_result}"}, {"execute": "own"}, own=[{"return": "theirs"}])
    middle = document({"sections": {"main": [{"return": "back"}]}})
    effects = played(first, middle)
    assert asked(effects[1]) == {
        "message": message_object(INBOUND),
        "vars": {"reply_result": "queued", "reply_message_id": DASHED},
        "params": {"from": "+15551231234"},
    }
    assert said(effects) == ["a", "<back>", "own"]
    assert said(played(first, other)) == ["a", "+15551231234 queued", "<>", "own"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_url_that_is_transferred_to_does_not_come_back(method: str) -> None:
    first = main({"transfer": {"dest": URL, "method": method, "params": {"a": 1}}}, {"reply": "never"}, b=[])
    fetched, reply = played(first, document("reply: 'there %{params.a}'", "application/yaml"))
    assert asked(fetched, method)["params"] == {"a": 1}
    assert reply == Reply("there 1")


def test_sections_of_a_document_that_was_left_cannot_be_reached() -> None:
    error = refused(main({"transfer": URL}, own=[]), main({"execute": "own"}))
    assert error.word == "swml_section_not_found"


@pytest.mark.parametrize("method", ["execute", "transfer"])
def test_a_document_may_be_inline(method: str) -> None:
    inline = ' {"sections": {"main": [{"reply": "<%{params.a}>"}, {"execute": "b"}], "b": [{"reply": "b"}]}}'
    after = ["after"] if method == "execute" else []
    own = main({method: {"dest": inline, "params": {"a": "A"}}}, {"reply": "after"}, b=[{"reply": "never"}])
    assert said(played(own)) == ["<A>", "b", *after]
    bare = main({method: inline}, {"reply": "after"}, b=[{"reply": "never"}])
    assert said(played(bare)) == ["<>", "b", *after]


def test_an_inline_document_may_come_from_a_variable() -> None:
    first = main(request(), {"execute": {"dest": "%{request_response_body}"}})
    assert said(played(first, called(200, '{"reply": "%{message.type}"}'))) == ["sms"]


def test_what_a_message_says_is_no_step_of_an_inline_document() -> None:
    first = main({"execute": {"dest": '{"reply": "%{message.body}"}'}})
    body = '"}, {"transfer": "https://evil.example"}, {"reply": "'
    assert said(played(first, inbound=Inbound(ID, ACCOUNT, "+1", "+2", body, "sms", (), 1, RECEIVED))) == [body]


def test_a_destination_that_stands_alone_is_not_expanded() -> None:
    first = main({"execute": "%{message.type}"}, sms=[], **{"%{message.type}": [{"reply": "as written"}]})
    assert said(played(first)) == ["as written"]


@pytest.mark.parametrize("method", ["execute", "transfer"])
@pytest.mark.parametrize(
    "dest", ["nowhere", "htp://a.example", "HTTPS://a.example", "{no json", "[]", '{"a":1,"a":2}', {"x": 1}, 5]
)
def test_a_destination_that_is_nothing_else_is_a_section_that_is_not_there(method: str, dest: Any) -> None:
    error = refused(main({method: {"dest": dest}}, **{"": []}))
    assert (error.code, error.word) == (12200, "swml_section_not_found")


@pytest.mark.parametrize("given", [{}, {"dest": ""}, {"dest": None}, {"dest": "%{nothing}"}, {"dest": {}}, ""])
def test_a_destination_that_is_missing(given: Any) -> None:
    assert refused(main({"transfer": given})).word == "swml_transfer_failed"
    assert refused(main({"execute": given})).word == "swml_section_not_found"


@pytest.mark.parametrize("method", ["execute", "transfer"])
@pytest.mark.parametrize(
    ("answer", "what", "code"),
    [
        (document({"reply": "a", "receive": {}}), "document_invalid", 12200),
        (main({"play": "x"}), "document_invalid", 12200),
        (document("<Response/>", "text/xml"), "fetch_failed", 12300),
        (document("OK"), "fetch_failed", 12100),
        (document([]), "fetch_failed", 12100),
    ],
)
def test_a_document_that_a_step_leads_to_and_is_none_ends_the_script(
    method: str, answer: Document, what: str, code: int
) -> None:
    error = refused(main({method: URL}, {"reply": "never"}), answer)
    assert (error.code, error.word) == (code, f"swml_{method}_{what}")
    assert str(error).startswith(f"swml_{method}_{what}: sections.main[0].{method}: ")


def test_an_inline_document_that_is_none_ends_the_script() -> None:
    assert refused(main({"execute": '{"say": "a"}'})).word == "swml_execute_document_invalid"
    assert refused(main({"transfer": '{"sections": {}}'})).word == "swml_transfer_document_invalid"


def test_a_method_that_documents_are_not_asked_for_by() -> None:
    assert refused(main({"transfer": {"dest": URL, "method": "BREW"}})).word == "swml_transfer_fetch_failed"


def test_what_has_no_meaning_is_noted_where_a_document_begins() -> None:
    first = main({"reply": {"body": "a", "x": 1}}, {"execute": URL}, {"execute": '{"receive": {}, "y": 1}'})
    effects = played(first, document({"receive": {"z": 1}}))
    notes = [effect.text.partition(" ")[0] for effect in effects if isinstance(effect, Note)]
    assert (notes, codes(effects)) == (["x", "z", "y"], [12200] * 3)
    assert [type(effect) for effect in effects] == [Note, Reply, FetchDocument, Note, Note]


# --- limits


def test_a_hundred_steps_are_done_and_no_more() -> None:
    assert len(played(main(*[{"reply": "a"}] * MAX_STEPS))) == MAX_STEPS
    effects = played(main(*[{"reply": "a"}] * (MAX_STEPS + 1)))
    assert said(effects) == ["a"] * MAX_STEPS
    note = effects[-1]
    assert isinstance(note, Note)
    assert (note.code, f"main[{MAX_STEPS}]" in note.text) == (14106, True)


@pytest.mark.parametrize(
    ("first", "replies"),
    [
        (main({"reply": "a"}, {"execute": "main"}), MAX_STEPS // 2),
        (main({"reply": "a"}, {"transfer": "main"}), MAX_STEPS // 2),
        (main({"label": "x"}, {"reply": "a"}, {"goto": "x"}), 33),
    ],
)
def test_scripts_that_go_round_come_to_an_end(first: Document, replies: int) -> None:
    effects = played(first)
    assert said(effects) == ["a"] * replies
    assert codes(effects) == [14106]


@pytest.mark.parametrize("method", ["execute", "transfer"])
def test_steps_and_documents_are_counted_over_all_documents(method: str) -> None:
    again = main({method: URL})
    counted: list[Effect] = []

    def answer(effect: Effect) -> Result:
        counted.append(effect)
        return again

    with pytest.raises(Unusable) as caught:
        play(run(parse(again), INBOUND), answer)
    assert (caught.value.code, caught.value.word) == (14106, f"swml_{method}_fetch_failed")
    assert len(counted) == MAX_DOCUMENTS
    slow = main(*["receive"] * 4, {method: URL})
    effects = play(run(parse(slow), INBOUND), lambda _: slow)
    assert (len(effects), codes(effects)) == (MAX_STEPS // 5 + 1, [14106])


def test_variables_that_grow_without_end_end_the_script() -> None:
    first = main(
        {"execute": {"dest": "a", "params": {"x": "0123456789"}}},
        a=[{"execute": {"dest": "a", "params": {"x": "%{params.x}%{params.x}"}}}],
    )
    error = refused(first)
    assert (error.code, error.word) == (14106, "")
    assert "sections.a[0].execute" in str(error)


# --- anything at all

PATHS = ["%{message.body}", "%{params}", "%{vars}", "%{return_value}%{return_value}", "x", ""]
TEXTS = st.sampled_from(PATHS)
INLINE = '{"sections": {"main": [{"execute": "main"}]}}'
DESTS = st.sampled_from(["main", "b", URL, '{"reply": "x"}', INLINE, "%{x}"])


def likely(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    steps = st.lists(inside, max_size=3)
    variables = st.sampled_from(["message.body", "request_result", "x"])
    choices = st.builds(lambda v, a, b: {"variable": v, "case": {"": a}, "default": b}, variables, steps, steps)
    return choices.map(lambda it: {"switch": it})


STEPS = st.recursive(
    st.sampled_from([{"receive": {}}, {"label": "l"}, {"return": "%{vars}%{vars}"}, request(save_variables=True)])
    | st.builds(lambda text: {"reply": text}, TEXTS)
    | st.builds(lambda dest, text: {"execute": {"dest": dest, "params": {"x": text}}}, DESTS, TEXTS)
    | st.builds(lambda dest, text: {"transfer": {"dest": dest, "params": {"x": text}}}, DESTS, TEXTS)
    | st.builds(lambda most: {"goto": {"label": "l", "max": most}}, st.integers(1, 100)),
    likely,
    max_leaves=6,
)
SECTIONS = st.lists(STEPS, max_size=5)
DOCUMENTS = st.builds(lambda one, two: main(*one, b=two), SECTIONS, SECTIONS)
ANSWERS: dict[type, st.SearchStrategy[Any]] = {
    FetchDocument: DOCUMENTS,
    Call: st.builds(called, st.sampled_from([0, 200, 500]), st.sampled_from(["", "{}", '{"a":1}', "x" * 1000])),
    Reply: st.sampled_from([SENT, REFUSED]),
}


@given(st.data(), st.text(max_size=5))
def test_any_script_ends_or_is_unusable(data: st.DataObject, body: str) -> None:
    inbound = Inbound(ID, ACCOUNT, "+1555", "+1556", body, "sms", (), 1, RECEIVED)
    try:
        program = parse(data.draw(DOCUMENTS))
        effects = play(run(program, inbound), lambda effect: data.draw(ANSWERS[type(effect)]))
    except Unusable as error:
        assert error.code in CATALOGUE
        return
    assert sum(not isinstance(effect, Note) for effect in effects) <= MAX_STEPS
    assert sum(isinstance(effect, Call) for effect in effects) <= MAX_REQUESTS
    assert set(codes(effects)) <= CATALOGUE.keys()
