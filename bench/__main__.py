"""`python -m bench`, which `make bench` runs: what the gateway does on this machine, measured from outside.

Without a command, end to end; the others are beside it. The gateway's settings can be overridden in
the environment as always: `TIDINGS_CALLBACKS_CONCURRENCY=64 make bench`.
"""

import signal
import sys

import click

from bench import backlog, callbacks, compare, end_to_end, fairness, micro, punctual, transport
from bench.end_to_end import Plan
from bench.processes import BenchmarkError


@click.group(invoke_without_command=True)
@click.option("--seconds", default=10, show_default=True, help="How long to load it.")
@click.option("--connections", default=64, show_default=True, help="HTTP connections of the load tool.")
@click.option("--rate", type=float, help="Requests a second; without it, as many as are answered.")
@click.option("--window", default=500, show_default=True, help="Unanswered submissions at the carrier.")
@click.option("--own-process/--no-own-process", default=None, help="Callbacks in a process of their own, or not.")
@click.option("--profile", is_flag=True, help="Show where the gateway's event loop spends its time (much slower).")
@click.pass_context
def main(
    context: click.Context,
    seconds: int,
    connections: int,
    rate: float | None,
    window: int,
    own_process: bool | None,
    profile: bool,
) -> None:
    """End to end: load tool → gateway → SMSC → receipts → status callbacks. Fails where anything is lost."""
    if context.invoked_subcommand is None:
        plan = Plan(seconds, connections, rate, window, own_process)
        sys.exit(not end_to_end.run(plan, profile=profile))


@main.command("compare")
@click.option("--seconds", default=5, show_default=True, help="How long to load it in each run.")
@click.option("--turns", default=3, show_default=True, help="Runs of either kind.")
@click.option("--connections", default=64, show_default=True, help="HTTP connections of the load tool.")
@click.option("--window", default=500, show_default=True, help="Unanswered submissions at the carrier.")
def compare_command(seconds: int, turns: int, connections: int, window: int) -> None:
    """End to end with callbacks in the gateway's own process, and in one beside it, in turns."""
    sys.exit(not compare.run(Plan(seconds, connections, None, window), turns=turns))


@main.command("callbacks")
@click.option("--owed", default=100_000, show_default=True, help="Callbacks owed to one dead host; 0: no such.")
@click.option("--hosts", default=10_000, show_default=True, help="Dead hosts, each owed a few; 0: no such.")
@click.option("--hanging", default=20, show_default=True, help="How many in a hundred of those never answer.")
@click.option("--turns", default=2, show_default=True, help="Turns with one dead host.")
@click.option("--seconds", default=4, show_default=True, help="How long the healthy host is told things.")
@click.option("--rate", default=150.0, show_default=True, help="Messages a second that it is told of, twice each.")
def callbacks_command(owed: int, hosts: int, hanging: int, turns: int, seconds: int, rate: float) -> None:
    """How long a healthy host waits for its callbacks beside dead ones, and the memory that those take."""
    sys.exit(not callbacks.run(callbacks.Plan(owed, hosts, hanging, turns, seconds, rate)))


@main.command("backlog")
@click.option("--messages", default=1_000_000, show_default=True, help="How many wait for the carrier.")
@click.option("--seconds", default=10, show_default=True, help="How long to watch it drain.")
def backlog_command(messages: int, seconds: int) -> None:
    """Memory with a backlog that waits for a carrier that is down, and how fast it drains."""
    sys.exit(not backlog.run(messages=messages, seconds=seconds))


@main.command("fairness")
@click.option("--backlog", default=500_000, show_default=True, help="Messages of another account that wait.")
@click.option("--turns", default=2, show_default=True, help="Runs with the backlog, and without it.")
@click.option("--seconds", default=10, show_default=True, help="How long messages are sent beside it.")
@click.option("--rate", default=20.0, show_default=True, help="Messages a second that are sent beside it.")
@click.option("--throughput", default=500.0, show_default=True, help="Segments a second that the carrier takes.")
def fairness_command(backlog: int, turns: int, seconds: int, rate: float, throughput: float) -> None:
    """How long one account's messages take to the carrier, beside a backlog of another account."""
    sys.exit(not fairness.run(fairness.Plan(backlog, turns, seconds, rate, throughput)))


@main.command("punctual")
@click.option("--each", default=200, show_default=True, help="Messages that are due at each full second.")
@click.option("--turns", default=2, show_default=True, help="Runs beside load, and without any.")
@click.option("--seconds", default=10, show_default=True, help="For how many seconds messages come due.")
@click.option("--connections", default=64, show_default=True, help="HTTP connections of the load tool.")
def punctual_command(each: int, turns: int, seconds: int, connections: int) -> None:
    """How long after their time scheduled messages are queued, and are with the carrier. Fails over a second."""
    sys.exit(not punctual.run(punctual.Plan(each, turns, seconds, connections)))


@main.command("micro")
def micro_command() -> None:
    """What single operations cost."""
    micro.run()


@main.command("transport")
def transport_command() -> None:
    """What one callback request costs, beside aiohttp and a bare event loop."""
    sys.exit(not transport.run())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is ended, as with Ctrl-C
    try:
        main(prog_name="python -m bench")
    except BenchmarkError as error:
        sys.exit(f"bench: {error}")
