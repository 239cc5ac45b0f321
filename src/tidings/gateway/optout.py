"""Who wants nothing more from whom: the list, and the keywords by which a handset gets on it and off it.

An opt-out holds for one sender and one recipient of an account (Twilio: without a messaging service, the pair).
Most senders have none: those that do are remembered, so that for the others no message costs a read.
"""

from typing import Final

from tidings.model import Message, OptOut
from tidings.store.base import Change, Store

# Twilio's default keywords: the whole message, in any case.
STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START: Final = frozenset({"START", "YES", "UNSTOP"})


class OptOuts:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._senders: set[tuple[str, str]] = set()
        """(account, sender) that somebody has opted out of, now or earlier."""

    async def start(self) -> None:
        self._senders = set(await self._store.opted_out_senders())

    async def has(self, account: str, sender: str, recipient: str) -> bool:
        """Whether `recipient` has opted out of messages from `sender`."""
        return (account, sender) in self._senders and await self._store.opted_out(account, sender, recipient)

    def heed(self, message: Message, change: Change) -> None:
        """Put on the list, or take off it, whoever sent a keyword; `change` keeps it with the message."""
        keyword = message.body.strip().upper()
        choice = OptOut(message.account, message.recipient, message.sender, message.created_at, keyword)
        if keyword in STOP:
            self._senders.add((message.account, message.recipient))
            change.opt_outs.append(choice)
        elif keyword in START:
            change.opt_ins.append(choice)
