"""`tidings listen`: a port that takes status callbacks, checks their signatures and prints a line for each."""

import asyncio
import hmac
from datetime import datetime
from pathlib import Path

import click
import uvloop

from tidings import telemetry
from tidings.callbacks.signing import twilio_signature
from tidings.cli.data import data_option, first_account
from tidings.cli.hosting import listener_at, serving, stop_on_signals, unless_stopped, url_of
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
@data_option
def listen(host: str, port: int, token: str | None, data: Path) -> int:
    """Take status callbacks at any path, check X-Twilio-Signature, and print a line for each until Ctrl-C.

    A callback whose signature is wrong is flagged and answered 403, and makes the verb end with status 1.
    """
    telemetry.configure("warning")
    return uvloop.run(_listen(host, port, token, data))


async def _listen(host: str, port: int, token: str | None, data: Path) -> int:
    if token is None:
        account = await first_account(data)
        token = account.auth_token if account else None
    listener = listener_at(host, port)
    book = _Book(token)
    stop = stop_on_signals()
    async with serving(Receiver(book.take), listener):
        checked = "checking signatures" if token else "without a token, so signatures are not checked"
        click.echo(f"Listening on {url_of(listener)}, {checked}")
        await unless_stopped(stop, book.print_lines())
    click.echo(f"{book.received} received, {book.invalid} with a wrong or missing signature")
    return 1 if book.invalid else 0


class _Book:
    """What has been received."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._seen: set[str] = set()
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self.received = 0
        self.invalid = 0

    def take(self, received: Received) -> bool:
        valid = self._token is None or is_signed(received, self._token)
        self.received += 1
        self.invalid += not valid
        again = received.token in self._seen
        if received.token:
            self._seen.add(received.token)
        self._lines.put_nowait(_line(received, self._verdict(received, valid), again=again))
        return valid

    async def print_lines(self) -> None:
        while True:
            click.echo(await self._lines.get())

    def _verdict(self, received: Received, valid: bool) -> str:
        if self._token is None:
            return "signature not checked"
        if valid:
            return "signature verified"
        return f"SIGNATURE {'WRONG' if received.signature else 'MISSING'} ({self.invalid} so far)"


def is_signed(received: Received, token: str) -> bool:
    return hmac.compare_digest(
        received.signature.encode(), twilio_signature(token, received.url, received.params).encode()
    )


def _line(received: Received, verdict: str, *, again: bool) -> str:
    status = received.get("MessageStatus") or received.get("SmsStatus") or "?"
    code = received.get("ErrorCode")
    error = f"  {code} {words(int(code))}" if code.isdecimal() else ""
    number = f"  to {to}" if (to := received.get("To")) else ""
    repeated = "  (told before)" if again else ""
    now = datetime.now().astimezone()
    return (
        f"{now:%H:%M:%S}.{now.microsecond // 1000:03}  {status:<11}  "
        f"{received.get('MessageSid') or 'no MessageSid'}{number}{error}  {verdict}{repeated}"
    ).translate(telemetry.CONTROLS)
