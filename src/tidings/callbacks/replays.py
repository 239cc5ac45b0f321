"""Replays: what a filter finds is owed again, message by message, and told in order like everything else.

`app` hands requests in. A replay is kept before it begins and notes how far it has come in the commit that makes
callbacks owed: one that was cut short goes on at the next start, and nothing is made owed twice.
"""

import asyncio
import logging
from asyncio import Task
from typing import Final

import msgspec

from tidings.callbacks.delivery import Delivery
from tidings.clock import Clock
from tidings.errors import Problem
from tidings.ids import new_id
from tidings.model import Callback, CallbackState, Replay
from tidings.store.base import CallbackFilter, CallbackKey, Change, Store, StoreError

log = logging.getLogger(__name__)

BATCH: Final = 100
"""Messages that are made owed in one commit."""
AFTER_A_FAULT: Final = 5.0
"""Seconds until a replay goes on that the store failed."""


class Replays:
    def __init__(self, store: Store, delivery: Delivery, clock: Clock) -> None:
        self._store = store
        self._delivery = delivery
        self._clock = clock
        self._running: set[Task[None]] = set()

    async def start(self) -> None:
        """Go on with those that were under way."""
        for replay in await self._store.running_replays():
            self._begin(replay)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def one(self, account: str, key: CallbackKey) -> Callback:
        """Tell one callback again. Raises Problem: 20404 there is none; 20009 it is owed as it is."""
        callback = await self._store.callback(account, key)
        if callback is None:
            raise Problem(20404, value=f"{key.message_id}-{key.number}")
        if callback.state in (CallbackState.OWED, CallbackState.RETRYING):
            raise Problem(20009, reason="the callback is still being tried")
        again = self._delivery.owed_again(callback)
        change = Change()
        change.outcomes.append(again)
        await self._store.commit(change)
        self._delivery.look_again([again])
        return again

    async def all(self, account: str, where: CallbackFilter) -> Replay:
        """Begin to tell again whatever `where` finds; kept once this returns."""
        now = self._clock.now()
        replay = Replay(new_id(now), account, now, where=msgspec.to_builtins(where))
        await self._keep(replay, [])
        self._begin(replay)
        return replay

    def _begin(self, replay: Replay) -> None:
        task = asyncio.create_task(self._run(replay), name=f"replay {replay.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, replay: Replay) -> None:
        while replay.ended_at is None:
            try:
                replay = await self._go_on(replay)
            except StoreError as error:
                log.error("replay %s: %s", replay.id, error)
                await asyncio.sleep(AFTER_A_FAULT)

    async def _go_on(self, replay: Replay) -> Replay:
        """One batch further."""
        found = await self._store.found_for_replay(replay, BATCH)
        again = [self._delivery.owed_again(callback, replay.id) for callback in found]
        further = (
            msgspec.structs.replace(
                replay, requeued=replay.requeued + len(again), cursor=max(one.message_id for one in again)
            )
            if again
            else msgspec.structs.replace(replay, ended_at=self._clock.now())
        )
        await self._keep(further, again)
        self._delivery.look_again(again)
        return further

    async def _keep(self, replay: Replay, again: list[Callback]) -> None:
        change = Change()
        change.replays.append(replay)
        change.outcomes.extend(again)
        await self._store.commit(change)
