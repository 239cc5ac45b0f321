"""Attempts at callbacks in a process of their own: a good part of a busy gateway's work, on another core.

It is given attempts and gives back outcomes; nothing else is shared. When it dies, attempts under way raise
ConnectionError, whose callbacks are told again, and another one is started.
"""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Final

import msgspec
import uvloop

from tidings.apart import Apart, Channel, of_gateway
from tidings.callbacks.attempt import Attempt, InProcess, Outcome, Terms

MODULE: Final = "tidings.callbacks.courier"


class Courier:
    """The gateway's side. Implements `attempt.Attempts`."""

    def __init__(self, terms: Terms) -> None:
        self._apart = Apart(MODULE, terms, Outcome, patient=True)

    async def start(self) -> None:
        await self._apart.start()

    def make(self, attempt: Attempt) -> Awaitable[Outcome]:
        return self._apart.ask(attempt)

    async def stop(self) -> None:
        await self._apart.stop()


async def work(fd: int, terms: Terms) -> None:
    """The courier's side: makes every attempt that comes, until the gateway's side ends."""
    attempts = InProcess(terms)
    ended = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    async def make(number: int, attempt: Attempt) -> None:
        channel.send(number, await attempts.make(attempt))

    def take(number: int, attempt: Attempt) -> None:
        task = asyncio.create_task(make(number, attempt))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    _, channel = await asyncio.get_running_loop().create_connection(
        lambda: Channel[Attempt](Attempt, take, ended.set), sock=socket.socket(fileno=fd)
    )
    await ended.wait()
    await attempts.stop()


def main() -> None:
    fd, terms = of_gateway()
    uvloop.run(work(fd, msgspec.json.decode(terms, type=Terms)))
