import asyncio
from collections.abc import Sequence

import pytest

from tidings.store.base import Change, Contradiction, KeyTaken, StoreError
from tidings.store.group_commit import Fenced, GroupCommit

WAIT = 5.0


class Disk:
    """What is written, batch by batch; a gate to hold a write back, and changes that are refused."""

    def __init__(self) -> None:
        self.batches: list[list[Change]] = []
        self.refused: dict[Change, Exception] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.writing = asyncio.Event()
        self.fenced = False
        self._turn = asyncio.Lock()

    async def write(self, changes: Sequence[Change], afresh: bool) -> None:
        async with self._turn:
            self.writing.set()
            await self.gate.wait()
            if self.fenced and not afresh:
                raise Fenced("behind a failure")
            for change in changes:
                if change in self.refused:
                    self.fenced = True
                    raise self.refused[change]
            self.fenced = False
            self.batches.append(list(changes))


async def test_changes_that_come_together_are_written_together() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    changes = [Change() for _ in range(10)]
    await asyncio.gather(*map(group.submit, changes))
    assert disk.batches == [changes]
    await group.close()


async def test_a_lone_change_is_not_kept_waiting() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    for _ in range(3):
        await asyncio.wait_for(group.submit(Change()), WAIT)
    assert [len(batch) for batch in disk.batches] == [1, 1, 1]
    await group.close()


async def test_what_comes_during_a_write_goes_with_the_next_one() -> None:
    disk = Disk()
    disk.gate.clear()
    group = GroupCommit(disk.write)
    first = group.submit(Change())
    await asyncio.wait_for(disk.writing.wait(), WAIT)
    later = [group.submit(Change()) for _ in range(5)]
    assert not first.done()
    disk.gate.set()
    await asyncio.gather(first, *later)
    assert [len(batch) for batch in disk.batches] == [1, 5]
    await group.close()


async def test_a_batch_has_a_largest_size_and_batches_keep_the_order() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, largest=4)
    changes = [Change() for _ in range(10)]
    await asyncio.gather(*map(group.submit, changes))
    assert [len(batch) for batch in disk.batches] == [4, 4, 2]
    assert [change for batch in disk.batches for change in batch] == changes
    await group.close()


@pytest.mark.parametrize("error", [KeyTaken("key"), Contradiction("twice")])
async def test_only_the_change_at_fault_fails(error: StoreError) -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    changes = [Change() for _ in range(4)]
    disk.refused[changes[1]] = error
    results = await asyncio.gather(*map(group.submit, changes), return_exceptions=True)
    assert results == [None, error, None, None]
    assert [change for batch in disk.batches for change in batch] == [changes[0], changes[2], changes[3]]
    await group.close()


async def test_a_failing_disk_fails_the_batch_as_store_error_and_the_next_one_is_tried() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    changes = [Change(), Change()]
    disk.refused[changes[0]] = OSError("no space left on device")
    results = await asyncio.gather(*map(group.submit, changes), return_exceptions=True)
    assert [type(result) for result in results] == [StoreError, StoreError]
    assert "no space left" in str(results[0])
    await asyncio.wait_for(group.submit(Change()), WAIT)
    await group.close()


async def test_what_stands_behind_a_contradiction_keeps_its_place() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, largest=2)
    changes = [Change() for _ in range(12)]
    disk.refused[changes[1]] = disk.refused[changes[7]] = Contradiction("twice")
    results = await asyncio.gather(*map(group.submit, changes), return_exceptions=True)
    assert [isinstance(result, Contradiction) for result in results] == [n in (1, 7) for n in range(12)]
    written = [change for batch in disk.batches for change in batch]
    assert written == [change for change in changes if change not in disk.refused]
    await group.close()


async def test_what_stands_behind_a_failing_disk_fails_with_it() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, largest=2)
    changes = [Change() for _ in range(8)]
    disk.refused[changes[2]] = OSError("no space left on device")
    results = await asyncio.gather(*map(group.submit, changes), return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] * 2 + [StoreError] * 6
    assert disk.batches == [changes[:2]]
    after = [Change() for _ in range(5)]
    await asyncio.wait_for(asyncio.gather(*map(group.submit, after)), WAIT)
    assert [change for batch in disk.batches[1:] for change in batch] == after
    await group.close()


async def test_a_caller_who_went_away_changes_nothing_for_the_others() -> None:
    disk = Disk()
    group = GroupCommit(disk.write)
    gone, staying = Change(), Change()
    future = group.submit(gone)
    other = group.submit(staying)
    future.cancel()
    await asyncio.wait_for(other, WAIT)
    assert disk.batches == [[gone, staying]]
    await group.close()


async def test_closing_writes_what_was_handed_in_and_refuses_more() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, largest=3)
    futures = [group.submit(Change()) for _ in range(7)]
    await asyncio.wait_for(group.close(), WAIT)
    assert all(future.done() and future.exception() is None for future in futures)
    assert [len(batch) for batch in disk.batches] == [3, 3, 1]
    with pytest.raises(StoreError, match="closed"):
        await group.submit(Change())
    await group.close()
