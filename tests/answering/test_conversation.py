"""What an application is asked about an inbound message, and what its answer does: whole gateway, real sockets."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.answering.desk import (
    COMPAT,
    DIALECTS,
    FORM,
    REST,
    TWILIO,
    Answer,
    Asked,
    Desk,
    Line,
    says,
    steps,
    swml,
    twiml,
)
from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER, TOKEN
from tests.schemas import signalwire
from tidings.arranged import Application, Handler, Handling
from tidings.carriers.base import Part
from tidings.clock import DAY
from tidings.ids import dashed, sid
from tidings.model import CallbackState, Direction, Target

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

INBOUND = signalwire("inbound-message-swml")
COMPAT_STATUS = signalwire("sms-status-callback")
REST_STATUS = signalwire("message-status-callback")
MARKUP = [TWILIO, COMPAT]


# --- the request
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("dialect", MARKUP)
async def test_markup_is_asked_for_with_parameters_that_the_vendor_s_validator_takes(
    line: Line, desk: Desk, dialect: str, method: str
) -> None:
    await line.answered_by(dialect, desk.put("/sms?n=1", twiml("")), method=method)
    message = await line.hears("Grüße & more=+1")
    await line.settled(message)
    (asked,) = desk.asked
    own = sid("SM", message) if dialect == TWILIO else dashed(message)
    expected = {
        "MessageSid": own,
        "SmsSid": own,
        "AccountSid": sid("AC", ACCOUNT) if dialect == TWILIO else dashed(ACCOUNT),
        "From": RECIPIENT,
        "To": SENDER,
        "Body": "Grüße & more=+1",
        "NumMedia": "0",
        "NumSegments": "1",
    }
    params = asked.params
    assert expected.items() <= params.items()
    assert asked.method == method
    assert (asked.headers.get("content-type"), asked.body == "") == ((FORM, False), (None, True))[method == "GET"]
    assert ("n" in params) == (method == "GET"), "the URL's own query stays where it was"
    assert asked.signed(dialect)
    assert not asked.signed(dialect, "another key")


async def test_swml_is_asked_for_with_the_json_of_the_specification(line: Line, desk: Desk) -> None:
    await line.answered_by(REST, desk.put("/swml", swml({"receive": {}})))
    message = await line.hears("Grüße")
    await line.settled(message)
    (asked,) = desk.asked
    assert asked.method == "POST"
    INBOUND.validate(asked.json)
    assert asked.json["params"] == {}
    assert "vars" not in asked.json
    told = asked.json["message"]
    assert (told["message_id"], told["project_id"]) == (dashed(message), dashed(ACCOUNT))
    assert (told["from"], told["to"], told["body"], told["type"]) == (RECIPIENT, SENDER, "Grüße", "sms")
    assert asked.signed(REST)
    assert not asked.signed(REST, "another key")


async def test_swml_by_get_has_no_body_and_is_signed_all_the_same(line: Line, desk: Desk) -> None:
    await line.answered_by(REST, desk.put("/swml", swml({"reply": "hi"})), method="GET")
    await line.settled(await line.hears())
    (asked,) = desk.asked
    assert (asked.method, asked.body) == ("GET", "")
    assert asked.signed(REST)
    assert await line.said() == ["hi"]


@pytest.mark.parametrize("dialect", [COMPAT, REST])
async def test_signalwire_s_requests_are_signed_with_the_signing_key_where_there_is_one(
    line: Line, desk: Desk, dialect: str
) -> None:
    await line.account(signing_key="PSK_1234567890")
    await line.answered_by(dialect, desk.put("/in", says(dialect, "hi")))
    await line.settled(await line.hears())
    assert desk.asked[0].signed(dialect, "PSK_1234567890")
    assert not desk.asked[0].signed(dialect, TOKEN)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_application_that_knows_the_token_from_before_is_asked_with_that_one(
    line: Line, desk: Desk, dialect: str
) -> None:
    until = line.site.gateway.clock.now() + DAY
    await line.account(auth_token="the new one", previous_token=TOKEN, previous_until=until)

    def guarded(asked: Asked) -> Answer:
        return says(dialect, "hi") if asked.signed(dialect, TOKEN) else Answer(403)

    await line.answered_by(dialect, desk.put("/in", guarded))
    await line.settled(await line.hears())
    first, second = desk.asked
    assert first.signed(dialect, "the new one")
    assert first.token == second.token
    assert await line.said() == ["hi"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_media_are_told_as_links_that_lead_here(line: Line, desk: Desk, dialect: str) -> None:
    await line.answered_by(dialect, desk.put("/in", says(dialect, "nice")))
    picture, sound = Part("image/jpeg", b"\xff\xd8\xff", "a.jpg"), Part("audio/amr", b"#!AMR", "b.amr")
    message = await line.sees(picture, sound)
    await line.settled(message)
    kept = await line.site.store.media(message)
    base = f"http://{line.site.settings.server.host}:{line.site.settings.server.port}"
    links = [f"{base}/media/{medium.id}" for medium in kept]
    (asked,) = desk.asked
    if dialect == REST:
        INBOUND.validate(asked.json)
        assert asked.json["message"]["type"] == "mms"
        assert asked.json["message"]["media"] == [
            {"url": links[0], "content_type": "image/jpeg", "size": 3},
            {"url": links[1], "content_type": "audio/amr", "size": 5},
        ]
        return
    given = {name: value for name, value in asked.params.items() if "Media" in name}
    assert given == {
        "NumMedia": "2",
        "MediaUrl0": links[0],
        "MediaContentType0": "image/jpeg",
        "MediaUrl1": links[1],
        "MediaContentType1": "audio/amr",
    }
    assert asked.params["MessageSid"] == (sid("MM", message) if dialect == TWILIO else dashed(message))
    assert asked.signed(dialect)


# --- the reply
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_reply_goes_from_the_number_to_whoever_wrote(line: Line, desk: Desk, dialect: str) -> None:
    await line.answered_by(dialect, desk.put("/in", says(dialect, "Hello, you")))
    callback = await line.settled(await line.hears())
    assert (callback.attempts, callback.response, callback.error) == (1, 200, None)
    submission = await line.centre.submission()
    assert (submission.to, submission.body.source_addr) == (RECIPIENT[1:], SENDER[1:])
    assert submission.content == b"Hello, you"
    ((reply, _),) = await line.replies()
    assert (reply.direction, reply.sender, reply.recipient) == (Direction.OUTBOUND_REPLY, SENDER, RECIPIENT)
    assert (reply.dialect, reply.callback_url, reply.service) == (dialect, None, None)
    assert reply.validity == (14_400 if dialect == COMPAT else None), "as the dialect has it for what it creates"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_several_replies_go_out_in_their_order(line: Line, desk: Desk, dialect: str) -> None:
    words = [f"number {count}" for count in range(1, 6)]
    answer = (
        steps(*({"reply": word} for word in words))
        if dialect == REST
        else twiml("".join(f"<Message>{word}</Message>" for word in words))
    )
    await line.answered_by(dialect, desk.put("/in", answer))
    await line.settled(await line.hears())
    await line.centre.submission(5)
    assert [asked.content.decode() for asked in line.centre.asked] == words
    assert await line.said() == words


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_status_of_a_reply_is_told_in_its_dialect_s_form(line: Line, desk: Desk, dialect: str) -> None:
    desk.put("/status", Answer(204, ""))
    answer = (
        swml({"reply": {"body": "hi", "status_url": desk.base + "/status"}})
        if dialect == REST
        else twiml('<Message statusCallback="status">hi</Message>')
    )
    await line.answered_by(dialect, desk.put("/in", answer))
    await line.settled(await line.hears())
    await line.centre.receipt(await line.centre.submission())
    ((reply, _),) = await line.replies()
    told = {TWILIO: 2, COMPAT: 4, REST: 4}[dialect]
    await desk.until_asked(1 + told)
    calls = [asked for asked in desk.asked if asked.path == "/status"]
    assert all(call.signed(dialect) for call in calls)
    if dialect == REST:
        for call in calls:
            REST_STATUS.validate(call.json)
        assert [call.json["status"] for call in calls] == ["queued", "initiated", "sent", "delivered"]
        assert {call.json["id"] for call in calls} == {dashed(reply.id)}
        return
    words = {TWILIO: ["sent", "delivered"], COMPAT: ["queued", "sending", "sent", "delivered"]}
    assert [call.params["MessageStatus"] for call in calls] == words[dialect]
    own = sid("SM", reply.id) if dialect == TWILIO else dashed(reply.id)
    assert {call.params["MessageSid"] for call in calls} == {own}


@pytest.mark.parametrize("dialect", MARKUP)
async def test_a_redirect_is_asked_for_wherever_it_leads(line: Line, desk: Desk, dialect: str) -> None:
    desk.put("/a/b/first", twiml("<Message>one</Message><Redirect>../c/second?x=1&amp;y</Redirect>"))
    desk.put("/a/c/second", twiml('<Redirect method="GET">/third</Redirect>'))
    desk.put("/third", twiml("<Message>two</Message>"))
    await line.answered_by(dialect, desk.base + "/a/b/first")
    message = await line.hears()
    await line.settled(message)
    assert [(asked.method, asked.path) for asked in desk.asked] == [
        ("POST", "/a/b/first"),
        ("POST", "/a/c/second"),
        ("GET", "/third"),
    ]
    assert "/a/c/second?x=1&y" in desk.asked[1].url
    assert desk.asked[2].params == desk.asked[0].params == desk.asked[1].params | {}
    assert all(asked.signed(dialect) for asked in desk.asked)
    assert await line.said() == ["one", "two"]


async def test_relative_urls_start_where_http_redirects_led(line: Line, desk: Desk) -> None:
    desk.put("/short", Answer(307, "", headers={"Location": "/long/way/first"}))
    desk.put("/long/way/first", twiml("<Redirect>second</Redirect>"))
    desk.put("/long/way/second", twiml("<Message>hi</Message>"))
    await line.answered_by(TWILIO, desk.base + "/short")
    await line.settled(await line.hears())
    assert await line.said() == ["hi"]


async def test_every_request_of_a_conversation_has_a_token_of_its_own_which_is_its_own_again_next_time(
    line: Line, desk: Desk
) -> None:
    desk.put("/in", twiml("<Redirect>next</Redirect>"))
    desk.put("/next", Answer(500))
    desk.put("/fallback", Answer(500), twiml("<Redirect>last</Redirect>"))
    desk.put("/last", twiml(""))
    await line.answered_by(TWILIO, desk.base + "/in", fallback_url=desk.base + "/fallback")
    await line.settled(await line.hears())
    assert desk.paths == ["/in", "/next", "/fallback", "/in", "/next", "/fallback", "/last"]
    tokens = [asked.token for asked in desk.asked]
    assert tokens[:3] == tokens[3:6]
    assert len(set(tokens)) == 4


@pytest.mark.parametrize("dialect", MARKUP)
async def test_an_action_is_told_what_became_of_the_reply(line: Line, desk: Desk, dialect: str) -> None:
    desk.put("/in", twiml('<Message action="after">hi</Message><Message>never</Message>'))
    desk.put("/after", twiml("<Message>bye</Message>"), Answer(204, ""))
    await line.answered_by(dialect, desk.base + "/in")
    message = await line.hears()
    await line.settled(message)
    (first, _), (second, _) = await line.replies()
    after = desk.asked[1]
    assert (first.body, second.body) == ("hi", "bye")
    assert (after.path, after.params["MessageStatus"], after.params["From"]) == ("/after", "sending", RECIPIENT)
    assert after.params["MessageSid"] == (sid("SM", first.id) if dialect == TWILIO else dashed(message))
    assert after.signed(dialect)


async def test_an_action_is_told_that_a_reply_was_refused(line: Line, desk: Desk) -> None:
    desk.put("/in", twiml('<Message from="+15559999999" action="after">hi</Message>'))
    desk.put("/after", twiml(""))
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    await line.settled(message)
    params = desk.asked[1].params
    assert (params["MessageStatus"], params["ErrorCode"]) == ("invalid", "21606")
    assert [attempt.error for attempt in await line.attempts(message)] == [21606, None]


# --- who answers
async def test_an_application_s_urls_are_those_it_had_when_the_message_came(line: Line, desk: Desk) -> None:
    desk.put("/app", Answer(500), twiml("<Message>from the application</Message>"))
    application = Application("0e" * 16, ACCOUNT, 0, 0, "app", url=desk.base + "/app")
    await line.site.store.put_resource(application)
    await line.handled(Handling(handler=Handler.APPLICATION, dialect=COMPAT, application=application.id))
    message = await line.hears()
    await desk.until_asked(1)
    await line.site.store.drop_resource(ACCOUNT, application.id)
    await line.settled(message)
    assert await line.said() == ["from the application"]
    assert {asked.path for asked in desk.asked} == {"/app"}


async def test_an_application_s_status_callback_hears_of_the_message_and_of_the_reply(
    line: Line, desk: Desk
) -> None:
    desk.put("/app", twiml("<Message>hi</Message>"))
    desk.put("/status", Answer(204, ""))
    await line.site.store.put_resource(
        Application("0e" * 16, ACCOUNT, 0, 0, url=desk.base + "/app", status_callback=desk.base + "/status")
    )
    await line.handled(Handling(handler=Handler.APPLICATION, dialect=COMPAT, application="0e" * 16))
    message = await line.hears("an inbound text")
    await line.settled(message)
    await line.centre.receipt(await line.centre.submission())
    await line.site.until_all_is_told()
    ((reply, _),) = await line.replies()
    told: dict[str, list[str]] = {}
    for asked in desk.asked:
        if asked.path == "/status":
            params: dict[str, Any] = asked.params
            assert asked.signed(COMPAT)
            COMPAT_STATUS.validate(params | {name: int(params[name]) for name in ("NumMedia", "NumSegments")})
            told.setdefault(params["MessageSid"], []).append(params["MessageStatus"])
    assert told == {
        dashed(message): ["receiving", "received"],
        dashed(reply.id): ["queued", "sending", "sent", "delivered"],
    }


async def test_a_number_whose_application_is_gone_takes_the_message_and_asks_nobody(
    line: Line, desk: Desk
) -> None:
    await line.handled(Handling(handler=Handler.APPLICATION, dialect=COMPAT, application="0e" * 16))
    message = await line.hears()
    assert await line.site.store.callbacks(message) == []
    assert desk.asked == []


async def test_the_events_of_an_inbound_message_are_receiving_then_received(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml("")))
    message = await line.hears()
    events = await line.site.events(message)
    assert [(event.status, event.moved) for event in events] == [("receiving", True), ("received", True)]
    callback = await line.settled(message)
    assert callback.number == events[1].number


async def test_a_script_needs_nobody_to_be_asked(line: Line, desk: Desk) -> None:
    await line.answered_by(REST, None, script='{"reply": "You said %{message.body}"}')
    message = await line.hears("ping")
    callback = await line.settled(message)
    assert (callback.response, callback.error, await line.attempts(message)) == (None, None, [])
    assert await line.said() == ["You said ping"]
    assert desk.asked == []


async def test_the_courier_is_not_asked_to_hold_conversations(bench: "Bench", desk: Desk) -> None:
    bench.callbacks = {"own_process": True}
    centre, site = await bench.pair()
    line = Line(bench, desk, centre, site)
    desk.put("/status", Answer(204, ""))
    desk.put("/in", twiml('<Message statusCallback="/status">hi</Message>'))
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    await line.settled(message)
    await line.centre.submission()
    await desk.until_asked(2)
    ((reply, _),) = await line.replies()
    told = await site.until_callback(reply.id, CallbackState.DONE, Target.MESSAGE)
    assert told.response == 204, "by the courier, which has no store and takes no messages"
