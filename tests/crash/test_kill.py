"""Promises 1, 3, 4 and 5 against SIGKILL: the gateway dies again and again under load, and nothing is lost by it."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.crash import audit
    from tests.crash.conftest import Stage
else:
    import audit


async def test_kills_lose_nothing_double_nothing_and_leave_every_callback_in_order(stage: "Stage") -> None:
    chance = stage.chance
    async with stage.traffic() as traffic:
        for _ in range(chance.randint(5, 7)):
            if chance.random() < 0.25:  # also while it takes up what the last kill left
                await stage.gateway.start()
            else:
                await stage.open(traffic)
            # The moment of the kill is the one thing that is left to chance: there is nothing to wait for.
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            await stage.gateway.kill()
            traffic.close()
        await stage.open(traffic)
        await traffic.more_answers(50)
        await traffic.finish()
        await traffic.repeat(chance.sample([order for order in traffic.answered if order.key], 20))
    books = await stage.rest()

    assert traffic.surprises == []
    audit.check_kept(books, [str(order.sid)[2:] for order in traffic.answered])
    audit.check_keys(books, [str(order.key) for order in traffic.answered + traffic.unanswered if order.key])
    audit.check_submitted_once(stage.submitted())
    audit.check_truth(books, stage.submitted())
    audit.check_callbacks(await stage.feed(), stage.sink.calls)
    await stage.gateway.stop()
    audit.check_consistent(stage.gateway.database, books)
    counts = {
        state: sum(message.status == state for message in books.messages.values())
        for state in ("sending", "sent", "delivered", "undelivered", "failed")
    }
    print(
        len(traffic.answered),
        len(traffic.unanswered),
        len(stage.sink.calls),
        counts,
        sum(m.held for m in books.messages.values()),
    )
