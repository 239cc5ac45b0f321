"""Load: messages made over HTTP by several workers at once, each with a text and a recipient of its own.

What was answered and what was not is all a test may hold the gateway to. A request without an answer that had an
Idempotency-Key is made again, as a careful application would.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping
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

_TEXTS: Mapping[str, int] = {
    "crash {n:06}": 8,  # one segment
    "{n:06} and so on, " * 20: 1,  # three
    "{n:06} und so weiter \N{SNOWMAN} " * 6: 1,  # three in UCS-2
}
"""And how often they come. No two messages have a segment in common."""


@dataclass
class Order:
    """One message an application wants sent."""

    number: int
    recipient: str
    body: str
    key: str | None
    message_id: str = ""
    """Once it has been answered."""


class Traffic:
    """Makes messages while it is open, with so many requests under way at once."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        path: str,
        sender: str,
        callback_url: str | None,
        chance: random.Random,
        outcomes: Mapping[str, int] = EVERYTHING,
        workers: int = 8,
        pause: float = 0.0,
    ) -> None:
        """`pause`: seconds that each worker waits before its next message."""
        self.answered: list[Order] = []
        """201, in the order of the answers."""
        self.unanswered: list[Order] = []
        """One entry a request: nobody may know whether it made a message."""
        self.faults: list[Order] = []
        """503, one entry a request: the store had failed, and may have kept the message all the same."""
        self.surprises: list[str] = []
        """Answers that should not have been given."""
        self._client = client
        self._path = path
        self._sender = sender
        self._callback_url = callback_url
        self._chance = chance
        self._suffixes = list(outcomes)
        self._weights = list(outcomes.values())
        self._pause = pause
        self._count = 0
        self._to_repeat: deque[Order] = deque()
        self._opened, self._closed = asyncio.Event(), asyncio.Event()
        self._ending = False
        self._progress = asyncio.Condition()
        self._workers = [asyncio.create_task(self._work()) for _ in range(workers)]

    def open(self) -> None:
        self._closed.clear()
        self._opened.set()

    def close(self) -> None:
        self._opened.clear()
        self._closed.set()

    async def finish(self) -> None:
        """Make no new messages; wait for those under way, and repeat what had no answer and can be repeated."""
        self._ending = True
        self._closed.set()
        await asyncio.gather(*self._workers)
        owed = list(self._to_repeat)
        self._to_repeat.clear()
        await self.repeat(owed)

    async def repeat(self, orders: Iterable[Order]) -> None:
        """Make requests again that have a key; the gateway is up, so they must be answered."""
        for order in orders:
            if not await self._ask(order):
                self.surprises.append(f"order {order.number}: not answered, though nothing was stopped")

    async def cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def more_answers(self, count: int) -> None:
        """Wait for so many more messages to be answered."""
        wanted = len(self.answered) + count
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.answered) >= wanted)

    async def _work(self) -> None:
        await self._opened.wait()
        while not self._ending:
            order = self._to_repeat.popleft() if self._to_repeat else self._next()
            if not await self._ask(order):
                await self._closed.wait()
            elif self._pause:
                await asyncio.sleep(self._pause)
            if not self._ending:
                await self._opened.wait()

    def _next(self) -> Order:
        self._count += 1
        number = self._count
        (suffix,) = self._chance.choices(self._suffixes, self._weights)
        (text,) = self._chance.choices(list(_TEXTS), list(_TEXTS.values()))
        key = f"order {number}" if self._chance.random() < 0.5 else None
        return Order(number, f"+1{200_000 + number}{suffix}", text.format(n=number), key)

    async def _ask(self, order: Order) -> bool:
        """Whether an answer came."""
        form = {"From": self._sender, "To": order.recipient, "Body": order.body}
        if self._callback_url:
            url, sharp, fragment = self._callback_url.partition("#")
            form["StatusCallback"] = f"{url}?order={order.number}{sharp}{fragment}"
        headers = {"Idempotency-Key": order.key} if order.key else {}
        try:
            response = await self._client.post(self._path, data=form, headers=headers)
        except httpx.TransportError:
            self.unanswered.append(order)
            if order.key:
                self._to_repeat.append(order)
            return False
        if response.status_code == 201:
            self._answered(order, response.json()["sid"].removeprefix("SM"))
        elif response.status_code == 503:
            self.faults.append(order)
        else:
            self.surprises.append(f"order {order.number}: {response.status_code} {response.text}")
        async with self._progress:
            self._progress.notify_all()
        return True

    def _answered(self, order: Order, message_id: str) -> None:
        if not order.message_id:
            order.message_id = message_id
            self.answered.append(order)
        elif order.message_id != message_id:
            self.surprises.append(f"{order.key}: made {order.message_id}, and when repeated {message_id}")
