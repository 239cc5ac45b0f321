"""What a gateway has before it starts: its store, its clock, and the accounts that its settings name.

Called by the composition root and the command line.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidings import phone
from tidings.callbacks.signing import new_signing_key
from tidings.clock import AlarmClock, Clock, SystemClock, WindableClock
from tidings.ids import from_any, new_id
from tidings.model import ALWAYS, Account
from tidings.settings import NUMBERS, AccountSettings, Server, SettingsError
from tidings.store.base import Store
from tidings.store.sqlite import SqliteStore


def make_clock(settings: Server) -> AlarmClock:
    return WindableClock() if settings.windable else SystemClock()


def open_store(url: str, data: Path, *, apart: bool = True) -> Store:
    """The store that `[store] url` names; a relative SQLite path lies in `data`.

    `apart`: for a gateway; False for a short visit beside one.
    """
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found or not path:
        raise SettingsError(f"[store] url: {url!r} is no store; sqlite:///FILE is one")
    return SqliteStore(data / path, apart=apart)


async def configure(store: Store, settings: AccountSettings, now: int) -> None:
    """Make a configured account what the file says."""
    account_id = from_any(settings.sid)
    assert account_id is not None, "AccountSettings has checked it"
    known = await store.account(account_id)
    await store.put_account(
        Account(
            account_id,
            settings.name,
            settings.auth_token,
            known.created_at if known else now,
            countries=settings.countries,
            previous_token=settings.previous_token,
            previous_until=ALWAYS if settings.previous_token else 0,
            callbacks=settings.callbacks,
            signing_key=settings.signing_key,
            dialects=settings.dialects,
            test=settings.test,
            short_code_country=settings.short_code_country,
        )
    )
    for number in settings.numbers:
        await store.configure_sender(phone.e164(number) or number, account_id, settings.queue_limit, now)


async def development_account(store: Store, clock: Clock, environment: Mapping[str, str]) -> Account:
    """The account that a gateway without a settings file serves: the same one at every start.

    TIDINGS_ACCOUNT_SID and TIDINGS_AUTH_TOKEN fix its credentials. Raises SettingsError.
    """
    given = environment.get("TIDINGS_ACCOUNT_SID")
    account_id = from_any(given) if given else None
    if given and account_id is None:
        raise SettingsError("TIDINGS_ACCOUNT_SID must be AC and 32 hex digits")
    known = [account for account in await store.accounts() if not account.test]
    account = await store.account(account_id) if account_id else known[0] if known else None
    token = environment.get("TIDINGS_AUTH_TOKEN")
    if account is None:
        now = clock.now()
        key = new_signing_key()
        account = Account(
            account_id or new_id(now), "development", token or secrets.token_hex(16), now, signing_key=key
        )
    elif token:
        account = msgspec.structs.replace(account, auth_token=token)
    await store.put_account(account)
    for number in NUMBERS:
        owner = await store.sender(number)
        if owner is None:
            await store.configure_sender(number, account.id, 0, clock.now())
    return account


async def development_test_account(store: Store, clock: Clock) -> Account:
    """The test account beside it, for rehearsals: the same one at every start."""
    for known in await store.accounts():
        if known.test:
            return known
    now = clock.now()
    made = Account(new_id(now), "test", secrets.token_hex(16), now, test=True)
    await store.put_account(made)
    return made
