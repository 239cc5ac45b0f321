"""A process beside the gateway: what goes there and comes back, and what its death and the gateway's mean."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings import apart
from tidings.apart import Apart, Frames, frame

pytestmark = pytest.mark.timeout(15)

GATEWAY = """
import asyncio
from tidings.apart import Apart

async def run():
    beside = Apart("reckoner", {}, str, patient=True)
    await beside.start()
    print(await beside.ask(("pid", "")), flush=True)
    await beside.ask(("hold", "for ever"))

asyncio.run(run())
"""


# --- frames


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 2500), max_size=12))
def test_frames_come_out_whole_wherever_what_came_in_was_cut(contents: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(map(frame, contents))
    frames, places = Frames(), sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [sent[start:end] for start, end in pairwise(places)]
    assert [content for piece in pieces for content in frames.feed(piece)] == contents


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_frames_come_out_whole_and_no_sooner_where_bytes_come_in_singly(contents: list[bytes]) -> None:
    frames = Frames()
    for content in contents:
        *incomplete, last = frame(content)
        assert [list(frames.feed(bytes((byte,)))) for byte in incomplete] == [[]] * len(incomplete)
        assert list(frames.feed(bytes((last,)))) == [content]


# --- requests and answers


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find `reckoner`, and are replaced at once."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setattr(apart, "RESTART_AFTER", 0.0)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def begun(stack: AsyncExitStack, *, patient: bool = True) -> Apart[str]:
    beside = Apart("reckoner", {"colour": "blue"}, str, patient=patient)
    await beside.start()
    stack.push_async_callback(beside.stop)
    return beside


async def asked(beside: Apart[str], requests: Sequence[tuple[str, str]]) -> list[str]:
    return await asyncio.gather(*map(beside.ask, requests))


async def test_a_process_is_given_its_settings(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    assert await beside.ask(("settings", "")) == '{"colour":"blue"}'


async def test_answers_out_of_order_reach_whoever_asked(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    first, second = (asyncio.ensure_future(beside.ask(("hold", word))) for word in ("first", "second"))
    assert await beside.ask(("release", "second")) == "released"
    assert await second == "second"
    assert not first.done()
    assert await beside.ask(("release", "first")) == "released"
    assert await first == "first"


async def test_many_requests_and_a_large_one_are_each_answered_with_their_own(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    words = [str(number) for number in range(500)] + ["large " * 100_000]
    assert await asked(beside, [("echo", word) for word in words]) == words


async def test_an_answer_nobody_waits_for_any_more_disturbs_no_other(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    given_up, other = (asyncio.ensure_future(beside.ask(("hold", word))) for word in ("given up", "other"))
    given_up.cancel()
    assert await asked(beside, [("release", "given up"), ("release", "other")]) == ["released"] * 2
    assert await other == "other"


async def test_a_request_without_a_spelling_raises_value_error_and_disturbs_no_other(
    stack: AsyncExitStack,
) -> None:
    beside = await begun(stack)
    before = asyncio.ensure_future(beside.ask(("hold", "before")))
    with pytest.raises(ValueError, match="surrogates not allowed"):
        await beside.ask(("echo", "\ud800"))
    assert await beside.ask(("echo", "after")) == "after"
    assert await beside.ask(("release", "before")) == "released"
    assert await before == "before"


# --- the process ends


async def killed(beside: Apart[str]) -> int:
    """Kill it with a request under way, which fails; the id it had."""
    under_way = beside.ask(("hold", "under way"))
    pid = int(await beside.ask(("pid", "")))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ConnectionError, match="ended before it answered"):
        await under_way
    return pid


async def test_what_is_asked_of_a_patient_one_waits_until_it_is_replaced(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    pid = await killed(beside)
    assert int(await beside.ask(("pid", ""))) != pid


async def test_what_is_asked_of_an_impatient_one_fails_while_it_is_replaced(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "RESTART_AFTER", 3600.0)
    beside = await begun(stack, patient=False)
    await killed(beside)
    with pytest.raises(ConnectionError, match="is being replaced"):
        await beside.ask(("echo", "anybody?"))


async def test_one_is_replaced_as_often_as_it_ends(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    pids = {await killed(beside) for _ in range(3)}
    assert len(pids) == 3


async def test_one_that_cannot_be_replaced_at_once_is_replaced_later(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = await begun(stack)
    begin = asyncio.create_subprocess_exec
    failures = iter([OSError(errno.EMFILE, "Too many open files")] * 2)

    async def failing_twice(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        for failure in failures:
            raise failure
        return await begin(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", failing_twice)
    pid = await killed(beside)
    assert int(await beside.ask(("pid", ""))) != pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_meant_for_the_gateway_does_not_end_it(stack: AsyncExitStack, number: int) -> None:
    beside = await begun(stack)
    pid = await beside.ask(("pid", ""))
    os.kill(int(pid), number)
    assert await beside.ask(("pid", "")) == pid


async def test_stopping_ends_it_and_fails_what_is_under_way(stack: AsyncExitStack) -> None:
    beside = await begun(stack)
    pid = int(await beside.ask(("pid", "")))
    under_way = beside.ask(("hold", "under way"))
    await beside.stop()
    with pytest.raises(ConnectionError):
        await under_way
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_it_ends_when_its_gateway_is_killed(stack: AsyncExitStack) -> None:
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", GATEWAY, stdout=asyncio.subprocess.PIPE)
    assert gateway.stdout is not None
    pid = int(await gateway.stdout.readline())
    assert pid != gateway.pid
    gateway.kill()
    await gateway.wait()
    # Both have this pipe for their output: it is at its end once neither lives.
    assert await gateway.stdout.read() == b""
