"""Promises 1, 3, 4 and 5 against SIGKILL: the gateway dies again and again under load, and nothing comes of it."""

import asyncio
from typing import TYPE_CHECKING

from tidings.carriers.smpp.pdu import Command

if TYPE_CHECKING:
    from tests.crash.conftest import Stage


async def test_kills_lose_nothing_double_nothing_and_leave_every_callback_in_order(stage: "Stage") -> None:
    chance, wiretap = stage.chance, stage.wiretap
    async with stage.traffic() as traffic:
        # At any moment; while it takes up what the last kill left; and on the heels of what must have been kept.
        kills = ["any", "any", "starting", "submission", "answer", "receipt", "callback"]
        chance.shuffle(kills)
        for kill in kills:
            await stage.gateway.start()
            if kill != "starting":
                await stage.gateway.ready()
                traffic.open()
            # The moment is left to chance on purpose: there is nothing to wait for.
            await asyncio.sleep(chance.uniform(0.3, 1.0))
            match kill:
                case "submission":
                    await wiretap.passing(Command.SUBMIT_SM)
                case "answer":
                    await wiretap.passing(Command.SUBMIT_SM_RESP)
                case "receipt":
                    await wiretap.passing(Command.DELIVER_SM)
                case "callback":
                    await stage.sink.next_call()
            await stage.gateway.kill(group=chance.random() < 0.5)
            traffic.close()
        await stage.open(traffic)
        await traffic.more_answers(50)
        await traffic.finish()
        await traffic.repeat(chance.sample([order for order in traffic.answered if order.key], 20))
    books = await stage.prove(traffic)

    assert traffic.unanswered, "no kill came between a request and its answer"
    assert any(message.held for message in books.messages.values()), "nothing was left in doubt"
