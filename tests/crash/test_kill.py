"""Promises 1, 3, 4 and 5 against SIGKILL: the gateway dies again and again under load, and nothing comes of it."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.crash.conftest import Stage


async def test_kills_lose_nothing_double_nothing_and_leave_every_callback_in_order(stage: "Stage") -> None:
    chance = stage.chance
    async with stage.traffic() as traffic:
        for _ in range(chance.randint(5, 7)):
            if chance.random() < 0.25:  # also while it takes up what the last kill left
                await stage.gateway.start()
            else:
                await stage.open(traffic)
            # The moment of the kill is left to chance on purpose: there is nothing to wait for.
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            await stage.gateway.kill()
            traffic.close()
        await stage.open(traffic)
        await traffic.more_answers(50)
        await traffic.finish()
        await traffic.repeat(chance.sample([order for order in traffic.answered if order.key], 20))
    books = await stage.prove(traffic)

    assert traffic.unanswered, "no kill came between a request and its answer"
    assert any(message.held for message in books.messages.values()), "nothing was left in doubt"
