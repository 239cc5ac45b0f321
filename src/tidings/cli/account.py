"""`tidings account`: accounts, their senders and secrets, in the store of a data directory or settings file.

How an account is called back is `cli.account_callbacks`.

The gateway may be running on that store: it takes up what changes within two seconds.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import click
import msgspec

from tidings import phone, telemetry
from tidings.callbacks.signing import new_signing_key
from tidings.cli.account_callbacks import callbacks
from tidings.cli.accounts import in_store, known, refuse_configured
from tidings.cli.data import config_option, data_option
from tidings.clock import HOUR, SystemClock, iso
from tidings.ids import dashed, new_id, sid
from tidings.model import Account, ApiKey
from tidings.settings import load
from tidings.store.base import Store

LONGEST_OVERLAP: Final = 8760
"""Hours: a year."""


@click.group(
    short_help="Make accounts, list them, change their secrets and callbacks.",
    no_args_is_help=False,
    subcommand_metavar="VERB …",
)
def account() -> None:
    """Make accounts, list them, change their secrets, and say how they are told of what happens.

    A gateway that runs on the same store takes up each change within two seconds.
    """
    telemetry.configure("warning")


account.add_command(callbacks)


@account.command()
@click.option("--name", default="", help="What people call it.")
@click.option("--number", "numbers", multiple=True, metavar="SENDER", help="A sender of it; may be repeated.")
@click.option("--test", is_flag=True, help="For rehearsals: requests are checked, and nothing is kept or sent.")
@data_option
@config_option
def create(name: str, numbers: tuple[str, ...], test: bool, data: Path, config: Path | None) -> None:
    """Make an account, and print its credentials.

    Those of a test account are for Twilio's API, and good for two requests: to send a message, from +15005550006,
    and to get a number. Magic numbers choose how they are answered.
    """
    if test and numbers:
        raise click.UsageError("a test account has no senders", click.get_current_context())
    senders = [_sender(number) for number in numbers]

    async def work(store: Store) -> None:
        for sender in senders:
            if (owner := await store.sender(sender)) is not None:
                raise click.ClickException(f"{sender} is a sender of account {sid('AC', owner.account)} already")
        now = SystemClock().now()
        key = None if test else new_signing_key()
        made = Account(new_id(now), name, secrets.token_hex(16), now, signing_key=key, test=test)
        await store.put_account(made)
        for sender in senders:
            await store.configure_sender(sender, made.id, 0, now)
        _print_credentials(made, senders)

    in_store(work, load(config), data, make=True)


@account.command("list")
@data_option
@config_option
def list_(data: Path, config: Path | None) -> None:
    """Print each account with its senders; auth tokens stay unseen."""

    async def work(store: Store) -> None:
        for kept in await store.accounts():
            senders = " ".join(sender.address for sender in await store.senders(kept.id)) or "no senders"
            state = ("  for tests" if kept.test else "") + ("" if kept.active else "  not active")
            click.echo(f"{sid('AC', kept.id)}  {iso(kept.created_at)[:19]}Z  {kept.name or '-'}  {senders}{state}")

    in_store(work, load(config), data)


@account.command("rotate-token", short_help="Give an account a new auth token.")
@click.argument("account_sid", metavar="SID")
@click.option(
    "--overlap",
    type=click.IntRange(0, LONGEST_OVERLAP),
    default=0,
    show_default=True,
    metavar="HOURS",
    help="How long the old token stays good beside the new one.",
)
@data_option
@config_option
def rotate_token(account_sid: str, overlap: int, data: Path, config: Path | None) -> None:
    """Give an account a new auth token. Requests with the old one are refused from then on, or after the overlap.

    Callbacks are signed with the new one, those that are tried again included. During the overlap both tokens are
    good for the API, and a callback that the application refuses with 400, 401 or 403 is sent again at once,
    signed with the old one: gateway and application need not change at the same moment. Rotating once more ends
    an overlap under way: only the token that is replaced last stays good.
    """
    settings = load(config)
    refuse_configured(settings, account_sid, config, "its auth_token")

    async def work(store: Store) -> None:
        kept, now = await known(store, account_sid), SystemClock().now()
        rotated = msgspec.structs.replace(
            kept,
            auth_token=secrets.token_hex(16),
            previous_token=kept.auth_token if overlap else None,
            previous_until=now + overlap * HOUR if overlap else 0,
        )
        await store.put_account(rotated)
        _print_credentials(rotated)
        if overlap:
            click.echo(f"the old one  stays good until {iso(rotated.previous_until)[:19]}Z")

    in_store(work, settings, data)


@account.command("rotate-signing-key", short_help="Give an account a new signing key.")
@click.argument("account_sid", metavar="SID")
@data_option
@config_option
def rotate_signing_key(account_sid: str, data: Path, config: Path | None) -> None:
    """Give an account a new key for what SignalWire's dialects sign; what is tried again is signed with it, too.

    There is no overlap: an application that checks signatures refuses until it knows the new key, and is told
    again.
    """
    settings = load(config)
    refuse_configured(settings, account_sid, config, "its signing_key")

    async def work(store: Store) -> None:
        rotated = msgspec.structs.replace(await known(store, account_sid), signing_key=new_signing_key())
        await store.put_account(rotated)
        _print_credentials(rotated)

    in_store(work, settings, data)


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
        owner = await known(store, account_sid)
        now, secret = SystemClock().now(), secrets.token_urlsafe(24)
        made = ApiKey(new_id(now), owner.id, name, sha256(secret.encode()).hexdigest(), now)
        await store.put_api_key(made)
        click.echo(f"account SID  {sid('AC', owner.id)}\nkey SID      {sid('SK', made.id)}\nsecret       {secret}")

    in_store(work, load(config), data)


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


def _print_credentials(account: Account, senders: Sequence[str] = ()) -> None:
    lines = {
        "account SID": sid("AC", account.id),
        "project ID": dashed(account.id),
        "auth token": account.auth_token,
    }
    if account.signing_key is not None:
        lines["signing key"] = account.signing_key
    for name, value in lines.items():
        click.echo(f"{name:<11}  {value}")
    if senders:
        click.echo(f"senders      {', '.join(senders)}")
