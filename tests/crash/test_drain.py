"""SIGTERM under load: what is under way is finished, so that nothing is in doubt at the next start."""

from typing import TYPE_CHECKING

from tests.crash.traffic import EVERYTHING
from tidings.lifecycle import Kind, SegmentState

if TYPE_CHECKING:
    from tests.crash.conftest import Stage

CERTAIN = {suffix: weight for suffix, weight in EVERYTHING.items() if suffix != "0503"}
"""A connection that is closed instead of an answer leaves doubt by itself."""


async def test_a_stop_under_load_finishes_what_is_under_way(stage: "Stage") -> None:
    async with stage.traffic(CERTAIN) as traffic:
        for _ in range(2):
            await stage.open(traffic)
            await traffic.more_answers(stage.chance.randint(50, 400))
            took = await stage.gateway.stop()
            traffic.close()
            assert took < stage.gateway.drain
            books = stage.books()
            assert {order.message_id for order in traffic.answered} <= books.messages.keys()
            states = {state for message in books.messages.values() for state in message.segments.values()}
            assert SegmentState.SUBMITTING not in states
        await stage.open(traffic)
        await traffic.finish()
    books = await stage.prove(traffic)

    kinds = {step.kind for message in books.messages.values() for step in message.history}
    assert Kind.UNCERTAIN not in kinds
