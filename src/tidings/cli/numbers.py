"""`tidings numbers`: the numbers of an account, and who answers the messages that come in to each.

A client of our own API (`cli.client`); `inbound` says with a line of this module who answers what it sent.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from tidings import telemetry
from tidings.arranged import Handler
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json, rows
from tidings.cli.client import Client
from tidings.dialects.signalwire import COMPAT
from tidings.dialects.twilio import NAME as TWILIO


@click.group(
    short_help="Say who answers the messages that come in to a number.",
    no_args_is_help=False,
    subcommand_metavar="VERB …",
)
def numbers() -> None:
    """List an account's numbers, and say who answers the messages that come in to each.

    Try it with tidings inbound, which has a handset of the simulated carrier write to a number.
    """
    telemetry.configure("warning")


@numbers.command("list", short_help="List them, with who answers each.")
@gateway_options
def list_(access: Access) -> None:
    """Print a line for each number of the account: who answers it, and its name."""

    async def work(client: Client) -> None:
        for number in await client.numbers():
            click.echo(number_line(number))

    access.run(work)


@numbers.command(short_help="Show one.")
@click.argument("number")
@gateway_options
def show(access: Access, number: str) -> None:
    """Print all that is known of a number, and the SWML that answers it where it is kept here."""

    async def work(client: Client) -> None:
        for line in number_lines(await client.number(number)):
            click.echo(line)

    access.run(work)


@numbers.command(short_help="Say who answers one.")
@click.argument("number")
@click.option("--twiml", metavar="URL", help="A URL that answers in TwiML, asked as Twilio asks.")
@click.option(
    "--cxml", metavar="URL", help="A URL that answers in cXML, asked as SignalWire's compatibility API asks."
)
@click.option("--swml", metavar="URL", help="A URL that answers in SWML.")
@click.option(
    "--swml-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="SWML (JSON or YAML) that the gateway keeps: nobody is asked.",
)
@click.option("--relay", metavar="CONTEXT", help="The RELAY sessions that listen to a context.")
@click.option("--application", metavar="ID", help="An application of the compatibility API.")
@click.option("--nobody", is_flag=True, default=None, help="Nobody: what comes in is only kept.")
@click.option("--method", type=click.Choice(["POST", "GET"]), help="How the URL is asked.  [default: POST]")
@click.option("--fallback", metavar="URL", help="A second URL, asked where the first has no good answer.")
@click.option("--fallback-method", type=click.Choice(["POST", "GET"]), help="How that is asked.  [default: POST]")
@gateway_options
def answer(access: Access, number: str, **options: Any) -> None:
    """Say who answers the messages that come in to NUMBER from now on; what was so before is forgotten.

    \b
    tidings numbers answer +15005550006 --twiml http://127.0.0.1:5000/sms
    tidings numbers answer +15005550006 --relay office
    """
    by = _form({name: value for name, value in options.items() if value is not None})

    async def work(client: Client) -> None:
        click.echo(number_line(await client.have_answered(number, by)))

    access.run(work)


_ANSWERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "twiml": ("url", {"handler": Handler.MARKUP, "dialect": TWILIO}),
    "cxml": ("url", {"handler": Handler.MARKUP, "dialect": COMPAT}),
    "swml": ("url", {"handler": Handler.SWML}),
    "swml_file": ("script", {"handler": Handler.SWML}),
    "relay": ("context", {"handler": Handler.RELAY}),
    "application": ("application", {"handler": Handler.APPLICATION}),
    "nobody": ("handler", {}),
}
"""Option → the parameter of the API that has its value, and what else is said there."""
_REQUESTS: Final = {"method": "method", "fallback": "fallback_url", "fallback_method": "fallback_method"}


def _form(given: dict[str, Any]) -> dict[str, str]:
    """The API's parameters. Raises UsageError where not exactly one says who answers."""
    chosen = [name for name in given if name in _ANSWERS]
    if len(chosen) != 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in _ANSWERS)
        raise click.UsageError(f"say who answers, by one of {options}", click.get_current_context())
    parameter, also = _ANSWERS[chosen[0]]
    requests = {_REQUESTS[name]: value for name, value in given.items() if name in _REQUESTS}
    return {parameter: _value(given[chosen[0]]), **also, **requests}


def _value(given: str | Path | bool) -> str:
    if isinstance(given, Path):
        try:
            return given.read_text("utf-8")
        except UnicodeDecodeError:
            raise click.ClickException(f"{given} is not UTF-8 text") from None
    return Handler.NONE if given is True else str(given)


# --- how numbers look
def number_line(number: Json) -> str:
    """`+15005550006  TwiML from POST https://app.example.com/sms  Front desk`"""
    columns = (number["address"], answered_by(number), number["name"])
    return "  ".join(filter(None, columns)).translate(telemetry.CONTROLS)


def number_lines(number: Json) -> Iterator[str]:
    yield from rows(
        ("number", number["address"]),
        ("id", number["id"]),
        ("name", number["name"] or None),
        ("answered by", answered_by(number)),
        ("dialect", number["dialect"]),
        ("resource", number["resource"]),
        ("changed", number["updated_at"]),
    )
    if number["script"] is not None:
        yield ""
        for line in number["script"].splitlines():
            yield f"  {line}".translate(telemetry.CONTROLS)


def answered_by(number: Json) -> str:
    """Who answers a number, in a few words."""
    match Handler(number["handler"]):
        case Handler.NONE:
            return "nobody"
        case Handler.RELAY:
            return f"RELAY sessions in context {number['context']}"
        case Handler.APPLICATION:
            return f"application {number['application']}"
        case Handler.MARKUP:
            return _from("TwiML" if number["dialect"] == TWILIO else "cXML", number)
        case Handler.SWML if number["url"] is None:
            return "SWML kept here" + _or_else(number)
        case Handler.SWML:
            return _from("SWML", number)


def _from(language: str, number: Json) -> str:
    return f"{language} from {number['method']} {number['url']}{_or_else(number)}"


def _or_else(number: Json) -> str:
    url = number["fallback_url"]
    return f", else from {number['fallback_method']} {url}" if url else ""
