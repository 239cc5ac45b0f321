"""Promise 5 against a receiver that flaps, while the gateway and the processes beside it are killed: every event
arrives, none behind a later one, with one token on every attempt, and what is kept of the attempts is true."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.crash import flapping, journal
from tests.crash.processes import TOKEN, ended, until
from tests.crash.receiver import Receiver
from tests.crash.traffic import Traffic
from tidings.callbacks import courier
from tidings.store.sqlite import scribe

if TYPE_CHECKING:
    from tests.crash.conftest import Stage

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SETTINGS = """
own_process = true

[account.callbacks]
numbered = true
url = "{url}"
secrets = ["{secret}"]
"""
OVERRIDES = "#rt=300&tt=500"
OUTCOMES = {"0200": 10, "0208": 3, "0403": 2, "0500": 2}
"""Delivered, also with three receipts; undelivered; refused."""
PAUSE = 0.25
"""Seconds between two messages of each worker: all of what they are told has to get through afterwards."""
TAIL = 40.0
"""Seconds for what is owed at the end: back-off and breaker wait longer the longer it has flapped."""
REFUSED = 11202


@pytest.fixture
async def receiver(stage: "Stage") -> AsyncIterator[Receiver]:
    receiver = Receiver(str(stage.chance.random()))
    await receiver.start()
    yield receiver
    await receiver.stop()


async def test_every_event_arrives_in_order_though_the_receiver_flaps_and_everything_is_killed(
    stage: "Stage", receiver: Receiver
) -> None:
    stage.gateway.configure(SETTINGS.format(url=receiver.url + journal.EVENTS, secret=SECRET))
    async with stage.traffic(OUTCOMES, callback_url=f"{receiver.url}/status{OVERRIDES}", pause=PAUSE) as traffic:
        await stage.open(traffic)
        kills = [kill_gateway, kill_gateway, kill_gateway_out_of_reach, kill_courier, kill_courier, kill_scribe]
        stage.chance.shuffle(kills)
        for kill in kills:
            # The moment is left to chance on purpose: any, or on the heels of a call or of its answer.
            await asyncio.sleep(stage.chance.uniform(0.3, 1.0))
            with suppress(TimeoutError):  # nothing comes while the breaker is open
                async with asyncio.timeout(0.5):
                    await receiver.next(stage.chance.choice(("call", "answered")))
            await kill(stage, receiver, traffic)
        await receiver.behave()
        await traffic.finish()
    await stage.rest(TAIL)
    feed = await stage.feed()
    async with stage.gateway.client() as client:
        hosts = (await client.get("/v1/callbacks/hosts")).json()["hosts"]
    await stage.gateway.stop()

    record = journal.read(receiver.entries, TOKEN, SECRET)
    owed, kept = journal.owed(feed), journal.kept(stage.gateway.database)
    assert traffic.surprises == []
    assert {order.message_id for order in traffic.answered} <= {message_id for message_id, _, _ in owed}
    journal.check_told(record.calls, owed)
    journal.check_order(record.calls, owed)
    journal.check_tokens(record.calls)
    journal.check_signed(record.calls)
    journal.check_attempts(record, kept, owed)
    assert hosts == [], "the gateway takes something for owed that is not"

    assert len(record.moods) > len(flapping.MOODS) // 2, "a receiver that hardly flapped"
    rows = [row for callback in kept.values() for row in callback.rows]
    assert journal.NO_ANSWER_IN_TIME in {row.error for row in rows}
    assert sum(call.taken for call in record.calls) > len(owed), "no kill came between an answer and its commit"


async def kill_gateway(stage: "Stage", receiver: Receiver, traffic: Traffic) -> None:
    orphan = stage.gateway.child(courier.MODULE)
    await stage.gateway.kill()
    traffic.close()
    if orphan is not None:
        await until(lambda: is_gone(orphan))
    await receiver.listen()
    await stage.gateway.start()
    await receiver.note("killed")
    await stage.gateway.ready()
    traffic.open()


async def kill_gateway_out_of_reach(stage: "Stage", receiver: Receiver, traffic: Traffic) -> None:
    """The receiver refuses connections when it is killed, and is back before it."""

    async def refused() -> bool:
        callbacks = journal.kept(stage.gateway.database).values()
        return any(row.error == REFUSED for callback in callbacks for row in callback.rows)

    await receiver.refuse()
    await until(refused)
    await kill_gateway(stage, receiver, traffic)


async def kill_courier(stage: "Stage", receiver: Receiver, traffic: Traffic) -> None:
    await kill_child(stage, courier.MODULE)
    await receiver.note("killed")


async def kill_scribe(stage: "Stage", receiver: Receiver, traffic: Traffic) -> None:
    """Until there is another one nothing can be kept of what is told."""
    await receiver.note("away")
    killed = await kill_child(stage, scribe.MODULE)

    async def replaced() -> bool:
        return stage.gateway.child(scribe.MODULE) not in (None, killed)

    await until(replaced)
    await traffic.more_answers(1)
    await receiver.note("back")


async def kill_child(stage: "Stage", module: str) -> int:
    """Kill a process beside the gateway, once there is one: the last one's place may not be taken yet."""
    found: list[int] = []

    async def there() -> bool:
        found[:] = filter(None, [stage.gateway.child(module)])
        return bool(found)

    await until(there)
    (pid,) = found
    os.kill(pid, signal.SIGKILL)
    await until(lambda: is_gone(pid))
    return pid


async def is_gone(pid: int) -> bool:
    return ended(pid)
