from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from tidings.errors import Problem
from tidings.web.twilio import refuse
from tidings.web.wire import MAX_PARAMETERS, Answer, Endpoint, Request, base_url, json_answer, parse_form

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
def test_a_form_that_was_encoded_is_read_back(params: list[tuple[str, str]]) -> None:
    assert parse_form(urlencode(params).encode()) == params


@pytest.mark.parametrize(
    ("raw", "params"),
    [
        (b"", []),
        (b"&&a=1&", [("a", "1")]),
        (b"a", [("a", "")]),
        (b"=&a=1&=", [("a", "1")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=+%2B%20", [("a", " + ")]),
        (b"a%3Db==%3d=\r\n%0A=", [("a=b", "===\r\n\n=")]),
        (b"a=%2541&b=%3D41", [("a", "%41"), ("b", "=41")]),
        ("a=é".encode(), [("a", "é")]),
    ],
)
def test_odd_forms_are_read(raw: bytes, params: list[tuple[str, str]]) -> None:
    assert parse_form(raw) == params


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"=1", 20001),
        (b"a=%", 20001),
        (b"a=%1", 20001),
        (b"%zz=1", 20001),
        (b"a=%c3", 20001),
        (b"a=%ed%a0%80", 20001),  # half a surrogate pair
        (b"a=%00", 20422),
        (b"a=\0", 20422),
        (b"&" * MAX_PARAMETERS, 20413),
    ],
)
def test_forms_that_cannot_be_read_are_refused(raw: bytes, code: int) -> None:
    with pytest.raises(Problem) as caught:
        parse_form(raw)
    assert caught.value.code == code


@given(st.binary())
def test_whatever_comes_is_parameters_or_a_problem(raw: bytes) -> None:
    try:
        params = parse_form(raw)
    except Problem as problem:
        assert problem.http in (400, 413, 422)
    else:
        assert len(params) <= raw.count(b"&") + 1


async def nothing() -> Message:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("public_url", "scheme", "headers", "base"),
    [
        ("", "http", [(b"host", b"sms.example.com:8080")], "http://sms.example.com:8080"),
        ("", "https", [(b"host", b"[::1]")], "https://[::1]"),
        ("", "http", [], "http://localhost"),
        ("https://sms.example.com", "http", [(b"host", b"10.0.0.1")], "https://sms.example.com"),
        ("https://example.com/sms/", "http", [(b"host", b"10.0.0.1")], "https://example.com/sms"),
    ],
)
def test_absolute_urls_begin_with_what_is_set_or_what_was_asked(
    public_url: str, scheme: str, headers: list[tuple[bytes, bytes]], base: str
) -> None:
    scope = {"method": "GET", "path": "/", "query_string": b"", "headers": headers, "scheme": scheme}
    assert base_url(Request(scope, nothing), public_url) == base


async def test_a_client_that_goes_away_is_not_answered() -> None:
    received: list[Message] = [
        {"type": "http.request", "body": b"a=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async def handle(request: Request) -> Answer:
        return json_answer(200, await request.form())

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await Endpoint({"POST": handle}, refuse)(scope, receive, send)
    assert (received, sent) == ([], [])


@pytest.mark.parametrize(
    ("answer", "length"),
    [(Answer(204, b"", []), None), (Answer(200, b"", []), b"0"), (Answer(200, b"four", []), b"4")],
)
async def test_only_where_there_can_be_content_its_length_is_said(answer: Answer, length: bytes | None) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def handle(request: Request) -> Answer:
        return answer

    scope = {"type": "http", "method": "DELETE", "path": "/", "query_string": b"", "headers": []}
    await Endpoint({"DELETE": handle}, refuse)(scope, nothing, send)
    assert dict(sent[0]["headers"]).get(b"content-length") == length
    assert sent[1] == {"type": "http.response.body", "body": answer.content}
