"""Services as submissions and inbound messages meet them: their pools, and whom of a pool a message is from.

What suits a recipient is `choice`'s to say. Between senders that suit equally well the one with the least to do is
chosen, and between these the one whose turn was longest ago. A sticky service keeps to the sender that a recipient
has heard from.
"""

import asyncio
from collections.abc import Mapping
from itertools import count

from tidings import phone
from tidings.arranged import Member, Sender, Service
from tidings.clock import Clock
from tidings.errors import Problem
from tidings.gateway.choice import Candidate, Destination, destination, keeps, suited
from tidings.gateway.rates import Rates
from tidings.gateway.recent import REMEMBERED, Recent
from tidings.model import Account, Channel
from tidings.phone import SenderKind
from tidings.store.base import Change, Store


class Pool:
    """A service and its senders, and which of them were found to suit a destination: it may have 400 of them, and
    every message asks."""

    def __init__(self, service: Service, candidates: tuple[Candidate, ...]) -> None:
        self.service = service
        self.candidates = candidates
        self.addresses = frozenset(one.address for one in candidates)
        self._suited: dict[Destination, list[Candidate]] = {}

    def suited(self, recipient: str, to: Destination) -> list[Candidate]:
        """As `choice` has it. A recipient that is a sender of the pool itself hears from the others."""
        if recipient in self.addresses:
            return suited([one for one in self.candidates if one.address != recipient], to)
        if to not in self._suited:
            self._suited[to] = suited(self.candidates, to)
        return self._suited[to]


class Services:
    def __init__(self, store: Store, rates: Rates, clock: Clock) -> None:
        self._store = store
        self._rates = rates
        self._pools = Recent(self._pool, clock)
        self._homes = Recent(self._members, clock)
        self._turns: dict[str, int] = {}
        """Address → when it was last chosen, in turns."""
        self._turn = count(1)
        self._chosen: dict[tuple[str, str], str] = {}
        """(service, recipient) → the sender that was chosen of late: what the store is still to be told."""
        self.changing = asyncio.Lock()
        """Held by the web room from reading a service or its members until it has kept what it made of them: APIs
        share them, and none may undo what another one does meanwhile."""

    async def find(self, account: str, service: str) -> Service:
        """Raises Problem 21701 where there is no such service."""
        return (await self._found(account, service)).service

    async def of(self, account: str, address: str) -> Service | None:
        """The service that a sender is in."""
        homes = await self._homes.get(account)
        service = homes.get(address) if homes else None
        pool = await self._pools.get(account + service) if service else None
        return pool.service if pool else None

    async def check(self, service: Service, sender: str) -> None:
        """Raises Problem 21711 where `sender` is none of the service's."""
        pool = await self._found(service.account, service.id)
        if sender not in pool.addresses:
            raise Problem(21711, value=sender)

    async def choose(
        self, account: Account, service: Service, recipient: str, channel: Channel, change: Change
    ) -> str:
        """The address to send from; `change` keeps what is to be remembered of the choice.

        Raises Problem: 21704 where the service has no senders, 21703 none that reaches the recipient, 21611 none
        with room in its queue.
        """
        pool = await self._found(account.id, service.id)
        if not pool.candidates:
            raise Problem(21704)
        to = destination(recipient, geomatch=service.area_code_geomatch, media=channel is Channel.MMS)
        best = pool.suited(recipient, to)
        if not best:
            raise Problem(21703, value=recipient)
        if service.sticky and (known := await self._used_to(pool, recipient, best, to)) is not None:
            if self._full(account.id, known, recipient):
                raise Problem(21611, value=known.address)
            return known.address
        free = [one for one in best if not self._full(account.id, one, recipient)]
        if not free:
            raise Problem(21611, value=service.name)
        chosen = min(free, key=lambda one: self._busy(account.id, one.address, recipient)).address
        self._turns[chosen] = next(self._turn)
        if service.sticky:
            self._remember(service.id, recipient, chosen, change)
        return chosen

    def forget(self, account: str) -> None:
        """A service of an account, or its pool, has just been changed here."""
        self._homes.forget(account)
        self._pools.forget_all()
        self._chosen.clear()

    async def _used_to(
        self, pool: Pool, recipient: str, best: list[Candidate], to: Destination
    ) -> Candidate | None:
        """The sender that a recipient is used to, where it stays with it."""
        address = self._chosen.get((pool.service.id, recipient))
        if address is None:
            address = await self._store.sticky(pool.service.id, recipient)
        if address not in pool.addresses:
            return None
        # A name may be there several times, for several countries.
        known = (one for one in pool.candidates if one.address == address)
        return next((one for one in known if keeps(one, best, to)), None)

    def _remember(self, service: str, recipient: str, sender: str, change: Change) -> None:
        change.stickies.append((service, recipient, sender))
        if len(self._chosen) >= REMEMBERED:
            del self._chosen[next(iter(self._chosen))]
        self._chosen[service, recipient] = sender

    def _full(self, account: str, one: Candidate, recipient: str) -> bool:
        return self._rates.full(account, one.address, recipient, one.queue_limit)

    def _busy(self, account: str, address: str, recipient: str) -> tuple[float, int]:
        """How long it has to send what waits for it, and when it had its last turn."""
        return self._rates.backlog(account, address, recipient), self._turns.get(address, 0)

    # --- what is remembered for a while
    async def _found(self, account: str, service: str) -> Pool:
        pool = await self._pools.get(account + service)
        if pool is None:
            raise Problem(21701)
        return pool

    async def _pool(self, key: str) -> Pool | None:
        account_id, service_id = key[:32], key[32:]
        service = await self._store.resource(Service, account_id, service_id)
        account = await self._store.account(account_id)
        if service is None or account is None:
            return None
        senders = {sender.address: sender for sender in await self._store.senders(account_id)}
        members = await self._store.resources(Member, account_id, service_id)
        return Pool(
            service,
            tuple(_candidate(senders[one.address], one, account) for one in members if one.address in senders),
        )

    async def _members(self, account: str) -> Mapping[str, str] | None:
        return {member.address: member.parent for member in await self._store.resources(Member, account)}


def _candidate(sender: Sender, member: Member, account: Account) -> Candidate:
    kind = phone.sender_kind(sender.address) or SenderKind.ALPHANUMERIC
    country: str | None
    match kind:
        case SenderKind.NUMBER:
            country = phone.country(sender.address)
        case SenderKind.SHORT_CODE:
            country = account.short_code_country
        case SenderKind.ALPHANUMERIC:
            country = member.country or None
    toll_free = sender.address.startswith("+1") and phone.is_toll_free(sender.address)
    return Candidate(sender.address, kind, country, toll_free, sender.queue_limit)
