"""`tidings inbound`: a message from a handset, which the simulated carrier of a running gateway delivers to it."""

import mimetypes
from base64 import b64encode
from pathlib import Path
from typing import Any, get_args

import click

from tidings import telemetry
from tidings.arranged import Handler
from tidings.carriers.simulator.inbound import Segmentation
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json
from tidings.cli.client import Client
from tidings.cli.numbers import answered_by
from tidings.dialects.own_simulator import MAX_MEDIA_SIZE
from tidings.ids import sid
from tidings.model import Channel, Target
from tidings.settings import NUMBERS


def _order(numbers: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, numbers.split(",")))
    except ValueError:
        raise click.BadParameter(f"{numbers}: not numbers of segments, as in 3,1") from None


@click.command(short_help="Have a handset of the simulated carrier write to a number.")
@click.option("--from", "sender", required=True, metavar="NUMBER", help="Who writes, as in +15551230200.")
@click.option("--to", "recipient", default=NUMBERS[0], show_default=True, help="A number of the account.")
@click.option("--body", default="Hello from a handset", show_default=True, help="Text.")
@click.option(
    "--media",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help=f"A picture or the like to go with it; may be repeated. {MAX_MEDIA_SIZE >> 20} MB together at most.",
)
@click.option(
    "--segments-by",
    "by",
    type=click.Choice(get_args(Segmentation.__annotations__["by"])),
    help="How the segments of a long text are marked.  [default: udh8]",
)
@click.option(
    "--segments-order",
    "order",
    metavar="NUMBERS",
    type=_order,
    help="In which order they come, as in 3,1: one that is left out never does.",
)
@gateway_options
def inbound(access: Access, sender: str, recipient: str, body: str, media: tuple[Path, ...], **how: Any) -> None:
    """Have a handset of the simulated carrier write to a number of the account.

    The message takes a real carrier's way: SMPP, or MM7 where media go with it. The last four digits of the number
    that writes choose what becomes of replies to it.
    """
    telemetry.configure("warning")
    message: dict[str, Any] = {"from": sender, "to": recipient, "body": body, "media": _media(media)}
    if segments := {name: value for name, value in how.items() if value is not None}:
        message["segments"] = segments

    async def work(client: Client) -> None:
        taken = await client.receive(message)
        number = await client.number(recipient)
        for line in _lines(client, taken, number):
            click.echo(line.translate(telemetry.CONTROLS))

    access.run(work)


def _media(files: tuple[Path, ...]) -> list[dict[str, Any]]:
    if sum(file.stat().st_size for file in files) > MAX_MEDIA_SIZE:
        raise click.ClickException(f"the media have more than {MAX_MEDIA_SIZE} bytes together")
    return [
        {
            "content_type": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            "name": file.name,
            "content": b64encode(file.read_bytes()).decode(),
        }
        for file in files
    ]


def _lines(client: Client, taken: Json, number: Json) -> list[str]:
    """What came in, who answers it, and how to see what becomes of it."""
    prefix = "SM" if taken["channel"] == Channel.SMS else "MM"
    sids = [sid(prefix, message) for message in taken["messages"]]
    if not sids:
        return [f"no message for {number['address']} yet: it lacks segments, or is one that came before"]
    lines = [f"{one} came in to {number['address']} through {taken['carrier']}" for one in sids]
    handler = Handler(number["handler"])
    if handler is Handler.NONE:
        lines.append(
            f"nobody answers it: tidings numbers answer {number['address']} --twiml URL would change that"
        )
    else:
        target = Target.RELAY if handler is Handler.RELAY else Target.WEBHOOK
        which = f" --message {sids[0]}" if len(sids) == 1 else ""
        lines += [
            f"answered by {answered_by(number)}",
            f"how that went: tidings callbacks list --target {target}{which}",
        ]
    return lines + [
        f"its history: curl -u {client.account} {client.url}/v1/messages/{one}/events" for one in sids[:1]
    ]
