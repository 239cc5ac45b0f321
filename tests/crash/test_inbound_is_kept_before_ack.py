"""Promise 2 against SIGKILL, from the handsets' side: what was acknowledged is kept whole, what was not is brought
again and known, and whoever says STOP is on the list and answered once.

The message centre is the test's own, and outlives every gateway.
"""

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.processes import SENDER, SID, Gateway, until
from tests.gateway.centre import Centre
from tests.gateway.handset import By, Handset
from tidings.carriers.smpp.link import NoResponse, NotWritten
from tidings.carriers.smpp.pdu import Command

HANDSETS = 600
AT_ONCE = 12
"""Handsets that the centre speaks for at the same time."""
KILLS = 5
STOP = "STOP"
BY: tuple[By, ...] = ("udh8", "udh16", "sar")
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"


class Neighbourhood:
    """Handsets, each of which has something to say, and the centre that brings it until it is acknowledged."""

    def __init__(self, centre: Centre, chance: random.Random) -> None:
        self.centre = centre
        self.said = {f"+1555{number:07}": _pieces(number, chance) for number in range(HANDSETS)}
        self.again = 0
        """Times that something had to be brought again."""
        self.acknowledged = 0
        self._chance = chance
        self._waiting = list(self.said)
        self._progress = asyncio.Condition()

    async def speak(self) -> None:
        await asyncio.gather(*(self._bring_all() for _ in range(AT_ONCE)))

    async def more_acknowledged(self, count: int) -> None:
        """Wait until so many more segments have been acknowledged."""
        wanted = self.acknowledged + count
        async with self._progress:
            await self._progress.wait_for(lambda: self.acknowledged >= wanted)

    async def _bring_all(self) -> None:
        while self._waiting:
            source = self._waiting.pop()
            pieces = self.said[source]
            handset = Handset(self.centre, pieces, by=self._chance.choice(BY), reference=7, source=source)
            for part in self._chance.sample(range(1, len(pieces) + 1), len(pieces)):
                while not await self._is_taken(handset, part):
                    self.again += 1
                async with self._progress:
                    self.acknowledged += 1
                    self._progress.notify_all()

    async def _is_taken(self, handset: Handset, part: int) -> bool:
        await self.centre.bound()
        link, _ = self._chance.choice(self.centre.binds)
        try:
            return (await link.request(Command.DELIVER_SM, *handset.segment(part))).status == 0
        except (NotWritten, NoResponse):
            await asyncio.sleep(0)  # the centre takes note of what it has lost
            return False


def _pieces(number: int, chance: random.Random) -> list[str]:
    if number % 10 == 0:
        return [STOP]
    return [f"{number}, part {part}; " for part in range(chance.choice((1, 2, 4)))]


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    centre = Centre()
    await centre.listen()
    centre.answer_all()
    yield centre
    await centre.close()


@pytest.fixture
async def gateway(tmp_path: Path, centre: Centre) -> AsyncIterator[Gateway]:
    gateway = Gateway(tmp_path, centre.port)
    yield gateway
    await gateway.close()


async def test_what_handsets_say_is_kept_once_and_whole_however_often_the_gateway_dies(
    centre: Centre, gateway: Gateway
) -> None:
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(2**32))
    print(f"CRASH_SEED={seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    people = Neighbourhood(centre, chance)
    await gateway.start()
    speaking = asyncio.create_task(people.speak())
    for _ in range(KILLS):
        await people.more_acknowledged(chance.randint(40, 160))
        await gateway.kill(group=chance.random() < 0.5)
        await gateway.start()
    await speaking
    stops = [source for source, pieces in people.said.items() if pieces == [STOP]]

    async def all_answered() -> bool:
        return len(await listed(gateway, "outbound-reply")) >= len(stops)

    await gateway.ready()
    await until(all_answered)
    inbound, answers = await listed(gateway, "inbound"), await listed(gateway, "outbound-reply")
    async with gateway.client() as client:
        entries = (await client.get("/v1/opt-outs", params={"limit": 1000})).json()["opt_outs"]
    await gateway.stop()

    assert people.again, "no kill came between a segment and its answer"
    texts = {source: "".join(pieces) for source, pieces in people.said.items()}
    assert Counter((one["from"], one["body"]) for one in inbound) == Counter(texts.items())
    assert {one["status"] for one in inbound} == {"received"}
    assert Counter(one["to"] for one in answers) == Counter(stops)
    assert Counter((entry["number"], entry["recipient"]) for entry in entries) == Counter(
        (SENDER, source) for source in stops
    )


async def listed(gateway: Gateway, direction: str) -> list[dict[str, Any]]:
    """The account's messages in this direction."""
    found: list[dict[str, Any]] = []
    path: str | None = f"{MESSAGES}?PageSize=1000"
    async with gateway.client() as client:
        while path:
            page = (await client.get(path)).raise_for_status().json()
            found += [one for one in page["messages"] if one["direction"] == direction]
            path = page["next_page_uri"]
    return found
