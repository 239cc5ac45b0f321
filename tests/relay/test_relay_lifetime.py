"""How sessions stay, end and come back: pings, silence, withdrawn credentials, drains, the same protocol again."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
import websockets

from tests.relay.station import ACCOUNT, NOW, OTHER, Client, Station, a_message, connect, inbound, serving, until
from tidings.model import Account
from tidings.relay.protocol import is_ours, new_protocol, signature_of

Impatient = Callable[..., "AbstractAsyncContextManager[Station]"]


async def begin(station: Station, protocol: str | None = None, *contexts: str) -> tuple[Client, str]:
    """A session, and its protocol."""
    client = await station.connection()
    answer = await client.ask("signalwire.connect", connect(contexts=list(contexts), protocol=protocol))
    return client, answer["result"]["protocol"]


# --- keep-alive
async def test_the_server_pings(impatient: Impatient) -> None:
    async with impatient(ping=0.05) as station:
        client = await station.client()
        pings = [await client.acknowledge() for _ in range(8)]
        assert {ping["method"] for ping in pings} == {"signalwire.ping"}
        assert pings[0]["params"] == {"timestamp": NOW / 1_000_000}
        assert len({ping["id"] for ping in pings}) == 8


async def test_a_peer_that_is_silent_is_let_go(impatient: Impatient) -> None:
    async with impatient(ping=0.05) as station:
        client = await station.client("office")
        code, reason = await client.closed()
        assert (code, reason) == (1008, "nothing was heard for 3 pings")
        await until(lambda: station.hub.sessions == 0)
        assert (await station.tell(a_message())).error == 11205


async def test_a_peer_that_speaks_need_not_answer_pings(impatient: Impatient) -> None:
    async with impatient(ping=0.1) as station:
        client = await station.client()
        pings = 0
        while pings < 6:
            frame = await client.hear()
            pings += frame.get("method") == "signalwire.ping"
            await client.say("signalwire.ping")


async def test_whoever_does_not_say_who_they_are_is_let_go(impatient: Impatient) -> None:
    async with impatient(connect=0.05) as station:
        client = await station.connection()
        assert "result" in await client.ask("signalwire.ping")
        assert await client.closed() == (1008, "it did not say in time who it is")


async def test_a_session_ends_with_its_credentials(impatient: Impatient) -> None:
    async with impatient(ping=0.05) as station:
        client = await station.client("office")
        await client.acknowledge()
        station.known[ACCOUNT.id] = msgspec.structs.replace(ACCOUNT, auth_token="another")
        async with asyncio.timeout(5):
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await client.acknowledge()
        assert client.socket.close_code == 1008


async def test_a_peer_that_does_not_read_is_let_go(impatient: Impatient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.web.relay.GOODBYE", 0.2)
    async with impatient(write=0.2, leave=0.2) as station:
        deaf = await station.client("office", event_acks=False)
        deaf.socket.transport.pause_reading()
        outcome = await station.tell(a_message())
        while outcome.error is None:  # as long as there is room in the system's buffers
            outcome = await station.tell(a_message(body="x" * 100_000))
        assert outcome.error == 11205
        await until(lambda: station.hub.sessions == 0)
        await until(lambda: not station.connections)


async def test_a_frame_that_is_too_long_ends_the_connection(station: Station) -> None:
    client = await station.client()
    await client.socket.send("x" * 65_537)
    assert (await client.closed())[0] == 1009
    await until(lambda: station.hub.sessions == 0)


async def test_the_longest_frame_is_read(station: Station) -> None:
    client = await station.client()
    await client.socket.send("x" * 65_536)
    assert (await client.hear())["error"]["code"] == -32700


# --- going down
async def test_clients_are_sent_away_when_the_gateway_drains(station: Station) -> None:
    client, protocol = await begin(station, None, "office")
    draining = asyncio.create_task(station.hub.drain())
    goodbye = await client.acknowledge()
    assert goodbye["method"] == "signalwire.disconnect"
    assert goodbye["params"] == {"restart": False}  # they keep their protocol
    await draining
    assert (await client.closed())[0] == 1012
    again, the_same = await begin(station, protocol)
    assert the_same == protocol
    telling = station.tell(inbound())
    await again.acknowledge()
    assert (await telling).error is None


async def test_a_client_that_does_not_take_its_leave_is_not_waited_for(impatient: Impatient) -> None:
    async with impatient(leave=0.1) as station:
        client = await station.client()
        await station.hub.drain()
        assert (await client.closed())[0] == 1012


async def test_a_message_that_is_being_taken_is_answered_before_the_end(station: Station) -> None:
    client = await station.client()
    station.held = asyncio.Event()
    asked = await client.say(
        "messaging.send", {"from_number": "+15005550006", "to_number": "+15551230000", "body": "hello"}
    )
    await until(lambda: bool(station.orders))
    draining = asyncio.create_task(station.hub.drain())
    await client.acknowledge()
    assert "result" in await client.ask("signalwire.ping")  # by now it has been heard
    station.held.set()
    answer = await client.hear()
    assert (answer["id"], answer["result"]["code"]) == (asked, "200")
    await draining


async def test_a_gateway_that_goes_down_takes_no_connection(station: Station) -> None:
    station.draining = True
    with pytest.raises(websockets.InvalidStatus) as refused:
        await station.connection()
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"


# --- coming back
async def test_what_is_owed_to_a_protocol_reaches_whoever_comes_back_with_it() -> None:
    async with serving(Station()) as station:
        client, protocol = await begin(station)
        await client.socket.close()
        await until(lambda: station.hub.sessions == 0)
        assert (await station.tell(a_message(protocol))).error == 11205
        station.heard.clear()
        again, the_same = await begin(station, protocol)
        assert the_same == protocol
        assert station.heard == [(ACCOUNT.id, protocol)]
        telling = station.tell(a_message(protocol))
        await again.acknowledge()
        assert (await telling).error is None
    async with serving(Station()) as restarted:
        _, the_same = await begin(restarted, protocol)
        assert the_same == protocol
        assert restarted.heard == [(ACCOUNT.id, protocol)]


async def test_whoever_comes_back_listens_to_what_it_listened_to(station: Station) -> None:
    client, protocol = await begin(station)
    await client.ask("signalwire.receive", {"contexts": ["office"]})
    await client.socket.close()
    await until(lambda: station.hub.sessions == 0)
    again, _ = await begin(station, protocol)
    telling = station.tell(inbound("office"))
    await again.acknowledge()
    assert (await telling).error is None


async def test_a_connection_left_behind_ends_when_its_client_comes_back(station: Station) -> None:
    behind, protocol = await begin(station, None, "office")
    again, _ = await begin(station, protocol)
    assert (await behind.closed())[0] == 1000
    assert station.hub.sessions == 1
    telling = station.tell(inbound("office"))
    await again.acknowledge()
    assert (await telling).error is None


@pytest.mark.parametrize(
    "protocol",
    ["office", "", "signalwire_", new_protocol(OTHER), new_protocol(ACCOUNT) + "\n", "signalwire_00_1_tidings"],
)
async def test_a_protocol_that_is_not_ones_own_is_replaced(station: Station, protocol: str) -> None:
    _, given = await begin(station, protocol)
    assert given != protocol
    assert is_ours(given, ACCOUNT, NOW)


def test_protocols_are_known_again_while_the_token_that_signed_them_is_good() -> None:
    protocol = new_protocol(ACCOUNT)
    rotated = Account(ACCOUNT.id, "", "new token", 0, previous_token=ACCOUNT.auth_token, previous_until=NOW + 1)
    assert is_ours(protocol, rotated, NOW)
    assert not is_ours(protocol, rotated, NOW + 1)
    assert not is_ours(protocol, OTHER, NOW)
    assert new_protocol(ACCOUNT) != protocol


def test_the_signature_is_where_the_javascript_client_looks_for_it() -> None:
    protocol = new_protocol(ACCOUNT)
    assert protocol.split("_")[1] == signature_of(protocol)
    assert "_" not in signature_of(protocol)


async def test_of_those_who_are_gone_the_last_ones_are_remembered(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.relay.hub.REMEMBERED", 1)
    first, forgotten = await begin(station, None, "office")
    await first.socket.close()
    await until(lambda: station.hub.sessions == 0)
    second, remembered = await begin(station, None, "home")
    await second.socket.close()
    await until(lambda: station.hub.sessions == 0)
    await begin(station, forgotten)
    assert (await station.tell(inbound("office"))).error == 11205
    again, _ = await begin(station, remembered)
    telling = station.tell(inbound("home"))
    await again.acknowledge()
    assert (await telling).error is None
