"""The simulated carriers as a gateway uses them: from before they are started."""

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from tidings.carriers.simulator.carrier import SimulatorCarrier, SimulatorSettings
from tidings.carriers.simulator.mms import MmsSimulatorCarrier, MmsSimulatorSettings
from tidings.clock import SystemClock


@pytest.mark.parametrize(
    "carrier",
    [
        lambda: SimulatorCarrier(SimulatorSettings(name="texts"), SystemClock(), None),
        lambda: MmsSimulatorCarrier(MmsSimulatorSettings(name="media"), SystemClock()),
    ],
    ids=["sms", "mms"],
)
async def test_room_that_is_asked_for_before_it_starts_is_given_once_it_has(
    carrier: Callable[[], SimulatorCarrier | MmsSimulatorCarrier],
) -> None:
    """A backlog asks at once after a restart."""
    simulated = carrier()
    room = asyncio.create_task(simulated.slot())
    await asyncio.sleep(0)
    await simulated.start(Mock())
    async with asyncio.timeout(5):
        (await room).release()
    await simulated.stop(1)
