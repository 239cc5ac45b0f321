"""`tidings listen`: a port that takes callbacks, checks their signatures and prints a line for each."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import uvloop

from tidings import telemetry
from tidings.callbacks.signing import webhook_key
from tidings.cli.data import data_option, kept_account
from tidings.cli.hosting import listener_at, serving, stop_on_signals, unless_stopped, url_of
from tidings.cli.keys import Keys, objection
from tidings.cli.receiver import Received, Receiver
from tidings.errors import words


@click.command(short_help="Receive status callbacks and check their signatures.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="Port, 0 for any.")
@click.option(
    "--token",
    envvar="TIDINGS_AUTH_TOKEN",
    help="Auth token that signs them.  [default: TIDINGS_AUTH_TOKEN, else that of the account in DIR]",
)
@click.option(
    "--signing-key",
    metavar="PSK_…",
    help="Signing key, of SignalWire's dialects.  [default: that of the account in DIR]",
)
@click.option(
    "--shared-key",
    "shared_keys",
    multiple=True,
    metavar="ID:SECRET",
    help="A shared key that signs them; may be repeated.  [default: those of the account in DIR]",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="whsec_…",
    help="A secret of the account-wide URL; may be repeated.  [default: those of the account in DIR]",
)
@data_option
def listen(
    host: str,
    port: int,
    token: str | None,
    signing_key: str | None,
    shared_keys: tuple[str, ...],
    secrets: tuple[str, ...],
    data: Path,
) -> int:
    """Take callbacks at any path, check their signatures, and print a line for each until Ctrl-C.

    It takes whatever an account can be set to: parameters in a form, in JSON or in the query of a GET, signed with
    the auth token or a shared key (X-Twilio-Signature), those of SignalWire's dialects (X-SignalWire-Signature),
    and those of the account-wide URL (webhook-signature).
    A callback whose signature is wrong is flagged and answered 403, and makes the verb end with status 1.
    """
    telemetry.configure("warning")
    return uvloop.run(_listen(host, port, Keys(token, signing_key, _shared(shared_keys), _checked(secrets)), data))


def _shared(given: tuple[str, ...]) -> dict[str, str]:
    keys = dict(key.partition(":")[::2] for key in given)
    if not all(keys.values()):
        raise click.UsageError("a shared key is given as ID:SECRET", click.get_current_context())
    return keys


def _checked(secrets: tuple[str, ...]) -> tuple[str, ...]:
    for secret in secrets:
        try:
            webhook_key(secret)
        except ValueError as error:
            raise click.UsageError(str(error), click.get_current_context()) from None
    return secrets


async def _listen(host: str, port: int, given: Keys, data: Path) -> int:
    account = await kept_account(data)
    keys = given.or_those_of(account) if account else given
    listener = listener_at(host, port)
    book = _Book(keys)
    stop = stop_on_signals()
    async with serving(Receiver(book.take), listener):
        checked = "checking signatures" if keys else "without a key, so signatures are not checked"
        click.echo(f"Listening on {url_of(listener)}, {checked}")
        await unless_stopped(stop, book.print_lines())
    click.echo(f"{book.received} received, {book.invalid} with a wrong or missing signature")
    return 1 if book.invalid else 0


class _Book:
    """What has been received."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._seen: set[tuple[str, str]] = set()
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self.received = 0
        self.invalid = 0

    def take(self, received: Received) -> bool:
        wrong = objection(received, self._keys) if self._keys else None
        self.received += 1
        self.invalid += wrong is not None
        self._lines.put_nowait(_line(received, self._verdict(wrong), again=self._again(received)))
        return wrong is None

    async def print_lines(self) -> None:
        while True:
            click.echo(await self._lines.get())

    def _verdict(self, wrong: str | None) -> str:
        if wrong is not None:
            return f"{wrong} ({self.invalid} so far)"
        return "signature verified" if self._keys else "signature not checked"

    def _again(self, received: Received) -> bool:
        """Whether the same event has been told before: that its message's URL and the account-wide one are told
        of it has one token, and is told once to each."""
        header = next((name for name in _TOKENS if name in received.headers), None)
        if header is None:
            return False
        token = (header, received.headers[header])
        again = token in self._seen
        self._seen.add(token)
        return again


_TOKENS: Final = ("i-twilio-idempotency-token", "tidings-idempotency-token", "webhook-id")
"""Headers that say which event it is."""


def _line(received: Received, verdict: str, *, again: bool) -> str:
    status = received.get("MessageStatus") or received.get("SmsStatus") or "?"
    code = received.get("ErrorCode")
    now = datetime.now().astimezone()
    columns = [
        f"{now:%H:%M:%S}.{now.microsecond // 1000:03}",
        f"{status:<11}",
        received.get("MessageSid") or "no MessageSid",
        f"to {to}" if (to := received.get("To")) else "",
        f"event {number}" if (number := received.get("TidingsSequence")) else "",
        f"of {at}" if (at := received.get("TidingsTimestamp")) else "",
        f"{code} {words(int(code))}" if code.isdecimal() and len(code) < 10 else code,
        verdict,
        "(told before)" if again else "",
    ]
    return "  ".join(filter(None, columns)).translate(telemetry.CONTROLS)
