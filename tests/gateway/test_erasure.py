"""Texts that are taken away while something is still open about their messages."""

from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT
from tidings.errors import Problem
from tidings.lifecycle import Kind, Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

RTHROTTLED = 0x58
LONG = "One text in several parts. " * 13
"""Three segments."""


async def test_what_waits_for_an_answer_keeps_its_text(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    await centre.submission()
    with pytest.raises(Problem) as refused:
        await site.gateway.redact(ACCOUNT, message)
    assert refused.value.code == 20009


async def test_a_message_in_doubt_can_be_redacted_and_its_receipt_still_counts(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    asked = await centre.submission()
    asked.id = "late"
    centre.hang_up()
    await site.until_told(message, Kind.UNCERTAIN)
    redacted, standing = await site.gateway.redact(ACCOUNT, message)
    assert (redacted.body, standing.status) == ("", Status.SENDING)
    await centre.bound()
    await centre.receipt(asked)
    await site.until(message, Status.DELIVERED)
    assert len(centre.asked) == 1


async def test_a_message_in_doubt_can_be_deleted(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send()
    await centre.submission()
    centre.hang_up()
    await site.until_told(message, Kind.UNCERTAIN)
    await site.gateway.delete(ACCOUNT, message)
    assert await site.store.message(ACCOUNT, message) is None


async def test_a_part_that_is_handed_back_after_its_text_is_gone_is_not_sent_again(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await site.send(body=LONG)
    last = await centre.submission(3)
    for number, asked in enumerate(centre.asked[:2]):
        asked.accept(f"part{number}")
    await centre.receipt(centre.asked[0], "UNDELIV")
    await site.until(message, Status.UNDELIVERED)
    await site.gateway.redact(ACCOUNT, message)
    last.refuse(RTHROTTLED)
    await site.until_so(lambda: _unsent(site, message), "the last part is let go")
    assert (await site.standing(message)).due_at is None
    assert len(centre.asked) == 3
    assert await site.status(message) is Status.UNDELIVERED


async def _unsent(site: "Site", message: str) -> bool | None:
    said = [event.detail.get("not_sent") for event in await site.events(message, Kind.DEFERRED)]
    return True if "redacted" in said else None
