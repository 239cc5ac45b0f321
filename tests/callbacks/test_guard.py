"""How the guard resolves: whom it asks, how long it waits, what it remembers; and that names whose servers
are silent keep neither other names nor the process."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.callbacks import resolver
from tidings.callbacks.guard import GRACE, TTL, Guard, Refused, Unresolved, classify
from tidings.callbacks.resolver import WIDTHS, Lookup, Standing

WAIT = 10.0
"""Seconds after which a test stops waiting for what should have happened."""
ALWAYS_OLD = -1.0
"""A time to live or a grace that is over when it begins."""


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Names:
    """Stands in for getaddrinfo: says what it is told to, counts, and hangs on the names it is told to."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.failure: OSError | None = None
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.hanging = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host in self.silent:
            self.hanging.release()
            assert self.released.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if self.failure:
            raise self.failure
        return self.addresses

    async def hang(self, lookups: int) -> None:
        """Wait until so many more lookups hang."""
        for _ in range(lookups):
            assert await asyncio.to_thread(self.hanging.acquire, timeout=WAIT)


class Make(Protocol):
    def __call__(
        self,
        lookup: Lookup,
        *,
        ttl: float = ...,
        grace: float = ...,
        limit: float = ...,
        cache_size: int = ...,
        clock: Clock | None = ...,
    ) -> Guard: ...


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names("8.8.8.8")
    yield names
    names.released.set()


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    guards: list[Guard] = []

    def make(
        lookup: Lookup,
        *,
        ttl: float = TTL,
        grace: float = GRACE,
        limit: float = WAIT,
        cache_size: int = 4096,
        clock: Clock | None = None,
    ) -> Guard:
        now = clock or Clock()  # which stands still
        guards.append(Guard(ttl=ttl, grace=grace, limit=limit, cache_size=cache_size, lookup=lookup, now=now))
        return guards[-1]

    yield make
    for guard in guards:
        guard.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a good answer waits for the next like everybody, however slow the machine is."""
    monkeypatch.setattr("tidings.callbacks.guard.PATIENCE", WAIT)


# What is asked


async def test_localhost_is_looked_up_and_refused() -> None:
    with pytest.raises(Refused, match=r"localhost .*loopback"):
        await Guard().resolve("localhost", 80)
    assert "127.0.0.1" in await Guard(allow_private=True).resolve("localhost", 80)
    assert "127.0.0.1" in await Guard(allow_hosts=("LOCALHOST.",)).resolve("localhost", 80)


async def test_answers_come_in_the_resolvers_order_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: None, *, type: socket.SocketKind) -> list[tuple[object, ...]]:
        assert (host, type) == ("app.example", socket.SOCK_STREAM)
        return [(0, 0, 0, "", (address, 0)) for address in ("2606:4700::1", "8.8.8.8", "8.8.8.8")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await Guard().resolve("app.example", 443) == ("2606:4700::1", "8.8.8.8")


async def test_address_is_not_asked_about(make: Make, names: Names) -> None:
    assert await make(names).resolve("8.8.4.4", 443) == ("8.8.4.4",)
    assert not names.asked


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "64:ff9b::a00:1"])
async def test_one_forbidden_answer_refuses_the_host(make: Make, names: Names, bad: str) -> None:
    names.addresses = ("8.8.8.8", bad)
    with pytest.raises(Refused, match=r"app\.example \("):
        await make(names).resolve("app.example", 443)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.ip_addresses().map(str) | st.just("8.8.8.8"), min_size=1, max_size=4))
def test_answer_comes_out_whole_or_not_at_all(answer: list[str]) -> None:
    async def resolved() -> tuple[str, ...] | None:
        guard = Guard(lookup=lambda _: tuple(answer))
        try:
            return await guard.resolve("app.example", 443)
        except Refused:
            return None
        finally:
            guard.close()

    public = all(classify(ip_address(address)) is None for address in answer)
    assert asyncio.run(resolved()) == (tuple(answer) if public else None)


async def test_name_that_no_resolver_takes_is_unresolved() -> None:
    for host in ("a..example", "a" * 64 + ".example"):
        with pytest.raises(Unresolved, match=host):
            await Guard().resolve(host, 80)


# What is remembered


async def test_hot_host_is_looked_up_once(make: Make, names: Names) -> None:
    guard = make(names)
    assert guard.known("app.example", 443) is None
    await asyncio.gather(*(guard.resolve("app.example", 443) for _ in range(10)))
    await guard.resolve("app.example", 80)
    assert guard.known("app.example", 443) == ("8.8.8.8",)
    assert names.asked == ["app.example"]


async def test_answer_is_asked_again_when_old(make: Make, names: Names, patient: None) -> None:
    clock = Clock()
    guard = make(names, clock=clock)
    assert await guard.resolve("app.example", 443) == ("8.8.8.8",)
    clock.seconds += TTL
    assert guard.known("app.example", 443) == ("8.8.8.8",)
    clock.seconds += 0.1
    assert guard.known("app.example", 443) is None
    names.addresses = ("127.0.0.1",)
    with pytest.raises(Refused):
        await guard.resolve("app.example", 443)


async def test_no_such_host_is_unresolved_and_remembered(make: Make, names: Names) -> None:
    names.failure = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    guard = make(names)
    for _ in range(3):
        with pytest.raises(Unresolved, match=r"app\.example: Name or service not known"):
            await guard.resolve("app.example", 443)
    assert guard.known("app.example", 443) is None
    assert names.asked == ["app.example"]


async def test_host_without_addresses_is_unresolved(make: Make, names: Names) -> None:
    names.addresses = ()
    with pytest.raises(Unresolved, match="no address"):
        await make(names).resolve("app.example", 443)


async def test_refusal_is_remembered(make: Make, names: Names) -> None:
    names.addresses = ("10.0.0.1",)
    guard = make(names)
    for _ in range(3):
        with pytest.raises(Refused, match=r"10\.0\.0\.1"):
            await guard.resolve("app.example", 443)
    assert guard.known("app.example", 443) is None
    assert names.asked == ["app.example"]


async def test_cache_is_bounded_and_forgets_the_oldest(make: Make, names: Names) -> None:
    guard = make(names, cache_size=2)
    for host in ("a.example", "b.example", "c.example"):
        await guard.resolve(host, 80)
    assert [guard.known(f"{name}.example", 80) for name in "abc"] == [None, ("8.8.8.8",), ("8.8.8.8",)]


async def test_cancelling_one_caller_leaves_the_lookup_to_the_others(make: Make, names: Names) -> None:
    opened = threading.Event()

    def slow(host: str) -> tuple[str, ...]:
        assert opened.wait(WAIT)
        return names(host)

    guard = make(slow)
    first = asyncio.create_task(guard.resolve("app.example", 80))
    second = asyncio.create_task(guard.resolve("app.example", 80))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    opened.set()
    assert await second == ("8.8.8.8",)
    assert first.cancelled()
    assert names.asked == ["app.example"]


# Names whose servers are silent


async def test_caller_waits_for_so_long_and_the_next_not_at_all(make: Make, names: Names) -> None:
    names.silent = {"dead.example"}
    clock = Clock()
    guard = make(names, limit=0.05, clock=clock)
    with pytest.raises(Unresolved, match=r"dead\.example: no answer from the resolver in time"):
        await guard.resolve("dead.example", 80)
    await names.hang(1)
    clock.seconds += 0.05
    later = asyncio.ensure_future(guard.resolve("dead.example", 80))
    with pytest.raises(Unresolved, match="in time"):
        await asyncio.wait_for(later, WAIT)
    assert names.asked == ["dead.example"]


async def test_answer_whose_caller_gave_up_is_there_for_the_next(make: Make, names: Names) -> None:
    opened = threading.Event()

    def late(host: str) -> tuple[str, ...]:
        assert opened.wait(WAIT)
        return names(host)

    guard = make(late)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(guard.resolve("app.example", 80), 0.05)
    opened.set()
    assert await guard.resolve("app.example", 80) == ("8.8.8.8",)
    assert names.asked == ["app.example"]


async def test_forty_names_that_hang_do_not_delay_a_healthy_one(make: Make, names: Names) -> None:
    guard = make(names, ttl=ALWAYS_OLD, grace=ALWAYS_OLD)
    await guard.resolve("healthy.example", 80)
    names.silent = {f"dead{number}.example" for number in range(40)}
    waiting = [asyncio.create_task(guard.resolve(host, 80)) for host in sorted(names.silent)]
    await names.hang(WIDTHS[Standing.NEW])
    names.addresses = ("9.9.9.9",)
    assert await guard.resolve("healthy.example", 80) == ("9.9.9.9",)
    assert not any(task.done() for task in waiting)
    names.released.set()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(failure, Unresolved) for failure in failures)


async def test_names_that_were_good_may_hang_together_beside_a_healthy_one(make: Make, names: Names) -> None:
    guard = make(names, ttl=ALWAYS_OLD, grace=ALWAYS_OLD)
    dying = [f"dying{number}.example" for number in range(40)]
    await asyncio.gather(*(guard.resolve(host, 80) for host in [*dying, "healthy.example"]))
    names.silent = set(dying)
    waiting = [asyncio.create_task(guard.resolve(host, 80)) for host in dying]
    await names.hang(len(dying))
    names.addresses = ("9.9.9.9",)
    assert await guard.resolve("healthy.example", 80) == ("9.9.9.9",)
    names.released.set()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_that_were_slow_delay_neither_new_ones_nor_healthy_ones(
    make: Make, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = make(names, ttl=ALWAYS_OLD, grace=ALWAYS_OLD)
    await guard.resolve("healthy.example", 80)
    slow = [f"slow{number}.example" for number in range(WIDTHS[Standing.PROMPT] + 8)]
    with monkeypatch.context() as patch:
        patch.setattr("tidings.callbacks.guard.PROMPT", -1.0)  # no answer is
        await asyncio.gather(*(guard.resolve(host, 80) for host in slow))
    names.silent = set(slow)
    waiting = [asyncio.create_task(guard.resolve(host, 80)) for host in slow]
    await names.hang(WIDTHS[Standing.SLOW])
    names.addresses = ("9.9.9.9",)
    for host in ("healthy.example", "new.example"):
        assert await guard.resolve(host, 80) == ("9.9.9.9",)
    assert not any(task.done() for task in waiting)
    names.released.set()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_wait_for_a_thread_in_the_order_they_came(
    make: Make, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WIDTHS, Standing.NEW, 1)
    guard = make(names)
    names.silent = {"dead.example"}
    hosts = ["dead.example"] + [f"app{number}.example" for number in range(20)]
    waiting = [asyncio.create_task(guard.resolve(host, 80)) for host in hosts]
    await names.hang(1)
    names.released.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert names.asked == hosts


async def test_name_too_many_is_not_asked_about(make: Make, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "QUEUE", 3)
    guard = make(names)
    await guard.resolve("healthy.example", 80)
    names.silent = {f"dead{number}.example" for number in range(WIDTHS[Standing.NEW] + 3)}
    waiting = [asyncio.create_task(guard.resolve(host, 80)) for host in names.silent]
    await names.hang(WIDTHS[Standing.NEW])
    for _ in range(2):
        with pytest.raises(Unresolved, match=r"new\.example: too many lookups"):
            await guard.resolve("new.example", 80)
    names.released.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await guard.resolve("new.example", 80) == ("8.8.8.8",)


# The last good answer


async def test_good_answer_stands_in_while_the_next_does_not_come(make: Make, names: Names) -> None:
    clock = Clock()
    guard = make(names, clock=clock)
    await guard.resolve("app.example", 80)
    names.silent = {"app.example"}
    clock.seconds += TTL + 0.1
    assert guard.known("app.example", 80) is None
    assert await guard.resolve("app.example", 80) == ("8.8.8.8",)
    assert guard.known("app.example", 80) == ("8.8.8.8",)  # nobody waits again before the TTL is over
    await names.hang(1)
    clock.seconds += GRACE - TTL - 0.2
    assert await guard.resolve("app.example", 80) == ("8.8.8.8",)
    clock.seconds += 0.2
    assert guard.known("app.example", 80) is None
    with pytest.raises(Unresolved, match="in time"):
        await guard.resolve("app.example", 80)
    assert names.asked == ["app.example"] * 2


async def test_good_answer_stands_in_for_a_failure_of_the_resolver(
    make: Make, names: Names, patient: None
) -> None:
    clock = Clock()
    guard = make(names, clock=clock)
    await guard.resolve("app.example", 80)
    for errno in (socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM):
        names.failure = socket.gaierror(errno, "no answer")
        clock.seconds += TTL + 0.1
        assert await guard.resolve("app.example", 80) == ("8.8.8.8",)
    clock.seconds += GRACE
    with pytest.raises(Unresolved, match="no answer"):
        await guard.resolve("app.example", 80)
    assert len(names.asked) == 5


async def test_good_answer_stands_in_where_the_host_is_not_asked_about(make: Make, names: Names) -> None:
    clock = Clock()
    guard = make(names, clock=clock)
    await guard.resolve("app.example", 80)
    guard.close()
    clock.seconds += TTL + 0.1
    assert await guard.resolve("app.example", 80) == ("8.8.8.8",)


@pytest.mark.parametrize("name", ["EAI_NONAME", "EAI_NODATA"])
async def test_nothing_stands_in_for_a_name_that_is_gone(
    make: Make, names: Names, patient: None, name: str
) -> None:
    guard = make(names, ttl=ALWAYS_OLD)
    await guard.resolve("app.example", 80)
    names.failure = socket.gaierror(getattr(socket, name), "gone")
    with pytest.raises(Unresolved, match="gone"):
        await guard.resolve("app.example", 80)


# The end


async def test_closed_guard_resolves_no_name_and_its_threads_end(make: Make, names: Names) -> None:
    before = set(threading.enumerate())
    guard = make(names)
    await asyncio.gather(*(guard.resolve(f"app{number}.example", 80) for number in range(5)))
    threads = set(threading.enumerate()) - before
    assert threads
    guard.close()
    with pytest.raises(Unresolved, match=r"new\.example: the resolver is closed"):
        await guard.resolve("new.example", 80)
    assert guard.known("app0.example", 80) == ("8.8.8.8",)
    for thread in threads:
        await asyncio.to_thread(thread.join, WAIT)
        assert not thread.is_alive()


async def test_without_a_thread_a_name_is_unresolved(
    make: Make, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = make(names)

    class Thread:
        def __init__(self, **_: object) -> None: ...

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(resolver, "Thread", Thread)
        with pytest.raises(Unresolved, match="no thread"):
            await guard.resolve("app.example", 80)
        assert not names.asked
    assert await guard.resolve("app.example", 80) == ("8.8.8.8",)


EXIT = """
import asyncio, threading
from tidings.callbacks.guard import Guard, Unresolved

async def main():
    guard = Guard(limit=0.05, lookup=lambda host: threading.Event().wait())
    async def ask(host):
        try:
            await guard.resolve(host, 80)
        except Unresolved:
            print("unresolved")
    await asyncio.gather(*(ask(f"dead{number}.example") for number in range(40)))
    CLOSE

asyncio.run(main())
"""


@pytest.mark.parametrize("close", ["guard.close()", "pass"])
def test_process_ends_while_lookups_hang(close: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EXIT.replace("CLOSE", close)], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["unresolved"] * 40
