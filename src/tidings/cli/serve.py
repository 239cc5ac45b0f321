"""`tidings serve`: the gateway, until SIGTERM or SIGINT; both finish what is in flight first.

With --tls, or a certificate in the settings, it serves https and wss on a second port.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click
import msgspec
import uvloop

from tidings import __version__, telemetry
from tidings.app import Gateway
from tidings.cli.data import Lock, config_option, data_option, locked
from tidings.cli.hosting import listener_at, named_place_of, unless_stopped, until_ready, url_of
from tidings.cli.tls_lines import secured_lines
from tidings.clock import SystemClock
from tidings.ids import dashed, sid
from tidings.model import Account
from tidings.provision import development_account, development_test_account, make_clock, open_store
from tidings.server import Secured
from tidings.server import serve as run
from tidings.settings import NUMBERS, Server, Settings, load
from tidings.tls import Brought, LocalAuthority, Pair, ShownCertificate, Source, server_names

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
@click.option(
    "--tls",
    is_flag=True,
    help="Serve https and wss as well, by a certificate made here, and print what clients need to trust it.",
)
@click.option(
    "--tls-port",
    type=click.IntRange(0, 65535),
    help="Port of https and wss, 0 for any.  [default: the settings', else 8443]",
)
@click.option(
    "--tls-name",
    "tls_names",
    multiple=True,
    metavar="NAME",
    help="One more name or address that the certificate is for; may be given several times.",
)
@logging_options("info")
def serve(
    config: Path | None,
    data: Path,
    host: str | None,
    port: int | None,
    tls: bool,
    tls_port: int | None,
    tls_names: tuple[str, ...],
    log_level: str,
    log_format: telemetry.Form,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, which finish what is in flight first.

    Without --config it is the development setting: the simulated carrier, callbacks to this machine allowed, a
    clock that can be wound, and one account, whose credentials are printed. TIDINGS_ACCOUNT_SID and
    TIDINGS_AUTH_TOKEN fix them. A second one is for rehearsals: what is sent with its credentials is only checked.
    """
    telemetry.configure(log_level, log_format)
    settings = load(config)
    given = {"host": host, "port": port, "tls_port": tls_port}
    server = msgspec.structs.replace(settings.server, **{k: v for k, v in given.items() if v is not None})
    settings = msgspec.structs.replace(settings, server=server)
    certificates = _certificates(server, tls, tls_port, tls_names, data)
    with locked(data) as lock:
        uvloop.run(_serve(settings, data, lock, config, certificates))


def _certificates(
    server: Server, tls: bool, tls_port: int | None, names: tuple[str, ...], data: Path
) -> Source | None:
    """Where the certificate of the https port comes from; None where there is no such port."""
    if server.tls_certificate:
        if names:
            raise click.UsageError("--tls-name is for certificates made here, and the settings bring one")
        return Brought(Pair(Path(server.tls_certificate), Path(server.tls_key)))
    if not tls:
        if names or tls_port is not None:
            raise click.UsageError("--tls-name and --tls-port are for --tls")
        return None
    public = urlsplit(server.public_url).hostname
    try:
        return LocalAuthority(data / "tls", server_names(server.host, public, *names))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


async def _serve(
    settings: Settings, data: Path, lock: Lock, config: Path | None, certificates: Source | None
) -> None:
    listener = listener_at(settings.server.host, settings.server.port)
    url = url_of(listener)
    gateway = Gateway(settings, open_store(settings.store.url, data), make_clock(settings.server))
    gateway.serve_at(url)
    secured = None
    if certificates:
        # Clients look at certificates by their own time, however far this gateway's was wound.
        shown = ShownCertificate(certificates, SystemClock())
        secured = Secured(listener_at(settings.server.host, settings.server.tls_port, "--tls-port"), shown)

    async def announce(stop: asyncio.Event) -> None:
        lock.tell(url)
        if config is None:
            account = await development_account(gateway.store, gateway.clock, os.environ)
            test = await development_test_account(gateway.store, gateway.clock)
            await unless_stopped(stop, until_ready(gateway))
            click.echo(development_banner(url, data, account, test))
        else:
            click.echo(f"Tidings {__version__} listens on {url} (settings {config}, data {data})")
        if secured:
            certificate = secured.certificate
            at = named_place_of(secured.listener)
            click.echo(secured_lines(at, certificate.pair.certificate, certificate.authority))
        await stop.wait()

    await run(gateway, listener, announce, secured)


def development_banner(url: str, data: Path, account: Account, test: Account) -> str:
    return f"""\
Tidings {__version__} listens on {url} (development setting: simulated carrier, data in {data})

  account SID  {sid("AC", account.id)}
  project ID   {dashed(account.id)}
  auth token   {account.auth_token}
  signing key  {account.signing_key or account.auth_token}
  numbers      {NUMBERS[0]}, {NUMBERS[1]} to {NUMBERS[-1]}
  test SID     {sid("AC", test.id)}
  test token   {test.auth_token} (what is sent with these is only checked)

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
