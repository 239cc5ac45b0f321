"""`tidings send`: one message through the Twilio API of a running gateway, and with --wait its history."""

import asyncio
from pathlib import Path

import click

from tidings import telemetry
from tidings.cli.client import Client
from tidings.cli.data import data_option, first_account, running_at
from tidings.cli.timeline import line
from tidings.ids import sid
from tidings.lifecycle import Status
from tidings.settings import NUMBERS

URL = "http://127.0.0.1:8080"


@click.command(short_help="Send a message through a running gateway.")
@click.option("--to", "recipient", required=True, metavar="NUMBER", help="Recipient, as in +15551230200.")
@click.option("--from", "sender", default=NUMBERS[0], show_default=True, help="A sender of the account.")
@click.option("--body", default="Hello from Tidings", show_default=True, help="Text.")
@click.option("--callback", metavar="URL", help="Where status callbacks go: StatusCallback.")
@click.option(
    "--url",
    envvar="TIDINGS_URL",
    help=f"Where the gateway is.  [default: TIDINGS_URL, else where the one on DIR listens, else {URL}]",
)
@click.option(
    "--account",
    envvar="TIDINGS_ACCOUNT_SID",
    metavar="SID",
    help="AC… and 32 hex digits.  [default: TIDINGS_ACCOUNT_SID, else that of the account in DIR]",
)
@click.option(
    "--token",
    envvar="TIDINGS_AUTH_TOKEN",
    help="Its auth token.  [default: TIDINGS_AUTH_TOKEN, else that of the account in DIR]",
)
@data_option
@click.option("--wait", is_flag=True, help="Print what becomes of it, until its status is final.")
@click.option("--timeout", default=60.0, show_default=True, metavar="SECONDS", help="How long --wait waits.")
def send(
    recipient: str,
    sender: str,
    body: str,
    callback: str | None,
    url: str | None,
    account: str | None,
    token: str | None,
    data: Path,
    wait: bool,
    timeout: float,
) -> int:
    """Send a message through a running gateway.

    With --wait the status is 0 once the message is delivered, and 1 where it is not.
    """
    telemetry.configure("warning")
    url = url or running_at(data) or URL

    async def work() -> int:
        async with await _client(url, account, token, data) as client:
            message = await client.send(sender, recipient, body, callback)
            click.echo(f"{message['sid']} {message['status']}")
            return await _wait(client, message["sid"], timeout) if wait else 0

    return asyncio.run(work())


async def _client(url: str, account: str | None, token: str | None, data: Path) -> Client:
    if account and token:
        return Client(url, account, token)
    known = await first_account(data)
    if known is None or (account and account != sid("AC", known.id)):
        raise click.UsageError(
            "no credentials: give --account and --token, or set TIDINGS_ACCOUNT_SID and TIDINGS_AUTH_TOKEN",
            click.get_current_context(),
        )
    return Client(url, sid("AC", known.id), token or known.auth_token)


async def _wait(client: Client, message: str, timeout: float) -> int:
    """Print the history until its end; the status to leave with."""
    status = ""
    try:
        async with asyncio.timeout(timeout):
            async for event in client.follow(message):
                status = event["status"]
                click.echo(line(event))
    except TimeoutError:
        raise click.ClickException(f"{message} is {status} after {timeout:g} s, which is not final") from None
    return 0 if status in (Status.DELIVERED, Status.READ) else 1
