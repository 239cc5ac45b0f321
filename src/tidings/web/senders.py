"""What applications do with the numbers of their account, in whatever API: take, give up, have answered.

Called by the rooms `numbers`, `own_numbers`, `signalwire_numbers`, `signalwire_resources` and `twilio_services`.
"""

from asyncio import Lock
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from tidings.arranged import Application, Handling, Member, Sender
from tidings.errors import Problem
from tidings.gateway.turns import Turns
from tidings.phone import SenderKind, sender_kind
from tidings.web.gateway import Gateway
from tidings.web.wire import Header

_SHOWN: Final = 20
"""Numbers that a header names."""

_turns: Final = Turns()
"""Of those who take a number, change it or give it up at the same time, by gateway and address."""


async def find(gateway: Gateway, account: str, id_: str | None, *kinds: SenderKind) -> Sender | None:
    """The account's sender with that id, where it is of one of `kinds`."""
    found = await gateway.store.sender_by_id(account, id_) if id_ else None
    return found if found and sender_kind(found.address) in kinds else None


async def take(gateway: Gateway, sender: Sender) -> None:
    """Make a number that is nobody's the account's. Raises Problem: 20010 where that is not done here, 21422 where
    it is somebody's."""
    if not gateway.claims:
        raise Problem(20010, reason="which numbers an account has is for the operator of this gateway to say")
    async with _turn(gateway, sender):
        if await gateway.store.sender(sender.address):
            raise Problem(21422, value=sender.address)
        await gateway.put_sender(sender)


async def take_first(gateway: Gateway, sender: Sender, addresses: Sequence[str]) -> Sender:
    """The same for the first of `addresses` that is nobody's; all else is as `sender` has it.

    Raises Problem as `take`; 21452 where there are several, and all are somebody's.
    """
    for address in addresses:
        taken = msgspec.structs.replace(sender, address=address)
        try:
            await take(gateway, taken)
        except Problem as problem:
            if problem.code != 21422 or len(addresses) == 1:
                raise
        else:
            return taken
    raise Problem(21452)


async def give_up(gateway: Gateway, sender: Sender) -> None:
    """Make a number that was taken nobody's, and no member of anything. Raises Problem: 20010 where it was not,
    20404 where it is not the account's any more."""
    if not sender.claimed:
        raise Problem(20010, reason="the number is the operator's, and cannot be given up here")
    async with _turn(gateway, sender):
        await _check_still_there(gateway, sender)
        for member in await gateway.store.resources(Member, sender.account):
            if member.address == sender.address:
                await gateway.store.drop_resource(sender.account, member.id)
                gateway.services.forget(sender.account)
        await gateway.drop_sender(sender)


async def change(gateway: Gateway, sender: Sender) -> None:
    """Keep a sender as it has been changed. Raises Problem 20404 where it is not the account's any more."""
    async with _turn(gateway, sender):
        await _check_still_there(gateway, sender)
        await gateway.put_sender(sender)


def _turn(gateway: Gateway, sender: Sender) -> Lock:
    return _turns.of((id(gateway), sender.address))


async def _check_still_there(gateway: Gateway, sender: Sender) -> None:
    """Given up, a number may be somebody else's by now."""
    known = await gateway.store.sender(sender.address)
    if known is None or known.id != sender.id:
        raise Problem(20404, value=sender.address)


async def missing_application(gateway: Gateway, before: Handling, sender: Sender) -> str | None:
    """The application that a sender has come to refer to, where there is none."""
    application = sender.handling.application
    if application is None or application == before.application:
        return None
    known = await gateway.store.resource(Application, sender.account, application)
    return None if known else application


async def answer(gateway: Gateway, sender: Sender, handling: Handling) -> None:
    """Have messages to a sender answered so from now on. Raises Problem as `change`."""
    await change(gateway, msgspec.structs.replace(sender, handling=handling, updated_at=gateway.clock.now()))


async def answer_by(
    gateway: Gateway, account: str, which: Callable[[Handling], bool], handling: Handling
) -> list[str]:
    """Have the account's senders whose handling is one of `which` answered so, and return their addresses."""
    answered: list[str] = []
    for sender in await gateway.store.senders(account):
        if which(sender.handling):
            with suppress(Problem):  # given up meanwhile
                await answer(gateway, sender, handling)
                answered.append(sender.address)
    return answered


def left_unanswered(addresses: list[str]) -> list[Header]:
    """Says whose messages nobody answers any more: no vendor's answer to a deletion has a word for it."""
    if not addresses:
        return []
    shown = ", ".join(addresses[:_SHOWN]) + (", …" if len(addresses) > _SHOWN else "")
    return [(b"tidings-unanswered-senders", shown.encode("ascii", "replace"))]
