"""Whom a message is from, as it enters that sender's queue. Called by `submit`, and by `schedule` in due time."""

from typing import Final

import msgspec

from tidings.arranged import Sender
from tidings.errors import Problem
from tidings.gateway.optout import OptOuts
from tidings.gateway.rates import Rates
from tidings.gateway.recent import Recent
from tidings.gateway.services import Services
from tidings.model import Account, Message
from tidings.store.base import Change

FAILS_WITH: Final = {21610: 21610, 21611: 30001, 21703: 21703, 21704: 21704}
"""What speaks against a message whose sender is chosen after it was taken in → the error that it fails with."""


class Origins:
    def __init__(self, senders: Recent[Sender], services: Services, opt_outs: OptOuts, rates: Rates) -> None:
        self._senders = senders
        self._services = services
        self._opt_outs = opt_outs
        self._rates = rates

    async def given(self, account: Account, message: Message, change: Change) -> Message:
        """The message with its sender: the one it names, or one that its service chooses.

        `change` keeps what is to be remembered of the choice. Raises Problem: 21606 where the sender is not the
        account's, 21611 where its queue is full, 21610 for an opt-out, and as `Services.choose` does.
        """
        sender, recipient = message.sender, message.recipient
        if message.service is not None and not sender:
            service = await self._services.find(account.id, message.service)
            sender = await self._services.choose(account, service, recipient, message.channel, change)
            message = msgspec.structs.replace(message, sender=sender)
        else:
            owned = await self._senders.get(sender)
            if owned is None or owned.account != account.id:
                raise Problem(21606, value=sender)
            if self._rates.full(account.id, sender, recipient, owned.queue_limit):
                raise Problem(21611, value=sender)
        if await self._opt_outs.forbids(message):
            raise Problem(21610, value=recipient)
        return message
