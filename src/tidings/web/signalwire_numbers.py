"""SignalWire's REST API over HTTP for numbers, short codes and number groups, as far as messages go.

The composition in `app` mounts these routes, and with them those of `signalwire_resources`; what members mean and
how resources look is the dialect's. Numbers can be taken and given up only where the gateway lets applications
claim them; short codes are always the operator's.
"""

from collections.abc import Callable
from typing import Any

from starlette.routing import BaseRoute, Route

from tidings.arranged import Member, Sender, Service
from tidings.dialects.signalwire import REST
from tidings.dialects.signalwire_numbers import (
    GROUP_FILTERS,
    NUMBER_FILTERS,
    ROOT,
    changed_group,
    changed_sender,
    errors_json,
    group_json,
    groups_json,
    membership_json,
    not_to_be_had,
    number_json,
    page_json,
    parse_import,
    parse_list,
    parse_membership,
    parse_purchase,
    senders_of,
    short_code_json,
)
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.errors import Problem
from tidings.ids import dashed, from_project, new_id
from tidings.model import Account
from tidings.phone import SenderKind
from tidings.store.base import R
from tidings.web import senders, signalwire_resources
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.signalwire_rest import stamp
from tidings.web.wire import Answer, Endpoint, Handler, Request, base_url, json_answer, refusal_headers


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    numbers = _Senders(gateway, authenticator, SenderKind.NUMBER, number_json)
    codes = _Senders(gateway, authenticator, SenderKind.SHORT_CODE, short_code_json)
    groups = _Groups(gateway, authenticator)
    number: dict[str, Handler] = {"GET": numbers.fetch, "PUT": numbers.update, "DELETE": numbers.delete}
    group: dict[str, Handler] = {"GET": groups.fetch, "PUT": groups.update, "DELETE": groups.delete}
    paths: dict[str, dict[str, Handler]] = {
        "phone_numbers": {"GET": numbers.page, "POST": numbers.purchase},
        "phone_numbers/{id}": number,
        "imported_phone_numbers": {"POST": numbers.bring},
        "short_codes": {"GET": codes.page},
        "short_codes/{id}": {"GET": codes.fetch, "PUT": codes.update},
        "number_groups": {"GET": groups.page, "POST": groups.create},
        "number_groups/{id}": group,
        "number_groups/{id}/number_group_memberships": {"GET": groups.members, "POST": groups.add},
        "number_group_memberships/{id}": {"GET": groups.member, "DELETE": groups.remove},
    }
    own: list[BaseRoute] = [
        Route(f"{ROOT}/{path}", Endpoint(handlers, refuse, stamp)) for path, handlers in paths.items()
    ]
    return own + signalwire_resources.routes(gateway, authenticator)


def refuse(problem: Problem) -> Answer:
    status, body = errors_json(problem)
    return json_answer(status, body, refusal_headers(problem))


class _Caller:
    """What the two halves of this API have in common."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def account(self, request: Request) -> Account:
        return await self._authenticator.account(request, REST)

    def url(self, request: Request) -> str:
        """Of what was asked, for the links to pages."""
        return base_url(request, self._gateway.public_url) + request.path

    @property
    def media(self) -> bool:
        return self._gateway.carries_media("+")


class _Senders:
    """Numbers, or short codes."""

    def __init__(
        self,
        gateway: Gateway,
        authenticator: Authenticator,
        kind: SenderKind,
        show: Callable[[Sender, bool], dict[str, Any]],
    ) -> None:
        self._gateway = gateway
        self._caller = _Caller(gateway, authenticator)
        self._kind = kind
        self._show = show

    async def page(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        listing = parse_list(request.query(), NUMBER_FILTERS)
        found = senders_of(self._kind, await self._gateway.store.senders(account.id))
        media = self._caller.media
        shown = page_json(self._caller.url(request), listing, found, lambda sender: self._show(sender, media))
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of numbers"))

    async def purchase(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        return await self._take(account, *parse_purchase(await request.json()))

    async def bring(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        return await self._take(account, *parse_import(await request.json()))

    async def fetch(self, request: Request) -> Answer:
        return json_answer(200, self._show(await self._sender(request), self._caller.media))

    async def update(self, request: Request) -> Answer:
        account, members = await self._caller.account(request), await request.json()
        before = await self._own(account, request)
        after, ignored = changed_sender(before, members, self._gateway.clock.now())
        if missing := await senders.missing_application(self._gateway, before.handling, after):
            raise Invalid(Fault("message_laml_application_id", "does_not_exist", dashed(missing)))
        await senders.change(self._gateway, after)
        return json_answer(200, self._show(after, self._caller.media), ignored_parameters(ignored, after.id))

    async def delete(self, request: Request) -> Answer:
        sender = await self._sender(request)
        try:
            await senders.give_up(self._gateway, sender)
        except Problem:
            raise Invalid(Fault("id", "resource_not_deletable", sender.address)) from None
        return Answer(204, b"", [])

    async def _take(self, account: Account, address: str, ignored: tuple[str, ...]) -> Answer:
        now = self._gateway.clock.now()
        sender = Sender(address, account.id, id=new_id(now), created_at=now, updated_at=now, claimed=True)
        try:
            await senders.take(self._gateway, sender)
        except Problem as problem:
            raise not_to_be_had(problem) from None
        return json_answer(200, self._show(sender, self._caller.media), ignored_parameters(ignored, sender.id))

    async def _sender(self, request: Request) -> Sender:
        return await self._own(await self._caller.account(request), request)

    async def _own(self, account: Account, request: Request) -> Sender:
        """The account's number that the path names. Raises Problem 20404."""
        spelled = from_project(request.path_params["id"])
        found = await senders.find(self._gateway, account.id, spelled, self._kind)
        if found is None:
            raise Problem(20404, value=request.path)
        return found


class _Groups:
    """Number groups and what is in them."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._caller = _Caller(gateway, authenticator)

    async def page(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        listing = parse_list(request.query(), GROUP_FILTERS)
        groups = await self._store.resources(Service, account.id)
        members = await self._store.resources(Member, account.id)
        shown = groups_json(self._caller.url(request), listing, groups, members)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of number groups"))

    async def create(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        now = self._gateway.clock.now()
        return await self._keep(Service(new_id(now), account.id, now, now), await request.json())

    async def fetch(self, request: Request) -> Answer:
        group = await self._group(request)
        return json_answer(200, group_json(group, len(await self._members(group))))

    async def update(self, request: Request) -> Answer:
        account, members = await self._caller.account(request), await request.json()
        async with self._gateway.services.changing:
            return await self._keep(await self._one(account, request, Service), members)

    async def delete(self, request: Request) -> Answer:
        account = await self._caller.account(request)
        async with self._gateway.services.changing:
            group = await self._one(account, request, Service)
            await self._store.drop_resource(group.account, group.id)
            self._gateway.services.forget(group.account)
        return Answer(204, b"", [])

    async def members(self, request: Request) -> Answer:
        group = await self._group(request)
        listing = parse_list(request.query())
        known = {sender.address: sender for sender in await self._store.senders(group.account)}
        media = self._caller.media
        shown = page_json(
            self._caller.url(request),
            listing,
            await self._members(group),
            lambda member: membership_json(member, known.get(member.address), media),
        )
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of memberships"))

    async def add(self, request: Request) -> Answer:
        account, body = await self._caller.account(request), await request.json()
        async with self._gateway.services.changing:
            group = await self._one(account, request, Service)
            number_id, ignored = parse_membership(body)
            sender = await senders.find(self._gateway, group.account, number_id, SenderKind.NUMBER)
            if sender is None:
                raise Invalid(Fault("phone_number_id", "does_not_exist", dashed(number_id)))
            if any(member.address == sender.address for member in await self._members(group)):
                raise Invalid(Fault("phone_number_id", "already_assigned", sender.address))
            now = self._gateway.clock.now()
            member = Member(new_id(now), group.account, now, now, parent=group.id, address=sender.address)
            await self._store.put_resource(member)
            self._gateway.services.forget(group.account)
        shown = membership_json(member, sender, self._caller.media)
        return json_answer(200, shown, ignored_parameters(ignored, member.id))

    async def member(self, request: Request) -> Answer:
        member = await self._one(await self._caller.account(request), request, Member)
        sender = await self._store.sender(member.address)
        mine = sender if sender and sender.account == member.account else None
        return json_answer(200, membership_json(member, mine, self._caller.media))

    async def remove(self, request: Request) -> Answer:
        member = await self._one(await self._caller.account(request), request, Member)
        await self._store.drop_resource(member.account, member.id)
        self._gateway.services.forget(member.account)
        return Answer(204, b"", [])

    async def _keep(self, before: Service, members: dict[str, Any]) -> Answer:
        after, ignored = changed_group(before, members, self._gateway.clock.now())
        await self._store.put_resource(after)
        self._gateway.services.forget(after.account)
        shown = group_json(after, len(await self._members(after)))
        return json_answer(200, shown, ignored_parameters(ignored, after.id))

    async def _members(self, group: Service) -> list[Member]:
        return await self._store.resources(Member, group.account, group.id)

    async def _group(self, request: Request) -> Service:
        return await self._one(await self._caller.account(request), request, Service)

    async def _one(self, account: Account, request: Request, kind: type[R]) -> R:
        spelled = from_project(request.path_params["id"])
        found = await self._store.resource(kind, account.id, spelled) if spelled else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found
