"""Twilio's API for messaging services over HTTP (Messaging v1): services, and the senders in them.

The composition in `app` mounts these routes; what parameters mean and how resources look is the dialect's. Which
senders an account has is the operator's to say: only a name that is nobody's is taken by adding it to a service,
where the gateway lets applications claim them.
"""

from functools import partial

from starlette.routing import BaseRoute, Route

from tidings.arranged import Member, Sender, Service
from tidings.dialects.numbers import Ignored
from tidings.dialects.twilio import NAME, Params
from tidings.dialects.twilio_services import (
    MAX_SENDERS,
    POOLS,
    SERVICES,
    Pool,
    Pooled,
    bare_service,
    changed_service,
    parse_name,
    parse_sender,
    parse_senders,
    parse_services,
    pool_url,
    pooled,
    sender_json,
    senders_json,
    service_json,
    services_json,
)
from tidings.errors import Problem
from tidings.ids import from_sid, new_id, sid
from tidings.model import Account
from tidings.phone import SenderKind, sender_kind
from tidings.web import senders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.twilio import refuse, stamp
from tidings.web.wire import NO_CONTENT, Answer, Endpoint, Handler, Request, base_url, json_answer


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    caller = _Caller(gateway, authenticator)
    services, pools = _Services(caller), _Pools(caller)
    paths: dict[str, dict[str, Handler]] = {
        SERVICES: {"GET": services.page, "POST": services.create},
        f"{SERVICES}/{{service}}": {"GET": services.fetch, "POST": services.update, "DELETE": services.delete},
    }
    for pool in POOLS:
        path = f"{SERVICES}/{{service}}/{pool.path}"
        paths[path] = {"GET": partial(pools.page, pool), "POST": partial(pools.add, pool)}
        paths[f"{path}/{{sender}}"] = {"GET": partial(pools.fetch, pool), "DELETE": partial(pools.remove, pool)}
    return [Route(path, Endpoint(handlers, refuse, stamp)) for path, handlers in paths.items()]


class _Caller:
    """What the two halves of this API have in common."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self.gateway = gateway
        self._authenticator = authenticator
        self.changing = gateway.services.changing

    async def account(self, request: Request) -> Account:
        return await self._authenticator.account(request, NAME)

    async def service(self, account: Account, request: Request) -> Service:
        """The one that the path names. Raises Problem 20404."""
        named = from_sid(request.path_params["service"], "MG")
        found = await self.gateway.store.resource(Service, account.id, named) if named else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found

    def base_url(self, request: Request) -> str:
        return base_url(request, self.gateway.public_url)


class _Services:
    def __init__(self, caller: _Caller) -> None:
        self._caller = caller
        self._gateway = caller.gateway

    async def page(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        listing = parse_services(request.query())
        found = await self._gateway.store.resources(Service, account.id)
        shown = services_json(listing, found, self._caller.base_url(request))
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of services"))

    async def create(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        given, now = await request.form(), self._gateway.clock.now()
        return await self._keep(201, request, bare_service(new_id(now), account.id, now), given)

    async def fetch(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        service = await self._caller.service(account, request)
        return json_answer(200, service_json(service, self._caller.base_url(request)))

    async def update(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        given = await request.form()
        async with self._caller.changing:
            return await self._keep(200, request, await self._caller.service(account, request), given)

    async def delete(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        async with self._caller.changing:
            service = await self._caller.service(account, request)
            await self._gateway.store.drop_resource(account.id, service.id)
            self._gateway.services.forget(account.id)
        return Answer(NO_CONTENT, b"", [])

    async def _keep(self, status: int, request: Request, before: Service, given: Params) -> Answer:
        after, ignored = changed_service(before, given, self._gateway.clock.now())
        await self._gateway.store.put_resource(after)
        self._gateway.services.forget(after.account)
        shown = service_json(after, self._caller.base_url(request))
        return json_answer(status, shown, ignored_parameters(ignored, after.id))


_Added = tuple[int, Pooled, Ignored]
"""HTTP status, what is in the service, and the names of parameters without effect."""


class _Pools:
    """The senders of services, in the collections that show them."""

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller
        self._gateway = caller.gateway
        self._store = caller.gateway.store

    async def page(self, pool: Pool, request: Request) -> Answer:
        account = await self._caller.account(request)
        service = await self._caller.service(account, request)
        listing = parse_senders(pool, request.query())
        found = await self._pooled(pool, service)
        root, media = self._caller.base_url(request), self._media
        shown = senders_json(
            pool_url(pool, service.id, root),
            pool,
            listing,
            found,
            lambda one: sender_json(pool, one, account, root, media),
        )
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of senders"))

    async def add(self, pool: Pool, request: Request) -> Answer:
        account = await self._caller.account(request)
        given = await request.form()
        added = self._add_name if pool.kind is SenderKind.ALPHANUMERIC else self._add_sender
        async with self._caller.changing:
            service = await self._caller.service(account, request)
            status, one, ignored = await added(pool, account, service, given)
            self._gateway.services.forget(account.id)
        shown = sender_json(pool, one, account, self._caller.base_url(request), self._media)
        return json_answer(status, shown, ignored_parameters(ignored, service.id))

    async def fetch(self, pool: Pool, request: Request) -> Answer:
        account = await self._caller.account(request)
        one = await self._one(pool, account, request)
        return json_answer(200, sender_json(pool, one, account, self._caller.base_url(request), self._media))

    async def remove(self, pool: Pool, request: Request) -> Answer:
        account = await self._caller.account(request)
        async with self._caller.changing:
            one = await self._one(pool, account, request)
            await self._store.drop_resource(account.id, one.member.id)
            self._gateway.services.forget(account.id)
        return Answer(NO_CONTENT, b"", [])

    async def _add_sender(self, pool: Pool, account: Account, service: Service, given: Params) -> _Added:
        """A number or short code of the account. One that is in the service already stays, as it does at Twilio.

        Raises Problem as `parse_sender` does, 20404 where the account has none such, 21715 where it is of another
        kind, 21712 where it is in another service, 21714 where there is no room.
        """
        named, ignored = parse_sender(pool, given)
        sender = await self._store.sender_by_id(account.id, named) if named else None
        if sender is None:
            raise Problem(20404, name=pool.parameter)
        if sender_kind(sender.address) is not pool.kind:
            raise Problem(21715, value=sender.address, reason=f"it is none of its {pool.path}")
        members = await self._store.resources(Member, account.id)
        places = {member.parent: member for member in members if member.address == sender.address}
        if service.id in places:
            return 200, Pooled(sender.id, places[service.id]), ignored
        if places:
            raise Problem(21712, value=sender.address, reason=f"it is in {sid('MG', next(iter(places)))}")
        if sum(_counts(member) for member in members if member.parent == service.id) >= MAX_SENDERS:
            raise Problem(21714, value=MAX_SENDERS)
        return 201, Pooled(sender.id, await self._put(service, sender.address)), ignored

    async def _add_name(self, pool: Pool, account: Account, service: Service, given: Params) -> _Added:
        """A name, for all countries or for one; it may be in other services as well.

        Raises Problem as `parse_name` does, 21710 where it is there already, 21714 where there is another one for
        all countries, and as `_claim` does.
        """
        name, country, ignored = parse_name(pool, given)
        for member in await self._store.resources(Member, account.id, service.id):
            if (member.address, member.country) == (name, country):
                raise Problem(21710, value=name)
            if not country and not member.country and sender_kind(member.address) is SenderKind.ALPHANUMERIC:
                raise Problem(21714, value=member.address, reason="there is one name for all countries")
        await self._claim(name, account)
        member = await self._put(service, name, country)
        return 201, Pooled(member.id, member), ignored

    async def _claim(self, name: str, account: Account) -> None:
        """See that the account may send from `name`. Raises Problem 21709."""
        known = await self._store.sender(name)
        if known is not None and known.account == account.id:
            return
        now = self._gateway.clock.now()
        sender = Sender(name, account.id, id=new_id(now), created_at=now, updated_at=now, claimed=True)
        try:
            await senders.take(self._gateway, sender)
        except Problem:
            raise Problem(21709, value=name) from None

    async def _put(self, service: Service, address: str, country: str = "") -> Member:
        now = self._gateway.clock.now()
        member = Member(new_id(now), service.account, now, now, service.id, address, country)
        await self._store.put_resource(member)
        return member

    async def _pooled(self, pool: Pool, service: Service) -> list[Pooled]:
        members = await self._store.resources(Member, service.account, service.id)
        return pooled(pool, members, await self._store.senders(service.account))

    async def _one(self, pool: Pool, account: Account, request: Request) -> Pooled:
        """The sender of a service that the path names. Raises Problem 20404."""
        service = await self._caller.service(account, request)
        named = from_sid(request.path_params["sender"], pool.prefix)
        for one in await self._pooled(pool, service) if named else ():
            if one.id == named:
                return one
        raise Problem(20404, value=request.path)

    @property
    def _media(self) -> bool:
        return self._gateway.carries_media("+")


def _counts(member: Member) -> bool:
    """Whether it counts among the `MAX_SENDERS`."""
    return sender_kind(member.address) is not SenderKind.ALPHANUMERIC
