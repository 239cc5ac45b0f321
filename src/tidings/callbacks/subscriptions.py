"""Which accounts have an account-wide URL: asked for every event of every message, so known without waiting.

The delivery room asks. What another process changes is seen within `REFRESH`.
"""

import asyncio
import logging
from asyncio import Task
from typing import Final

from tidings.store.base import Store, StoreError

log = logging.getLogger(__name__)

REFRESH: Final = 2.0
"""Seconds between looks into the store."""


class Subscriptions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: dict[str, str] = {}
        self._task: Task[None] | None = None

    def url(self, account: str) -> str | None:
        return self._urls.get(account)

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
