"""The main figure: from the request to the second callback, with nothing lost on the way.

Called by `python -m bench`, and by `compare`. Time runs from when the first message was made to when the last
callback came.
"""

import os
from typing import Final

import msgspec

from bench import load, report
from bench.load import Ingest
from bench.processes import Cpu, Machine
from bench.rig import Kept, Rig, wait_until_ready
from bench.sink import Counts

REFERENCE_SECONDS: Final = 2.0


class Plan(msgspec.Struct, frozen=True):
    """What is done to the gateway."""

    seconds: float
    connections: int
    """Of the load tool."""
    rate: float | None
    """Requests a second; None: as many as are answered."""
    window: int
    """Unanswered submissions at the carrier."""
    own_process: bool | None = None
    """`[callbacks] own_process`; None: as the gateway has it by default."""


class Result(msgspec.Struct, frozen=True):
    plan: Plan
    reference: float
    """Requests a second that a bare ASGI application answered right before."""
    ingest: Ingest
    told: Counts
    kept: Kept
    seconds: float
    """From the first message to the last callback."""
    cpu: dict[str, Cpu]
    """Of each process, while messages were on their way."""
    loop: Cpu
    """Of the gateway's, what its event loop's thread used; the others write and read the store."""
    machine: Machine
    peak: float
    """MiB that the gateway held at the most."""

    @property
    def rate(self) -> float:
        """Messages a second whose two callbacks arrived."""
        return self.told.complete / self.seconds

    @property
    def tools(self) -> float:
        """The share in the benchmark's processor time of all that is not the gateway."""
        return 1 - self.cpu["gateway"].total / sum(cpu.total for cpu in self.cpu.values())

    @property
    def others(self) -> float:
        """The share of the machine that processes used which are not the benchmark's."""
        busy = self.machine.total - self.machine.idle - sum(cpu.total for cpu in self.cpu.values())
        return max(busy, 0.0) / self.machine.total

    @property
    def idle(self) -> float:
        """The share of the machine that nobody used."""
        return self.machine.idle / self.machine.total


def run(plan: Plan, *, profile: bool) -> bool:
    """Measure, print, keep; False where a promise was broken."""
    result, complaints, printed = measure(plan, profile=profile)
    broken = broken_promises(result)
    print(printed, end="")
    report.show("End to end", _rows(result))
    report.quote(complaints)
    for promise in broken:
        print(f"FAILED: {promise}")
    report.keep("end-to-end", result)
    return not broken


def measure(plan: Plan, *, profile: bool = False) -> tuple[Result, list[str], str]:
    """One run: its result, what the gateway complained of, and its profile where one was asked for."""
    with Rig(plan.window, own_process=plan.own_process) as rig:
        reference = _reference(rig, plan.connections)
        smsc = rig.start_smsc()
        gateway = rig.start_gateway(profile=profile)
        children = {"gateway": gateway, "smsc": smsc, "sink": rig.sink}
        wait_until_ready(gateway)
        before = {name: child.cpu() for name, child in children.items()}
        loop, machine = gateway.cpu_of_loop(), Machine.now()
        ingest, tool = load.offer(
            gateway, rig.forms, seconds=plan.seconds, connections=plan.connections, rate=plan.rate
        )
        told = rig.wait_until_told()
        cpu = {name: child.cpu().since(before[name]) for name, child in children.items()} | {"load": tool}
        loop, machine = gateway.cpu_of_loop().since(loop), Machine.now().since(machine)
        _, peak = gateway.memory()
        printed = gateway.end()
        kept, complaints = rig.kept(), gateway.complaints()
    took = max(told.last_at - kept.first_at, 1) / 1e6
    result = Result(plan, reference, ingest, told, kept, took, cpu, loop, machine, peak)
    return result, complaints, printed


def _reference(rig: Rig, connections: int) -> float:
    bare = rig.start_reference()
    ingest, _ = load.offer(bare, rig.forms, seconds=REFERENCE_SECONDS, connections=connections, rate=None)
    bare.end()
    return ingest.rate


def _rows(result: Result) -> list[report.Row]:
    ingest, told, gateway = result.ingest, result.told, result.cpu["gateway"]
    messages = max(told.complete, 1)

    def used(cpu: Cpu) -> str:
        return f"{cpu.total / messages * 1e6:.0f} µs CPU a message, {cpu.total / result.seconds:.2f} cores"

    user, system = gateway.user / messages * 1e6, gateway.system / messages * 1e6
    plan = result.plan
    pace = "as fast as answered" if plan.rate is None else f"{plan.rate:.0f}/s asked for"
    return [
        ("load", f"{plan.connections} connections, {pace}, {ingest.seconds:.1f} s"),
        ("ingest", f"{ingest.rate:,.0f} requests/s; {report.latencies(ingest)}"),
        ("end to end", f"{result.rate:,.0f} messages/s: {told.complete:,} of them in {result.seconds:.1f} s"),
        (
            "reference",
            f"{result.reference:,.0f} requests/s of a bare ASGI application: "
            f"a message is worth {result.reference / result.rate:.1f} of them",
        ),
        ("gateway", f"{used(gateway)}; {user:.0f} µs user, {system:.0f} µs system"),
        ("its event loop", used(result.loop)),
        *((name, used(cpu)) for name, cpu in result.cpu.items() if name != "gateway"),
        ("tools", f"{result.tools:.0%} of the benchmark's CPU"),
        ("machine", f"{os.cpu_count()} cores, {result.idle:.0%} idle, {result.others:.0%} used by others"),
        ("peak memory", f"{result.peak:.0f} MiB"),
    ]


def broken_promises(result: Result) -> list[str]:
    """What should not have happened: every 201 has a message, every message its two callbacks, once, in order."""
    ingest, told, kept = result.ingest, result.told, result.kept
    # A load tool that stops does not wait for its last answers.
    counted = ingest.accepted <= kept.messages <= ingest.accepted + ingest.broken + result.plan.connections
    found = {
        "no message was accepted": ingest.accepted > 0,
        f"{ingest.refused} requests were refused": ingest.refused == 0,
        f"{ingest.broken} requests were never answered": ingest.broken == 0,
        f"{ingest.accepted} messages were accepted, {kept.messages} are kept": counted,
        f"{kept.messages} messages are kept, {kept.delivered} of them delivered": kept.messages == kept.delivered,
        f"{kept.messages} messages are kept, {told.complete} have both callbacks": kept.messages == told.complete,
        f"{told.callbacks} callbacks came, {2 * kept.messages} were to come": told.callbacks == 2 * kept.messages,
        f"{told.repeated} callbacks came twice": told.repeated == 0,
        f"{told.early} messages were told delivered before sent": told.early == 0,
        f"{told.unexpected} callbacks were neither sent nor delivered": told.unexpected == 0,
        f"{kept.callbacks_owed} callbacks are still owed": kept.callbacks_owed == 0,
    }
    return [promise for promise, kept_it in found.items() if not kept_it]
