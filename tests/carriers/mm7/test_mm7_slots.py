"""The window and the pace of a carrier that has no binds."""

import asyncio

import pytest

from tidings.carriers.mm7.slots import Slots


class Wound:
    """A clock to wind, and a door to close."""

    def __init__(self) -> None:
        self.now = 0.0
        self.open = True

    def slots(self, window: int = 2, limit: float = 0) -> Slots:
        return Slots(window, limit, lambda: self.now, lambda: self.open)


async def settle() -> None:
    """Let what can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_window_is_given_out_and_no_more() -> None:
    slots = Wound().slots(2)
    assert [slots.take_now() for _ in range(3)] == [True, True, False]
    slots.vacate()
    assert slots.take_now()


async def test_those_who_wait_are_served_in_turn() -> None:
    slots = Wound().slots(1)
    assert slots.take_now()
    served: list[int] = []

    async def wait(number: int) -> None:
        await slots.take()
        served.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await settle()
    assert served == []
    for expected in ([0], [0, 1], [0, 1, 2]):
        slots.vacate()
        assert not slots.take_now()  # nobody passes those who wait
        await settle()
        assert served == expected
    await asyncio.gather(*waiting)


async def test_who_stops_waiting_takes_no_place() -> None:
    slots = Wound().slots(1)
    assert slots.take_now()
    first, second = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
    await settle()
    first.cancel()
    await settle()
    slots.vacate()
    await asyncio.wait_for(second, 1)
    assert slots.taken == 1


async def test_who_is_cancelled_as_a_place_comes_gives_it_back() -> None:
    slots = Wound().slots(1)
    assert slots.take_now()
    waiting = asyncio.create_task(slots.take())
    await settle()
    slots.vacate()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert slots.taken == 0


async def test_nothing_is_given_out_while_the_door_is_closed() -> None:
    wound = Wound()
    slots = wound.slots()
    wound.open = False
    assert not slots.take_now()
    waiting = asyncio.create_task(slots.take())
    await settle()
    wound.open = True
    slots.serve()
    await asyncio.wait_for(waiting, 1)


async def test_the_throughput_is_kept() -> None:
    wound = Wound()
    slots = wound.slots(10, limit=2)
    assert [slots.take_now(), slots.take_now()] == [True, False]
    wound.now = 0.5
    assert slots.take_now()
    slots.close()


async def test_a_carrier_that_is_too_busy_gets_a_pause() -> None:
    wound = Wound()
    slots = wound.slots(10)
    assert slots.take_now()
    slots.slow(1.0)
    wound.now = 0.9
    assert not slots.take_now()
    wound.now = 1.0
    assert slots.take_now()
    slots.close()


async def test_a_waiter_is_served_when_the_pace_allows() -> None:
    slots = Slots(10, 50.0, asyncio.get_running_loop().time, lambda: True)
    while slots.take_now():
        pass
    await asyncio.wait_for(slots.take(), 5)


async def test_emptied_waits_for_the_last_answer() -> None:
    slots = Wound().slots(2)
    assert slots.take_now()
    assert slots.take_now()
    emptied = asyncio.create_task(slots.emptied())
    slots.vacate()
    await settle()
    assert not emptied.done()
    slots.vacate()
    await asyncio.wait_for(emptied, 1)
