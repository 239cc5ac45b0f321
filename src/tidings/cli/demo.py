"""`tidings demo`, which `make run` calls: one message through a whole gateway, told as it happens.

Everything is real: the store on disk, the SMPP connection to the simulated carrier, the official `twilio` package
that sends and that checks the signatures of the callbacks. Only the carrier's subscribers are not.
"""

import asyncio
import errno
import os
import socket
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from tidings import __version__, telemetry
from tidings.app import Gateway
from tidings.cli.client import Client
from tidings.cli.data import Lock, locked
from tidings.cli.hosting import listener_at, serving, unless_stopped, url_of
from tidings.cli.receiver import Received, Receiver
from tidings.cli.serve import curl_line, logging_options
from tidings.cli.timeline import clock, line, seconds_between
from tidings.clock import SystemClock, iso
from tidings.ids import sid
from tidings.lifecycle import FINAL, Status
from tidings.model import Account
from tidings.provision import development_account, make_clock, open_store
from tidings.server import listen, serve
from tidings.settings import NUMBERS, load

PORT: Final = 8080
LOOK_AGAIN: Final = 0.02
"""Seconds between two looks at the message's history."""
BODY: Final = "Hello from Tidings"


@click.command(short_help="Send one message through a whole gateway and watch it arrive.")
@click.option("--once", is_flag=True, help="End with the message: status 0 once it is delivered, 1 if it is not.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port of the gateway.  [default: {PORT}, or any where it is taken]",
)
@click.option("--to", "recipient", default="+15551230200", show_default=True, metavar="NUMBER", help="Recipient.")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data directory to keep.  [default: a fresh one, removed at the end]",
)
@click.option(
    "--timeout", default=15.0, show_default=True, metavar="SECONDS", help="How long the message may take."
)
@logging_options("warning")
def demo(
    once: bool,
    port: int | None,
    recipient: str,
    timeout: float,
    data: Path | None,
    log_level: str,
    log_format: telemetry.Form,
) -> int:
    """Start a gateway with the simulated carrier, send one message through its API with the official twilio
    package, and print what happens: each status, and each callback with its signature verified.

    Then it keeps serving until Ctrl-C, and says where and with which credentials. The last four digits of the
    recipient choose what the carrier does: 0200 delivers, 0403 blocks, 0202 never sends a receipt.
    """
    telemetry.configure(log_level, log_format)
    if find_spec("twilio") is None:
        raise click.ClickException(
            "the demo sends with the official twilio package, which is not installed: pip install 'tidings[demo]'"
        )
    with ExitStack() as held:
        directory = data or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="tidings-demo-")))
        lock = held.enter_context(locked(directory))
        show = _demo(_listener(port), directory, lock, recipient, timeout, once=once, kept=data is not None)
        return uvloop.run(show)


def _listener(port: int | None) -> socket.socket:
    if port is not None:
        return listener_at("127.0.0.1", port)
    try:
        return listen("127.0.0.1", PORT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return listener_at("127.0.0.1", 0)


async def _demo(
    listener: socket.socket, data: Path, lock: Lock, recipient: str, patience: float, *, once: bool, kept: bool
) -> int:
    settings = load(None)
    gateway = Gateway(settings, open_store(settings.store.url, data), make_clock(settings.server))
    url = url_of(listener)
    gateway.serve_at(url)
    callbacks = listener_at("127.0.0.1", 0)
    show = _Show(url, f"{url_of(callbacks)}/status")

    async def perform(stop: asyncio.Event) -> None:
        lock.tell(url)
        account = await development_account(gateway.store, gateway.clock, os.environ)
        place = f"data in {data}{'' if kept else ', removed at the end'}"
        click.echo(f"Tidings {__version__} listens on {url} (simulated carrier over SMPP; {place})")
        show.belongs_to(account)
        await unless_stopped(stop, show.perform(recipient, patience))
        if not (once or stop.is_set()):
            click.echo(_what_next(url, show.callback_url, account))
            await unless_stopped(stop, show.print_callbacks())

    # The receiver outlives the gateway, which tells what it still owes before it ends.
    async with serving(Receiver(show.take), callbacks):
        await serve(gateway, listener, perform)
    return 0 if show.delivered or not once else 1


class _Show:
    """One message, from the application's side and from the gateway's."""

    def __init__(self, url: str, callback_url: str) -> None:
        self.callback_url = callback_url
        self.delivered = False
        """And every callback told so with the right signature."""
        self._url = url
        self._waiting: asyncio.Queue[tuple[str, Received, bool]] = asyncio.Queue()
        self._verified = self._wrong = 0

    def belongs_to(self, account: Account) -> None:
        from twilio.request_validator import RequestValidator

        self._sid, self._token = sid("AC", account.id), account.auth_token
        self._validator = RequestValidator(account.auth_token)

    # --- the application's end
    def take(self, received: Received) -> bool:
        valid: bool = self._validator.validate(received.url, dict(received.params), received.signature)
        self._verified += valid
        self._wrong += not valid
        self._waiting.put_nowait((clock(iso(SystemClock().now())), received, valid))
        return valid

    async def print_callbacks(self) -> None:
        while True:
            self._print_callback(*await self._waiting.get())

    def _print_callback(self, at: str, received: Received, valid: bool) -> None:
        signature = "signature verified" if valid else "SIGNATURE WRONG"
        code = f", ErrorCode {code}" if (code := received.get("ErrorCode")) else ""
        click.echo(f"{at}    callback   {received.get('MessageStatus')}{code}: {signature}")

    # --- the message
    async def perform(self, recipient: str, patience: float) -> None:
        """Send it and tell what happens, until its end and that of its callbacks, or for so many seconds."""
        import twilio

        click.echo(f'twilio-python {twilio.__version__} sends "{BODY}" from {NUMBERS[0]} to {recipient}\n')
        try:
            async with Client(self._url, self._sid, self._token) as client, asyncio.timeout(patience):
                await client.until_ready()
                message = await asyncio.to_thread(self._create, recipient)
                events = await self._tell(client, message)
        except TimeoutError:
            click.echo(f"\nIt did not come to its end within {patience:g} s.")
            return
        status, took = events[-1]["status"], seconds_between(events[0], events[-1])
        self.delivered = status == Status.DELIVERED and not self._wrong
        signed = f"{self._verified} of {self._verified + self._wrong} callbacks had a valid X-Twilio-Signature"
        click.echo(f"\n{message} was {status} after {took:.3f} s; {signed}.")

    def _create(self, recipient: str) -> str:
        """Send with the official client, which blocks."""
        from twilio.base.exceptions import TwilioException
        from twilio.rest import Client as TwilioClient

        client = TwilioClient(self._sid, self._token)
        client.api.base_url = self._url
        try:
            message = client.messages.create(
                to=recipient, from_=NUMBERS[0], body=BODY, status_callback=self.callback_url
            )
        except TwilioException as error:
            reason = f"error {code}: " if (code := getattr(error, "code", None)) else ""
            raise click.ClickException(f"the gateway refused it: {reason}{getattr(error, 'msg', error)}") from None
        return str(message.sid)

    async def _tell(self, client: Client, message: str) -> list[dict[str, Any]]:
        """Print events and callbacks until the status is final and every callback has come; the events."""
        shown = told = 0
        while True:
            callbacks = [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
            # Asked for after the callbacks were taken: it holds the events that they tell of.
            history = await client.history(message)
            events: list[dict[str, Any]] = history["events"]
            for event in events[shown:]:
                click.echo(line(event))
            for callback in callbacks:
                self._print_callback(*callback)
            shown, told = len(events), told + len(callbacks)
            if events[-1]["status"] in FINAL and told >= len(history["callbacks"]):
                return events
            await asyncio.sleep(LOOK_AGAIN)


def _what_next(url: str, callback_url: str, account: Account) -> str:
    owner = sid("AC", account.id)
    return f"""
The gateway goes on serving until Ctrl-C:

  URL          {url}
  account SID  {owner}
  auth token   {account.auth_token}
  numbers      {NUMBERS[0]}, {NUMBERS[1]} to {NUMBERS[-1]}

Send another one from Python (its callbacks are printed here):

  from twilio.rest import Client
  client = Client("{owner}", "{account.auth_token}")
  client.api.base_url = "{url}"
  client.messages.create(to="+15551230403", from_="{NUMBERS[0]}", body="Hello",
                         status_callback="{callback_url}")

or from the shell:

  {curl_line(url, account)}

and see its whole history: curl -u {owner}:{account.auth_token} {url}/v1/messages/SM…/events
"""
