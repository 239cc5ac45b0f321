"""`tidings serve`: the gateway, until SIGTERM or SIGINT; both finish what is in flight first."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec
import uvloop

from tidings import __version__, telemetry
from tidings.app import Gateway, development_account, open_store
from tidings.cli.data import Lock, config_option, data_option, locked
from tidings.cli.hosting import listener_at, unless_stopped, until_ready, url_of
from tidings.clock import SystemClock
from tidings.ids import sid
from tidings.model import Account
from tidings.server import serve as run
from tidings.settings import NUMBERS, Settings, load

F = TypeVar("F", bound=Callable[..., object])


def logging_options(level: str) -> Callable[[F], F]:
    """--log-level, with this default, and --log-format."""

    def decorate(command: F) -> F:
        command = click.option(
            "--log-format",
            type=click.Choice(["human", "json"]),
            default="human",
            show_default=True,
            help="How log lines on stderr are written.",
        )(command)
        return click.option(
            "--log-level",
            type=click.Choice(telemetry.LEVELS),
            default=level,
            show_default=True,
            help="The least that is logged.",
        )(command)

    return decorate


@click.command(short_help="Run the gateway.")
@config_option
@data_option
@click.option("--host", help="Address to listen on.  [default: the settings', else 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port, 0 for any.  [default: the settings', else 8080]"
)
@logging_options("info")
def serve(
    config: Path | None, data: Path, host: str | None, port: int | None, log_level: str, log_format: telemetry.Form
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, which finish what is in flight first.

    Without --config it is the development setting: the simulated carrier, callbacks to this machine allowed, and
    one account, whose credentials are printed. TIDINGS_ACCOUNT_SID and TIDINGS_AUTH_TOKEN fix them.
    """
    telemetry.configure(log_level, log_format)
    settings = load(config)
    given = {"host": host, "port": port}
    server = msgspec.structs.replace(settings.server, **{k: v for k, v in given.items() if v is not None})
    settings = msgspec.structs.replace(settings, server=server)
    with locked(data) as lock:
        uvloop.run(_serve(settings, data, lock, config))


async def _serve(settings: Settings, data: Path, lock: Lock, config: Path | None) -> None:
    listener = listener_at(settings.server.host, settings.server.port)
    url = url_of(listener)
    gateway = Gateway(settings, open_store(settings.store.url, data), SystemClock())

    async def announce(stop: asyncio.Event) -> None:
        lock.tell(url)
        if config is None:
            account = await development_account(gateway.store, gateway.clock, os.environ)
            await unless_stopped(stop, until_ready(gateway))
            click.echo(development_banner(url, data, account))
        else:
            click.echo(f"Tidings {__version__} listens on {url} (settings {config}, data {data})")
        await stop.wait()

    await run(gateway, listener, announce)


def development_banner(url: str, data: Path, account: Account) -> str:
    return f"""\
Tidings {__version__} listens on {url} (development setting: simulated carrier, data in {data})

  account SID  {sid("AC", account.id)}
  auth token   {account.auth_token}
  numbers      {NUMBERS[0]}, {NUMBERS[1]} to {NUMBERS[-1]}

Send a message:

  {curl_line(url, account)}
"""


def curl_line(url: str, account: Account) -> str:
    """A message to a number that is always delivered."""
    owner = sid("AC", account.id)
    return (
        f"curl -u {owner}:{account.auth_token} {url}/2010-04-01/Accounts/{owner}/Messages.json"
        f" --data-urlencode From={NUMBERS[0]} --data-urlencode To=+15551230200 -d Body=Hello"
    )
