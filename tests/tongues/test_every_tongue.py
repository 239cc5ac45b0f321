"""One message, every tongue: made in one dialect it is fetched in each other, and called back in its own."""

import asyncio
import json
from typing import Any, Final

import pytest
import websockets
from twilio.request_validator import RequestValidator

from tests.schemas import signalwire
from tests.tongues.house import ACCOUNT, SENDER, TWILIO_ONLY, WAIT, Got, House, ac
from tidings.callbacks.signing import signalwire_form_signature, signalwire_signature
from tidings.ids import dashed, sid

PROJECT: Final = dashed(ACCOUNT.id)
COMPAT: Final = f"/api/laml/2010-04-01/Accounts/{PROJECT}/Messages"
TWILIO: Final = f"/2010-04-01/Accounts/{ac(ACCOUNT.id)}/Messages"
KEY: Final = ACCOUNT.signing_key or ""

DELIVERED, UNDELIVERED, REFUSED, SILENT = "+15551230200", "+15551230408", "+15551230500", "+15551230202"


async def made(house: House, dialect: str, to: str, text: str = "hello", **more: Any) -> str:
    """The id of a message that was made in `dialect`, 32 hex digits."""
    callback = f"{house.application.url}/{dialect}"
    async with house.http() as http:
        match dialect:
            case "twilio":
                form = {"From": SENDER, "To": to, "Body": text, "StatusCallback": callback, **more}
                answer = await http.post(TWILIO + ".json", data=form)
                found = answer.json()["sid"][2:]
            case "signalwire_compat":
                form = {"From": SENDER, "To": to, "Body": text, "StatusCallback": callback, **more}
                answer = await http.post(COMPAT, data=form)
                found = answer.json()["sid"].replace("-", "")
            case "signalwire_rest":
                body = {"from": SENDER, "to": to, "body": text, "status_callback": callback, **more}
                answer = await http.post("/api/messaging/messages", json=body)
                found = answer.json()["id"].replace("-", "")
            case _:
                return await made_by_relay(house, to, text, callback)
        assert answer.status_code == 201, answer.text
        return str(found)


async def made_by_relay(house: House, to: str, text: str, callback: str) -> str:
    async with websockets.connect(house.url.replace("http", "ws") + "/api/relay/ws") as socket:
        authentication = {"project": PROJECT, "token": ACCOUNT.auth_token}
        connect = {"version": {"major": 2, "minor": 0, "revision": 0}, "authentication": authentication}
        await asked(socket, "signalwire.connect", connect)
        sent = await asked(
            socket,
            "messaging.send",
            {
                "from_number": SENDER,
                "to_number": to,
                "body": text,
                "status_callback": callback,
                "context": "office",
            },
        )
        assert sent["code"] == "200", sent
        return str(sent["message_id"]).replace("-", "")


async def asked(socket: Any, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of one request; events that come before it are acknowledged."""
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
    async with asyncio.timeout(WAIT):
        while True:
            frame = json.loads(await socket.recv())
            if frame.get("id") == method:
                result: dict[str, Any] = frame["result"]
                return result
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": {}}))


async def fetched(house: House, message: str) -> dict[str, dict[str, Any]]:
    """The message as each dialect shows it."""
    async with house.http() as http:
        paths = {
            "twilio": f"{TWILIO}/{sid('SM', message)}.json",
            "signalwire_compat": f"{COMPAT}/{dashed(message)}.json",
            "signalwire_rest": f"/api/messaging/logs/{dashed(message)}",
            "own": f"/v1/messages/{message}",
        }
        answers = {name: await http.get(path) for name, path in paths.items()}
    assert {answer.status_code for answer in answers.values()} == {200}, answers
    return {name: answer.json() for name, answer in answers.items()}


def statuses(got: list[Got], dialect: str) -> list[str]:
    return [str(one.json["status"] if dialect in JSON else one.form["MessageStatus"]) for one in got]


JSON: Final = frozenset({"signalwire_rest", "signalwire_relay"})
TOLD: Final = {
    "twilio": ["sent", "delivered"],
    "signalwire_compat": ["queued", "sending", "sent", "delivered"],
    "signalwire_rest": ["queued", "initiated", "sent", "delivered"],
    "signalwire_relay": ["queued", "initiated", "sent", "delivered"],
}


@pytest.mark.parametrize("dialect", TOLD)
async def test_a_message_made_in_one_dialect_is_fetched_in_each_and_told_in_its_own(
    house: House, dialect: str
) -> None:
    message = await made(house, dialect, DELIVERED)
    told = TOLD[dialect]
    got = await house.application.until(lambda got: len(got) >= len(told), f"/{dialect}")
    assert statuses(got, dialect) == told
    for one in got:
        genuine(one, dialect)
    shown = await fetched(house, message)
    assert shown["own"]["dialect"] == dialect
    assert shown["twilio"]["sid"] == "SM" + message
    assert shown["signalwire_compat"]["sid"] == shown["signalwire_rest"]["id"] == dashed(message)
    assert {one["status"] for one in shown.values()} == {"delivered"}
    assert (shown["twilio"]["price"], shown["twilio"]["num_segments"]) == ("-0.00790", "1")
    assert (shown["signalwire_compat"]["price"], shown["signalwire_compat"]["num_segments"]) == (0.0079, 1)
    assert shown["signalwire_rest"]["charge"] == 0.0079


def genuine(got: Got, dialect: str) -> None:
    """Its signature is right, and its body is as the dialect's documents have it."""
    if dialect == "twilio":
        validator = RequestValidator(ACCOUNT.auth_token)
        assert validator.validate(got.url, got.form, got.headers["x-twilio-signature"])
    elif dialect == "signalwire_compat":
        expected = signalwire_form_signature(KEY, got.url, list(got.form.items()))
        assert got.headers["x-signalwire-signature"] == expected
        typed = got.form | {name: int(got.form[name]) for name in ("NumMedia", "NumSegments")}
        signalwire("sms-status-callback").validate(typed)
    else:
        assert got.headers["x-signalwire-signature"] == signalwire_signature(KEY, got.url, got.body)
        assert got.headers["content-type"].startswith("application/json")
        signalwire("message-status-callback").validate(got.json)


@pytest.mark.parametrize("dialect", TOLD)
@pytest.mark.parametrize(
    ("to", "status", "number", "word"),
    [
        (UNDELIVERED, "undelivered", 30003, "unreachable_destination_handset"),
        (REFUSED, "failed", None, None),
    ],
)
async def test_what_goes_wrong_has_each_dialect_s_own_name(
    house: House, dialect: str, to: str, status: str, number: int | None, word: str | None
) -> None:
    message = await made(house, dialect, to)
    got = await house.application.until(lambda got: status in statuses(got, dialect), f"/{dialect}")
    for one in got:
        genuine(one, dialect)
    last = got[-1]
    if dialect in JSON:
        assert last.json["error_code"] is not None and last.json["error_message"]
        assert all(one.json["error_code"] is None for one in got[:-1])
        assert word is None or last.json["error_code"] == word
    else:
        assert "ErrorCode" in last.form
        assert not any("ErrorCode" in one.form for one in got[:-1])
        assert number is None or last.form["ErrorCode"] == str(number)
    shown = await fetched(house, message)
    assert {one["status"] for one in shown.values()} == {status}
    # A failed one costs nothing; what left does, whatever became of it.
    assert shown["signalwire_compat"]["price"] == (0.0 if status == "failed" else 0.0079)
    assert shown["twilio"]["price"] == (None if status == "failed" else "-0.00790")


MEDIA_TOLD: Final = {name: [status for status in told if status != "delivered"] for name, told in TOLD.items()}


@pytest.mark.parametrize("dialect", ["twilio", "signalwire_compat", "signalwire_rest"])
async def test_a_media_message_ends_at_sent(house: House, dialect: str) -> None:
    picture = f"{house.application.url}/picture.png"
    media: dict[str, Any] = {"media": [picture]} if dialect == "signalwire_rest" else {"MediaUrl": picture}
    message = await made(house, dialect, DELIVERED, **media)
    told = MEDIA_TOLD[dialect]
    got = await house.application.until(lambda got: len(got) >= len(told), f"/{dialect}")
    assert statuses(got, dialect) == told
    for one in got:
        genuine(one, dialect)
    shown = await fetched(house, message)
    assert {one["status"] for one in shown.values()} == {"sent"}
    assert shown["twilio"]["sid"] == "MM" + message
    assert (shown["twilio"]["num_media"], shown["signalwire_compat"]["num_media"]) == ("1", 1)
    assert shown["signalwire_rest"]["kind"] == "mms"
    async with house.http() as http:
        (medium,) = (await http.get(f"{COMPAT}/{dashed(message)}/Media")).json()["media_list"]
        assert medium["content_type"] == "image/png"
        content = await http.get(f"/media/{medium['sid'].replace('-', '')}")
    assert (content.content, content.headers["content-type"]) == (house.application.media, "image/png")


async def test_a_message_without_a_receipt_stays_sent_in_every_dialect(house: House) -> None:
    message = await made(house, "signalwire_rest", SILENT)
    await house.application.until(lambda got: "sent" in statuses(got, "signalwire_rest"), "/signalwire_rest")
    assert {one["status"] for one in (await fetched(house, message)).values()} == {"sent"}


async def test_an_account_is_refused_in_the_words_of_a_dialect_that_it_does_not_speak(house: House) -> None:
    project = dashed(TWILIO_ONLY.id)
    async with house.http(TWILIO_ONLY) as http:
        compat = await http.get(f"/api/laml/2010-04-01/Accounts/{project}/Messages")
        rest = await http.get("/api/messaging/logs")
        numbers = await http.get("/api/relay/rest/number_groups")
        twilio = await http.get(f"/2010-04-01/Accounts/{ac(TWILIO_ONLY.id)}/Messages.json")
    assert (compat.status_code, compat.json()["status"]) == (401, 401)
    assert rest.status_code in (401, 403) and set(rest.json()) == {"error"}
    assert numbers.status_code in (401, 403) and set(numbers.json()) == {"errors"}
    assert twilio.status_code == 200


@pytest.mark.parametrize("first", ["redact", "delete"])
async def test_what_one_dialect_takes_away_is_gone_in_every_other(house: House, first: str) -> None:
    message = await made(house, "twilio", DELIVERED, "a secret")
    await house.application.until(lambda got: "delivered" in statuses(got, "twilio"), "/twilio")
    async with house.http() as http:
        if first == "redact":
            redacted = await http.patch(f"/api/messaging/messages/{dashed(message)}", json={"body": ""})
            assert redacted.status_code == 200, redacted.text
            shown = await fetched(house, message)
            assert shown["twilio"]["body"] == shown["signalwire_compat"]["body"] == shown["own"]["body"] == ""
        else:
            deleted = await http.delete(f"{COMPAT}/{dashed(message)}")
            assert (deleted.status_code, deleted.content) == (204, b"")
            assert (await http.get(f"{TWILIO}/SM{message}.json")).status_code == 404
            assert (await http.get(f"/api/messaging/logs/{dashed(message)}")).status_code == 404
            kept = (await http.get("/api/messaging/logs", params={"include_deleted": "true"})).json()["data"]
            assert [one["id"] for one in kept] == [dashed(message)]


async def test_choice_8_messages_are_not_listed_but_by_the_logs(house: House) -> None:
    """The REST overview hints at a list, the specification has none: see test_signalwire_choices.py."""
    async with house.http() as http:
        answer = await http.get("/api/messaging/messages")
        assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
        assert (await http.get("/api/messaging/logs")).json()["data"] == []
