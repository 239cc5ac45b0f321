"""Whether an MMSC can be reached: tried before the first submission, and after each one that found it gone.

`carrier` starts it, gives out slots while it is `up`, and tells it what submissions found. HTTP keeps no
connection that could break, so what is known is what was last tried.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable

import httpx

from tidings.carriers.mm7.settings import Mm7Settings

log = logging.getLogger(__name__)


class Reach:
    def __init__(self, settings: Mm7Settings, tls: ssl.SSLContext, on_change: Callable[[], None]) -> None:
        self.up = False
        self._settings = settings
        self._tls = tls
        self._on_change = on_change
        self._url = httpx.URL(settings.url)
        self._failed = asyncio.Event()
        self._pause = 0.0
        """Seconds until the next connection is tried, once one has failed."""
        self._reconnect = 0.0
        self._refused = 0.0
        """The last pauses after either failure; 0 where it did not fail last."""

    def unreachable(self, reason: str) -> None:
        """No connection could be made: try again soon, then later."""
        if self.up:
            self._reconnect = self._settings.reconnect_min
            self._down(reason, self._reconnect)

    def refused(self, reason: str) -> None:
        """It answers, but will not have us: it takes a person, or time."""
        if self.up:
            self._refused = min(self._refused * 2 or self._settings.refused_min, self._settings.refused_max)
            self._down(reason, self._refused)

    def answered(self) -> None:
        """A submission was taken or judged: whatever was wrong is no more."""
        self._refused = 0.0

    async def run(self) -> None:
        """Connect, and again after every failure, for good."""
        while True:
            while reason := await self._failure_to_connect():
                self._reconnect = min(
                    self._reconnect * 2 or self._settings.reconnect_min, self._settings.reconnect_max
                )
                log.warning("%s: %s: tried again in %.3g s", self._settings.name, reason, self._reconnect)
                await asyncio.sleep(self._reconnect)
            self._reconnect = 0.0
            self._failed.clear()
            self.up = True
            log.info("%s: %s can be reached", self._settings.name, self._settings.url)
            self._on_change()
            await self._failed.wait()
            await asyncio.sleep(self._pause)

    def _down(self, reason: str, pause: float) -> None:
        log.warning("%s: %s: down for %.3g s", self._settings.name, reason, pause)
        self.up = False
        self._pause = pause
        self._failed.set()

    async def _failure_to_connect(self) -> str:
        """Why no connection can be made, "" where one can: TCP, and TLS where the URL is https."""
        secure = self._url.scheme == "https"
        port = self._url.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    asyncio.Protocol,
                    self._url.host,
                    port,
                    ssl=self._tls if secure else None,
                    server_hostname=(self._settings.tls.server_name or self._url.host) if secure else None,
                )
        except TimeoutError:
            return f"no connection to {self._url.host} port {port} in time"
        except OSError as error:
            return f"no connection to {self._url.host} port {port}: {error}"
        transport.close()
        return ""
