"""Our own API to the gateway's clock over HTTP: what time it is there, and winding it ahead, in development.

The composition in `app` mounts the route; `openapi.json`, beside this file, describes it for clients.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from starlette.routing import BaseRoute, Route

from tidings.clock import DAY, HOUR, SECOND, WindableClock, iso, micros
from tidings.dialects.own_params import parse_nothing
from tidings.errors import Problem
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import Answer, Endpoint, Request, json_answer

LONGEST: Final = 1000 * 86_400
"""Seconds that it can be wound ahead by a number at a time."""
LAST: Final = micros(datetime(2100, 1, 1, tzinfo=UTC))
"""It stays before this: SMPP writes years with two digits (SMPP 3.4 §7.1.1)."""
_SPAN: Final = re.compile(
    r"\+?(?=.)(?:([1-9][0-9]{0,2})d)?(?:([1-9][0-9]{0,3})h)?(?:([1-9][0-9]{0,4})m)?(?:([1-9][0-9]{0,4})s)?"
)
_UNITS: Final = (DAY, HOUR, 60 * SECOND, SECOND)


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    clock = _Clock(gateway, authenticator)
    return [Route("/v1/clock", Endpoint({"GET": clock.read, "POST": clock.wind}, refuse))]


class _Clock:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def read(self, request: Request) -> Answer:
        await self._authenticator.account(request)
        parse_nothing(request.query())
        return self._answer(self._gateway.clock.now())

    async def wind(self, request: Request) -> Answer:
        await self._authenticator.account(request)
        parse_nothing(request.query())
        by = parse_advance(await request.json())
        if self._gateway.windable and self._gateway.clock.now() + by >= LAST:
            raise Problem(20422, name="advance", reason="it would lead beyond the year 2099")
        return self._answer(self._gateway.wind(by))

    def _answer(self, now: int) -> Answer:
        clock = self._gateway.clock
        ahead = clock.ahead if isinstance(clock, WindableClock) else 0
        return json_answer(200, {"now": iso(now), "ahead": ahead / SECOND})


def parse_advance(members: dict[str, Any]) -> int:
    """By how many microseconds the clock is to be wound: {"advance": "1h30m"}, or a number of seconds.

    Raises Problem 20422.
    """
    if (unknown := next((name for name in members if name != "advance"), None)) is not None:
        raise Problem(20422, name=unknown, reason="there is no such parameter here")
    advance = members.get("advance")
    match advance:
        case str() if span := _SPAN.fullmatch(advance):
            return sum(int(count) * unit for count, unit in zip(span.groups("0"), _UNITS, strict=True))
        case int() | float() if not isinstance(advance, bool) and 0 < advance <= LONGEST:
            return round(advance * SECOND)
    given = {"value": advance} if "advance" in members else {}
    reason = f"say how far, as in 72h, 90m, 1h30m or 2d, or by a number of seconds up to {LONGEST}"
    raise Problem(20422, name="advance", **given, reason=reason)
