"""Asks the system's resolver for the addresses of names, on threads of its own; the guard is the caller.

It asks getaddrinfo, so that a name means to callbacks what `getent ahosts` shows for it: nsswitch, hosts
file, search list and resolver options included, of which resolvers made for event loops (c-ares) follow but a
part. getaddrinfo blocks, for 5 to 30 seconds where a name's servers are silent, and the loop's own threads
(uvloop: 4) would soon hang on such names; so the threads are ours, in lanes that keep names with a past of
silence from those without. They are daemons: a process ends without them.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from enum import Enum, auto
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

Lookup = Callable[[str], tuple[str, ...]]
"""Blocks until it has the addresses of a name, or raises OSError or UnicodeError."""

PROMPT = 1.0
"""Seconds within which an answer is prompt: most recursions from the root are done by then, and what goes
unanswered takes the 5 s after which the system asks a second time."""
QUEUE = 1024
"""Names that wait in a lane for a thread. One more is not asked about at all."""


class Standing(Enum):
    """What is known of a name before it is asked about; each has a lane of its own."""

    PROMPT = auto()
    """The last answer, good or bad, was prompt."""
    NEW = auto()
    SLOW = auto()
    """The last answer took long or never came."""


WIDTHS: dict[Standing, int] = {Standing.PROMPT: 64, Standing.NEW: 32, Standing.SLOW: 32}
"""Threads, at most; they are started as they are needed. Most for the prompt: where the servers of many such
names fall silent at once, the others get through beside them, and it happens once to a name."""


class Busy(Exception):
    """The name was not asked about; the message says why, for people."""


class Reply(NamedTuple):
    """What came of asking."""

    said: tuple[str, ...] | Exception
    """Addresses in the resolver's order, each once; or why there are none."""
    seconds: float
    """From the question to the answer, waiting for a thread left out."""


class Resolver:
    """The lanes. Belongs to one event loop."""

    def __init__(self, lookup: Lookup) -> None:
        self._lanes = {standing: _Lane(lookup, width) for standing, width in WIDTHS.items()}

    def ask(self, host: str, standing: Standing) -> asyncio.Future[Reply]:
        """Ask when a thread of the lane gets free, in the order of the calls; however long it takes.

        Raises `Busy` where too many names wait already, and after `close`.
        """
        return self._lanes[standing].ask(host)

    def close(self) -> None:
        """Take no more names and let the threads go; those that hang are not waited for."""
        for lane in self._lanes.values():
            lane.close()


class _Lane:
    """Threads that ask about one name at a time each."""

    def __init__(self, lookup: Lookup, width: int) -> None:
        self._lookup = lookup
        self._width = width
        self._questions: SimpleQueue[tuple[str, asyncio.Future[Reply]] | None] = SimpleQueue()
        self._threads = 0
        self._open = 0
        """Names waiting or being asked about."""
        self._closed = False

    def ask(self, host: str) -> asyncio.Future[Reply]:
        if self._closed:
            raise Busy("the resolver is closed")
        if self._open >= self._width + QUEUE:
            raise Busy("too many lookups")
        if self._threads <= self._open and self._threads < self._width:
            self._grow()
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(self._answered)
        self._open += 1
        self._questions.put((host, reply))
        return reply

    def close(self) -> None:
        self._closed = True
        for _ in range(self._threads):
            self._questions.put(None)

    def _grow(self) -> None:
        try:
            Thread(target=_serve, args=(self._lookup, self._questions), name="lookup", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads: those there are must do
            if not self._threads:
                raise Busy("no thread to look it up on") from error
        else:
            self._threads += 1

    def _answered(self, _: asyncio.Future[Reply]) -> None:
        self._open -= 1


def system_lookup(host: str) -> tuple[str, ...]:
    """The addresses of a name as every program on this machine sees them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in found))


def _serve(lookup: Lookup, questions: SimpleQueue[tuple[str, asyncio.Future[Reply]] | None]) -> None:
    while (question := questions.get()) is not None:
        host, reply = question
        started = time.monotonic()
        said: tuple[str, ...] | Exception
        try:
            said = lookup(host)
        except Exception as error:  # whatever it is: who waits must hear of it, and the thread go on
            said = error
        answer = Reply(said, time.monotonic() - started)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            reply.get_loop().call_soon_threadsafe(_tell, reply, answer)


def _tell(reply: asyncio.Future[Reply], answer: Reply) -> None:
    if not reply.done():
        reply.set_result(answer)
