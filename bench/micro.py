"""What single operations cost: the steps that every message takes, each in a loop of its own.

Called by `python -m bench micro`. The best of some rounds counts: what disturbs a round only makes it slower.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from timeit import Timer
from typing import Final

import uvloop

from bench import report
from bench.processes import Child
from bench.rig import RESULTS
from bench.sample import ACCOUNT, BODY, NOW, URL, event, message, telling
from tidings import text
from tidings.callbacks import forms
from tidings.callbacks.guard import Guard
from tidings.callbacks.signing import twilio_signature
from tidings.callbacks.transport import Transport
from tidings.carriers.smpp import pdu, profile, receipt
from tidings.carriers.smpp.pdu import Command, ShortMessage
from tidings.dialects import twilio, twilio_orders
from tidings.ids import new_id
from tidings.lifecycle import Status
from tidings.model import Standing
from tidings.store.base import Change
from tidings.store.sqlite import SqliteStore

ROUNDS: Final = 5
ROUND_SECONDS: Final = 0.1
POSTS: Final = 3000
CONNECTIONS: Final = 32
COMMITS: Final = 10_000
ROWS: Final = 2
"""In one of those commits: a message and its event."""
COMMITTERS: Final = 250
"""Who wait for their commits at the same time."""


def run() -> None:
    """Measure, print, keep: microseconds by operation."""
    costs = {name: _cost(operation) for name, operation in _operations().items()}
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=RESULTS) as directory:
        costs |= uvloop.run(_commit(Path(directory)))
        costs |= _callbacks(Path(directory))
    report.show("Operations", [(name, f"{cost:8.2f} µs") for name, cost in costs.items()])
    print(f"  The store keeps {ROWS / costs['store.commit, elapsed'] * 1e6:,.0f} rows/s.")
    report.keep("micro", costs)


def _cost(operation: Callable[[], object]) -> float:
    timer = Timer(operation)
    count = max(1, int(ROUND_SECONDS / max(timer.timeit(100) / 100, 1e-8)))
    return min(timer.repeat(ROUNDS, count)) / count * 1e6


def _operations() -> dict[str, Callable[[], object]]:
    asked = message()
    told, owed = event(asked), telling(asked)
    standing = Standing(asked.id, Status.QUEUED, 1, NOW, carrier="main", due_at=NOW)
    params = [("To", asked.recipient), ("From", asked.sender), ("Body", BODY), ("StatusCallback", URL)]
    form = twilio.callback_params(asked, told)
    submit = ShortMessage(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr="15552230000",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="15551239999",
        registered_delivery=1,
        short_message=text.encode_gsm7(BODY),
    )
    submit_frame = pdu.encode(Command.SUBMIT_SM, 1, submit)
    said = (
        b"id:1234567890 sub:001 dlvrd:001 submit date:2611211728 done date:2611211728 stat:DELIVRD err:000 text:"
    )
    tlvs: dict[int, bytes] = {pdu.Tag.RECEIPTED_MESSAGE_ID: b"1234567890\0", pdu.Tag.MESSAGE_STATE: b"\x02"}
    deliver_frame = pdu.encode(Command.DELIVER_SM, 1, ShortMessage(esm_class=4, short_message=said), tlvs=tlvs)
    rules = profile.load("simulator")

    def parse_receipt() -> object:
        return receipt.parse(
            carrier="main",
            received_at=NOW,
            source="15551239999",
            destination="15552230000",
            esm_class=4,
            text=said,
            tlvs=tlvs,
            raw=deliver_frame.hex(),
            profile=rules,
        )

    return {
        "text.measure": lambda: text.measure(BODY),
        "text.measure, UCS-2": lambda: text.measure(BODY + "✓"),
        "twilio_orders.parse_create": lambda: twilio_orders.parse_create(params),
        "twilio.message_json": lambda: twilio.message_json(asked, standing),
        "ids.new_id": lambda: new_id(NOW),
        "pdu.encode submit_sm": lambda: pdu.encode(Command.SUBMIT_SM, 1, submit),
        "pdu.decode submit_sm": lambda: pdu.decode(submit_frame),
        "pdu.decode deliver_sm": lambda: pdu.decode(deliver_frame),
        "receipt.parse": parse_receipt,
        "signing.twilio_signature": lambda: twilio_signature(ACCOUNT.auth_token, URL, form),
        "forms.compose": lambda: forms.compose(owed),
    }


async def _commit(directory: Path) -> dict[str, float]:
    """What it takes to keep one new message with its event, where many come at once."""
    store = SqliteStore(directory / "commit.db")
    await store.open()
    changes = []
    for _ in range(COMMITS):
        made = message()
        change = Change()
        change.messages.append(made)
        change.standings.append(Standing(made.id, Status.QUEUED, 1, NOW, carrier="main", due_at=NOW))
        change.events.append(event(made, Status.QUEUED))
        changes.append(change)

    async def keep(mine: list[Change]) -> None:
        for change in mine:
            await store.commit(change)

    began, used = time.perf_counter(), time.thread_time()
    await asyncio.gather(*(keep(changes[first::COMMITTERS]) for first in range(COMMITTERS)))
    taken, used = time.perf_counter() - began, time.thread_time() - used
    await store.close()
    return {"store.commit, elapsed": taken / COMMITS * 1e6, "store.commit, CPU of the loop": used / COMMITS * 1e6}


def _callbacks(directory: Path) -> dict[str, float]:
    sink = Child("sink", directory)
    try:
        return uvloop.run(_post(f"http://127.0.0.1:{sink.port}/status"))
    finally:
        sink.kill()


async def _post(url: str) -> dict[str, float]:
    """What one callback costs the event loop's thread, kept-alive connections in use all the time."""
    transport = Transport(Guard(allow_private=True))
    request = forms.compose(telling(message(url)))

    async def post(count: int) -> None:
        for _ in range(count):
            await transport.send(request)

    await asyncio.gather(*(post(1) for _ in range(CONNECTIONS)))
    used = time.thread_time()
    await asyncio.gather(*(post(POSTS // CONNECTIONS) for _ in range(CONNECTIONS)))
    used = time.thread_time() - used
    await transport.close()
    return {"transport.send, CPU": used / (POSTS // CONNECTIONS * CONNECTIONS) * 1e6}
