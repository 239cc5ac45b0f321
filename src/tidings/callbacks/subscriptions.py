"""Which accounts have an account-wide URL: asked for every event of every message, so known without waiting.

The delivery room asks. What another process changes is seen within `REFRESH`. As long as anything is owed to
an account's URL, all of it stands in one lane, under the host that the URL had when that began. What is told next
goes to the URL as it is then, and a change of it cannot turn the order round.
"""

import asyncio
import logging
from asyncio import Task
from collections import Counter
from typing import Final

from tidings.callbacks.host import host_of
from tidings.store.base import Store, StoreError

log = logging.getLogger(__name__)

REFRESH: Final = 2.0
"""Seconds between looks into the store."""


class Subscriptions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        """Of accounts that are owed something."""
        self._owed: Counter[str] = Counter()
        self._task: Task[None] | None = None

    def owe(self, account: str, count: int = 1, host: str | None = None) -> str | None:
        """Count something owed to an account's URL; the host to put it under. None where there is no URL.

        `host` is the one that it is under already.
        """
        host = host or self._hosts.get(account)
        if host is None:
            url = self._urls.get(account)
            host = url and host_of(url)
            if not host:
                return None
        self._hosts[account] = host
        self._owed[account] += count
        return host

    def settled(self, account: str) -> None:
        """Something is owed no longer."""
        self._owed[account] -= 1
        if self._owed[account] <= 0:
            del self._owed[account]
            self._hosts.pop(account, None)

    async def start(self) -> None:
        """Raises StoreError."""
        self._urls = dict(await self._store.subscriptions())
        self._task = asyncio.create_task(self._refresh(), name="subscriptions")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            try:
                self._urls = dict(await self._store.subscriptions())
            except StoreError as error:
                log.error("account-wide URLs: %s", error)
