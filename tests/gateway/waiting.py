"""Messages that wait in a store before a gateway starts on it, as `submit` would have kept them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tidings.arranged import Sender
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, Message, Standing
from tidings.store.base import Change, Kept
from tidings.store.sqlite import SqliteStore
from tidings.text import Encoding

NUMBER: Final = "+15005550006"
RECIPIENT: Final = "+15551230000"


def waits(
    at: int,
    account: str,
    sender: str = NUMBER,
    *,
    carrier: str = "main",
    due_at: int | None = None,
    **changes: Any,
) -> Kept:
    """A message that was made at `at`, and waits since then or from `due_at` on."""
    usual: dict[str, Any] = {
        "id": new_id(at),
        "account": account,
        "dialect": "twilio",
        "direction": Direction.OUTBOUND_API,
        "sender": sender,
        "recipient": RECIPIENT,
        "body": "hello",
        "encoding": Encoding.GSM7,
        "segments": 1,
        "callback_url": None,
        "validity": None,
        "created_at": at,
    }
    message = Message(**(usual | changes))
    due_at = at if due_at is None else due_at
    return Kept(message, Standing(message.id, Status.QUEUED, 1, at, carrier=carrier, due_at=due_at), [])


def change_of(all_kept: Iterable[Kept]) -> Change:
    """All of them in one change, each with its first event."""
    change = Change()
    for kept in all_kept:
        message = kept.message
        change.messages.append(message)
        change.standings.append(kept.standing)
        change.events.append(
            Event(
                message.id,
                1,
                message.account,
                message.created_at,
                Kind.CREATED,
                Status.QUEUED,
                True,
                True,
                0,
                None,
                {},
            )
        )
    return change


async def fill(
    path: Path, accounts: Iterable[Account], senders: Iterable[Sender], waiting: Iterable[Kept]
) -> None:
    """A store with these."""
    store = SqliteStore(path)
    await store.open()
    for account in accounts:
        await store.put_account(account)
    for sender in senders:
        await store.put_sender(sender)
    await store.commit(change_of(waiting))
    await store.close()
