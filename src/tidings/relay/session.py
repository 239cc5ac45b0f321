"""One RELAY connection, from its first frame to its last: what comes in is answered, what is told goes out.

`web.relay` runs one for each WebSocket; the hub (`relay.hub`) tells it events; what it can be asked for is in
`relay.methods`. A frame is answered before the next one is read, so that a peer that does not read its answers is
not listened to either; only messages are taken in side by side. A peer that leaves no room for what it is sent,
that is silent for longer than pings allow, or whose credentials are withdrawn, is let go: what it has not
acknowledged is told again.
"""

import asyncio
import contextlib
import logging
from asyncio import Future, Task
from collections.abc import Iterator
from math import inf
from typing import Any, Final, Protocol

from tidings.clock import SECOND
from tidings.errors import Problem
from tidings.ids import dashed, random_hex
from tidings.relay import frames
from tidings.relay.frames import RELAY, Malformed, Reply, Request
from tidings.relay.hub import NOBODY, Hub, Told
from tidings.relay.methods import POLICY, Gateway, Methods, Peer
from tidings.store.base import StoreError

UNACKNOWLEDGED: Final = 128
"""Events under way to one session; others wait."""
WAITING: Final = 2 * UNACKNOWLEDGED
"""Events that a session has to acknowledge, those that wait among them; it is told no others meanwhile."""
SENDING: Final = 32
"""Messages of one session that are being taken in; it is not read meanwhile."""
SILENCE: Final = 3
"""Pings without a sign of life, after which a peer counts as gone."""
TOO_LATE: Final = 11203
"""The code where an event was not acknowledged in time."""
REFUSED: Final = 11200
"""The code where an event was answered with an error."""
SHOWN: Final = 200
"""Characters of such an error that are kept."""

NORMAL, INTERNAL, RESTART = 1000, 1011, 1012
"""Codes that connections are closed with (RFC 6455 §7.4.1 and IANA's registry)."""

log = logging.getLogger(__name__)


class Gone(Exception):
    """The connection is at its end."""


class Wire(Protocol):
    """A WebSocket connection."""

    async def receive(self) -> bytes:
        """What the next frame carries. Raises Gone."""
        ...

    async def send(self, frame: str) -> None:
        """Returns once there was room for it. Raises Gone."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Raises Gone."""
        ...


class Session:
    """Implements `hub.Session`."""

    def __init__(self, wire: Wire, hub: Hub, gateway: Gateway) -> None:
        self._wire = wire
        self._hub = hub
        self._gateway = gateway
        self._timing = hub.timing
        self._peer = Peer()
        self._methods = Methods(self._peer, self, hub, gateway)
        self._loop = asyncio.get_running_loop()
        self._ended: Future[tuple[int, str]] = self._loop.create_future()
        self._heard_at = self._loop.time()
        """When a frame was last dealt with; infinite while one is."""
        self._replies: dict[str, Future[Reply | None]] = {}
        """What is awaited of the peer, by the id of the request; None where it will not come."""
        self._in_order = asyncio.Lock()
        """Held while an event is on its way out: they leave in the order in which they were told."""
        self._room = asyncio.Semaphore(UNACKNOWLEDGED)
        self._waiting = 0
        """Events that are being told."""
        self._may_send = asyncio.Semaphore(SENDING)
        self._sends: set[Task[None]] = set()

    @property
    def account(self) -> str:
        return self._peer.account

    @property
    def protocol(self) -> str:
        return self._peer.protocol

    # --- its life
    async def run(self) -> None:
        """Returns when the connection is at its end."""
        tasks = (asyncio.create_task(self._read()), asyncio.create_task(self._keep_alive()))
        try:
            await asyncio.wait((self._ended, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            self.end(INTERNAL, "")
            self._hub.leave(self)
            for task in (*tasks, *self._sends):
                task.cancel()
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_result(None)
            with contextlib.suppress(Gone, TimeoutError):
                async with asyncio.timeout(self._timing.leave):
                    await self._wire.close(*self._ended.result())

    def end(self, code: int, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result((code, reason))

    async def dismiss(self) -> None:
        """Asked to `restart`, a client would forget its protocol, and what is owed to that would wait in vain."""
        with contextlib.suppress(Gone, TimeoutError):
            async with asyncio.timeout(self._timing.leave):
                await self._ask(self._peer.form.disconnect, {"restart": False})
                await self._answers_written()
        self.end(RESTART, "the gateway is going down")

    async def _read(self) -> None:
        with contextlib.suppress(Gone):
            while True:
                frame = await self._wire.receive()
                self._heard_at = inf
                await self._heard(frame)
                self._heard_at = self._loop.time()
        self.end(NORMAL, "")

    async def _keep_alive(self) -> None:
        try:
            async with asyncio.timeout(self._timing.connect):
                await self._peer.known.wait()
        except TimeoutError:
            return self.end(POLICY, "it did not say in time who it is")
        while True:
            await asyncio.sleep(self._timing.ping)
            if (gone := await self._unwelcome()) is not None:
                return self.end(POLICY, gone)
            if self._peer.form is RELAY:
                ping = {"timestamp": self._hub.clock.now() / SECOND}
                with contextlib.suppress(Gone):
                    await self._write(frames.request(dashed(random_hex()), "signalwire.ping", ping))

    async def _unwelcome(self) -> str | None:
        """Why the peer cannot stay, if so."""
        if self._loop.time() - self._heard_at > SILENCE * self._timing.ping:
            return f"nothing was heard for {SILENCE} pings"
        try:
            await self._gateway.owner(*self._peer.credentials)
        except Problem:
            return "its credentials are no longer good"
        except StoreError as error:
            log.warning("whether a RELAY session may stay is not known: %s", error)
        return None

    async def _write(self, frame: str) -> None:
        if self._ended.done():
            raise Gone
        try:
            async with asyncio.timeout(self._timing.write):
                await self._wire.send(frame)
        except TimeoutError:
            self.end(POLICY, "it does not read what it is sent")
            raise Gone from None
        except Gone:
            self.end(NORMAL, "")
            raise

    # --- what it is told
    async def tell(self, id: str, params: dict[str, Any], *, first: bool) -> Told:
        frame, who = frames.event(self._peer.form, id, self.protocol, params), self._peer.identity
        if self._waiting >= WAITING:
            return Told(frame, TOO_LATE, f"{who} has {WAITING} events to acknowledge")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timing.acknowledge):
                reply = await self._told(id, frame, first)
        except TimeoutError:
            return Told(frame, TOO_LATE, f"{who} did not acknowledge it in time")
        except Gone:
            return Told(frame, NOBODY, f"{who} went away before it acknowledged it")
        finally:
            self._waiting -= 1
        if reply.error is not None:
            said = reply.error[:SHOWN].replace("\0", "\ufffd")  # no store of text takes a NUL
            return Told(frame, REFUSED, f"{who} answered with an error: {said}")
        how = "acknowledged by" if self._peer.acknowledges else "written to, and never acknowledged by,"
        return Told(frame, None, f"{how} {who}")

    async def _told(self, id: str, frame: str, first: bool) -> Reply:
        async with self._room:
            with self._awaiting(id) as reply:
                async with self._in_order:
                    if first:
                        # It may be of a message whose answer is still to be written: that comes first.
                        await self._answers_written()
                    await asyncio.sleep(self._peer.quiet_until - self._loop.time())
                    await self._write(frame)
                return await self._replied(reply)

    async def _ask(self, method: str, params: dict[str, Any]) -> Reply:
        request = dashed(random_hex())
        with self._awaiting(request) as reply:
            await self._write(frames.request(request, method, params))
            return await self._replied(reply)

    @contextlib.contextmanager
    def _awaiting(self, id: str) -> Iterator[Future[Reply | None]]:
        reply = self._replies[id] = self._loop.create_future()
        try:
            yield reply
        finally:
            if self._replies.get(id) is reply:
                del self._replies[id]

    async def _replied(self, reply: Future[Reply | None]) -> Reply:
        """What the peer says to what was written; of one that never says anything, that it was written."""
        content = await reply if self._peer.acknowledges else Reply(None, None)
        if content is None:
            raise Gone
        return content

    async def _answers_written(self) -> None:
        if self._sends:
            await asyncio.wait(tuple(self._sends))

    # --- what it asks for
    async def _heard(self, frame: bytes) -> None:
        try:
            content = frames.read(frame)
        except Malformed as error:
            await self._write(frames.error(error.id, error.code, str(error)))
            return
        if isinstance(content, Reply):
            reply = self._replies.get(content.id) if isinstance(content.id, str) else None
            if reply is not None and not reply.done():
                reply.set_result(content)
        elif self._methods.sends(content):
            await self._may_send.acquire()
            task = asyncio.create_task(self._answer(content))
            self._sends.add(task)
            task.add_done_callback(self._sent)
        else:
            await self._answer(content)

    def _sent(self, task: Task[None]) -> None:
        self._sends.discard(task)
        self._may_send.release()

    async def _answer(self, request: Request) -> None:
        answer = await self._methods.answer(request)
        with contextlib.suppress(Gone):
            if answer.frame is not None:
                await self._write(answer.frame)
        if answer.close is not None:
            self.end(answer.close, "")
