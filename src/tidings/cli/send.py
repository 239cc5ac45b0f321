"""`tidings send`: one message through the Twilio API of a running gateway, and with --wait its history."""

import asyncio

import click

from tidings import telemetry
from tidings.cli.access import Access, gateway_options
from tidings.cli.client import Client
from tidings.cli.timeline import line
from tidings.lifecycle import Status
from tidings.settings import NUMBERS


@click.command(short_help="Send a message through a running gateway.")
@click.option("--to", "recipient", required=True, metavar="NUMBER", help="Recipient, as in +15551230200.")
@click.option("--from", "sender", default=NUMBERS[0], show_default=True, help="A sender of the account.")
@click.option("--body", default="Hello from Tidings", show_default=True, help="Text.")
@click.option("--callback", metavar="URL", help="Where status callbacks go: StatusCallback.")
@gateway_options
@click.option("--wait", is_flag=True, help="Print what becomes of it, until its status is final.")
@click.option("--timeout", default=60.0, show_default=True, metavar="SECONDS", help="How long --wait waits.")
def send(
    access: Access, recipient: str, sender: str, body: str, callback: str | None, wait: bool, timeout: float
) -> int:
    """Send a message through a running gateway.

    With --wait the status is 0 once the message is delivered, and 1 where it is not.
    """
    telemetry.configure("warning")

    async def work(client: Client) -> int:
        message = await client.send(sender, recipient, body, callback)
        click.echo(f"{message['sid']} {message['status']}")
        return await _wait(client, message["sid"], timeout) if wait else 0

    return access.run(work)


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
