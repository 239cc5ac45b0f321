"""`tidings account callbacks`: how an account is told what happens to its messages, and what signs that.

A verb of `tidings account`. What each option does is a function from `CallbackOptions` to `CallbackOptions`, and
all of them stand in one table.
"""

import base64
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace

from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.cli.accounts import in_store, known, refuse_configured
from tidings.cli.data import config_option, data_option
from tidings.dialects.own import masked
from tidings.ids import sid
from tidings.model import Account, CallbackOptions, SharedKey
from tidings.settings import load
from tidings.store.base import Store

SECRET: Final = 32
"""Octets of a secret (Standard Webhooks 1.0 allows 24 to 64)."""


@click.command(short_help="Say how an account is called back, and what signs that.")
@click.argument("account_sid", metavar="SID")
@click.option("--method", type=click.Choice(["POST", "GET"]), help="GET puts the parameters into the query.")
@click.option("--format", type=click.Choice(["form", "json"]), help="What is posted.")
@click.option(
    "--numbered/--not-numbered",
    default=None,
    help="Whether callbacks carry the event's number and time: TidingsSequence, TidingsTimestamp.",
)
@click.option("--url", metavar="URL", help="The account-wide URL, which is told of every event of every message.")
@click.option("--no-url", is_flag=True, default=None, help="No account-wide URL, and no secret for it.")
@click.option(
    "--rotate-secret", is_flag=True, default=None, help="A new secret for it; the former one signs beside it."
)
@click.option("--drop-secret", is_flag=True, default=None, help="The former secret signs no longer.")
@click.option(
    "--add-shared-key",
    is_flag=True,
    default=None,
    help="Make a shared key, which signs from now on, with SHA-256.",
)
@click.option("--drop-shared-key", metavar="ID", help="Forget a shared key; the newest one left signs.")
@click.option(
    "--auth-token", is_flag=True, default=None, help="Forget all shared keys: the auth token signs, with SHA-1."
)
@data_option
@config_option
def callbacks(account_sid: str, data: Path, config: Path | None, **options: Any) -> None:
    """Say how an account is called back, and what signs that; show it where nothing is to change.

    Callbacks to the URL of a message are Twilio's: posted as a form and signed with the auth token, unless said
    otherwise here. The account-wide URL is called as Standard Webhooks 1.0 has it, and signed with a secret that
    is made with it. --rotate-secret makes a new one, and both sign until --drop-secret, so that the application
    can change over in between. Secrets and shared keys are shown when they are made and never again.
    """
    given = {name: value for name, value in options.items() if value is not None}
    _check_together(given)
    settings = load(config)
    if given:
        refuse_configured(settings, account_sid, config, "how it is called back")

    async def work(store: Store) -> None:
        kept = await known(store, account_sid)
        changed = kept.callbacks
        for name, change in _CHANGES.items():
            if name in given:
                changed = change(changed, given[name])
        if given:
            await store.put_account(replace(kept, callbacks=changed))
        for line in (*_shown(kept, changed), *_made(kept.callbacks, changed)):
            click.echo(line)

    in_store(work, settings, data)


_EXCLUSIVE: Final = (
    ("url", "no_url"),
    ("rotate_secret", "no_url"),
    ("rotate_secret", "drop_secret"),
    ("add_shared_key", "auth_token"),
    ("drop_shared_key", "auth_token"),
)


def _check_together(given: dict[str, Any]) -> None:
    for pair in _EXCLUSIVE:
        if given.keys() >= set(pair):
            one, other = (f"--{name.replace('_', '-')}" for name in pair)
            raise click.UsageError(f"{one} and {other} contradict each other", click.get_current_context())


# --- what each option does
def _set_url(options: CallbackOptions, url: str) -> CallbackOptions:
    try:
        parse_url(url)
    except InvalidUrl as error:
        raise click.ClickException(str(error)) from None
    return replace(options, url=url, secrets=options.secrets or (_new_secret(),))


def _rotate_secret(options: CallbackOptions, _: bool) -> CallbackOptions:
    if options.url is None:
        raise click.ClickException(
            "there is no account-wide URL whose secret could be rotated: give one with --url"
        )
    return replace(options, secrets=(_new_secret(), *options.secrets[:1]))


def _drop_secret(options: CallbackOptions, _: bool) -> CallbackOptions:
    if len(options.secrets) < 2:
        raise click.ClickException("there is no former secret to drop: --rotate-secret makes a new one first")
    return replace(options, secrets=options.secrets[:1])


def _add_shared_key(options: CallbackOptions, _: bool) -> CallbackOptions:
    made = SharedKey(f"webhooks_sharedkey_{secrets.token_hex(16)}", secrets.token_hex(SECRET))
    return replace(options, shared_keys=(made, *options.shared_keys))


def _drop_shared_key(options: CallbackOptions, id: str) -> CallbackOptions:
    left = tuple(key for key in options.shared_keys if key.id != id)
    if len(left) == len(options.shared_keys):
        raise click.ClickException(f"the account has no shared key {id}")
    return replace(options, shared_keys=left)


_CHANGES: Final[dict[str, Callable[[CallbackOptions, Any], CallbackOptions]]] = {
    "method": lambda options, method: replace(options, method=method),
    "format": lambda options, posted: replace(options, format=posted),
    "numbered": lambda options, numbered: replace(options, numbered=numbered),
    "url": _set_url,
    "no_url": lambda options, _: replace(options, url=None, secrets=()),
    "rotate_secret": _rotate_secret,
    "drop_secret": _drop_secret,
    "drop_shared_key": _drop_shared_key,
    "add_shared_key": _add_shared_key,
    "auth_token": lambda options, _: replace(options, shared_keys=()),
}
"""Option → its act, in the order in which several are done."""


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET)).decode()}"


# --- what is shown
def _shown(account: Account, options: CallbackOptions) -> Iterator[str]:
    yield f"account SID   {sid('AC', account.id)}"
    yield f"method        {options.method}"
    yield f"format        {'parameters in the query' if options.method == 'GET' else options.format}"
    yield f"numbered      {'yes' if options.numbered else 'no'}"
    if options.shared_keys:
        signing, *others = options.shared_keys
        yield f"signed with   shared key {signing.id}, SHA-256"
        for key in others:
            yield f"former key    {key.id}"
    else:
        yield "signed with   the auth token, SHA-1"
    yield f"account-wide  {masked(options.url) if options.url else 'no URL'}"
    if options.url:
        yield f"its secrets   {'two, and both sign' if len(options.secrets) > 1 else 'one'}"


def _made(before: CallbackOptions, after: CallbackOptions) -> Iterator[str]:
    """What is shown now and never again."""
    for key in after.shared_keys:
        if key not in before.shared_keys:
            yield f"new key       {key.id}\nits secret    {key.secret}"
    for secret in after.secrets:
        if secret not in before.secrets:
            yield f"new secret    {secret}"
