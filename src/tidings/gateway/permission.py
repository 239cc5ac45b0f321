"""Whether a message may still be sent, by what its account may do and its recipient wants when its turn has come.

The dispatcher asks before each message is handed over, and `schedule` when the time of one has come: much may have
changed since it was asked for.
"""

from tidings import phone
from tidings.gateway.optout import OptOuts
from tidings.gateway.recent import Recent
from tidings.model import Account, Message


class Permission:
    def __init__(self, accounts: Recent[Account], opt_outs: OptOuts) -> None:
        self._accounts = accounts
        self._opt_outs = opt_outs

    async def refusal(self, message: Message) -> int | None:
        """The error that a message must fail with: 30002 where its account is not active any more, 21408 where it
        may not send to the recipient's country, 21610 where the recipient has opted out. None: it may go."""
        account = await self._accounts.get(message.account)
        if account is None or not account.active:
            return 30002
        if account.countries is not None and phone.country(message.recipient) not in account.countries:
            return 21408
        if await self._opt_outs.forbids(message):
            return 21610
        return None
