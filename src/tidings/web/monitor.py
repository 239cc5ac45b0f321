"""Twilio's Monitor API over HTTP, as far as alerts go: the callbacks that failed, for its client libraries.

The composition in `app` mounts these routes. What parameters mean, and how alerts look, is
`dialects.twilio_monitor`'s.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from tidings.dialects.twilio_monitor import ALERTS, AlertListing, full_alert_json, page_json, parse_alerts
from tidings.errors import Problem
from tidings.ids import from_sid
from tidings.model import Account, Attempt
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.twilio import refuse, stamp
from tidings.web.wire import Answer, Endpoint, Request, base_url, json_answer


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Alerts(gateway, authenticator)
    return [
        Route(ALERTS, Endpoint({"GET": api.list}, refuse, stamp)),
        Route(f"{ALERTS}/{{sid}}", Endpoint({"GET": api.fetch}, refuse, stamp)),
    ]


class _Alerts:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def list(self, request: Request) -> Answer:
        account = await self._account(request)
        listing = parse_alerts(request.query())
        found = [] if listing.none else await self._found(account, listing)
        headers = ignored_parameters(listing.ignored, "a list of alerts")
        return json_answer(200, page_json(listing, found, self._base_url(request)), headers)

    async def fetch(self, request: Request) -> Answer:
        account = await self._account(request)
        attempt_id = from_sid(request.path_params["sid"], "NO")
        found = await self._gateway.store.failed_attempt(account.id, attempt_id) if attempt_id else None
        if found is None:
            raise Problem(20404, value=request.path)
        return json_answer(200, full_alert_json(found, self._base_url(request)))

    async def _found(self, account: Account, listing: AlertListing) -> Sequence[Attempt]:
        """Those of the page, and the first one of the next."""
        place = listing.place
        return await self._gateway.store.failed_attempts(
            account.id, listing.since, listing.until, place.page_size + 1, place.after
        )

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request)

    def _base_url(self, request: Request) -> str:
        return base_url(request, self._gateway.public_url)
