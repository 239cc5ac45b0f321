"""SIGTERM under load: what is under way is finished, so that nothing is in doubt at the next start."""

from typing import TYPE_CHECKING

from tidings.lifecycle import Kind, SegmentState

if TYPE_CHECKING:
    from tests.crash import audit
    from tests.crash.conftest import Stage
    from tests.crash.traffic import EVERYTHING
else:
    import audit
    from traffic import EVERYTHING

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
            assert all(order.sid[2:] in books.messages for order in traffic.answered if order.sid)
            assert not [m for m in books.messages.values() if SegmentState.SUBMITTING in m.segments.values()]
        await stage.open(traffic)
        await traffic.finish()
    books = await stage.rest()

    assert traffic.surprises == []
    assert not [m for m in books.messages.values() if any(step.kind is Kind.UNCERTAIN for step in m.history)]
    audit.check_kept(books, [str(order.sid)[2:] for order in traffic.answered])
    audit.check_keys(books, [str(order.key) for order in traffic.answered + traffic.unanswered if order.key])
    audit.check_submitted_once(stage.submitted())
    audit.check_truth(books, stage.submitted())
    audit.check_callbacks(await stage.feed(), stage.sink.calls)
    await stage.gateway.stop()
    audit.check_consistent(stage.gateway.database, books)
