"""`python -m bench`, which `make bench` runs: what the gateway does on this machine, measured from outside.

Without a command, end to end; `backlog` and `micro` are the other two. The gateway's settings can be overridden in
the environment as always: `TIDINGS_CALLBACKS_CONCURRENCY=64 make bench`.
"""

import signal
import sys

import click

from bench import backlog, end_to_end, micro
from bench.processes import BenchmarkError


@click.group(invoke_without_command=True)
@click.option("--seconds", default=10, show_default=True, help="How long to load it.")
@click.option("--connections", default=64, show_default=True, help="HTTP connections of the load tool.")
@click.option("--rate", type=float, help="Requests a second; without it, as many as are answered.")
@click.option("--window", default=500, show_default=True, help="Unanswered submissions at the carrier.")
@click.option("--profile", is_flag=True, help="Show where the gateway's event loop spends its time (much slower).")
@click.pass_context
def main(
    context: click.Context, seconds: int, connections: int, rate: float | None, window: int, profile: bool
) -> None:
    """End to end: load tool → gateway → SMSC → receipts → status callbacks. Fails where anything is lost."""
    if context.invoked_subcommand is None:
        well = end_to_end.run(seconds=seconds, connections=connections, rate=rate, window=window, profile=profile)
        sys.exit(not well)


@main.command("backlog")
@click.option("--messages", default=1_000_000, show_default=True, help="How many wait for the carrier.")
@click.option("--seconds", default=10, show_default=True, help="How long to watch it drain.")
def backlog_command(messages: int, seconds: int) -> None:
    """Memory with a backlog that waits for a carrier that is down, and how fast it drains."""
    sys.exit(not backlog.run(messages=messages, seconds=seconds))


@main.command("micro")
def micro_command() -> None:
    """What single operations cost."""
    micro.run()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is ended, as with Ctrl-C
    try:
        main(prog_name="python -m bench")
    except BenchmarkError as error:
        sys.exit(f"bench: {error}")
