"""Accounts in a store: what the verbs of `tidings account` have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from tidings.cli.data import opened
from tidings.ids import from_any
from tidings.model import Account
from tidings.settings import Settings
from tidings.store.base import Store


def in_store(
    work: Callable[[Store], Awaitable[None]], settings: Settings, data: Path, *, make: bool = False
) -> None:
    """Do `work` in the store of these settings, and end. Raises as `opened` does."""

    async def run() -> None:
        async with opened(settings, data, make=make) as store:
            await work(store)

    asyncio.run(run())


async def known(store: Store, account_sid: str) -> Account:
    """The account with this SID, in any dialect's spelling."""
    account_id = from_any(account_sid)
    found = await store.account(account_id) if account_id else None
    if found is None:
        raise click.ClickException(f"there is no account {account_sid} in this store (see tidings account list)")
    return found


def refuse_configured(settings: Settings, account_sid: str, config: Path | None, what: str) -> None:
    """Refuse to change what the settings file would change back at the next start."""
    if any(from_any(given.sid) == from_any(account_sid) for given in settings.account):
        raise click.ClickException(f"{account_sid} is set in {config}: change {what} there")
