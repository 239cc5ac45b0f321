"""What is remembered of the store, by the key it was asked for."""

import asyncio
from asyncio import Future

import pytest

from tidings.clock import SECOND, WindableClock
from tidings.gateway.recent import FRESH, Recent

NOON = 1_790_000_000 * SECOND


class Shelf:
    """Records that a test lays out; each read is answered when the test says so."""

    def __init__(self) -> None:
        self.clock = WindableClock(lambda: NOON)
        self.recent = Recent(self._read, self.clock)
        self.reads: list[tuple[str, Future[str | None]]] = []

    async def _read(self, key: str) -> str | None:
        answer: Future[str | None] = asyncio.get_running_loop().create_future()
        self.reads.append((key, answer))
        return await answer

    async def asked(self, key: str) -> "asyncio.Task[str | None]":
        task = asyncio.create_task(self.recent.get(key))
        await turns()
        return task

    def answer(self, record: str | None) -> None:
        """The read that came last."""
        self.reads[-1][1].set_result(record)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_record_is_read_once_while_it_is_fresh() -> None:
    shelf = Shelf()
    asked = await shelf.asked("a")
    shelf.answer("one")
    assert await asked == "one"
    shelf.clock.wind(FRESH - 1)
    assert await shelf.recent.get("a") == "one"
    shelf.clock.wind(1)
    again = await shelf.asked("a")
    shelf.answer(None)
    assert await again is None
    assert await shelf.recent.get("a") is None, "that there is none is remembered as well"
    assert len(shelf.reads) == 2


async def test_whoever_asks_while_it_is_read_waits_for_that_read() -> None:
    shelf = Shelf()
    asked = [await shelf.asked("a") for _ in range(5)]
    await shelf.asked("b")
    assert [key for key, _ in shelf.reads] == ["a", "b"]
    shelf.reads[0][1].set_result("one")
    assert await asyncio.gather(*asked) == ["one"] * 5
    assert len(shelf.reads) == 2


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_what_was_read_before_a_change_is_not_remembered(all_of_them: bool) -> None:
    shelf = Shelf()
    before = await shelf.asked("a")
    shelf.recent.forget_all() if all_of_them else shelf.recent.forget("a")
    after = await shelf.asked("a")
    shelf.answer("new")
    shelf.reads[0][1].set_result("old")
    assert (await before, await after) == ("old", "new")
    assert await shelf.recent.get("a") == "new"
    assert len(shelf.reads) == 2


async def test_a_read_that_fails_or_is_given_up_is_made_again_for_the_others() -> None:
    shelf = Shelf()
    failing, other, last = [await shelf.asked("a") for _ in range(3)]
    shelf.reads[0][1].set_exception(OSError("no disk"))
    with pytest.raises(OSError, match="no disk"):
        await failing
    await turns()
    other.cancel()
    await turns()
    shelf.answer("one")
    assert await last == "one"
    assert len(shelf.reads) == 3
