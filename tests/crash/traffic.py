"""Load: messages made over HTTP by several workers at once, each with a text and a recipient of its own.

What was answered and what was not is all a test may hold the gateway to. A request without an answer that had an
Idempotency-Key is made again, as a careful application would.
"""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

EVERYTHING: Mapping[str, int] = {
    "0200": 40,  # delivered
    "0208": 10,  # ... with three receipts
    "0425": 12,  # ... with the receipt before the answer
    "0206": 6,  # ... with the id spelled in two ways
    "0409": 6,  # ... and then contradicted
    "0403": 4,  # undelivered: blocked
    "0408": 4,  # undelivered: unreachable
    "0202": 6,  # accepted, and no receipt
    "0500": 6,  # refused
    "0429": 2,  # throttled three times, then delivered
    "0503": 1,  # the connection is closed instead of an answer
}
"""Last four digits of the recipient, which are the simulated carrier's script, and how often they come."""

_TEXTS = ("crash {n:06}", "{n:06} and so on, " * 20, "{n:06} und so weiter, ☎ " * 6)
"""One segment; three in GSM 7-bit; two in UCS-2. No two messages have a segment in common."""


@dataclass
class Order:
    """One message an application wants sent."""

    number: int
    recipient: str
    body: str
    key: str | None
    sid: str | None = None
    """Once it has been answered."""


class Traffic:
    """`run` is the task; requests are made while `open` is set."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        path: str,
        sender: str,
        callback_url: str | None,
        chance: random.Random,
        outcomes: Mapping[str, int] = EVERYTHING,
        long_texts: float = 0.2,
        workers: int = 8,
    ) -> None:
        self.answered: list[Order] = []
        """201, in the order of the answers."""
        self.unanswered: list[Order] = []
        """Nobody may know whether these exist."""
        self.surprises: list[str] = []
        """Answers that should not have been given."""
        self.open = asyncio.Event()
        self._client = client
        self._path = path
        self._sender = sender
        self._callback_url = callback_url
        self._chance = chance
        self._suffixes = list(outcomes)
        self._weights = list(outcomes.values())
        self._long_texts = long_texts
        self._workers = workers
        self._count = 0
        self._to_repeat: deque[Order] = deque()
        self._ending = False
        self._ended = asyncio.Event()
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        try:
            await asyncio.gather(*(self._work() for _ in range(self._workers)))
        finally:
            self._ended.set()

    async def finish(self) -> None:
        """Make no new messages; wait for those under way, and repeat what had no answer and can be repeated."""
        self._ending = True
        await self._ended.wait()
        while self._to_repeat:
            await self._ask(self._to_repeat.popleft())

    async def more_answers(self, count: int) -> None:
        """Wait for so many more messages to be answered."""
        wanted = len(self.answered) + count
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.answered) >= wanted)

    async def ask_again(self, orders: list[Order]) -> None:
        """Repeat requests that were answered before: the same message must be named again."""
        for order in orders:
            await self._ask(order)

    async def _work(self) -> None:
        while not self._ending:
            await self.open.wait()
            await self._ask(self._to_repeat.popleft() if self._to_repeat else self._next())

    def _next(self) -> Order:
        self._count += 1
        number = self._count
        (suffix,) = self._chance.choices(self._suffixes, self._weights)
        text = self._chance.choice(_TEXTS[1:]) if self._chance.random() < self._long_texts else _TEXTS[0]
        key = f"order {number}" if self._chance.random() < 0.5 else None
        return Order(number, f"+1{200_000 + number}{suffix}", text.format(n=number), key)

    async def _ask(self, order: Order) -> None:
        form = {"From": self._sender, "To": order.recipient, "Body": order.body}
        if self._callback_url:
            form["StatusCallback"] = f"{self._callback_url}?order={order.number}"
        headers = {"Idempotency-Key": order.key} if order.key else {}
        try:
            response = await self._client.post(self._path, data=form, headers=headers)
        except httpx.TransportError:
            self.unanswered.append(order)
            if order.key:
                self._to_repeat.append(order)
            return
        if response.status_code != 201:
            self.surprises.append(f"order {order.number}: {response.status_code} {response.text}")
            return
        sid: str = response.json()["sid"]
        if order.sid is None:
            order.sid = sid
            self.answered.append(order)
        elif order.sid != sid:
            self.surprises.append(f"order {order.number}: {order.sid}, and asked again with its key: {sid}")
        async with self._progress:
            self._progress.notify_all()
