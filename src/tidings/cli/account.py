"""`tidings account`: accounts, their senders and secrets, in the store of a data directory or settings file.

The gateway may be running on that store: it takes up what changes within two seconds.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path

import click
import msgspec

from tidings import phone, telemetry
from tidings.cli.data import config_option, data_option, opened
from tidings.clock import SystemClock, iso
from tidings.ids import from_any, new_id, sid
from tidings.model import Account, ApiKey, Sender
from tidings.settings import Settings, load
from tidings.store.base import Store


@click.group(
    short_help="Make accounts, list them, change their secrets.",
    no_args_is_help=False,
    subcommand_metavar="VERB …",
)
def account() -> None:
    """Make accounts, list them, and change their secrets.

    A gateway that runs on the same store takes up each change within two seconds.
    """
    telemetry.configure("warning")


@account.command()
@click.option("--name", default="", help="What people call it.")
@click.option("--number", "numbers", multiple=True, metavar="SENDER", help="A sender of it; may be repeated.")
@data_option
@config_option
def create(name: str, numbers: tuple[str, ...], data: Path, config: Path | None) -> None:
    """Make an account, and print its credentials."""
    senders = [_sender(number) for number in numbers]

    async def work(store: Store) -> None:
        for sender in senders:
            if (owner := await store.sender(sender)) is not None:
                raise click.ClickException(f"{sender} is a sender of account {sid('AC', owner.account)} already")
        now = SystemClock().now()
        made = Account(new_id(now), name, secrets.token_hex(16), now)
        await store.put_account(made)
        for sender in senders:
            await store.put_sender(Sender(sender, made.id))
        _print_credentials(made, senders)

    _in_store(work, load(config), data, make=True)


@account.command("list")
@data_option
@config_option
def list_(data: Path, config: Path | None) -> None:
    """Print each account with its senders; auth tokens stay unseen."""

    async def work(store: Store) -> None:
        for known in await store.accounts():
            senders = " ".join(sender.address for sender in await store.senders(known.id)) or "no senders"
            state = "" if known.active else "  not active"
            click.echo(
                f"{sid('AC', known.id)}  {iso(known.created_at)[:19]}Z  {known.name or '-'}  {senders}{state}"
            )

    _in_store(work, load(config), data)


@account.command("rotate-token")
@click.argument("account_sid", metavar="SID")
@data_option
@config_option
def rotate_token(account_sid: str, data: Path, config: Path | None) -> None:
    """Give an account a new auth token. Requests with the old one are refused from then on.

    Callbacks are signed with the new one, those that are tried again included.
    """
    settings = load(config)
    if any(from_any(given.sid) == from_any(account_sid) for given in settings.account):
        raise click.ClickException(f"{account_sid} is set in {config}: change its auth_token there")

    async def work(store: Store) -> None:
        known = await _known(store, account_sid)
        rotated = msgspec.structs.replace(known, auth_token=secrets.token_hex(16))
        await store.put_account(rotated)
        _print_credentials(rotated)

    _in_store(work, settings, data)


@account.group()
def key() -> None:
    """Make API keys: further credentials of an account, each with a secret of its own."""


@key.command("create")
@click.argument("account_sid", metavar="SID")
@click.option("--name", default="", help="What people call it.")
@data_option
@config_option
def create_key(account_sid: str, name: str, data: Path, config: Path | None) -> None:
    """Make an API key for an account. Its secret is shown now and never again."""

    async def work(store: Store) -> None:
        known = await _known(store, account_sid)
        now, secret = SystemClock().now(), secrets.token_urlsafe(24)
        made = ApiKey(new_id(now), known.id, name, sha256(secret.encode()).hexdigest(), now)
        await store.put_api_key(made)
        click.echo(f"account SID  {sid('AC', known.id)}\nkey SID      {sid('SK', made.id)}\nsecret       {secret}")

    _in_store(work, load(config), data)


def _in_store(
    work: Callable[[Store], Awaitable[None]], settings: Settings, data: Path, *, make: bool = False
) -> None:
    async def run() -> None:
        async with opened(settings, data, make=make) as store:
            await work(store)

    asyncio.run(run())


def _sender(given: str) -> str:
    """A sender as messages name it, in the one spelling that is kept."""
    kind = phone.sender_kind(given)
    sender = phone.e164(given) if kind in (None, phone.SenderKind.NUMBER) else given
    if sender is None:
        raise click.UsageError(
            f"{given!r} is no sender: a number as in +15551230000, a short code or up to 11 letters",
            click.get_current_context(),
        )
    return sender


async def _known(store: Store, account_sid: str) -> Account:
    account_id = from_any(account_sid)
    known = await store.account(account_id) if account_id else None
    if known is None:
        raise click.ClickException(f"there is no account {account_sid} in this store (see tidings account list)")
    return known


def _print_credentials(account: Account, senders: Sequence[str] = ()) -> None:
    click.echo(f"account SID  {sid('AC', account.id)}\nauth token   {account.auth_token}")
    if senders:
        click.echo(f"senders      {', '.join(senders)}")
