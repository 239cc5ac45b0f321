"""`tidings explain`: how the gateway reads a receipt's text or a PDU, which status and which code it leads to."""

import sys

import click

from tidings.carriers.smpp.profile import Profile, load, names
from tidings.cli.explanation import NotUnderstood, Section
from tidings.cli.explanation import explain as say
from tidings.clock import SystemClock
from tidings.telemetry import CONTROLS


@click.command(short_help="Say how a receipt's text or a PDU is read, and what it leads to.")
@click.argument("what", required=False, metavar="[TEXT|HEX]")
@click.option(
    "--profile",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help=f"The carrier's profile: {', '.join(names())}, or a TOML file.",
)
def explain(what: str | None, profile: str) -> None:
    """Say how a receipt's text, or a whole PDU in hex, is read, and which status and Twilio code it leads to.

    Without an argument, or with -, each line of the standard input is explained.

    \b
    tidings explain 'id:0059113978 stat:UNDELIV err:005' --profile twilio_style
    tidings explain 00000010800000040000005800000002
    """
    loaded = load(profile)
    if what is not None and what != "-":
        click.echo(_explained(what, loaded))
        return
    shown = 0
    for line in sys.stdin:
        if line.strip():
            click.echo(("\n" if shown else "") + _explained(line.strip(), loaded))
            shown += 1
    if not shown:
        raise click.ClickException("nothing to explain: give a receipt's text or a PDU in hex")


def _explained(given: str, profile: Profile) -> str:
    try:
        return "\n".join(_lines(section) for section in say(given, profile, SystemClock().now()))
    except NotUnderstood as error:
        raise click.ClickException(str(error)) from None


def _lines(section: Section) -> str:
    width = max(len(name) for name, _ in section.rows)
    rows = [f"  {name:<{width}}  {value}".translate(CONTROLS) for name, value in section.rows]
    return "\n".join([section.title, *rows])
