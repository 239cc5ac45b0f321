"""The older form, which SignalWire calls Blade: the same sessions, in other frames."""

import asyncio
import json
from typing import Any

import pytest

from tests.clients import old_client
from tests.relay.station import ACCOUNT, NOW, PROJECT, Client, Station, a_message, connect, inbound, until
from tidings.clock import SECOND
from tidings.ids import dashed
from tidings.lifecycle import Status
from tidings.relay.hub import Timing

SMS = {"from_number": "+15005550006", "to_number": "+15551230000", "body": "hello", "context": "office"}


async def execute(client: Client, protocol: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = await client.ask("blade.execute", {"protocol": protocol, "method": method, "params": params})
    result: dict[str, Any] = answer["result"]
    assert result["requester_nodeid"]
    assert result["responder_nodeid"]
    inner: dict[str, Any] = result["result"]
    return inner


async def begin(station: Station, *contexts: str) -> tuple[Client, str]:
    """A session with its protocol, as the old clients make it."""
    client = await station.connection()
    await client.ask("blade.connect", connect(version={"major": 2, "minor": 3, "revision": 0}))
    protocol = (await execute(client, "signalwire", "setup", {}))["protocol"]
    subscription = {"command": "add", "protocol": protocol, "channels": ["notifications"]}
    await client.ask("blade.subscription", subscription)
    if contexts:
        await execute(client, protocol, "signalwire.receive", {"contexts": list(contexts)})
    return client, protocol


async def test_a_session_begins(station: Station) -> None:
    client = await station.connection()
    result = (await client.ask("blade.connect", connect()))["result"]
    assert result["sessionid"]
    assert result["nodeid"]
    assert result["session_restored"] is False
    protocol = (await execute(client, "signalwire", "setup", {}))["protocol"]
    assert protocol.startswith(f"signalwire_{result['authorization']['signature']}_")
    answer = await client.ask(
        "blade.subscription", {"command": "add", "protocol": protocol, "channels": ["notifications", "others"]}
    )
    assert answer["result"] == {
        "protocol": protocol,
        "command": "add",
        "subscribe_channels": ["notifications"],
        "failed_channels": ["others"],
    }
    assert station.heard == [(ACCOUNT.id, protocol)]


async def test_nobody_can_subscribe_to_the_protocol_of_others(station: Station) -> None:
    _, theirs = await begin(station)
    client = await station.connection()
    await client.ask("blade.connect", connect())
    answer = await client.ask(
        "blade.subscription", {"command": "add", "protocol": theirs, "channels": ["notifications"]}
    )
    assert answer["result"]["failed_channels"] == ["notifications"]
    assert answer["result"]["subscribe_channels"] == []


@pytest.mark.parametrize(
    ("authentication", "status"),
    [({"project": PROJECT, "token": "wrong"}, "401 Unauthorized"), (None, "401 Unauthorized")],
)
async def test_wrong_credentials_are_refused(station: Station, authentication: Any, status: str) -> None:
    client = await station.connection()
    answer = await client.ask("blade.connect", {"authentication": authentication})
    assert answer["error"]["code"] == -32002
    assert status in answer["error"]["message"]
    assert (await client.closed())[0] == 1008


async def test_pings_are_answered(station: Station) -> None:
    client, _ = await begin(station)
    assert (await client.ask("blade.ping", {"timestamp": 1.5}))["result"] == {"timestamp": 1.5}


async def test_a_message_is_taken(station: Station) -> None:
    client, protocol = await begin(station)
    assert await execute(client, protocol, "messaging.send", SMS) == {
        "code": "200",
        "message": "Message accepted",
        "message_id": dashed(f"{1:032x}"),
    }
    assert station.orders[0].extras == {"context": "office"}
    refused = await execute(client, protocol, "messaging.send", {"to_number": "+15551230000"})
    assert refused["code"] == "422"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -32602),
        ({"method": 7}, -32602),
        ({"method": "setup", "params": []}, -32602),
        ({"method": "calling.dial", "params": {}}, -32601),
        ({"method": "blade.execute", "params": {"method": "setup"}}, -32601),
    ],
)
async def test_what_cannot_be_executed_is_an_error(station: Station, params: dict[str, Any], code: int) -> None:
    client, _ = await begin(station)
    assert (await client.ask("blade.execute", params))["error"]["code"] == code
    assert "result" in await client.ask("blade.ping")


async def test_what_is_of_the_present_form_is_not_served(station: Station) -> None:
    client, _ = await begin(station)
    assert (await client.ask("messaging.send", SMS))["error"]["code"] == -32601


async def test_events_are_broadcast_and_count_once_they_are_written(station: Station) -> None:
    client, protocol = await begin(station, "office")
    outcome = await station.tell(a_message("office"))
    assert (outcome.response, outcome.error) == (200, None)
    assert "written to, and never acknowledged by" in outcome.attempts[0].detail
    event = await client.hear()
    assert json.loads(outcome.attempts[0].body) == event
    assert event["method"] == "blade.broadcast"
    told = event["params"].pop("params")
    assert event["params"] == {
        "protocol": protocol,
        "channel": "notifications",
        "event": "queuing.relay.messaging",
    }
    assert (told["event_type"], told["context"], told["timestamp"]) == ("messaging.state", "office", NOW / SECOND)
    assert told["params"]["message_state"] == "sent"
    assert (await station.tell(inbound("office"))).error is None
    assert (await client.hear())["params"]["params"]["event_type"] == "messaging.receive"


async def test_clients_are_sent_away_when_the_gateway_drains(station: Station) -> None:
    client, _ = await begin(station)
    await station.hub.drain()
    assert (await client.hear())["method"] == "blade.disconnect"
    assert (await client.closed())[0] == 1012


# --- the official client
async def test_the_official_client_receives_and_sends(station: Station) -> None:
    url = f"ws://127.0.0.1:{station.port}"
    arguments = (url, PROJECT, ACCOUNT.auth_token, "office", json.dumps(SMS))
    async with old_client.running("relay_blade.py", *arguments) as script:
        assert await script.line() == {"what": "ready"}
        sent = {"what": "sent", "successful": True, "message_id": dashed(f"{1:032x}")}
        assert await script.line() == sent
        for number, status in enumerate([Status.QUEUED, Status.SENDING, Status.UNDELIVERED], 1):
            assert (await station.tell(a_message("office"), status, number)).error is None
        states = [await script.line() for _ in range(3)]
        assert [state["state"] for state in states] == ["queued", "initiated", "undelivered"]
        assert states[2] == {
            "what": "state",
            "id": dashed("5a" * 16),
            "state": "undelivered",
            "context": "office",
            "from_number": "+15005550006",
            "to_number": "+15551230000",
            "body": "hello",
            "direction": "outbound",
            "media": [],
            "segments": 1,
            "tags": ["message", "outbound", "SMS", "office", "+15551230000", "+15005550006", "relay-client"],
            "reason": "unknown_error",
        }
        assert (await station.tell(inbound("office"))).error is None
        received = await script.line()
        assert (received["what"], received["direction"], received["state"]) == ("received", "inbound", "received")
        await script.stop()
    await until(lambda: station.hub.sessions == 0)


async def test_the_official_client_is_told_what_waited_for_it(station: Station) -> None:
    """It attaches its handlers after it has read the answer to its subscription, and drops what comes before."""
    station.hub.timing = Timing()
    waiting: list[asyncio.Task[Any]] = []

    def heard(account: str, context: str) -> None:
        if context == "office":
            waiting.append(station.tell(inbound("office")))

    station.hub.heard = heard
    arguments = (f"ws://127.0.0.1:{station.port}", PROJECT, ACCOUNT.auth_token, "office")
    async with old_client.running("relay_blade.py", *arguments) as script:
        assert await script.line() == {"what": "ready"}
        assert (await script.line())["what"] == "received"
    assert (await waiting[0]).error is None


async def test_the_official_client_says_why_it_cannot_connect(station: Station) -> None:
    arguments = (f"ws://127.0.0.1:{station.port}", PROJECT, "wrong", "office")
    async with old_client.running("relay_blade.py", *arguments) as script:
        await until(lambda: "401 Unauthorized" in script.logged())
