"""Whom the hub tells, what counts as told, and what is kept of it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from tests.relay.station import ACCOUNT, NOW, Client, Station, a_message, a_telling, connect, inbound, until
from tidings.callbacks.attempt import Outcome
from tidings.callbacks.signing import idempotency_token
from tidings.lifecycle import Status
from tidings.model import Channel, Message, Target
from tidings.relay import hub as hub_module

Impatient = Callable[..., "AbstractAsyncContextManager[Station]"]


async def test_where_nobody_listens_the_round_fails_at_once(station: Station) -> None:
    await station.client("home")
    assert await station.tell(inbound("office")) == Outcome(None, 11205)
    assert await station.tell(a_message("office")) == Outcome(None, 11205)


async def test_what_is_kept_of_an_event_that_was_taken(station: Station) -> None:
    client = await station.client("office")
    station.clock.wind(7)
    telling = station.hub.make(a_telling(a_message(), Status.SENT, number=3, attempts=4))
    task = asyncio.ensure_future(telling)
    event = await client.hear()
    await client.reply(event["id"], result={})
    outcome = await task
    assert (outcome.response, outcome.error, outcome.final) == (200, None, False)
    (attempt,) = outcome.attempts
    assert attempt.message_id == "5a" * 16
    assert (attempt.number, attempt.target, attempt.account) == (3, Target.RELAY, ACCOUNT.id)
    assert (attempt.ordinal, attempt.at) == (5, NOW + 7)
    assert (attempt.method, attempt.url) == ("RELAY", "relay:office")
    assert msgspec.json.decode(attempt.body) == event
    assert (attempt.response, attempt.error) == (200, None)
    assert attempt.first_byte == attempt.elapsed > 0
    assert attempt.detail.startswith("acknowledged by ")


async def test_an_event_has_the_same_id_whenever_it_is_told(station: Station) -> None:
    client = await station.client("office")
    for _ in range(2):
        telling = station.tell(a_message(), number=3)
        assert (await client.acknowledge())["id"] == idempotency_token("5a" * 16, 3)
        await telling


async def test_states_are_told_to_all_who_listen(station: Station) -> None:
    clients = [await station.client("office") for _ in range(3)]
    telling = station.tell(a_message())
    events = [await client.hear() for client in clients]
    assert events[0] == events[1] == events[2]
    assert not telling.done()
    await clients[1].reply(events[1]["id"], result={})
    outcome = await telling
    assert outcome.error is None
    assert len(outcome.attempts) == 1
    assert outcome.attempts[0].detail.endswith("; 3 sessions listened")


async def test_whoever_is_slow_is_told_all_the_same_and_in_order(station: Station) -> None:
    quick, slow = await station.client("office"), await station.client("office")
    states = [Status.QUEUED, Status.SENDING, Status.SENT, Status.DELIVERED]
    for number, status in enumerate(states, 1):
        telling = station.tell(a_message(), status, number)
        await quick.acknowledge()
        assert (await telling).error is None
    told = [(await slow.hear())["params"]["params"]["message_state"] for _ in states]
    assert told == ["queued", "initiated", "sent", "delivered"]


async def test_inbound_messages_go_to_one_in_turn(station: Station) -> None:
    one, other = await station.client("office"), await station.client("office")
    for number, client in enumerate([one, other, one, other]):
        telling = station.tell(inbound(number=number))
        event = await client.acknowledge()
        assert event["params"]["params"]["message_id"].endswith(str(number))
        assert (await telling).error is None


async def test_what_is_not_acknowledged_in_time_goes_to_the_next(impatient: Impatient) -> None:
    async with impatient(acknowledge=0.1) as station:
        deaf, other = await station.client("office"), await station.client("office")
        telling = station.tell(inbound())
        event = await deaf.hear()
        assert await other.acknowledge() == event
        outcome = await telling
        assert outcome.error is None
        assert [attempt.error for attempt in outcome.attempts] == [11203, None]
        assert [attempt.ordinal for attempt in outcome.attempts] == [1, 2]
        assert "did not acknowledge it in time" in outcome.attempts[0].detail
        assert "result" in await deaf.ask("signalwire.ping")  # it may stay


async def test_what_was_told_to_somebody_who_leaves_goes_to_the_next(station: Station) -> None:
    leaver, other = await station.client("office"), await station.client("office")
    telling = station.tell(inbound())
    await leaver.hear()
    await leaver.socket.close()
    await other.acknowledge()
    assert [attempt.error for attempt in (await telling).attempts] == [11205, None]


async def test_what_is_answered_with_an_error_goes_to_the_next(station: Station) -> None:
    refuser, other = await station.client("office"), await station.client("office")
    telling = station.tell(inbound())
    await refuser.reply((await refuser.hear())["id"], error={"code": -32000, "message": "not today"})
    await other.acknowledge()
    attempt = (await telling).attempts[0]
    assert attempt.error == 11200
    assert attempt.detail.endswith("answered with an error: not today")


async def test_where_no_session_acknowledges_the_round_fails(impatient: Impatient) -> None:
    async with impatient(acknowledge=0.05) as station:
        for _ in range(2):
            await station.client("office")
        outcome = await station.tell(inbound())
        assert (outcome.response, outcome.error, len(outcome.attempts)) == (None, 11203, 2)
        outcome = await station.tell(a_message())
        assert (outcome.response, outcome.error, len(outcome.attempts)) == (None, 11203, 1)


async def test_a_round_tries_only_so_many_sessions(impatient: Impatient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TRIES", 2)
    async with impatient(acknowledge=0.05) as station:
        clients = [await station.client("office") for _ in range(3)]
        assert len((await station.tell(inbound())).attempts) == 2
        telling = station.tell(inbound())
        await clients[2].acknowledge()  # whose turn it still is
        assert len((await telling).attempts) == 1


async def test_a_session_is_told_only_so_much_that_it_does_not_acknowledge(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.relay.session.WAITING", 2)
    client = await station.client("office")
    waiting = [station.tell(a_message(), number=number) for number in (2, 3)]
    events = [await client.hear() for _ in waiting]
    outcome = await station.tell(a_message(), number=4)
    assert outcome.error == 11203
    assert outcome.attempts[0].detail.endswith("has 2 events to acknowledge")
    for event in events:
        await client.reply(event["id"], result={})
    assert [(await telling).error for telling in waiting] == [None, None]


async def test_a_late_acknowledgement_of_an_earlier_round_counts(impatient: Impatient) -> None:
    async with impatient(acknowledge=0.05) as station:
        client = await station.client("office")
        assert (await station.tell(inbound())).error == 11203
        event = await client.hear()
        telling = station.tell(inbound())
        await client.hear()
        await client.reply(event["id"], result={})
        assert (await telling).error is None


async def test_a_client_that_acknowledges_nothing_is_written_to(station: Station) -> None:
    client = await station.client("office", event_acks=False)
    outcome = await station.tell(a_message())
    assert outcome.error is None
    assert "never acknowledged" in outcome.attempts[0].detail
    assert (await client.hear())["params"]["event_type"] == "messaging.state"


async def test_media_are_told_by_their_urls(station: Station) -> None:
    async def media(message: Message) -> list[str]:
        return [f"https://example.com/{message.id}"]

    station.hub.media = media
    client = await station.client("office")
    telling = station.tell(msgspec.structs.replace(inbound(), media=1, channel=Channel.MMS))
    told = (await client.acknowledge())["params"]["params"]
    await telling
    assert told["media"] == [f"https://example.com/{1:032x}"]
    assert told["tags"][2] == "MMS"


async def test_an_account_has_only_so_many_sessions(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_SESSIONS", 2)
    first = await station.client()
    await station.client()
    client = await station.connection()
    answer = await client.ask("signalwire.connect", connect())
    assert answer["error"]["code"] == -32603
    assert (await client.closed())[0] == 1013
    await first.socket.close()
    await until(lambda: station.hub.sessions == 1)
    again = await station.connection()
    assert "result" in await again.ask("signalwire.connect", connect())


async def told(client: Client, station: Station, message: Message) -> dict[str, Any]:
    telling = station.tell(message)
    event = await client.acknowledge()
    assert (await telling).error is None
    return event


async def test_events_wait_until_a_subscription_has_settled(impatient: Impatient) -> None:
    async with impatient(settle=0.2) as station:
        client = await station.client("office")
        began = asyncio.get_running_loop().time()
        await told(client, station, inbound())
        assert asyncio.get_running_loop().time() - began > 0.1


async def test_what_is_under_way_when_the_hub_stops_is_not_told(station: Station) -> None:
    client = await station.client("office")
    telling = station.tell(a_message())
    await client.hear()
    await station.hub.stop()
    assert (await telling).error == 11205
    assert (await client.closed())[0] == 1001
