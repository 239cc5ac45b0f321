"""Who wants nothing more from whom: the list, and what becomes of it when a handset sends a keyword.

An opt-out holds for a recipient and a scope: the service of the sender that the handset wrote to, or that sender
alone where it is in none. `origin` asks before a message is sent, `inbound` has every message read that comes in,
and our own API writes to the list. Most scopes have nobody on it: those that do are remembered, so that for all
others no message costs a read.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from tidings import phone
from tidings.arranged import Keywords, Sender, Service
from tidings.gateway.keywords import ALWAYS, OptOutType, check, in_one_line, meaning
from tidings.gateway.services import Services
from tidings.model import Message, OptOut
from tidings.phone import SenderKind
from tidings.store.base import Change, Store

_AT_ONCE: Final = 256
"""Entries looked up before others have their turn."""


class OptOutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    answers: bool = True
    """Whether handsets that opt out, opt in or ask for help are answered."""
    keywords: tuple[Keywords, ...] = ()
    """Beside the default ones, for senders that are in no service."""

    def __post_init__(self) -> None:
        check(self.keywords)


class Heeded(msgspec.Struct, frozen=True):
    """A message from a handset that was read as a keyword."""

    kind: OptOutType
    keyword: str
    """As it was sent, less white space around it."""
    scope: str
    """`OptOut.scope`."""
    answer: str
    """What the handset is to be told; "": nothing."""
    advanced: bool
    """Whether there are keywords beside the default ones: Twilio tells webhooks the kind only then."""


class OptOuts:
    def __init__(self, store: Store, services: Services, settings: OptOutSettings) -> None:
        self._store = store
        self._services = services
        self._settings = settings
        self._scopes: dict[str, set[str]] = {}
        """Account → scopes that somebody has opted out of, now or earlier: one too many costs a read, one too few
        would be a lie."""

    async def start(self) -> None:
        for account, scope in await self._store.opted_out_scopes():
            self._remember(account, scope)

    async def has(self, account: str, sender: str, recipient: str, service: str | None = None) -> bool:
        """Whether `recipient` has opted out of `sender`, of the service that it is in, or of `service`."""
        scopes = self._scopes.get(account)
        if not scopes:
            return False
        home = await self._services.of(account, sender)
        for scope in scopes & {sender, service, home and home.id}:
            if await self._store.opted_out(account, scope, recipient):
                return True
        return False

    async def forbids(self, message: Message) -> bool:
        """Whether a message may not go to its recipient."""
        if message.extras.get("confirms"):
            return False
        return await self.has(message.account, message.sender, message.recipient, message.service)

    # --- what handsets say
    async def read(self, owner: Sender, handset: str, body: str, service: Service | None) -> Heeded | None:
        """What a message to `owner`, a sender in `service`, says; None where it says nothing of this kind.

        A word to come back says nothing where the handset never left; one to leave, where it has left already, is
        not answered.
        """
        if phone.e164(handset) is None:
            return None  # no message can go there
        sets = service.keywords if service else self._settings.keywords
        keyword = in_one_line(body)
        found = meaning(sets, handset, keyword)
        if found is None or not _takes(owner, service, found.kind, keyword):
            return None
        scope = service.id if service else owner.address
        answer = found.answer if self._settings.answers else ""
        if found.kind == "STOP" and await self._is_listed(owner.account, scope, handset):
            answer = ""
        if found.kind == "START" and not await self.has(owner.account, owner.address, handset, scope):
            return None
        return Heeded(found.kind, keyword, scope, answer, advanced=bool(sets))

    def keep(self, heeded: Heeded, message: Message, change: Change) -> None:
        """Put whoever sent `message` on the list, or take it off; `change` keeps that with the message."""
        entry = OptOut(message.account, heeded.scope, message.sender, message.created_at, heeded.keyword)
        if heeded.kind == "STOP":
            self._remember(entry.account, entry.scope)
            change.opt_outs.append(entry)
        elif heeded.kind == "START":
            # It may have left while the sender was in no service.
            scopes = sorted({heeded.scope, message.recipient})
            change.opt_ins.extend(msgspec.structs.replace(entry, scope=scope) for scope in scopes)

    # --- what is written to the list otherwise
    async def add(self, entries: Sequence[OptOut]) -> list[OptOut]:
        """Put them on the list, all or none of them; one that is there stays as it is.

        On disk once it returns. Returns those that are new.
        """
        new: dict[tuple[str, str, str], OptOut] = {}
        for place, entry in enumerate(entries, 1):
            key = (entry.account, entry.scope, entry.recipient)
            if key not in new and not await self._is_listed(*key):
                new[key] = entry
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if new:
            change = Change()
            change.opt_outs.extend(new.values())
            for account, scope, _ in new:
                self._remember(account, scope)
            await self._store.commit(change)
        return list(new.values())

    async def lift(self, entries: Sequence[OptOut]) -> None:
        """Take them off the list; on disk once it returns."""
        change = Change()
        change.opt_ins.extend(entries)
        await self._store.commit(change)

    async def _is_listed(self, account: str, scope: str, recipient: str) -> bool:
        return scope in self._scopes.get(account, ()) and await self._store.opted_out(account, scope, recipient)

    def _remember(self, account: str, scope: str) -> None:
        self._scopes.setdefault(account, set()).add(scope)


def _takes(owner: Sender, service: Service | None, kind: OptOutType, keyword: str) -> bool:
    """Whether a keyword has an effect at a sender (Twilio: opt-out keywords)."""
    match phone.sender_kind(owner.address):
        case SenderKind.NUMBER if kind == "START" and phone.is_toll_free(owner.address):
            # Its network has a list of its own, which other words take nobody off.
            return keyword.casefold() in ALWAYS[kind]
        case SenderKind.NUMBER:
            return True
        case SenderKind.SHORT_CODE:
            return service is not None
    return False
