"""Rounds of attempts in a process of their own: a good part of a busy gateway's work, on another core.

It is given what is to be told and gives back outcomes; nothing else is shared. When it dies, rounds under way
raise ConnectionError, whose callbacks are told again, and another one is started.
"""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Final

import msgspec
import uvloop

from tidings.apart import Apart, Channel, of_gateway
from tidings.callbacks.attempt import Outcome, Telling, Terms
from tidings.callbacks.round import InProcess

MODULE: Final = "tidings.callbacks.courier"


class Courier:
    """The gateway's side. Implements `attempt.Attempts`."""

    def __init__(self, terms: Terms) -> None:
        self._apart = Apart(MODULE, terms, Outcome, patient=True)

    async def start(self) -> None:
        await self._apart.start()

    def make(self, telling: Telling) -> Awaitable[Outcome]:
        return self._apart.ask(telling)

    async def stop(self) -> None:
        await self._apart.stop()


async def work(fd: int, terms: Terms) -> None:
    """The courier's side: makes every round that is asked for, until the gateway's side ends."""
    attempts = InProcess(terms)
    ended = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    async def make(number: int, telling: Telling) -> None:
        channel.send(number, await attempts.make(telling))

    def take(number: int, telling: Telling) -> None:
        task = asyncio.create_task(make(number, telling))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    _, channel = await asyncio.get_running_loop().create_connection(
        lambda: Channel[Telling](Telling, take, ended.set), sock=socket.socket(fileno=fd)
    )
    await ended.wait()
    await attempts.stop()


def main() -> None:
    fd, terms = of_gateway()
    uvloop.run(work(fd, msgspec.json.decode(terms, type=Terms)))
