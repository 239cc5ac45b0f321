"""`tidings smsc`: the simulated carrier as an SMSC of its own, for whoever needs one to test against."""

import asyncio
import time
from pathlib import Path

import click
import msgspec
import uvloop

from tidings import telemetry
from tidings.carriers.simulator.counts import Counts
from tidings.carriers.simulator.ledger import Submitted
from tidings.carriers.simulator.numbers import NUMBERS
from tidings.carriers.simulator.scenario import PROFILES, Scenario, load, profile
from tidings.carriers.simulator.server import Settings, Smsc
from tidings.carriers.smpp.command_status import name
from tidings.cli.hosting import cannot_listen, stop_on_signals, unless_stopped
from tidings.cli.serve import logging_options

BETWEEN_SUMMARIES = 5.0
"""Seconds, at the least, and only while something happens."""


@click.command(
    short_help="Run the simulated carrier alone: a test SMSC on a TCP port.",
    epilog=f"Destinations that always behave the same, by their last four digits: "
    f"{', '.join(f'{digits} {outcome}' for digits, outcome in NUMBERS.items())}; all others are delivered.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=2775, show_default=True, help="Port, 0 for any.")
@click.option(
    "--scenario",
    default="healthy",
    show_default=True,
    metavar="NAME|FILE",
    help=f"What happens to submissions: {', '.join(PROFILES)}, or a TOML file.",
)
@click.option("--system-id", help="Let in only clients that bind as this one.")
@click.option("--password", help="... and with this password.")
@click.option(
    "--window", type=click.IntRange(1), default=100, show_default=True, help="Unacknowledged receipts a bind."
)
@click.option(
    "--log",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a line of JSON for each submission, before it is answered.",
)
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each submission.")
@logging_options("warning")
def smsc(
    host: str,
    port: int,
    scenario: str,
    system_id: str | None,
    password: str | None,
    window: int,
    log: Path | None,
    verbose: bool,
    log_level: str,
    log_format: telemetry.Form,
) -> None:
    """Run an SMSC that takes submissions over SMPP 3.4 and does to each what its scenario says.

    While something happens it prints counts every few seconds; Ctrl-C prints them once more and ends it.
    """
    telemetry.configure(log_level, log_format)
    played = _scenario(scenario)
    settings = Settings(system_id=system_id, password=password, window=window, submitted=log)
    uvloop.run(_run(host, port, scenario, played, settings, verbose=verbose))


def _scenario(name_or_file: str) -> Scenario:
    return profile(name_or_file) if name_or_file in PROFILES else load(Path(name_or_file))


async def _run(
    host: str, port: int, scenario: str, played: Scenario, settings: Settings, *, verbose: bool
) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    center = Smsc(
        played, settings, observe=(lambda submitted: lines.put_nowait(_line(submitted))) if verbose else None
    )
    stop = stop_on_signals()
    try:
        chosen = await center.start(host, port)
    except OSError as error:
        if error.filename is not None:  # the log, not the port
            raise
        raise cannot_listen(host, port, error) from None
    try:
        asked = f"system_id {settings.system_id}" if settings.system_id else "any system_id"
        click.echo(f"SMSC listens on {host}:{chosen}, scenario {scenario}, {asked}")
        await unless_stopped(stop, _print_lines(lines) if verbose else _print_counts(center))
    finally:
        await center.stop()
    click.echo(summary(center.counts))


async def _print_lines(lines: asyncio.Queue[str]) -> None:
    while True:
        click.echo(await lines.get())


async def _print_counts(center: Smsc) -> None:
    while True:
        before, since = msgspec.structs.replace(center.counts), time.monotonic()
        await center.until(before.__ne__)
        await asyncio.sleep(BETWEEN_SUMMARIES)
        rate = (center.counts.submitted - before.submitted) / (time.monotonic() - since)
        click.echo(f"{summary(center.counts)} ({rate:.0f} submissions/s)")


def summary(counts: Counts) -> str:
    return (
        f"{counts.binds} binds; {counts.submitted} submitted: {counts.accepted} accepted, "
        f"{counts.refused} refused; {counts.delivered} receipts sent, {counts.acknowledged} acknowledged"
    )


def _line(submitted: Submitted) -> str:
    part = f" part {submitted.part}/{submitted.parts}" if submitted.parts > 1 else ""
    answer = f"id {submitted.message_id}" if submitted.message_id else _refusal(submitted)
    text = repr(submitted.text)
    return f"{submitted.system_id}: {submitted.source} -> {submitted.destination}{part} {text}: {answer}"


def _refusal(submitted: Submitted) -> str:
    if submitted.status:
        return f"{name(submitted.status)} (0x{submitted.status:02X})"
    return f"answered with {submitted.answer}"
