"""Numbers, timers and pairing of requests, without a connection."""

import asyncio
from collections.abc import Iterator

import pytest

from tidings.carriers.smpp.pdu import Command, Empty, Pdu
from tidings.carriers.smpp.requests import MAX_SEQUENCE, Asked, Requests


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def asked(
    requests: Requests, loop: asyncio.AbstractEventLoop, now: float, command: int = Command.SUBMIT_SM
) -> int:
    sequence = requests.next()
    requests.add(sequence, command, loop.create_future(), None, now)
    return sequence


def answer(sequence: int, command: int = Command.SUBMIT_SM_RESP) -> Pdu:
    return Pdu(command, 0, sequence, Empty(), {})


def test_numbers_count_from_one_and_wrap(loop: asyncio.AbstractEventLoop) -> None:
    requests = Requests(10)
    assert [asked(requests, loop, 0) for _ in range(3)] == [1, 2, 3]
    requests.sequence = MAX_SEQUENCE - 1
    assert [asked(requests, loop, 0) for _ in range(2)] == [MAX_SEQUENCE, 4]


def test_each_is_matched_once(loop: asyncio.AbstractEventLoop) -> None:
    requests = Requests(10)
    sequence = asked(requests, loop, 0)
    assert isinstance(requests.match(answer(sequence)), Asked)
    assert requests.match(answer(sequence)) is None
    assert len(requests) == 0


def test_response_must_be_of_the_kind_asked_for_or_a_nack(loop: asyncio.AbstractEventLoop) -> None:
    requests = Requests(10)
    sequence = asked(requests, loop, 0)
    assert requests.match(answer(sequence, Command.DATA_SM_RESP)) is None
    assert requests.match(answer(sequence, Command.GENERIC_NACK)) is not None


def test_given_up_after_the_timer_matched_until_twice_the_timer(loop: asyncio.AbstractEventLoop) -> None:
    requests = Requests(10)
    first, second = asked(requests, loop, 0), asked(requests, loop, 5)
    assert requests.expire(9.9) == []
    assert [it.command for it in requests.expire(10)] == [Command.SUBMIT_SM]
    assert len(requests) == 1
    requests.sequence = 0
    assert requests.next() == 3, "both numbers are still taken"
    assert requests.match(answer(first)) is not None
    assert len(requests.expire(15)) == 1
    assert requests.expire(25) == []
    assert requests.match(answer(second)) is None
    assert requests.next() == 1


def test_abandoned_are_those_still_waited_for(loop: asyncio.AbstractEventLoop) -> None:
    requests = Requests(10)
    asked(requests, loop, 0)
    requests.expire(10)
    waiting = asked(requests, loop, 11, Command.QUERY_SM)
    assert [it.command for it in requests.abandon()] == [Command.QUERY_SM]
    assert requests.match(answer(waiting, Command.QUERY_SM_RESP)) is None
    assert len(requests) == 0
