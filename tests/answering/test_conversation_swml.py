"""Messaging SWML as it runs: requests and documents over real sockets, replies through a whole gateway."""

import json
import socket
from typing import Any

import pytest

from tests.answering.desk import JSON, REST, Answer, Answers, Desk, Line, steps, swml
from tests.gateway.application import RECIPIENT, SENDER
from tests.schemas import signalwire
from tidings.ids import dashed
from tidings.model import CallbackState

INBOUND = signalwire("inbound-message-swml")


async def answered(line: Line, desk: Desk, *main: Any) -> str:
    """A message, once the number's document with these steps has been done."""
    await line.answered_by(REST, desk.put("/swml", steps(*main)))
    message = await line.hears("hello")
    await line.settled(message)
    return message


# --- request
async def test_a_request_is_made_as_the_step_says_and_its_answer_is_known_to_the_next_one(
    line: Line, desk: Desk
) -> None:
    desk.put("/lookup", Answer(201, "application/json", b'{"name": "Ann"}'))
    request = {
        "url": desk.base + "/lookup?from=%{message.from}",
        "method": "PUT",
        "headers": {"X-Key": "k", "x-signalwire-signature": "forged"},
        "body": {"said": "%{message.body}"},
        "save_variables": True,
    }
    words = "%{request_result} %{request_response_code}: Hello %{request_response.name}"
    await answered(line, desk, {"request": request}, {"reply": words})
    assert await line.said() == ["success 201: Hello Ann"]
    asked = desk.asked[1]
    assert (asked.method, asked.headers["x-key"]) == ("PUT", "k")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"said": "hello"}
    assert asked.url == f"{desk.base}/lookup?from={RECIPIENT}"
    assert asked.signed(REST)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_request_without_a_body_can_be_of_any_method(line: Line, desk: Desk, method: str) -> None:
    desk.put("/lookup", Answer(204, ""))
    await answered(
        line, desk, {"request": {"url": desk.base + "/lookup", "method": method}}, {"reply": "%{request_result}"}
    )
    asked = desk.asked[1]
    assert (asked.method, asked.body) == (method, "")
    assert asked.headers.get("content-length") == (None if method in ("GET", "DELETE") else "0")
    assert asked.signed(REST)
    assert await line.said() == ["success"]


@pytest.mark.parametrize(
    ("answer", "timeout", "result", "code"),
    [
        (Answer(500), 5, "failed 500", 11217),
        (Answer(404, "text/plain", b"no"), 5, "failed 404", 11217),
        (Answer(302, "", headers={"Location": "/elsewhere"}), 5, "failed 302", 11200),
        (None, 0.1, "timeout ", 11200),
    ],
    ids=["500", "404", "redirect", "silence"],
)
async def test_a_request_that_fails_is_for_the_document_to_deal_with(
    line: Line, desk: Desk, answer: Answers, timeout: float, result: str, code: int
) -> None:
    desk.put("/lookup", answer)
    request = {"url": desk.base + "/lookup", "timeout": timeout}
    message = await answered(
        line, desk, {"request": request}, {"reply": "%{request_result} %{request_response_code}"}
    )
    assert [said.strip() for said in await line.said()] == [result.strip()]
    document, call = await line.attempts(message)
    assert (document.error, call.error, call.url) == (None, code, desk.base + "/lookup")
    assert desk.paths == ["/swml", "/lookup"], "it is made once, and no redirect is followed"


async def test_a_request_to_what_is_no_url_fails_and_is_noted(line: Line, desk: Desk) -> None:
    message = await answered(
        line, desk, {"request": {"url": "file:///etc/passwd"}}, {"reply": "%{request_result}"}
    )
    assert await line.said() == ["failed"]
    (document,) = await line.attempts(message)
    assert document.error == 11100
    assert "file:///etc/passwd" in document.detail


async def test_what_is_noted_later_stands_with_the_document_and_not_with_the_request(
    line: Line, desk: Desk
) -> None:
    desk.put("/lookup", Answer(204, ""))
    message = await answered(
        line,
        desk,
        {"request": {"url": desk.base + "/lookup"}},
        {"reply": {"body": "x", "from": "+15559999999"}},
        {"reply": "%{reply_result}"},
    )
    document, call = await line.attempts(message)
    assert (document.error, call.error) == (21606, None)
    assert "swml_reply_invalid_from_number" in document.detail
    assert await line.said() == ["failed"]


# --- other documents
async def test_a_transfer_takes_its_params_and_all_variables_along(line: Line, desk: Desk) -> None:
    desk.put("/next", swml({"reply": "%{params.who} %{vars.reply_result}"}))
    transfer = {"transfer": {"dest": desk.base + "/next", "params": {"who": "%{message.from}"}}}
    message = await answered(line, desk, {"reply": "one"}, transfer, {"reply": "never"})
    asked = desk.asked[1]
    assert (asked.method, asked.headers["content-type"]) == ("POST", JSON)
    INBOUND.validate(asked.json)
    first, second = await line.replies()
    assert asked.json == {
        "message": desk.asked[0].json["message"],
        "vars": {"reply_result": "queued", "reply_message_id": dashed(first[0].id)},
        "params": {"who": RECIPIENT},
    }
    assert asked.signed(REST)
    assert asked.token != desk.asked[0].token
    assert [first[0].body, second[0].body] == ["one", f"{RECIPIENT} queued"]
    assert {attempt.error for attempt in await line.attempts(message)} == {None}


async def test_behind_a_document_that_was_executed_the_first_one_goes_on(line: Line, desk: Desk) -> None:
    desk.put("/sub", steps({"reply": "two"}, {"return": "done"}))
    await answered(
        line, desk, {"reply": "one"}, {"execute": {"dest": desk.base + "/sub"}}, {"reply": "%{return_value}"}
    )
    assert await line.said() == ["one", "two", "done"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_transfer_may_ask_by_any_method(line: Line, desk: Desk, method: str) -> None:
    desk.put("/next", swml({"reply": "there"}))
    await answered(line, desk, {"transfer": {"dest": desk.base + "/next", "method": method}})
    asked = desk.asked[1]
    assert asked.method == method
    assert (asked.body == "") == (method == "GET")
    assert asked.signed(REST)
    assert await line.said() == ["there"]


async def test_a_transfer_to_what_is_no_document_is_final_and_named(line: Line, desk: Desk) -> None:
    desk.put("/next", swml({"reply": "a", "receive": {}}))
    await line.answered_by(
        REST, desk.put("/swml", steps({"reply": "one"}, {"transfer": {"dest": desk.base + "/next"}}))
    )
    message = await line.hears()
    callback = await line.settled(message, CallbackState.GIVEN_UP)
    assert (callback.attempts, callback.response, callback.error) == (2, 200, 12200)
    first, second = await line.attempts(message)
    assert (first.error, second.error) == (None, 12200)
    assert "swml_transfer_document_invalid" in second.detail
    assert await line.said() == ["one"]


async def test_a_transfer_to_nobody_is_held_again_and_repeats_no_reply(line: Line, desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        desk.put(
            "/swml",
            steps({"reply": "one"}, {"transfer": {"dest": nobody}}),
            steps({"reply": "one"}, {"reply": "two"}),
        )
        await line.answered_by(REST, desk.base + "/swml")
        callback = await line.settled(await line.hears())
    assert callback.attempts == 3
    assert await line.said() == ["one", "two"]


# --- messages
async def test_what_a_message_is_sent_with_is_kept_with_it(line: Line, desk: Desk) -> None:
    send = {
        "to_number": "+15551230009",
        "from_number": SENDER,
        "body": "news",
        "tags": ["a", "b"],
        "region": "eu",
        "status_callback": desk.put("/status", Answer(204, "")),
    }
    await answered(line, desk, {"send_sms": send}, {"reply": "%{send_sms_result}"})
    (news, _), (reply, _) = await line.replies()
    assert (news.recipient, news.extras) == ("+15551230009", {"tags": ["a", "b"], "region": "eu"})
    assert (reply.body, reply.extras) == ("success", {})
    told = await desk.until_asked(2)
    assert told.json["id"] == dashed(news.id)


async def test_a_script_in_yaml_runs_its_requests_and_replies(line: Line, desk: Desk) -> None:
    desk.put("/hours", Answer(200, "application/json", b'{"open": false}'))
    script = f"""
version: 1.0.0
sections:
  main:
    - request: {{url: "{desk.base}/hours", method: GET, save_variables: true}}
    - switch:
        variable: request_response.open
        case:
          "false": [{{reply: We are closed}}]
        default: [{{reply: Coming}}]
"""
    await line.answered_by(REST, None, script=script)
    message = await line.hears()
    callback = await line.settled(message)
    assert (callback.attempts, callback.error) == (1, None)
    assert await line.said() == ["We are closed"]
    (call,) = await line.attempts(message)
    assert (call.method, call.url, call.response) == ("GET", desk.base + "/hours", 200)


async def test_a_script_s_notes_are_kept_though_nobody_was_asked_for_it(line: Line, desk: Desk) -> None:
    await line.answered_by(REST, None, script='{"reply": {"body": "hi", "from": "+15559999999", "color": "red"}}')
    message = await line.hears()
    callback = await line.settled(message)
    assert (callback.state, callback.error) == (CallbackState.DONE, None)
    (noted,) = await line.attempts(message)
    assert (noted.url, noted.error) == ("script:", 12200)
    assert "color" in noted.detail
    assert "21606" in noted.detail
