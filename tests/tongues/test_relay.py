"""RELAY end to end: what happens to messages is told over WebSocket as surely as over HTTP."""

from pathlib import Path
from typing import Any

from tests.tongues.house import ACCOUNT, SENDER, House, served
from tests.tongues.session import session
from tidings.arranged import Handler, Handling, Sender
from tidings.carriers.base import InboundMedia, InboundSegment, Part
from tidings.ids import dashed

DELIVERED = "+15551230200"
OFFICE = Handling(handler=Handler.RELAY, dialect="signalwire_relay", context="office", spelling="relay_topic")


def said(text: str) -> InboundSegment:
    return InboundSegment("simulator", 0, "15551230000", SENDER[1:], text, "gsm7", None, 1, 1, "")


async def answered_by_office(house: House) -> None:
    await house.gateway.put_sender(Sender(SENDER, ACCOUNT.id, handling=OFFICE))


async def test_every_state_of_a_message_is_told_in_order(house: House) -> None:
    async with session(house) as mine:
        message = await mine.send(DELIVERED, context=mine.protocol, tags=["urgent"])
        assert await mine.until("delivered") == ["queued", "initiated", "sent", "delivered"]
    for event in mine.events:
        assert (event["event_type"], event["context"]) == ("messaging.state", mine.protocol)
        assert event["project_id"] == dashed(ACCOUNT.id)
        inner = event["params"]
        assert (inner["message_id"], inner["direction"]) == (message, "outbound")
        assert (inner["from_number"], inner["to_number"], inner["body"]) == (SENDER, DELIVERED, "hello")
        assert inner["segments"] == 1 and "urgent" in inner["tags"]


async def test_what_happens_while_a_session_is_away_is_told_when_it_is_back(house: House) -> None:
    async with session(house) as first:
        first.acknowledges = False
        message = await first.send(DELIVERED, context=first.protocol)
    async with session(house, protocol=first.protocol) as again:
        assert again.protocol == first.protocol
        assert await again.until("delivered") == ["queued", "initiated", "sent", "delivered"]
    assert {event["params"]["message_id"] for event in again.events} == {message}


async def test_what_is_owed_to_a_session_outlives_the_gateway(tmp_path: Path) -> None:
    async with served(tmp_path) as house:
        async with session(house) as first:
            first.acknowledges = False
            await first.send(DELIVERED, context=first.protocol)
        await until_status(house, "delivered")
    async with served(tmp_path) as house, session(house, protocol=first.protocol) as again:
        assert await again.until("delivered") == ["queued", "initiated", "sent", "delivered"]


async def until_status(house: House, status: str) -> None:
    async with house.http() as http:
        while True:
            page = await http.get("/api/messaging/logs")
            if [one["status"] for one in page.json()["data"]] == [status]:
                return


async def test_an_inbound_message_goes_to_one_of_those_who_listen(house: House) -> None:
    await answered_by_office(house)
    async with session(house, "office") as one, session(house, "elsewhere") as other:
        await house.gateway.inbound.take(said("hello office"))
        assert await one.until("received") == ["received"]
        (event,) = one.events
        assert (event["event_type"], event["context"]) == ("messaging.receive", "office")
        inner = event["params"]
        assert (inner["from_number"], inner["to_number"], inner["body"]) == (
            "+15551230000",
            SENDER,
            "hello office",
        )
        assert other.events == []
        async with house.http() as http:
            (logged,) = (await http.get("/api/messaging/logs")).json()["data"]
        assert (logged["id"], logged["direction"], logged["status"]) == (
            inner["message_id"],
            "inbound",
            "received",
        )


async def test_an_inbound_message_waits_for_somebody_to_listen(house: House) -> None:
    await answered_by_office(house)
    await house.gateway.inbound.take(said("anybody there?"))
    async with session(house) as late:
        await late.ask("signalwire.receive", {"contexts": ["office"]})
        assert await late.until("received") == ["received"]
    assert late.events[0]["params"]["body"] == "anybody there?"


async def test_what_comes_with_an_inbound_media_message_can_be_fetched(house: House) -> None:
    await answered_by_office(house)
    picture = Part("image/png", b"\x89PNG of a cat", "cat.png")
    received: Any = InboundMedia("mms", 0, "15551230000", SENDER[1:], "my cat", "", (picture,), "", "t1")
    async with session(house, "office") as mine:
        await house.gateway.inbound.take_media(received)
        await mine.until("received")
        (link,) = mine.events[0]["params"]["media"]
        async with house.http() as http:
            content = await http.get(link)
    assert (content.content, content.headers["content-type"]) == (picture.content, "image/png")


async def test_the_attempts_at_a_session_are_kept_like_any_other(house: House) -> None:
    async with session(house) as mine:
        message = (await mine.send(DELIVERED, context=mine.protocol)).replace("-", "")
        await mine.until("delivered")
        async with house.http() as http:
            while True:
                found = (await http.get("/v1/callbacks", params={"message": message, "target": "relay"})).json()
                if [one["state"] for one in found["callbacks"]] == ["done"] * 4:
                    break
            kept = (await http.get(f"/v1/callbacks/{found['callbacks'][0]['id']}")).json()
    assert kept["host"] == f"relay:{ACCOUNT.id}:{mine.protocol}"
    (attempt,) = kept["attempt_log"]
    assert (attempt["error"], attempt["signature"]) == (None, None)
