"""`tidings explain-signature`: exactly what was signed in an attempt at a callback, and what another URL needs.

The attempt comes from the running gateway (`cli.client`); keys stay on this machine.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import click

from tidings import telemetry
from tidings.callbacks.explain import expected, verify
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json, rows
from tidings.cli.client import Client
from tidings.cli.seen_url import differences
from tidings.model import Account, Attempt, Target
from tidings.telemetry import CONTROLS

MASK: Final = "***@"
"""Stands in a shown URL for user and password (`dialects.own.masked`)."""
AUTH_TOKEN, SIGNING_KEY, SHARED_KEY, URL = "auth token", "signing key", "shared key ", "URL"
"""Names that `callbacks.explain` gives to keys (a shared key's id follows) and to a part."""


class Key(NamedTuple):
    """One that may have signed."""

    name: str
    value: str


@click.command("explain-signature", short_help="Say exactly what was signed in an attempt at a callback.")
@click.argument("callback")
@click.option("--attempt", "ordinal", type=click.IntRange(1), metavar="N", help="Which one.  [default: the last]")
@click.option("--seen-url", metavar="URL", help="The URL as the application saw it, to compare.")
@click.option(
    "--secret",
    help="What signed it, where that is a shared key or whsec_….  [default: that of the account in DIR]",
)
@gateway_options
def explain_signature(
    access: Access, callback: str, ordinal: int | None, seen_url: str | None, secret: str | None
) -> None:
    """Print how an attempt at a callback was signed: header, algorithm, key, each part in order, and the string.

    For applications that find a signature wrong. Most often a proxy in front of them changes the URL: --seen-url
    says in what, and which signature that URL would have needed. Keys are used here and sent nowhere, but for the
    auth token, which is also how the gateway is asked. CALLBACK is an id as `tidings callbacks list` prints it.

    \b
    tidings explain-signature 0195…-3 --seen-url http://10.0.0.7:3000/status
    """
    telemetry.configure("warning")

    async def work(client: Client) -> tuple[Json, Account | None]:
        return await client.callback(callback), await access.kept_account()

    found, account = access.run(work)
    shown = _chosen(found, ordinal)
    if shown["signature"] is None:
        raise click.ClickException(f"attempt {shown['ordinal']} of {callback} was not signed")
    given = _Given(
        _attempt(shown), shown["signature"], _keys(shown["signature"]["key"], secret, access.token, account)
    )
    try:
        lines = [*_explained(given), *(_compared(given, seen_url) if seen_url else ())]
    except ValueError as error:  # a URL that is none, a whsec_… that is none
        raise click.ClickException(str(error)) from None
    click.echo(f"callback {found['id']}, attempt {shown['ordinal']} of {found['attempts']}, {shown['at']}")
    click.echo("\n".join(lines))


class _Given(NamedTuple):
    attempt: Attempt
    signature: Json
    keys: Sequence[Key]
    """Those at hand that may have signed."""

    @property
    def url(self) -> str | None:
        """The one that was signed, as it is shown; None where the signature covers none."""
        return next((value for name, value in self.signature["parts"] if name == URL), None)

    @property
    def masked(self) -> bool:
        return MASK in (self.url or "")

    def signer(self) -> Key | None:
        """The key at hand that made the signature; None where there is none, or where that cannot be told."""
        return None if self.masked else next((key for key in self.keys if verify(self.attempt, key.value)), None)


def _chosen(callback: Json, ordinal: int | None) -> Json:
    attempts: dict[int, Json] = {attempt["ordinal"]: attempt for attempt in callback["attempt_log"]}
    if not attempts:
        raise click.ClickException(
            f"no attempt at {callback['id']} is kept: none was made yet, or it was long ago"
        )
    chosen = attempts.get(max(attempts) if ordinal is None else ordinal)
    if chosen is None:
        kept = ", ".join(map(str, sorted(attempts)))
        raise click.ClickException(f"attempt {ordinal} at {callback['id']} is not kept; these are: {kept}")
    return chosen


def _attempt(shown: Json) -> Attempt:
    """What of the attempt its signature is read off and made of."""
    request = shown["request"]
    return Attempt(
        id=shown["id"],
        message_id="",
        number=0,
        target=Target.MESSAGE,
        account="",
        ordinal=shown["ordinal"],
        at=0,
        connected=None,
        first_byte=None,
        elapsed=0,
        method=request["method"],
        url=request["url"],
        headers="\n".join(f"{name}: {value}" for name, value in request["headers"]),
        body=request["body"],
        response=None,
        response_headers="",
        response_body="",
        error=None,
        detail="",
    )


def _keys(named: str, secret: str | None, token: str | None, account: Account | None) -> list[Key]:
    """Of what is at hand, that which goes by the name of the key that signed."""
    if secret:
        return [Key("the secret given", secret)]
    given = [Key("the auth token given", token)] if token else []
    if account is None:
        return given if named == AUTH_TOKEN else []
    if named == AUTH_TOKEN:
        previous = [Key("the previous auth token", account.previous_token)] if account.previous_token else []
        return [*given, Key("the current auth token", account.auth_token), *previous]
    if named == SIGNING_KEY:
        if account.signing_key is None:
            return [Key("the current auth token, as there is no signing key", account.auth_token)]
        return [Key("the current signing key", account.signing_key)]
    options = account.callbacks
    if named.startswith(SHARED_KEY):
        return [
            Key("the secret kept here", key.secret) for key in options.shared_keys if named == SHARED_KEY + key.id
        ]
    return [Key("a secret kept here", value) for value in options.secrets]


def _explained(given: _Given) -> Iterator[str]:
    signature = given.signature
    yield from rows(
        ("header", signature["header"]),
        ("signature", signature["signature"]),
        ("algorithm", signature["algorithm"]),
        ("key", f"{signature['key']}: {_checked(given)}"),
        indent="  ",
    )
    yield "signed, part by part"
    yield from rows(*(tuple(part) for part in signature["parts"]), indent="  ")
    yield "signed, as one string"
    shown = signature["string"].translate(CONTROLS)
    yield f"  {shown}"
    if given.masked:
        yield "Where *** stands, the URL has user and password: they are not shown here, and were signed."
    if shown != signature["string"]:
        yield "What begins with a backslash is a control character: it was signed as it is."


def _checked(given: _Given) -> str:
    """What is known of the key's value."""
    if not given.keys:
        return "it is not at hand (--token or --secret gives it), so the signature was not computed again"
    if given.masked:
        return "not checked, as the URL is not shown with its password"
    if signer := given.signer():
        return f"{signer.name} makes this signature"
    return "what is at hand does not make this signature; it may have been replaced since"


def _compared(given: _Given, seen: str) -> Iterator[str]:
    if given.url is None:
        yield "The URL is no part of this signature: the body is, byte for byte, behind webhook-id and timestamp."
        return
    found = differences(given.url, seen)
    if found:
        yield "the application saw another URL than the one that was signed"
        yield from rows(*((difference.piece, difference.words) for difference in found), indent="  ")
    elif not given.masked:
        yield "The application saw the URL that was signed: look at its key, and at the parameters that it checks."
        return
    for key in given.keys:
        if verify(given.attempt, key.value, seen):
            yield f"With {key.name}, the URL it saw makes the signature that was sent."
            return
    if signer := given.signer() or next(iter(given.keys), None):
        yield f"with {signer.name}, the URL it saw would need"
        yield f"  {given.signature['header']}: {expected(given.attempt, signer.value, seen)}"
