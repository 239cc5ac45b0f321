"""Which of a service's senders a message is from. Called by `submit` for an order that names a service.

A sticky service keeps to the sender that a recipient has heard from, as long as that is a member; for whoever is
new to it, and in any other service, chance decides (SignalWire: number groups, `sticky_sender`).
"""

import random

from tidings.arranged import Member, Service
from tidings.clock import Clock
from tidings.errors import Problem
from tidings.gateway.recent import Recent
from tidings.store.base import Change, Store


class Services:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._pools = Recent(self._pool, clock)

    async def choose(self, account: str, service: str, recipient: str, change: Change) -> str:
        """The address to send from; `change` keeps what is to be remembered of the choice.

        Raises Problem: 21701 where there is no such service, 21703 where it has no sender.
        """
        sticky, members = await self._members(account, service)
        if not members:
            raise Problem(21703)
        known = await self._store.sticky(service, recipient) if sticky else None
        if known in members:
            return known
        chosen = random.choice(members)  # noqa: S311 - whose turn it is, is no secret
        if sticky:
            change.stickies.append((service, recipient, chosen))
        return chosen

    async def check(self, account: str, service: str, sender: str) -> None:
        """Raises Problem: 21701 where there is no such service, 21711 where `sender` is none of its members."""
        _, members = await self._members(account, service)
        if sender not in members:
            raise Problem(21711, value=sender)

    async def _members(self, account: str, service: str) -> tuple[bool, tuple[str, ...]]:
        pool = await self._pools.get(account + service)
        if pool is None:
            raise Problem(21701)
        return pool

    async def _pool(self, key: str) -> tuple[bool, tuple[str, ...]] | None:
        account, service = key[:32], key[32:]
        found = await self._store.resource(Service, account, service)
        if found is None:
            return None
        members = await self._store.resources(Member, account, service)
        return found.sticky, tuple(member.address for member in members)
