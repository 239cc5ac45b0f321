"""What one account is owed at one host: the chains of its messages, in order, and the task that sees to them.

Each message has a chain of what it is still owed; only the head of a chain is told, and the next one only once the
outcome of the head is on disk. After a crash the head is told again, with the same idempotency token, and nothing
after it has been told yet: at least once, and in order (promise 5). A lane holds a window of its chains in memory;
while its host is out of reach it holds but one.
"""

import asyncio
import logging
from asyncio import Task
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tidings.callbacks.breaker import BreakerState, Health
from tidings.callbacks.host import Host, Permit
from tidings.model import CallbackState, Message, Target
from tidings.store.base import Change, OwedCallback
from tidings.work.window import BATCH, Window

if TYPE_CHECKING:
    from tidings.callbacks.delivery import Delivery

log = logging.getLogger(__name__)

AFTER_A_FAULT: Final = 5.0
"""Seconds until a callback is tried again whose attempt failed on our side."""
UNPROVEN: Final = 2
"""Messages that a lane holds whose host has yet to take a callback; more come with its first success."""


def chain_id(message_id: str, target: str) -> str:
    return message_id + target


class Chain:
    """All that one message still owes one target, in order."""

    __slots__ = ("id", "owed")

    def __init__(self, owed: OwedCallback) -> None:
        self.id = chain_id(owed.callback.message_id, owed.callback.target)
        self.owed = [owed]

    @property
    def order(self) -> tuple[int, str]:
        return self.owed[0].callback.due_at, self.id

    def merge(self, other: "Chain") -> None:
        last = self.owed[-1].callback.number
        self.owed.extend(owed for owed in other.owed if owed.callback.number > last)


class Lane:
    """Implements `host.Hosted`."""

    def __init__(self, delivery: "Delivery", host: Host, account: str, *, new: bool) -> None:
        """`new`: nothing is owed yet."""
        self.host = host
        self.account = account
        self.under_way = 0
        """Rounds."""
        self._delivery = delivery
        self._more_later = not new
        """Whether the store holds something that may not be told yet."""
        self._window: Window[Chain] = Window(
            self._capacity,
            self._load,
            delivery.clock,
            lambda: not self._more_later,
            new=new,
            tally=delivery.held,
            on_empty=lambda: delivery.drop(self),
        )
        self._tasks: set[Task[None]] = set()
        self._loop_task: Task[None] | None = None
        self._longer: set[str] = set()
        """Chains that are held, and of which the store has more."""

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name=f"callbacks to {self.host.name}")

    async def stop(self) -> None:
        self.end()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def end(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
        self._window.close()

    # --- what comes in
    def offer(self, owed: OwedCallback) -> None:
        self._window.offer(Chain(owed))

    def look_again(self, chains: Iterable[str] = ()) -> None:
        """The store has, or may have, more for this lane than was offered: of these chains, if any are named."""
        self._longer.update(chain for chain in chains if self._window.held(chain) is not None)
        self._window.look_again()

    def redacted(self, message: Message) -> None:
        """What is held of it is told without its text."""
        for target in Target:
            chain = self._window.held(chain_id(message.id, target))
            if chain is not None:
                chain.owed = [OwedCallback(owed.callback, message, owed.event) for owed in chain.owed]

    def shed(self) -> None:
        """The host is out of reach: what waits for it can wait in the store."""
        self._window.shed()
        self._keep(self._give_up_overdue())

    # --- the window
    def _capacity(self) -> int:
        if self.host.breaker.health is Health.PROVEN:
            return max(UNPROVEN, self._delivery.room)
        return UNPROVEN if self.host.state is BreakerState.CLOSED else 1

    async def _load(self, limit: int) -> Sequence[Chain]:
        now = self._delivery.clock.now()
        due = await self._delivery.store.due_callbacks(self.host.name, self.account, now, limit)
        next_due = await self._delivery.store.next_callback_due(self.host.name, self.account, now)
        self._more_later = next_due is not None
        if next_due is not None:
            self._window.look_again_at(next_due)
        return _chains(due)

    # --- the work
    async def _run(self) -> None:
        while True:
            try:
                chain = await self._window.take()
            except Exception:
                log.exception("callbacks to %s cannot be read", self.host.name)
                await asyncio.sleep(AFTER_A_FAULT)
                continue
            permit = await self.host.admit(self, chain.owed[0].callback)
            self._keep(self._work_off(chain, permit))

    async def _work_off(self, chain: Chain, permit: Permit) -> None:
        """Tell the head of a chain."""
        delivery = self._delivery
        try:
            try:
                change, callback = await delivery.tell(chain.owed[0], self.host, permit)
            finally:
                # The commit that follows is none of the host's business: somebody else may be told meanwhile.
                self.host.leave(self, permit)
            await delivery.store.commit(change)
        except Exception:
            # Perhaps told, perhaps even kept: only the store knows. Held until then, or it would be asked at once.
            asyncio.get_running_loop().call_later(AFTER_A_FAULT, self._read_again, chain)
            raise
        if callback.state is CallbackState.RETRYING:
            self._leave(chain)
            self._window.look_again_at(callback.due_at)
        elif chain.id in self._longer:
            # What the store has more may come before what is held.
            self._read_again(chain)
        elif len(chain.owed) > 1:
            del chain.owed[0]
            self._window.put_back(chain)
        else:
            self._window.release(chain.id)

    def _leave(self, chain: Chain) -> None:
        self._longer.discard(chain.id)
        self._window.leave(chain.id)

    def _read_again(self, chain: Chain) -> None:
        self._leave(chain)
        self._window.look_again()

    async def _give_up_overdue(self) -> None:
        """Give up, without another attempt, what has waited for a host out of reach for as long as it may."""
        delivery = self._delivery
        while self.host.state is not BreakerState.CLOSED:
            until = delivery.clock.now() - delivery.patience
            overdue = await delivery.store.due_callbacks(self.host.name, self.account, until, BATCH)
            change = Change()
            change.outcomes.extend(
                delivery.given_up(owed.callback, None, self.host.breaker.last_error)
                for chain in _chains(overdue)
                if self._window.held(chain.id) is None
                for owed in chain.owed
                if owed.callback.owed_since <= until
            )
            if not change.outcomes:
                return
            await delivery.store.commit(change)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run, and log what it dies of."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("callbacks to %s: %s", self.host.name, error, exc_info=error)


def _chains(owed: Iterable[OwedCallback]) -> list[Chain]:
    """Owed callbacks, those of one chain together and in order."""
    chains: dict[str, Chain] = {}
    for one in owed:
        known = chains.get(chain_id(one.callback.message_id, one.callback.target))
        if known is None:
            chain = Chain(one)
            chains[chain.id] = chain
        else:
            known.owed.append(one)
    return list(chains.values())
