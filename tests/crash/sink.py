"""The application: takes status callbacks, notes every one in the order they come, and is at times difficult.

It lives in the test's own process, so it outlives every gateway.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from aiohttp import web
from twilio.request_validator import RequestValidator

SLOW = 0.3
"""Seconds that a difficult answer takes: long enough to be caught by a kill now and then."""


@dataclass
class Call:
    """One attempt at a callback."""

    sid: str
    status: str
    token: str
    """I-Twilio-Idempotency-Token."""
    signed: bool
    """Whether Twilio's own validator takes the signature."""
    answer: int = 0
    """HTTP status; 0 where the caller was gone before it had one."""


class Sink:
    def __init__(self, auth_token: str) -> None:
        self.calls: list[Call] = []
        self.url = ""
        self._validator = RequestValidator(auth_token)
        self._attempts: defaultdict[str, int] = defaultdict(int)
        self._runner: web.AppRunner | None = None
        self._awaited: asyncio.Future[None] | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/status", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/status"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def next_call(self) -> None:
        """Wait until the application is called again."""
        self._awaited = self._awaited or asyncio.get_running_loop().create_future()
        await self._awaited

    async def _take(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        url = f"http://{request.host}{request.path_qs}"
        signature = request.headers.get("X-Twilio-Signature", "")
        call = Call(
            form["MessageSid"],
            form["MessageStatus"],
            request.headers.get("I-Twilio-Idempotency-Token", ""),
            self._validator.validate(url, form, signature),
        )
        self.calls.append(call)
        if self._awaited is not None:
            self._awaited.set_result(None)
            self._awaited = None
        self._attempts[call.token] += 1
        # What the token says decides, so that a second attempt succeeds: one in sixteen is refused, two are slow.
        mood = call.token[:1] if self._attempts[call.token] == 1 else ""
        if mood in ("1", "2"):
            await asyncio.sleep(SLOW)
        status = 500 if mood == "0" else 204
        call.answer = status
        return web.Response(status=status)
