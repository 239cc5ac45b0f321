"""`tidings callbacks`: what a running gateway has told, owes or has given up, and telling it again.

A client of our own API (`cli.client`); how things look is `cli.callback_lines`.
"""

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import click

from tidings import telemetry
from tidings.cli.access import Access, gateway_options
from tidings.cli.callback_lines import Json, callback_line, callback_lines, host_line, replay_line
from tidings.cli.client import Client, Where
from tidings.model import CallbackState, Target

F = TypeVar("F", bound=Callable[..., object])

REPLAYABLE: Final = (CallbackState.GIVEN_UP, CallbackState.DONE)


def _state_option(states: tuple[CallbackState, ...], words: str) -> Callable[[F], F]:
    return click.option("--state", type=click.Choice([state.value for state in states]), multiple=True, help=words)


def _filter_options(command: F) -> F:
    """The rest of a filter. The names of parameters are those of the API."""
    for option in (
        click.option("--to", metavar="TIME", help="Made before: a date, or date and time with its offset."),
        click.option("--from", metavar="TIME", help="Made at or after, as in 2026-11-21 or 2026-11-21T17:28:00Z."),
        click.option(
            "--target",
            type=click.Choice([target.value for target in Target]),
            help="To the URL the message was made with, the account-wide one, who answers a number, or RELAY.",
        ),
        click.option("--message", metavar="SID", help="Of one message, by its SID or id."),
        click.option("--error", type=int, metavar="CODE", help="Code of the last failure, as in 11200."),
        click.option("--host", metavar="URL", help="To one host, as it is listed: https://example.com:443."),
    ):
        command = option(command)
    return command


@click.group(
    short_help="List callbacks, see each attempt, tell again what was given up.",
    no_args_is_help=False,
    subcommand_metavar="VERB …",
)
def callbacks() -> None:
    """List an account's callbacks, see what came of each attempt at one, and tell again what was given up.

    A callback is owed, retrying, done or given up. Its id is that of its message and the number of the event it
    tells, with -account behind them where it goes to the account-wide URL, -webhook where it asks who answers a
    number, and -relay where it goes to RELAY sessions.
    """
    telemetry.configure("warning")


@callbacks.command("list", short_help="List those that a filter finds.")
@_state_option(tuple(CallbackState), "Only these; may be repeated.")
@_filter_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most to list.")
@gateway_options
def list_(access: Access, limit: int, **where: Any) -> None:
    """Print a line for each callback, newest first: id, time, state, attempts, host, last answer and error."""

    async def work(client: Client) -> None:
        # One more than is shown tells whether there are more.
        found = [callback async for callback in client.callbacks(_given(where), limit + 1)]
        for callback in found[:limit]:
            click.echo(callback_line(callback))
        if len(found) > limit:
            click.echo(f"there are more than {limit}: raise --limit, or narrow them down", err=True)

    access.run(work)


@callbacks.command(short_help="Show one with its attempts.")
@click.argument("callback", metavar="ID")
@gateway_options
def show(access: Access, callback: str) -> None:
    """Print a callback and each attempt at it: the request, the response, the timings, the error in words.

    How an attempt was signed: tidings explain-signature ID.
    """

    async def work(client: Client) -> None:
        for line in callback_lines(await client.callback(callback)):
            click.echo(line)

    access.run(work)


@callbacks.command(short_help="Show how the hosts are doing that are owed callbacks.")
@gateway_options
def hosts(access: Access) -> None:
    """Print a line for each host that is owed callbacks: how many, and whether it is asked at present.

    A host that fails again and again is left alone for a while (open), then asked with one callback (half-open).
    """

    async def work(client: Client) -> None:
        for host in await client.hosts():
            click.echo(host_line(host))

    access.run(work)


@callbacks.command(short_help="Tell one again, or all that a filter finds.")
@click.argument("callback", metavar="[ID]", required=False)
@_state_option(REPLAYABLE, "Those in this state; may be repeated.  [default: given_up]")
@_filter_options
@click.option("--all", "everything", is_flag=True, help="All in that state, where nothing narrows them down.")
@click.option("--no-wait", is_flag=True, help="Do not stay until they are done or given up again.")
@gateway_options
def replay(access: Access, callback: str | None, everything: bool, no_wait: bool, **where: Any) -> int:
    """Tell a callback again, by its ID, or all that a filter finds: those given up, unless --state says otherwise.

    Then it shows how far that is, until each one is done or given up again; the status is 1 where one was given up
    again. Ctrl-C ends the watching only: the gateway goes on.

    \b
    tidings callbacks replay --host https://example.com:443 --from 2026-11-21
    tidings callbacks replay --state given_up --no-wait
    """
    given = _given(where)
    _check_choice(callback, given, everything=everything)

    async def work(client: Client) -> int:
        if callback:
            return await _replay_one(client, callback, wait=not no_wait)
        return await _replay_all(client, given, wait=not no_wait)

    return access.run(work)


def _check_choice(callback: str | None, given: Where, *, everything: bool) -> None:
    """Raises UsageError where it is left open what to replay: nobody tells everything again by a slip."""
    context = click.get_current_context()
    if callback:
        if given or everything:
            raise click.UsageError("give either the ID of a callback or a filter, not both", context)
        return
    narrowed = given.keys() - {"state"} or given.get("state") == [CallbackState.GIVEN_UP]
    if not (narrowed or everything):
        raise click.UsageError(
            "say which: the ID of a callback, a filter (--state given_up, --host, --from …), or --all", context
        )


async def _replay_one(client: Client, id: str, *, wait: bool) -> int:
    callback = await client.replay_one(id)
    if not wait:
        click.echo(callback_line(callback))
        return 0
    last = await _watched(client.follow_callback(callback["id"]), callback_line)
    return 0 if last["state"] == CallbackState.DONE else 1


async def _replay_all(client: Client, where: Where, *, wait: bool) -> int:
    replay = await client.replay_all(where)
    click.echo(f"replay {replay['id']}")
    if not wait:
        return 0
    last = await _watched(client.follow_replay(replay["id"]), replay_line)
    return 1 if last["progress"][CallbackState.GIVEN_UP] else 0


async def _watched(changes: AsyncIterator[Json], line: Callable[[Json], str]) -> Json:
    """Show each change, on a terminal in the place of the one before, else on a line of its own; the last one."""
    rewritten = sys.stdout.isatty()
    last: Json = {}
    shown = ""
    try:
        async for last in changes:
            if (text := line(last)) != shown:
                click.echo(f"\r{text[: _width()]}\x1b[K" if rewritten else text, nl=not rewritten)
            shown = text
    finally:
        if rewritten:
            click.echo()
    return last


def _width() -> int:
    """Columns of a line that can be rewritten: one that is broken in two cannot."""
    return shutil.get_terminal_size().columns - 1


def _given(where: dict[str, Any]) -> dict[str, str | list[str]]:
    """The options that were given, as parameters of the API."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) for name, value in where.items() if value
    }
