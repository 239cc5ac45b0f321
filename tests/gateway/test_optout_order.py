"""Keywords that come in one breath, as when a carrier brings what it held: heeded in their order, one by one."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.handset import texts
from tidings.carriers.smpp.pdu import ShortMessage
from tidings.gateway.keywords import ANSWERS, OptOutType
from tidings.model import Direction
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre, Site


async def bring(centre: "Centre", *words: str) -> None:
    """All of them at once over one bind: none waits for the answer to the one before."""
    said = [
        ShortMessage(source_addr=RECIPIENT[1:], destination_addr=SENDER[1:], short_message=word.encode())
        for word in words
    ]
    await asyncio.gather(*map(centre.deliver, said))


async def answers(site: "Site") -> list[str]:
    found = await site.store.messages(ACCOUNT, MessageFilter(recipient=RECIPIENT), 100)
    return [message.body for message, _ in reversed(found) if message.direction is Direction.OUTBOUND_REPLY]


@pytest.mark.parametrize(
    ("words", "out", "answered"),
    [
        (("STOP", "START"), False, ["STOP", "START"]),
        (("STOP", "START", "STOP"), True, ["STOP", "START", "STOP"]),
        (("STOP", "STOPALL"), True, ["STOP"]),
        (("STOP", "HELP", "YES", "YES"), False, ["STOP", "HELP", "START"]),
    ],
)
async def test_keywords_of_one_breath_are_heeded_in_their_order(
    bench: "Bench", words: tuple[str, ...], out: bool, answered: list[OptOutType]
) -> None:
    centre, site = await bench.pair()
    await bring(centre, *words)
    assert await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT) is out
    assert await answers(site) == [ANSWERS[kind] for kind in answered]
    assert await texts(site) == list(words)
