"""What a client of the present form says and hears: frames by table, on a real socket."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.relay.station import (
    ACCOUNT,
    CLOSED,
    NO_RELAY,
    NOW,
    OTHER,
    PROJECT,
    Station,
    a_message,
    connect,
    inbound,
)
from tidings.clock import SECOND
from tidings.errors import Problem
from tidings.lifecycle import Status
from tidings.store.base import StoreError

UNAUTHORIZED = "Authentication service failed with status ProtocolError, 401 Unauthorized: {}"
FORBIDDEN = "Authentication service failed with status ProtocolError, 403 Forbidden: {}"
SMS = {"from_number": "+15005550006", "to_number": "+15551230000", "body": "hello"}


async def test_a_session_begins(station: Station) -> None:
    client = await station.connection()
    answer = await client.ask("signalwire.connect", connect(contexts=["office"]))
    result = answer["result"]
    assert answer["jsonrpc"] == "2.0"
    assert result["authorization"]["project"] == PROJECT
    assert result["protocol"].startswith(f"signalwire_{result['authorization']['signature']}_")
    assert result["identity"].endswith("@tidings")
    assert station.heard == [(ACCOUNT.id, result["protocol"]), (ACCOUNT.id, "office")]


@pytest.mark.parametrize("path", ["/", "/api/relay/ws"])
async def test_both_paths_lead_there(station: Station, path: str) -> None:
    client = await station.connection(path)
    assert "result" in await client.ask("signalwire.connect", connect())


@pytest.mark.parametrize(
    ("authentication", "message"),
    [
        ({"project": PROJECT, "token": "wrong"}, UNAUTHORIZED),
        ({"project": "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f", "token": "any"}, UNAUTHORIZED),
        ({"project": "no project", "token": "any"}, UNAUTHORIZED),
        ({"jwt_token": "eyJ0eXAi"}, UNAUTHORIZED),
        ({"project": PROJECT, "token": 7}, UNAUTHORIZED),
        ({}, UNAUTHORIZED),
        (None, UNAUTHORIZED),
        ("what", UNAUTHORIZED),
        (connect(CLOSED)["authentication"], UNAUTHORIZED),
        (connect(NO_RELAY)["authentication"], FORBIDDEN),
    ],
)
async def test_wrong_credentials_are_refused_in_signalwires_words(
    station: Station, authentication: Any, message: str
) -> None:
    client = await station.connection()
    answer = await client.ask("signalwire.connect", {"authentication": authentication})
    assert answer["error"] == {"code": -32002, "message": message}
    assert (await client.closed())[0] == 1008
    assert station.hub.sessions == 0


async def test_an_account_may_be_spelled_as_twilio_does(station: Station) -> None:
    client = await station.connection()
    authentication = {"project": f"AC{ACCOUNT.id}", "token": ACCOUNT.auth_token}
    answer = await client.ask("signalwire.connect", {"authentication": authentication})
    assert answer["result"]["authorization"]["project"] == PROJECT


async def test_nothing_is_served_before_connect(station: Station) -> None:
    client = await station.connection()
    answer = await client.ask("messaging.send", SMS)
    assert answer["error"]["code"] == -32002
    assert answer["error"]["data"] == {"signalwire_error_code": "AUTH_REQUIRED"}
    assert (await client.closed())[0] == 1008
    assert station.orders == []


async def test_contexts_that_are_none_are_refused_at_connect(station: Station) -> None:
    client = await station.connection()
    answer = await client.ask("signalwire.connect", connect(contexts="office"))
    assert answer["error"]["code"] == -32602
    assert "contexts" in answer["error"]["message"]


GARBAGE = [
    (b"", -32700),
    (b"no JSON", -32700),
    (b'"\xff"', -32700),
    (b"[" * 60_000, -32700),
    (b"[]", -32600),
    (b"7", -32600),
    (b"{}", -32600),
    (b'{"method": 7, "id": 1}', -32600),
    (b'{"method": "signalwire.ping", "params": [], "id": 1}', -32600),
    (b'{"method": "signalwire.ping", "id": {}}', -32600),
    (b'{"method": "calling.dial", "id": 1}', -32601),
    (b'{"method": "blade.execute", "params": {"method": "setup"}, "id": 1}', -32601),
    (b'{"method": "signalwire.connect", "id": 1}', -32601),
]


@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
@pytest.mark.parametrize(("frame", "code"), GARBAGE, ids=[repr(frame[:40]) for frame, _ in GARBAGE])
async def test_garbage_is_answered_and_the_session_goes_on(
    station: Station, caplog: pytest.LogCaptureFixture, frame: bytes, code: int, text: bool
) -> None:
    client = await station.client()
    await client.socket.send(frame, text=text)
    answer = await client.hear()
    assert answer["error"]["code"] == code
    assert "result" in await client.ask("signalwire.ping")
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"id": "no request of ours", "result": {}}',
        b'{"id": 7, "result": {}}',
        b'{"id": {}, "error": "what"}',
        b'{"result": 1, "error": null}',
        b'{"method": "signalwire.ping"}',
        b'{"method": "nothing.known"}',
    ],
)
async def test_what_needs_no_answer_has_none(station: Station, frame: bytes) -> None:
    client = await station.client()
    await client.socket.send(frame, text=True)
    assert "result" in await client.ask("signalwire.ping")


async def test_pings_are_answered(station: Station) -> None:
    client = await station.client()
    assert (await client.ask("signalwire.ping"))["result"] == {"timestamp": NOW / SECOND}
    assert (await client.ask("signalwire.ping", {"timestamp": 12.5}))["result"] == {"timestamp": 12.5}


async def test_a_message_is_taken(station: Station) -> None:
    client = await station.client("office", "home")
    params = {
        **SMS,
        "media": ["https://example.com/a.png"],
        "tags": ["mine"],
        "region": "us",
        "context": "shop",
        "status_callback": "https://example.com/status",
    }
    answer = await client.ask("messaging.send", params)
    assert answer["result"] == {
        "code": "200",
        "message": "Message accepted",
        "message_id": "00000000-0000-0000-0000-000000000001",
    }
    order = station.orders[0]
    assert order.dialect == "signalwire_relay"
    assert order.extras == {"context": "shop", "tags": ["mine"], "region": "us"}
    assert order.callback_url == "https://example.com/status"
    assert (ACCOUNT.id, "shop") in station.heard


@pytest.mark.parametrize(
    ("contexts", "given", "context"),
    [
        (["office", "home"], {}, "office"),
        ([], {}, None),
        (["office"], {"context": "shop"}, "shop"),
        (["office"], {"topic": "shop"}, "shop"),
    ],
)
async def test_the_context_of_a_message(
    station: Station, contexts: list[str], given: dict[str, str], context: str | None
) -> None:
    """The one that is given; or else the first that the session listens to; or else its protocol."""
    client = await station.connection()
    protocol = (await client.ask("signalwire.connect", connect(contexts=contexts)))["result"]["protocol"]
    await client.ask("messaging.send", {**SMS, **given})
    assert station.orders[0].extras["context"] == context or protocol


@pytest.mark.parametrize(
    ("refusal", "code", "attribute"),
    [
        (Problem(21211, value="what"), "422", "to_number"),
        (Problem(21606, value="+1"), "422", "from_number"),
        (Problem(21611), "429", "from_number"),
        (Problem(20422, name="anything"), "422", None),
        (Problem(20503), "503", None),
        (StoreError("disk full"), "503", None),
        (RuntimeError("a bug"), "500", None),
    ],
)
async def test_a_message_is_refused(
    station: Station, refusal: Exception, code: str, attribute: str | None
) -> None:
    client = await station.client()
    station.refusal = refusal
    result = (await client.ask("messaging.send", SMS))["result"]
    assert result["code"] == code
    assert list(result.get("errors", {})) == ([attribute] if attribute else [])
    assert "message_id" not in result
    station.refusal = None
    assert (await client.ask("messaging.send", SMS))["result"]["code"] == "200"


async def test_a_message_of_an_account_that_was_closed_meanwhile_is_refused(station: Station) -> None:
    client = await station.client()
    station.known[ACCOUNT.id] = msgspec.structs.replace(ACCOUNT, active=False)
    assert (await client.ask("messaging.send", SMS))["result"]["code"] == "401"
    assert station.orders == []


async def test_messages_are_taken_side_by_side(station: Station) -> None:
    client = await station.client()
    station.held = asyncio.Event()
    asked = {await client.say("messaging.send", SMS) for _ in range(3)}
    assert "result" in await client.ask("signalwire.ping")
    assert len(station.orders) == 3
    station.held.set()
    assert {(await client.hear())["id"] for _ in asked} == asked


async def test_a_session_hears_of_what_it_sent(station: Station) -> None:
    client = await station.client()
    await client.ask("messaging.send", {**SMS, "context": "shop"})
    telling = station.tell(a_message("shop"))
    event = await client.acknowledge()
    assert event["method"] == "signalwire.event"
    assert event["params"] == {
        "event_type": "messaging.state",
        "timestamp": NOW / SECOND,
        "space_id": PROJECT,
        "project_id": PROJECT,
        "context": "shop",
        "params": {
            "message_id": "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a",
            "context": "shop",
            "direction": "outbound",
            "tags": ["message", "outbound", "SMS", "shop", "+15551230000", "+15005550006", "relay-client"],
            "from_number": "+15005550006",
            "to_number": "+15551230000",
            "body": "hello",
            "media": [],
            "segments": 1,
            "message_state": "sent",
        },
    }
    assert (await telling).error is None


async def test_the_answer_to_a_message_comes_before_its_first_event(station: Station) -> None:
    client = await station.client()
    station.held = asyncio.Event()
    asked = await client.say("messaging.send", {**SMS, "context": "shop"})
    assert "result" in await client.ask("signalwire.ping")  # it has been read
    telling = station.tell(a_message("shop"), Status.QUEUED, number=1)
    assert "result" in await client.ask("signalwire.ping")  # the telling waits
    station.held.set()
    assert (await client.hear())["id"] == asked
    assert (await client.acknowledge())["params"]["params"]["message_state"] == "queued"
    assert (await telling).error is None


async def test_contexts_come_and_go(station: Station) -> None:
    client = await station.client()
    assert (await client.ask("signalwire.receive", {"contexts": ["office", "office"]}))["result"] == {
        "code": "200",
        "message": "Receiving all inbound related to the requested relay contexts",
    }
    telling = station.tell(inbound("office"))
    assert (await client.acknowledge())["params"]["event_type"] == "messaging.receive"
    assert (await telling).error is None
    assert (await client.ask("signalwire.unreceive", {"contexts": ["office"]}))["result"]["code"] == "200"
    assert (await station.tell(inbound("office"))).error == 11205
    assert (await station.tell(a_message("office"))).error == 11205


async def test_what_was_sent_under_a_context_is_told_after_unreceive(station: Station) -> None:
    client = await station.client("office")
    await client.ask("messaging.send", {**SMS, "context": "office"})
    await client.ask("signalwire.unreceive", {"contexts": ["office"]})
    telling = station.tell(a_message("office"))
    await client.acknowledge()
    assert (await telling).error is None
    assert (await station.tell(inbound("office"))).error == 11205


@pytest.mark.parametrize("method", ["signalwire.receive", "signalwire.unreceive"])
@pytest.mark.parametrize("contexts", ["office", [7], [""], ["a\0b"], ["x"] * 101, ["x" * 201], None])
async def test_contexts_that_are_none_are_refused(station: Station, method: str, contexts: Any) -> None:
    client = await station.client()
    assert (await client.ask(method, {"contexts": contexts}))["result"]["code"] == "422"


async def test_a_session_can_receive_so_many_contexts(station: Station) -> None:
    client = await station.client(*(f"context {number}" for number in range(100)))
    answer = await client.ask("signalwire.receive", {"contexts": ["one more"]})
    assert answer["result"]["code"] == "422"
    assert (await station.tell(inbound("one more"))).error == 11205
    assert (await client.ask("signalwire.receive", {"contexts": ["context 7"]}))["result"]["code"] == "200"


async def test_of_the_contexts_that_were_sent_under_the_last_ones_are_listened_to(station: Station) -> None:
    client = await station.client()
    for number in range(101):
        await client.ask("messaging.send", {**SMS, "context": f"context {number}"})
    assert (await station.tell(a_message("context 0"))).error == 11205
    telling = station.tell(a_message("context 100"))
    await client.acknowledge()
    assert (await telling).error is None


async def test_others_hear_nothing_of_it(station: Station) -> None:
    mine = await station.client("office")
    theirs = await station.client("office", account=OTHER)
    telling = station.tell(inbound("office"))
    await mine.acknowledge()
    assert (await telling).error is None
    assert "result" in await theirs.ask("signalwire.ping")
