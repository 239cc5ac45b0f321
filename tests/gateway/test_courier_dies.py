"""The courier under a gateway: killed, it costs nobody a callback; signals meant for the gateway pass it by."""

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tidings import apart
from tidings.callbacks import lanes
from tidings.callbacks.courier import Courier
from tidings.lifecycle import Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

pytestmark = pytest.mark.timeout(20)
MESSAGES = 40


def courier_of(site: "Site") -> int:
    """The process id of a gateway's courier."""
    courier = site.gateway.attempts.others
    assert isinstance(courier, Courier)
    process = courier._apart._process
    assert process is not None
    return process.pid


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaced, and told again, at once."""
    monkeypatch.setattr(apart, "RESTART_AFTER", 0.0)
    monkeypatch.setattr(lanes, "AFTER_A_FAULT", 0.01)


@pytest.mark.parametrize("at_call", [1, 25])
async def test_every_event_arrives_in_order_though_the_courier_is_killed(bench: "Bench", at_call: int) -> None:
    bench.callbacks = {"own_process": True}
    centre, site = await bench.pair()
    first = courier_of(site)

    def answer(_: str) -> int:
        if len(bench.app.told) + 1 == at_call:
            os.kill(first, signal.SIGKILL)
        return 204

    bench.app.answer = answer
    centre.answer_all()
    messages = [await site.send() for _ in range(MESSAGES)]
    for number in range(1, MESSAGES + 1):
        await centre.receipt(await centre.submission(number))
    for message in messages:
        await site.until(message, Status.DELIVERED)
    await site.until_all_is_told()
    assert courier_of(site) != first
    for message in messages:
        told = bench.app.statuses(message)
        assert list(dict.fromkeys(told)) == ["sent", "delivered"]
        assert told == sorted(told, key=("sent", "delivered").index)
    tokens = {(told.sid, told.status, told.token) for told in bench.app.told}
    assert len(tokens) == 2 * MESSAGES
    # The callback whose answer nobody was left to hear has been told twice.
    assert len(bench.app.told) > 2 * MESSAGES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_the_courier_alone_does_not_end_it(bench: "Bench", number: int) -> None:
    bench.callbacks = {"own_process": True}
    centre, site = await bench.pair()
    centre.answer_all()
    before = await site.send()
    await bench.app.hears(before, "sent")
    pid = courier_of(site)
    os.kill(pid, number)
    after = await site.send()
    await bench.app.hears(after, "sent")
    assert courier_of(site) == pid
