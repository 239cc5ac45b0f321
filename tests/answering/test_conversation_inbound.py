"""What whoever answers is told of a message: its segments, the service it came to, the keyword it was read as."""

from typing import Any

import pytest

from tests.answering.desk import COMPAT, TWILIO, Desk, Line, twiml
from tests.gateway.application import ACCOUNT, SENDER
from tests.gateway.handset import Handset, received
from tidings.arranged import Handler, Handling, Keywords, Member, Service
from tidings.lifecycle import Status
from tidings.model import CallbackState

SERVICE = "5e" * 16


async def in_service(line: Line, **service: Any) -> None:
    now = line.site.gateway.clock.now()
    await line.site.store.put_resource(Service(SERVICE, ACCOUNT, now, now, **service))
    await line.site.store.put_resource(Member("aa" * 16, ACCOUNT, now, now, SERVICE, SENDER))
    line.site.gateway.services.forget(ACCOUNT)


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
async def test_a_long_message_is_asked_about_once_and_says_how_many_segments_it_had(
    line: Line, desk: Desk, dialect: str
) -> None:
    await line.answered_by(dialect, desk.put("/in", twiml("<Message>ok</Message>")))
    await Handset(line.centre, ["Ждём ", "вас ", "завтра"]).brings(3, 1, 2)
    ((message, _),) = await received(line.site)
    await line.settled(message.id)
    (asked,) = desk.asked
    assert (asked.params["Body"], asked.params["NumSegments"]) == ("Ждём вас завтра", "3")
    assert asked.signed(dialect)
    assert await line.said() == ["ok"]


async def test_half_a_message_is_asked_about_when_the_rest_does_not_come(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml("<Message>the rest?</Message>")))
    await Handset(line.centre, ["Ждём ", "вас "]).brings(1)
    line.bench.wind(600)
    asked = await desk.until_asked(1)
    assert (asked.params["Body"], asked.params["NumSegments"]) == ("Ждём ", "1")
    assert asked.params["SmsStatus"] == Status.RECEIVED


async def test_the_service_is_asked_and_named(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/number", twiml("")))
    url = desk.put("/service", twiml("<Message>from all of us</Message>"))
    handling = Handling(handler=Handler.MARKUP, url=url, method="GET")
    await in_service(line, defers=False, handling=handling)
    message = await line.hears()
    await line.settled(message)
    (asked,) = desk.asked
    assert (asked.path, asked.method) == ("/service", "GET")
    assert asked.params["MessagingServiceSid"] == "MG" + SERVICE
    assert asked.signed(TWILIO)
    assert await line.said() == ["from all of us"]


async def test_the_service_s_fallback_url_is_asked_where_its_first_one_fails(line: Line, desk: Desk) -> None:
    handling = Handling(
        handler=Handler.MARKUP, url=desk.base + "/none", fallback_url=desk.put("/other", twiml(""))
    )
    await in_service(line, defers=False, handling=handling)
    await line.settled(await line.hears())
    assert desk.paths == ["/none", "/other"]
    assert desk.asked[1].params["ErrorCode"] == "11200"
    assert desk.asked[1].params["MessagingServiceSid"] == "MG" + SERVICE


async def test_a_service_that_leaves_it_to_the_number_is_named_all_the_same(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/number", twiml("")))
    await in_service(line)
    await line.settled(await line.hears())
    (asked,) = desk.asked
    assert (asked.path, asked.params["MessagingServiceSid"]) == ("/number", "MG" + SERVICE)


@pytest.mark.parametrize(("word", "kind"), [("raus", "STOP"), ("HELP", "HELP"), ("hello", None)])
async def test_with_keywords_of_its_own_the_service_is_told_how_a_message_was_read(
    line: Line, desk: Desk, word: str, kind: str | None
) -> None:
    await line.answered_by(TWILIO, desk.put("/number", twiml("")))
    await in_service(line, keywords=(Keywords(language="de", stop=("RAUS",)),))
    callback = await line.settled(await line.hears(word))
    assert callback.state is CallbackState.DONE
    assert desk.asked[0].params.get("OptOutType") == kind


async def test_without_keywords_of_one_s_own_nothing_is_said_of_that(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/number", twiml("")))
    await in_service(line)
    await line.settled(await line.hears("STOP"))
    assert "OptOutType" not in desk.asked[0].params
