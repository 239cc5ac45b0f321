"""`tidings clock`: what time it is for a running gateway, and winding it ahead in development.

A client of our own API (`cli.client`).
"""

import click

from tidings import telemetry
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json, to_the_second
from tidings.cli.client import Client


@click.command(short_help="Say what time it is for a gateway, and wind it ahead in development.")
@click.argument("advance", required=False, metavar="[+72h]")
@gateway_options
def clock(access: Access, advance: str | None) -> None:
    """Print what time it is for a running gateway; with +72h, +90m, +30s or +1h30m, wind its clock ahead first.

    Whatever comes due so is done at once: scheduled messages are sent, validities end, callbacks are tried again.
    It cannot be wound back, and a restart does not take it back either behind anything that has happened.
    """
    telemetry.configure("warning")

    async def work(client: Client) -> None:
        click.echo(clock_line(await client.clock()))
        if advance is not None:
            click.echo(clock_line(await client.wind(advance)))

    access.run(work)


def clock_line(read: Json) -> str:
    """`2026-11-21T17:28:16Z  ahead by 3d 1h`"""
    line = to_the_second(read["now"])
    return f"{line}  ahead by {_span(round(read['ahead']))}" if read["ahead"] else line


def _span(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
