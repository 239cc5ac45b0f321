"""The command line: `tidings VERB …`. Each verb is a module of this room, imported only when it is asked for.

`main` is the console script and `python -m tidings`. Whatever ends a verb early ends here: as one line on stderr,
and a status of 1, or 2 where the command line itself was wrong.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from tidings import __version__

VERBS: Final = {
    "serve": "Run the gateway.",
    "demo": "Send one message through a whole gateway and watch it arrive.",
    "send": "Send a message through a running gateway.",
    "listen": "Receive status callbacks and check their signatures.",
    "inbound": "Have a handset of the simulated carrier write to a number.",
    "numbers": "Say who answers the messages that come in to a number.",
    "opt-outs": "See who wants no more messages, change the list, import and export it.",
    "clock": "Say what time it is for a gateway, and wind it ahead in development.",
    "callbacks": "List callbacks, see each attempt, tell again what was given up.",
    "explain-signature": "Say exactly what was signed in an attempt at a callback.",
    "smsc": "Run the simulated carrier alone: a test SMSC on a TCP port.",
    "account": "Make accounts, list them, change their secrets and callbacks.",
    "explain": "Say how a receipt's text or a PDU is read, and what it leads to.",
}
"""Verb, and what it is for. Module and command have its name, with _ for -."""


class _Verbs(click.Group):
    """Lists verbs without importing what they need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"tidings.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, subcommand_metavar="VERB …", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="Tidings %(version)s")
def tidings() -> None:
    """A messaging gateway: applications speak Twilio's API to it, SMPP carriers stand behind it.

    Begin with `tidings demo`, or with `tidings serve`, which needs no settings to try things out.
    `tidings VERB --help` tells more about each verb.
    """


def main() -> None:
    """Run the command line and leave with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The status that a command line ends with."""
    try:
        status = tidings.main(list(arguments), prog_name="tidings", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "tidings"
        return _complain(f"{error.format_message()} (see {path} --help)", 2)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except click.Abort:
        return 130  # as a shell says of a program that SIGINT ended
    except BrokenPipeError:
        # Whoever read our output has read enough. Nothing is left to be flushed at exit, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from tidings.cli.expected import EXPECTED

        if not isinstance(error, EXPECTED):
            raise
        return _complain(str(error), 1)
    return status if isinstance(status, int) else 0


def _complain(what: str, status: int) -> int:
    click.echo(f"tidings: {' '.join(what.split())}", err=True)
    return status
