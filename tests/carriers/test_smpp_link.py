"""One connection, both roles, over real sockets; time is wound by hand where it matters."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp.link import Link, NoResponse, NotWritten
from tidings.carriers.smpp.pdu import Bind, BindResp, Command, Framer, MessageIdResp, Pdu, ShortMessage
from tidings.carriers.smpp.requests import MAX_SEQUENCE
from tidings.carriers.smpp.session import Role, State

TIMEOUT = 5.0


class Winder:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Peer:
    """The other end, by hand: raw octets out, PDUs in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framer = Framer()
        self._frames: list[bytes] = []

    async def receive(self) -> Pdu:
        async with asyncio.timeout(TIMEOUT):
            while not self._frames:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._frames = self._framer.feed(data)
        return codec.decode(self._frames.pop(0))

    def send(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))

    async def closed(self) -> bool:
        async with asyncio.timeout(TIMEOUT):
            return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


class Owner:
    """Who owns a link in these tests."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Pdu] = asyncio.Queue()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.clock = Winder()

    async def request(self) -> Pdu:
        return await asyncio.wait_for(self.requests.get(), TIMEOUT)

    async def lost_because(self) -> str:
        return await asyncio.wait_for(asyncio.shield(self.lost), TIMEOUT)


@asynccontextmanager
async def linked(
    role: Role = Role.ESME, *, state: State = State.BOUND_TRX, **options: Any
) -> AsyncIterator[tuple[Link, Peer, Owner]]:
    """A link of this role, already in `state`, and the peer at the other end of its socket."""
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peers.put(Peer(reader, writer))

    owner = Owner()
    arguments: dict[str, Any] = {"on_request": owner.requests.put_nowait, "clock": owner.clock} | options
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: Link(role, on_lost=owner.lost.set_result, **arguments), *server.sockets[0].getsockname()
    )
    link.state = state
    peer = await asyncio.wait_for(peers.get(), TIMEOUT)
    try:
        yield link, peer, owner
    finally:
        peer.close()
        link.close("test over")
        await owner.lost_because()
        server.close()


async def test_responses_find_their_requests_in_any_order() -> None:
    async with linked() as (link, peer, _):
        answers = [link.request(Command.SUBMIT_SM, ShortMessage(short_message=b"%d" % n)) for n in range(3)]
        requests = [await peer.receive() for _ in range(3)]
        assert link.unanswered == 3
        for request in reversed(requests):
            assert isinstance(request.body, ShortMessage)
            body = MessageIdResp(f"id-{request.body.short_message.decode()}")
            peer.send(codec.encode(Command.SUBMIT_SM_RESP, request.sequence, body))
        async with asyncio.timeout(TIMEOUT):
            assert [(await answer).body for answer in answers] == [MessageIdResp(f"id-{n}") for n in range(3)]
        assert link.unanswered == 0


async def test_sequence_wraps_and_steps_over_numbers_in_use() -> None:
    async with linked() as (link, peer, _):
        oldest = link.request(Command.SUBMIT_SM, ShortMessage())
        assert (await peer.receive()).sequence == 1
        link.sequence = MAX_SEQUENCE - 1
        newer = [link.request(Command.SUBMIT_SM, ShortMessage()) for _ in range(2)]
        assert [(await peer.receive()).sequence for _ in range(2)] == [MAX_SEQUENCE, 2]
        peer.send(*(codec.encode(Command.SUBMIT_SM_RESP, n, MessageIdResp(str(n))) for n in (1, 2, MAX_SEQUENCE)))
        async with asyncio.timeout(TIMEOUT):
            assert (await oldest).body == MessageIdResp("1")
            assert [(await answer).body for answer in newer] == [
                MessageIdResp(str(MAX_SEQUENCE)),
                MessageIdResp("2"),
            ]


async def test_response_after_the_timer_reaches_the_late_callback() -> None:
    late: asyncio.Queue[Pdu] = asyncio.Queue()
    async with linked(response_timeout=10) as (link, peer, owner):
        answer = link.request(Command.SUBMIT_SM, ShortMessage(), late=late.put_nowait)
        owner.clock.at += 9.9
        link.sweep()
        assert not answer.done()
        owner.clock.at += 0.1
        link.sweep()
        with pytest.raises(NoResponse, match="no response in 10 s"):
            await answer
        owner.clock.at += 9.9
        link.sweep()
        peer.send(codec.encode(Command.SUBMIT_SM_RESP, 1, MessageIdResp("late")))
        assert (await asyncio.wait_for(late.get(), TIMEOUT)).body == MessageIdResp("late")
        assert link.counts["late_responses"] == 1


async def test_sequence_of_a_timed_out_request_is_free_after_twice_the_timer() -> None:
    async with linked(response_timeout=10, enquire_link=0) as (link, peer, owner):
        answer = link.request(Command.SUBMIT_SM, ShortMessage())
        for _ in range(2):
            owner.clock.at += 10
            link.sweep()
        with pytest.raises(NoResponse):
            await answer
        await peer.receive()
        link.sequence = MAX_SEQUENCE
        second = link.request(Command.SUBMIT_SM, ShortMessage())
        assert (await peer.receive()).sequence == 1
        peer.send(codec.encode(Command.SUBMIT_SM_RESP, 1, MessageIdResp("second")))
        assert (await asyncio.wait_for(second, TIMEOUT)).body == MessageIdResp("second")


async def test_answer_to_a_cancelled_request_is_late() -> None:
    late: asyncio.Queue[Pdu] = asyncio.Queue()
    async with linked() as (link, peer, _):
        link.request(Command.SUBMIT_SM, ShortMessage(), late=late.put_nowait).cancel()
        peer.send(codec.encode(Command.SUBMIT_SM_RESP, 1, MessageIdResp("x")))
        assert (await asyncio.wait_for(late.get(), TIMEOUT)).body == MessageIdResp("x")


async def test_connection_closed_after_the_write_is_no_response_and_before_it_is_not_written() -> None:
    async with linked() as (link, peer, owner):
        answer = link.request(Command.SUBMIT_SM, ShortMessage())
        await peer.receive()
        peer.close()
        with pytest.raises(NoResponse, match="connection closed"):
            await asyncio.wait_for(answer, TIMEOUT)
        assert await owner.lost_because() == "closed by the peer"
        with pytest.raises(NotWritten, match="closed by the peer"):
            link.request(Command.SUBMIT_SM, ShortMessage())


async def test_body_that_cannot_be_encoded_leaves_the_link_as_it_was() -> None:
    async with linked() as (link, peer, _):
        with pytest.raises(ValueError, match="NUL"):
            link.request(Command.SUBMIT_SM, ShortMessage(source_addr="\0"))
        assert link.unanswered == 0
        link.request(Command.ENQUIRE_LINK)
        assert (await peer.receive()).sequence == 1


async def test_generic_nack_with_our_sequence_is_the_answer_and_without_it_is_not() -> None:
    async with linked() as (link, peer, _):
        answer = link.request(Command.SUBMIT_SM, ShortMessage())
        other = link.request(Command.SUBMIT_SM, ShortMessage())
        peer.send(
            codec.encode(Command.GENERIC_NACK, 0, status=0x03), codec.encode(Command.GENERIC_NACK, 1, status=0x58)
        )
        pdu = await asyncio.wait_for(answer, TIMEOUT)
        assert (pdu.command, pdu.status) == (Command.GENERIC_NACK, 0x58)
        assert not other.done()
        assert link.counts["unmatched_responses"] == 1


async def test_response_of_another_kind_does_not_settle_a_request() -> None:
    async with linked() as (link, peer, _):
        answer = link.request(Command.SUBMIT_SM, ShortMessage())
        peer.send(
            codec.encode(Command.DELIVER_SM_RESP, 1, MessageIdResp("wrong")),
            codec.encode(Command.SUBMIT_SM_RESP, 1, MessageIdResp("right")),
        )
        assert (await asyncio.wait_for(answer, TIMEOUT)).body == MessageIdResp("right")


async def test_enquire_link_is_answered() -> None:
    async with linked() as (_, peer, _owner):
        peer.send(codec.encode(Command.ENQUIRE_LINK, 77))
        answer = await peer.receive()
        assert (answer.command, answer.status, answer.sequence) == (Command.ENQUIRE_LINK_RESP, 0, 77)


async def test_silent_peer_is_asked_and_dropped_when_it_stays_silent() -> None:
    async with linked(enquire_link=30, response_timeout=10) as (link, peer, owner):
        owner.clock.at += 29
        link.sweep()
        assert link.unanswered == 0
        owner.clock.at += 1
        link.sweep()
        assert (await peer.receive()).command == Command.ENQUIRE_LINK
        owner.clock.at += 10
        link.sweep()
        assert await owner.lost_because() == "enquire_link was not answered"
        assert link.counts["enquire_link_timeouts"] == 1


async def test_peer_that_talks_but_ignores_enquire_link_is_kept() -> None:
    async with linked(enquire_link=30, response_timeout=10) as (link, peer, owner):
        owner.clock.at += 30
        link.sweep()
        await peer.receive()
        owner.clock.at += 9
        peer.send(codec.encode(Command.DELIVER_SM, 5, ShortMessage()))
        await owner.request()
        owner.clock.at += 1
        link.sweep()
        peer.send(codec.encode(Command.ENQUIRE_LINK, 6))
        assert (await peer.receive()).sequence == 6
        assert not owner.lost.done()


async def test_unknown_command_is_nacked_and_alert_notification_is_not() -> None:
    async with linked() as (link, peer, _):
        peer.send(
            codec.encode(Command.ALERT_NOTIFICATION, 40, b"\0\0\0\0\0\0"),
            codec.encode(0x00000110, 41),
            codec.encode(Command.ENQUIRE_LINK, 42),
        )
        nack = await peer.receive()
        assert (nack.command, nack.status, nack.sequence) == (Command.GENERIC_NACK, 0x03, 41)
        assert (await peer.receive()).sequence == 42
        assert link.counts["unknown_commands"] == 1


async def test_malformed_request_is_refused_logged_once_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    bad = codec.encode(Command.DELIVER_SM, 9, b"no end")
    async with linked() as (link, peer, _):
        with caplog.at_level(logging.WARNING):
            peer.send(bad, bad)
            for _n in range(2):
                refusal = await peer.receive()
                assert (refusal.command, refusal.status, refusal.sequence) == (Command.DELIVER_SM_RESP, 0x02, 9)
        assert link.counts["malformed_pdus"] == 2
        assert [bad.hex() in record.getMessage() for record in caplog.records] == [True]


async def test_password_of_a_malformed_bind_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    bind = codec.encode(Command.BIND_TRANSCEIVER, 1, b"system\0hunter2\0")
    async with linked(Role.SMSC, state=State.OPEN) as (_, peer, _owner):
        with caplog.at_level(logging.WARNING):
            peer.send(bind)
            assert (await peer.receive()).status == 0x02
        assert "is missing" in caplog.text
        assert b"hunter2".hex() not in caplog.text


async def test_peer_that_asks_without_reading_the_answers_is_dropped() -> None:
    async with linked() as (link, _peer, owner):
        async with asyncio.timeout(TIMEOUT):
            while link.state is not State.CLOSED:
                link.write(bytes(1_000_000))
                await asyncio.sleep(0)
                link.sweep()
        assert await owner.lost_because() == "the peer does not read what we send"


async def test_garbage_closes_the_connection_after_the_good_pdus() -> None:
    async with linked() as (link, peer, owner):
        peer.send(codec.encode(Command.ENQUIRE_LINK, 1), b"GET / HTTP/1.1\r\n\r\n")
        assert (await peer.receive()).command == Command.ENQUIRE_LINK_RESP
        assert (await peer.receive()).command == Command.GENERIC_NACK
        assert await peer.closed()
        assert "framing lost" in await owner.lost_because()
        assert link.counts["framing_errors"] == 1


async def test_handler_that_fails_answers_a_system_error() -> None:
    def fail(_: Pdu) -> None:
        raise RuntimeError("a bug of ours")

    async with linked(on_request=fail) as (_, peer, _owner):
        peer.send(codec.encode(Command.DELIVER_SM, 3, ShortMessage()))
        refusal = await peer.receive()
        assert (refusal.command, refusal.status) == (Command.DELIVER_SM_RESP, 0x08)


@pytest.mark.parametrize(
    ("role", "state", "command", "status"),
    [
        (Role.SMSC, State.OPEN, Command.SUBMIT_SM, 0x04),
        (Role.SMSC, State.BOUND_RX, Command.SUBMIT_SM, 0x04),
        (Role.SMSC, State.BOUND_TRX, Command.BIND_TRANSCEIVER, 0x05),
        (Role.SMSC, State.BOUND_TRX, Command.DELIVER_SM, 0x04),
        (Role.ESME, State.BOUND_TX, Command.DELIVER_SM, 0x04),
        (Role.ESME, State.BOUND_TRX, Command.SUBMIT_SM, 0x04),
    ],
)
async def test_request_out_of_place_is_refused(role: Role, state: State, command: Command, status: int) -> None:
    async with linked(role, state=state) as (link, peer, owner):
        peer.send(codec.encode(command, 3, codec.SHAPES[command]()))
        refusal = await peer.receive()
        assert (refusal.command, refusal.status) == (command | codec.RESPONSE, status)
        assert owner.requests.empty()
        assert link.state == state


async def test_delivery_before_the_bind_is_answered_is_taken() -> None:
    async with linked(state=State.OPEN) as (link, peer, owner):
        bound = link.request(Command.BIND_TRANSCEIVER, Bind("us", "pw"))
        request = await peer.receive()
        peer.send(codec.encode(Command.DELIVER_SM, 8, ShortMessage()))
        assert (await owner.request()).sequence == 8
        assert link.state == State.BINDING
        peer.send(codec.encode(Command.BIND_TRANSCEIVER_RESP, request.sequence, BindResp("them")))
        await asyncio.wait_for(bound, TIMEOUT)
        assert link.bound


async def test_unbind_of_the_peer_is_answered_once_our_requests_are() -> None:
    async with linked() as (link, peer, owner):
        answer = link.request(Command.SUBMIT_SM, ShortMessage())
        await peer.receive()
        peer.send(codec.encode(Command.UNBIND, 50), codec.encode(Command.ENQUIRE_LINK, 51))
        assert (await peer.receive()).sequence == 51
        with pytest.raises(NotWritten, match="unbound by the peer"):
            link.request(Command.SUBMIT_SM, ShortMessage())
        peer.send(codec.encode(Command.SUBMIT_SM_RESP, 1, MessageIdResp("kept")))
        assert (await asyncio.wait_for(answer, TIMEOUT)).body == MessageIdResp("kept")
        assert (await peer.receive()).command == Command.UNBIND_RESP
        assert await owner.lost_because() == "unbound by the peer"


async def test_our_unbind_waits_for_its_answer_and_closes() -> None:
    async with linked() as (link, peer, owner):
        unbinding = asyncio.create_task(link.unbind())
        request = await peer.receive()
        assert (request.command, link.state) == (Command.UNBIND, State.UNBINDING)
        peer.send(codec.encode(Command.UNBIND_RESP, request.sequence))
        await asyncio.wait_for(unbinding, TIMEOUT)
        assert await peer.closed()
        assert await owner.lost_because() == "unbound by us"


async def test_writes_wait_while_the_peer_does_not_read() -> None:
    writable = asyncio.Event()
    async with linked(on_writable=writable.set) as (link, peer, _):
        body = ShortMessage(short_message=bytes(255))
        sent = 0
        while link.writable:
            async with asyncio.timeout(TIMEOUT):
                for _n in range(1000):
                    link.request(Command.SUBMIT_SM, body).cancel()
                sent += 1000
                await asyncio.sleep(0)
        waiting = asyncio.create_task(link.drained())
        for _n in range(sent):
            await peer.receive()
        async with asyncio.timeout(TIMEOUT):
            await writable.wait()
            await waiting
        assert link.writable


async def test_peer_is_not_read_while_reading_is_paused() -> None:
    async with linked() as (link, peer, owner):
        link.pause_reading()
        peer.send(codec.encode(Command.DELIVER_SM, 4, ShortMessage()))
        owner.clock.at += 1000
        link.sweep()
        assert owner.requests.empty()
        assert link.unanswered == 0
        link.resume_reading()
        assert (await owner.request()).sequence == 4


Scenario = Callable[[], Awaitable[None]]


@pytest.mark.parametrize(
    "scenario",
    [
        test_responses_find_their_requests_in_any_order,
        test_connection_closed_after_the_write_is_no_response_and_before_it_is_not_written,
        test_garbage_closes_the_connection_after_the_good_pdus,
        test_writes_wait_while_the_peer_does_not_read,
    ],
)
def test_same_behaviour_on_uvloop(scenario: Scenario) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())  # type: ignore[arg-type]  # an async def is a coroutine function
