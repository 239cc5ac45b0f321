"""Promise 2 against SIGKILL: an acknowledged receipt is on disk, octet for octet, and the others come again."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.lifecycle import Kind

if TYPE_CHECKING:
    from tests.crash.conftest import Stage

DELIVERED = {"0200": 3, "0208": 1}
"""Every segment has a receipt, and some three of the same."""


async def test_receipts_acknowledged_before_a_kill_are_in_the_store(stage: "Stage") -> None:
    unanswered: set[bytes] = set()
    async with stage.traffic(DELIVERED, told=False) as traffic:
        for _ in range(4):
            await stage.open(traffic)
            await stage.wiretap.more_acknowledged(stage.chance.randint(20, 250))
            await stage.gateway.kill()
            traffic.close()
            await stage.wiretap.quiet()
            kept = Counter(stage.books().receipts)
            lost = Counter(pdu.hex() for pdu in stage.wiretap.acknowledged) - kept
            assert not lost
            unanswered |= contents(stage.wiretap.sent) - contents(stage.wiretap.acknowledged)
        await stage.open(traffic)
        await traffic.finish()
    books = await stage.rest()

    assert unanswered, "no kill came between a receipt and its answer"
    assert unanswered <= contents(stage.wiretap.acknowledged)
    for message in books.messages.values():
        delivered = Counter(step.part for step in message.history if step.kind is Kind.DELIVERED and step.applied)
        if not message.held:
            assert delivered == dict.fromkeys(message.segments, 1)


def contents(pdus: Sequence[bytes]) -> set[bytes]:
    """PDUs without their headers: the same receipt has another sequence number each time it is sent."""
    return {pdu[16:] for pdu in pdus}
