"""The gateway's way to the scribe: batches gathered, other changes in turn, the log carried over now and then.

`store` writes by it, as it reads by `readers`.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tidings.apart import Apart
from tidings.store.base import Change, Contradiction, StoreError
from tidings.store.group_commit import GroupCommit
from tidings.store.sqlite import scribe
from tidings.store.sqlite.readers import Readers
from tidings.store.sqlite.statements import gather

CHECKPOINT_EVERY: Final = 5000
"""Changes after which the write-ahead log is carried over into the database: some 20 MiB of it."""


class Writer:
    """Changes by the names of their queries. Everything raises StoreError."""

    def __init__(self, path: Path, readers: Readers, *, apart: bool) -> None:
        """`apart`: with the scribe in a process of its own, and no other gateway on this file."""
        terms = scribe.Terms(str(path), alone=apart)
        self._scribe: scribe.Writing = (
            Apart(scribe.MODULE, terms, scribe.Reply, patient=False) if apart else scribe.InThread(terms)
        )
        self._readers = readers
        self._group: GroupCommit | None = None
        self._since_checkpoint = 0
        self._checkpoint: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._scribe.start()
        try:
            await self._ask(scribe.Command("open"))
        except StoreError:
            await self._scribe.stop()
            raise
        self._group = GroupCommit(self._write)

    async def finish(self) -> None:
        """Write what was handed in, and take no more."""
        if self._group is not None:
            await self._group.close()
        if self._checkpoint is not None:
            await asyncio.gather(self._checkpoint, return_exceptions=True)

    async def close(self) -> None:
        await self._scribe.stop()

    def commit(self, change: Change) -> "Future[None]":
        assert self._group is not None, "open() comes first"
        return self._group.submit(change)

    async def change(self, *queries: str, **parameters: Any) -> int:
        """A write outside `commit`, for what is rare: accounts, keys, senders, housekeeping. All of its queries
        count, or none. Returns how many rows the last one changed."""
        self._readers.must_be_open()
        return await self._ask(scribe.Command("change", queries=queries, parameters=parameters))

    async def _ask(self, command: scribe.Command) -> int:
        try:
            reply = await self._scribe.ask(command)
        except ConnectionError as error:
            raise StoreError(str(error)) from error
        except UnicodeEncodeError as error:
            raise Contradiction(f"text that is no Unicode: {error}") from error
        return reply.checked()

    async def _write(self, changes: Sequence[Change], afresh: bool) -> None:
        await self._ask(scribe.Command("keep", gather(changes), afresh=afresh))
        self._since_checkpoint += len(changes)
        if self._since_checkpoint >= CHECKPOINT_EVERY and (self._checkpoint is None or self._checkpoint.done()):
            self._since_checkpoint = 0
            self._checkpoint = asyncio.create_task(self._carry_over(), name="checkpoint")

    async def _carry_over(self) -> None:
        """Checkpoint the log, beside the commits and not in one of them, where all would wait for it.

        Most of it happens on a reader's connection while the scribe goes on; the short rest on the scribe's, in
        between two batches, so that the log is complete in the database and begins anew.
        """
        await self._readers.carry_over()
        await self._ask(scribe.Command("carry over"))
