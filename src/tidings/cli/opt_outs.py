"""`tidings opt-outs`: who wants no more messages from whom, by hand and by file.

A client of our own API (`cli.client`).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import click

from tidings import telemetry
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json, to_the_second
from tidings.cli.client import Client


@click.group(
    short_help="See who wants no more messages, change the list, import and export it.",
    no_args_is_help=False,
    subcommand_metavar="VERB …",
)
def opt_outs() -> None:
    """See who wants no more messages from an account, change the list, import and export it.

    An entry is for one recipient, and a number, short code or sender name of the account, or a messaging service
    (MG…) with all its senders. Handsets get on the list and off it by STOP and START.
    """
    telemetry.configure("warning")


@opt_outs.command("list", short_help="List them.")
@click.option("--scope", metavar="SCOPE", help="Only those of one sender or messaging service.")
@click.option("--recipient", metavar="NUMBER", help="Only those of one recipient.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most to list.")
@gateway_options
def list_(access: Access, limit: int, **where: str | None) -> None:
    """Print a line for each entry: recipient, of whom it has heard enough, since when, and how it said so."""
    given = {name: value for name, value in where.items() if value is not None}

    async def work(client: Client) -> None:
        # One more than is shown tells whether there are more.
        found = [entry async for entry in client.opt_outs(given, limit + 1)]
        for entry in found[:limit]:
            click.echo(opt_out_line(entry))
        if len(found) > limit:
            click.echo(f"there are more than {limit}: raise --limit, narrow them down, or export them", err=True)

    access.run(work)


@opt_outs.command(short_help="Put a recipient on the list.")
@click.argument("scope")
@click.argument("recipient")
@gateway_options
def add(access: Access, scope: str, recipient: str) -> None:
    """Put RECIPIENT on the list: it gets nothing more from SCOPE, a sender or messaging service of the account."""

    async def work(client: Client) -> None:
        click.echo(opt_out_line(await client.opt_out(scope, recipient)))

    access.run(work)


@opt_outs.command(short_help="Take a recipient off the list.")
@click.argument("scope")
@click.argument("recipient")
@gateway_options
def remove(access: Access, scope: str, recipient: str) -> None:
    """Take RECIPIENT off the list for SCOPE; of other senders and services it may still have heard enough."""

    async def work(client: Client) -> None:
        await client.lift_opt_out(scope, recipient)

    access.run(work)


@opt_outs.command("import", short_help="Put on the list whom a file names.")
@click.argument("file", type=click.File("rb"))
@gateway_options
def import_(access: Access, file: IO[bytes]) -> None:
    """Put all on the list that FILE names, or none of them where a line is wrong; - reads standard input.

    FILE is CSV: scope,recipient and, where they are known, keyword,at. A first line may name the columns. It can
    have 50,000 entries.
    """
    lines = file.read()

    async def work(client: Client) -> None:
        done = await client.import_opt_outs(lines)
        click.echo(f"{done['read']} read, {done['added']} of them new")

    access.run(work)


@opt_outs.command(short_help="Write the list to a file.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@gateway_options
def export(access: Access, file: Path | None) -> None:
    """Write the whole list to FILE, or print it, as CSV that import takes."""

    async def work(client: Client) -> None:
        if file is None:
            await _write(client, partial(click.echo, nl=False))
            return
        # Half a list would look like a whole one.
        part = file.with_name(f"{file.name}.part")
        try:
            with part.open("wb") as output:
                await _write(client, output.write)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)

    access.run(work)


async def _write(client: Client, write: Callable[[bytes], object]) -> None:
    """All pages as one: with one line that names the columns."""
    first = True
    async for page in client.export_opt_outs():
        write(page if first else page.partition(b"\n")[2])
        first = False


# --- how entries look
_ORIGINS: Final = {"api": "through the API", "import": "imported"}


def opt_out_line(entry: Json) -> str:
    """`+15551230000  +15005550006  2026-11-21T17:28:16Z  STOP`"""
    columns: tuple[Any, ...] = (
        entry["recipient"],
        entry["number"] or entry["service"],
        to_the_second(entry["at"]),
        entry["keyword"] or _ORIGINS.get(entry["origin"]),
    )
    return "  ".join(filter(None, columns)).translate(telemetry.CONTROLS)
