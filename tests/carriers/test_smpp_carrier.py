"""The carrier against a scripted message centre, over real sockets."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidings.carriers.base import (
    Accepted,
    Answer,
    Carrier,
    InboundMedia,
    InboundSegment,
    NotSent,
    Receipt,
    Rejected,
    Slot,
    Submission,
    Throttled,
    Uncertain,
    Verdict,
)
from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp.bind import BindState
from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import (
    BindResp,
    Command,
    DataSm,
    MessageIdResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    ShortMessage,
    Tag,
)
from tidings.carriers.smpp.session import BINDS, Role
from tidings.carriers.smpp.settings import SmppSettings, Tls
from tidings.text import Encoding

TIMEOUT = 5.0
RECEIPT_TEXT = (
    b"id:1 sub:001 dlvrd:001 submit date:2302231414 done date:2302231942 stat:DELIVRD err:000 text:Hello"
)


class Smsc:
    """A message centre that accepts every bind and leaves every submit_sm to the test, unless told otherwise."""

    def __init__(self) -> None:
        self.binds: asyncio.Queue[tuple[Link, Pdu]] = asyncio.Queue()
        self.submits: asyncio.Queue[tuple[Link, Pdu]] = asyncio.Queue()
        self.answers: asyncio.Queue[Pdu] = asyncio.Queue()
        self.lost: asyncio.Queue[str] = asyncio.Queue()
        self.links: list[Link] = []
        self.refusals: list[int] = []
        """Statuses of the next binds; then they are accepted."""
        self.deaf = 0
        """How many of the next binds are not answered at all."""
        self.version: bytes | None = b"\x34"
        self.on_submit: Callable[[Link, Pdu], None] = lambda link, pdu: self.submits.put_nowait((link, pdu))
        self._server: asyncio.Server | None = None

    async def listen(self, port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._link, "127.0.0.1", port, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    def _link(self) -> Link:
        def handle(pdu: Pdu) -> None:
            if pdu.command in BINDS and self.deaf:
                self.deaf -= 1
            elif pdu.command in BINDS:
                status = self.refusals.pop(0) if self.refusals else 0
                tlvs: dict[int, bytes] | None = (
                    {Tag.SC_INTERFACE_VERSION: self.version} if self.version and not status else None
                )
                link.respond(pdu, status, None if status else BindResp("scripted"), tlvs)
                self.binds.put_nowait((link, pdu))
            else:
                self.on_submit(link, pdu)

        link = Link(Role.SMSC, on_request=handle, on_lost=self.lost.put_nowait, enquire_link=0)
        self.links.append(link)
        return link

    def accept_all(self) -> None:
        self.on_submit = lambda link, pdu: void(link.respond(pdu, 0, MessageIdResp(f"id{pdu.sequence}")))

    async def bound(self) -> tuple[Link, Pdu]:
        return await asyncio.wait_for(self.binds.get(), TIMEOUT)

    async def submitted(self) -> tuple[Link, Pdu]:
        return await asyncio.wait_for(self.submits.get(), TIMEOUT)

    async def close(self) -> None:
        for link in self.links:
            link.close("test over")
        if self._server:
            self._server.close()
            await self._server.wait_closed()


def void(_: object) -> None:
    """Lets a lambda call what returns something."""


class Kept:
    """A sink that keeps everything, or refuses."""

    def __init__(self) -> None:
        self.receipts: asyncio.Queue[Receipt] = asyncio.Queue()
        self.segments: asyncio.Queue[InboundSegment] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse = False

    async def receipt(self, receipt: Receipt) -> None:
        self.receipts.put_nowait(receipt)
        await self.gate.wait()
        if self.refuse:
            raise OSError("disk full")

    async def inbound(self, segment: InboundSegment) -> None:
        self.segments.put_nowait(segment)
        await self.gate.wait()

    async def inbound_media(self, message: InboundMedia) -> None:
        raise AssertionError("SMPP has no media messages")


def settings(port: int, **options: Any) -> SmppSettings:
    quick: dict[str, Any] = {"reconnect_min": 0.01, "reconnect_max": 0.05, "refused_min": 0.02, "refused_max": 0.1}
    base: dict[str, Any] = {"name": "main", "host": "127.0.0.1", "port": port, "system_id": "us", "password": "pw"}
    return SmppSettings(**(base | quick | options))


@asynccontextmanager
async def running(
    *, smsc: Smsc | None = None, wait: bool = True, carrier: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[SmppCarrier, Smsc, Kept]]:
    """A started carrier with these settings, its message centre and its sink; bound unless `wait` is False."""
    smsc = smsc or Smsc()
    sink = Kept()
    it = SmppCarrier(settings(await smsc.listen(), **options), **(carrier or {}))
    await it.start(sink)
    try:
        if wait:
            (await taken(it)).release()
        yield it, smsc, sink
    finally:
        await it.stop(0)
        await smsc.close()


async def taken(carrier: Carrier) -> Slot:
    return await asyncio.wait_for(carrier.slot(), TIMEOUT)


def submission(text: str = "hello", **changes: Any) -> Submission:
    usual: dict[str, Any] = {
        "message_id": "0123456789abcdef0123456789abcdef",
        "part": 1,
        "parts": 1,
        "sender": "+15005550006",
        "recipient": "+15551230000",
        "text": text,
        "encoding": Encoding.GSM7,
    }
    return Submission(**(usual | changes))


async def send(carrier: Carrier, what: Submission | None = None) -> Answer:
    slot = await taken(carrier)
    return await asyncio.wait_for(slot.submit(what or submission()), TIMEOUT)


def started(coroutine: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
    return asyncio.create_task(coroutine)


async def until(happened: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(TIMEOUT):
        while not happened():  # noqa: ASYNC110 (what is shown to operators gives no signal)
            await asyncio.sleep(0)


# --- submitting


async def test_accepted_segment_has_the_carriers_id_and_went_out_whole() -> None:
    async with running() as (carrier, smsc, _):
        answer = started(send(carrier, submission("hi @", validity=14_400)))
        link, pdu = await smsc.submitted()
        assert pdu.body == ShortMessage(
            source_addr_ton=1,
            source_addr_npi=1,
            source_addr="15005550006",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="15551230000",
            validity_period="000000040000000R",
            registered_delivery=1,
            short_message=b"hi \x00",
        )
        assert pdu.tlvs == {}
        link.respond(pdu, 0, MessageIdResp("0A1b"))
        assert await answer == Accepted("0A1b")
        assert carrier.key("0A1b") == "a1b"
        assert carrier.counts["accepted"] == 1


async def test_window_of_a_hundred_is_filled_and_not_exceeded() -> None:
    async with running(window=100) as (carrier, smsc, _):
        assert carrier.capacity == 100
        answers = [started(send(carrier)) for _n in range(101)]
        requests = [await smsc.submitted() for _n in range(100)]
        assert carrier.describe().binds[0].in_flight == 100
        assert carrier.describe().waiting == 1
        assert smsc.submits.empty()
        link, pdu = requests.pop()
        link.respond(pdu, 0, MessageIdResp("x"))
        requests.append(await smsc.submitted())
        for link, pdu in requests:
            link.respond(pdu, 0, MessageIdResp("x"))
        assert await asyncio.gather(*answers) == [Accepted("x")] * 101


async def test_two_binds_share_the_load() -> None:
    async with running(binds=2, window=10) as (carrier, smsc, _):
        for _n in range(2):
            await smsc.bound()
        await until(lambda: all(bind.state is BindState.BOUND for bind in carrier.describe().binds))
        answers = [started(send(carrier)) for _n in range(20)]
        requests = [await smsc.submitted() for _n in range(20)]
        for used in smsc.links:
            assert sum(link is used for link, _pdu in requests) == 10
        for link, pdu in requests:
            link.respond(pdu, 0, MessageIdResp("x"))
        await asyncio.gather(*answers)


async def test_slots_are_given_in_the_order_they_were_asked_for() -> None:
    async with running(window=1) as (carrier, _smsc, _):
        slot = await taken(carrier)
        order: list[int] = []

        async def wait(number: int) -> None:
            it = await carrier.slot()
            order.append(number)
            it.release()

        waiting = [asyncio.create_task(wait(number)) for number in range(4)]
        await until(lambda: carrier.describe().waiting == 4)
        waiting[1].cancel()
        slot.release()
        await asyncio.wait(waiting, timeout=TIMEOUT)
        assert order == [0, 2, 3]
        assert carrier.describe().binds[0].in_flight == 0


async def test_slot_granted_to_a_cancelled_caller_is_not_lost() -> None:
    async with running(window=1) as (carrier, _smsc, _):
        slot = await taken(carrier)
        waiting = asyncio.create_task(carrier.slot())
        await until(lambda: carrier.describe().waiting == 1)
        slot.release()
        waiting.cancel()
        await asyncio.wait([waiting], timeout=TIMEOUT)
        (await taken(carrier)).release()


async def test_slot_is_good_once() -> None:
    async with running() as (carrier, _smsc, _):
        slot = await taken(carrier)
        slot.release()
        with pytest.raises(RuntimeError):
            slot.release()


async def test_late_answer_is_uncertain_first_and_told_when_it_comes() -> None:
    late: asyncio.Queue[tuple[Submission, Answer]] = asyncio.Queue()
    told = {"on_late": lambda what, answer: late.put_nowait((what, answer))}
    async with running(carrier=told, response_timeout=0.1, enquire_link=0) as (carrier, smsc, _):
        answer = await send(carrier)
        assert isinstance(answer, Uncertain)
        assert "no response in 0.1 s" in answer.evidence
        link, pdu = await smsc.submitted()
        link.respond(pdu, 0, MessageIdResp("late"))
        assert await asyncio.wait_for(late.get(), TIMEOUT) == (submission(), Accepted("late"))
        assert carrier.describe().binds[0].in_flight == 0


async def test_bind_that_lets_a_submission_time_out_gets_one_at_a_time_until_it_answers() -> None:
    async with running(window=3, response_timeout=0.1, enquire_link=0) as (carrier, smsc, _):
        lost = await asyncio.gather(*(send(carrier) for _n in range(3)))
        assert all(isinstance(answer, Uncertain) for answer in lost)
        assert carrier.describe().binds[0].state is BindState.THROTTLED
        requests = [await smsc.submitted() for _n in range(3)]
        probe = await taken(carrier)
        waiting = asyncio.create_task(carrier.slot())
        await until(lambda: carrier.describe().waiting == 1)
        link, pdu = requests[0]
        link.respond(pdu, 0, MessageIdResp("alive"))
        (await asyncio.wait_for(waiting, TIMEOUT)).release()
        probe.release()
        assert carrier.describe().binds[0].state is BindState.BOUND


async def test_connection_closed_after_the_write_is_uncertain() -> None:
    async with running() as (carrier, smsc, _):
        answer = started(send(carrier))
        link, _pdu = await smsc.submitted()
        link.close("crash")
        result = await answer
        assert isinstance(result, Uncertain)
        assert "closed" in result.evidence


async def test_connection_lost_between_slot_and_submit_is_not_sent() -> None:
    async with running() as (carrier, smsc, _):
        slot = await taken(carrier)
        smsc.links[0].close("crash")
        await until(lambda: len(smsc.links) == 2 and carrier.up)
        assert isinstance(await slot.submit(submission()), NotSent)
        assert smsc.submits.empty()
        assert carrier.describe().binds[0].in_flight == 0


async def test_text_that_cannot_be_sent_is_rejected_and_the_bind_stays() -> None:
    async with running() as (carrier, smsc, _):
        answer = await send(carrier, submission(sender="Кафе"))
        assert isinstance(answer, Rejected)
        assert not answer.permanent
        assert smsc.submits.empty()
        assert carrier.up


STATUSES: list[tuple[int, Answer]] = [
    (0x08, Rejected(30008, False, "RSYSERR (0x08)", retries=2, after=30.0)),
    (0x0A, Rejected(21606, False, "RINVSRCADR (0x0A)")),
    (0x0B, Rejected(30005, True, "RINVDSTADR (0x0B)")),
    (0x14, Throttled(30.0, "RMSGQFUL (0x14)", 30001)),
    (0x58, Throttled(1.0, "RTHROTTLED (0x58)", 30017)),
    (0x02, Rejected(30008, False, "RINVCMDLEN (0x02)")),
    (0x0401, Rejected(30008, False, "VENDOR (0x401)")),
]


@pytest.mark.parametrize("nack", [False, True], ids=["resp", "generic_nack"])
@pytest.mark.parametrize(("status", "expected"), STATUSES)
async def test_command_status_becomes_an_answer(status: int, expected: Answer, nack: bool) -> None:
    async with running() as (carrier, smsc, _):
        smsc.on_submit = lambda link, pdu: (
            link.nack(status, pdu.sequence) if nack else void(link.respond(pdu, status))
        )
        assert await send(carrier) == expected
        assert carrier.up


async def test_status_about_the_session_binds_again_and_spares_the_rest_of_the_window() -> None:
    async with running() as (carrier, smsc, _):
        answers = [started(send(carrier)) for _n in range(2)]
        requests = [await smsc.submitted() for _n in range(2)]
        link, pdu = requests[0]
        link.respond(pdu, 0x04)
        assert await answers[0] == NotSent("RINVBNDSTS (0x04)")
        assert not carrier.up
        link, pdu = requests[1]
        link.respond(pdu, 0, MessageIdResp("kept"))
        assert await answers[1] == Accepted("kept")
        await until(lambda: carrier.up)
        assert len(smsc.links) == 2


async def test_generic_nack_that_says_nothing_is_uncertain() -> None:
    async with running() as (carrier, smsc, _):
        smsc.on_submit = lambda link, pdu: link.nack(0, pdu.sequence)
        assert isinstance(await send(carrier), Uncertain)


async def test_sequence_wraps_while_the_carrier_sends() -> None:
    async with running() as (carrier, smsc, _):
        smsc.accept_all()
        bind = carrier._binds[0]
        assert bind.link
        bind.link.sequence = 0x7FFFFFFE
        answers = [await send(carrier) for _n in range(3)]
        assert answers == [Accepted("id2147483647"), Accepted("id1"), Accepted("id2")]


# --- pace


class Winder:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


async def test_throttled_carrier_is_shown_and_recovers() -> None:
    time = Winder()
    async with running(carrier={"monotonic": time}, throughput=100, throttle_pause=0.1) as (carrier, smsc, _):
        smsc.on_submit = lambda link, pdu: void(link.respond(pdu, 0x58))
        assert isinstance(await send(carrier), Throttled)
        view = carrier.describe()
        assert (view.rate, view.throttled) == (50, True)
        assert (view.binds[0].state, view.binds[0].reason) == (BindState.THROTTLED, "RTHROTTLED (0x58)")
        assert carrier.up
        waiting = asyncio.create_task(carrier.slot())
        await until(lambda: carrier.describe().waiting == 1)
        time.at += 0.1 + 15.1  # the pause, and half of the recovery of 30 s
        view = carrier.describe()
        assert (view.rate, view.throttled, view.binds[0].state) == (100, False, BindState.BOUND)
        (await asyncio.wait_for(waiting, TIMEOUT)).release()


async def test_throughput_holds_slots_back() -> None:
    time = Winder()
    async with running(carrier={"monotonic": time}, throughput=20, wait=False) as (carrier, smsc, _):
        smsc.accept_all()
        await until(lambda: carrier.up)
        for _n in range(2):
            await send(carrier)  # a tenth of a second's worth
        third = started(send(carrier))
        await until(lambda: carrier.describe().waiting == 1)
        time.at += 0.05
        assert await third == Accepted("id4")


# --- binding


async def test_refused_bind_recovers_alone() -> None:
    smsc = Smsc()
    smsc.refusals = [0x0E, 0x0D, 0x05]
    async with running(smsc=smsc, wait=False) as (carrier, _, _sink):
        await smsc.bound()
        await until(lambda: carrier.describe().binds[0].state is BindState.LOST)
        assert carrier.describe().binds[0].reason == "bind refused: RINVPASWD (0x0E)"
        assert not carrier.up
        smsc.accept_all()
        assert isinstance(await send(carrier), Accepted)
        assert len(smsc.links) == 4


async def test_bind_that_is_never_answered_is_tried_again() -> None:
    smsc = Smsc()
    smsc.deaf = 2
    async with running(smsc=smsc, response_timeout=0.05, wait=False) as (carrier, _, _sink):
        smsc.accept_all()
        assert isinstance(await send(carrier), Accepted)
        assert len(smsc.links) == 3


async def test_carrier_that_is_not_there_yet_is_found() -> None:
    smsc = Smsc()
    port = await smsc.listen()
    await smsc.close()
    carrier = SmppCarrier(settings(port))
    await carrier.start(Kept())
    await until(lambda: "Connect call failed" in carrier.describe().binds[0].reason)
    smsc.accept_all()
    await smsc.listen(port)
    assert isinstance(await send(carrier), Accepted)
    await carrier.stop(0)
    await smsc.close()


async def test_bind_says_who_we_are() -> None:
    async with running(system_type="VMS", addr_ton=1, addr_npi=1, address_range="^1") as (_, smsc, _sink):
        _link, pdu = await smsc.bound()
        assert pdu.command == Command.BIND_TRANSCEIVER
        assert pdu.body == codec.Bind("us", "pw", "VMS", 0x34, 1, 1, "^1")


async def test_transmitter_and_receiver_are_two_connections() -> None:
    async with running(bind="transmitter+receiver", window=7) as (carrier, smsc, sink):
        assert carrier.capacity == 7
        by_command = {pdu.command: link for link, pdu in [await smsc.bound(), await smsc.bound()]}
        assert set(by_command) == {Command.BIND_TRANSMITTER, Command.BIND_RECEIVER}
        answer = started(send(carrier))
        link, pdu = await smsc.submitted()
        assert link is by_command[Command.BIND_TRANSMITTER]
        acknowledged = by_command[Command.BIND_RECEIVER].request(
            Command.DELIVER_SM, ShortMessage(esm_class=0x04, short_message=RECEIPT_TEXT)
        )
        assert (await asyncio.wait_for(sink.receipts.get(), TIMEOUT)).ids == ("1",)
        assert (await asyncio.wait_for(acknowledged, TIMEOUT)).status == 0
        link.respond(pdu, 0, MessageIdResp("1"))
        assert await answer == Accepted("1")


async def test_receiver_alone_does_not_make_the_carrier_up() -> None:
    smsc = Smsc()
    async with running(smsc=smsc, bind="transmitter+receiver") as (carrier, _, _sink):
        smsc.refusals = [0x0F] * 1000
        links = {pdu.command: link for link, pdu in [await smsc.bound(), await smsc.bound()]}
        links[Command.BIND_TRANSMITTER].close("crash")
        await until(lambda: not carrier.up)
        states = {bind.kind: bind.state for bind in carrier.describe().binds}
        assert states["receiver"] is BindState.BOUND


async def test_unbind_of_the_carrier_is_answered_and_followed_by_a_new_bind() -> None:
    async with running() as (carrier, smsc, _):
        link, _pdu = await smsc.bound()
        response = await asyncio.wait_for(link.request(Command.UNBIND), TIMEOUT)
        assert response.command == Command.UNBIND_RESP
        await smsc.bound()
        smsc.accept_all()
        assert isinstance(await send(carrier), Accepted)


async def test_garbage_from_the_carrier_costs_the_connection_and_nothing_else() -> None:
    async with running() as (carrier, smsc, _):
        link, _pdu = await smsc.bound()
        link.write(b"\0\0\0\x0fHTTP/1.1 400 Bad Request\r\n\r\n")
        await smsc.bound()
        smsc.accept_all()
        assert isinstance(await send(carrier), Accepted)
        assert carrier.counts["framing_errors"] == 1


async def test_centre_of_version_33_gets_no_tlvs() -> None:
    smsc = Smsc()
    smsc.version = b"\x33"
    async with running(smsc=smsc, long_messages="sar") as (carrier, _, _sink):
        answer = started(send(carrier, submission(part=1, parts=2)))
        link, pdu = await smsc.submitted()
        assert pdu.tlvs == {}
        assert isinstance(pdu.body, ShortMessage)
        assert pdu.body.esm_class == 0x40
        assert pdu.body.short_message == bytes.fromhex("050003ef0201") + b"hello"
        link.respond(pdu, 0, MessageIdResp("x"))
        await answer


async def test_stop_waits_for_answers_and_unbinds() -> None:
    smsc = Smsc()
    carrier = SmppCarrier(settings(await smsc.listen()))
    await carrier.start(Kept())
    answer = started(send(carrier))
    link, pdu = await smsc.submitted()
    stopping = asyncio.create_task(carrier.stop(TIMEOUT))
    await until(lambda: not carrier.up)
    late = asyncio.create_task(carrier.slot())
    link.respond(pdu, 0, MessageIdResp("last"))
    assert await answer == Accepted("last")
    await asyncio.wait_for(stopping, TIMEOUT)
    assert await asyncio.wait_for(smsc.lost.get(), TIMEOUT) == "unbound by the peer"
    assert not late.done()
    late.cancel()
    await smsc.close()


async def test_stop_does_not_wait_longer_than_told() -> None:
    smsc = Smsc()
    carrier = SmppCarrier(settings(await smsc.listen()))
    await carrier.start(Kept())
    answer = started(send(carrier))
    await smsc.submitted()
    await asyncio.wait_for(carrier.stop(0.05), TIMEOUT)
    assert isinstance(await answer, Uncertain)
    await smsc.close()


# --- TLS


def certificate(folder: Path, name: str) -> Path:
    """A self-made certificate and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def over_tls(
    certificate: Path, tls: bool | Tls, ask: Path | None = None
) -> AsyncIterator[tuple[SmppCarrier, Smsc]]:
    """A carrier and a message centre that has this certificate, and asks for ours if it knows one of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if ask:
        context.load_verify_locations(ask)
        context.verify_mode = ssl.CERT_REQUIRED
    smsc = Smsc()
    smsc.accept_all()
    carrier = SmppCarrier(settings(await smsc.listen(tls=context), tls=tls))
    await carrier.start(Kept())
    try:
        yield carrier, smsc
    finally:
        await carrier.stop(0)
        await smsc.close()


async def test_tls_to_a_certificate_we_trust(tmp_path: Path) -> None:
    theirs = certificate(tmp_path, "smsc.test")
    for tls in (Tls(ca_file=str(theirs)), Tls(ca_file=str(theirs), server_name="smsc.test"), Tls(verify=False)):
        async with over_tls(theirs, tls) as (carrier, _):
            assert isinstance(await send(carrier), Accepted)


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_to_the_wrong_certificate_never_binds(tmp_path: Path, trusted: bool) -> None:
    theirs, another = certificate(tmp_path, "smsc.test"), certificate(tmp_path, "another.test")
    tls = Tls(ca_file=str(theirs), server_name="another.test") if trusted else Tls(ca_file=str(another))
    async with over_tls(theirs, tls) as (carrier, smsc):
        await until(lambda: carrier.describe().binds[0].state is BindState.LOST)
        assert "certificate verify failed" in carrier.describe().binds[0].reason
        assert smsc.binds.empty()


async def test_tls_to_a_centre_without_tls_says_so() -> None:
    async with running(tls=True, wait=False) as (carrier, smsc, _):
        await until(lambda: carrier.describe().binds[0].state is BindState.LOST)
        assert "wrong version number" in carrier.describe().binds[0].reason
        assert smsc.binds.empty()


async def test_handshake_that_never_ends_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        carrier = SmppCarrier(settings(silent.getsockname()[1], tls=True, connect_timeout=0.05))
        await carrier.start(Kept())
        await until(lambda: carrier.describe().binds[0].state is BindState.LOST)
        assert carrier.describe().binds[0].reason == "could not bind: TimeoutError"
        await carrier.stop(0)


async def test_tls_with_a_certificate_of_ours(tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path, "smsc.test"), certificate(tmp_path, "gateway.test")
    async with over_tls(theirs, Tls(ca_file=str(theirs), cert_file=str(ours)), ask=ours) as (carrier, _):
        assert isinstance(await send(carrier), Accepted)
    async with over_tls(theirs, Tls(ca_file=str(theirs)), ask=ours) as (carrier, smsc):
        await until(lambda: carrier.describe().binds[0].state is BindState.LOST)
        assert smsc.binds.empty()


def test_tls_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SmppCarrier(settings(1, tls=Tls(ca_file=str(tmp_path / "missing.pem"))))


# --- receiving


async def test_receipt_is_acknowledged_only_when_it_is_kept() -> None:
    async with running() as (_, smsc, sink):
        sink.gate.clear()
        acknowledged = smsc.links[0].request(
            Command.DELIVER_SM,
            ShortMessage(
                source_addr="15551230000", destination_addr="15005550006", esm_class=4, short_message=RECEIPT_TEXT
            ),
        )
        receipt = await asyncio.wait_for(sink.receipts.get(), TIMEOUT)
        assert (receipt.verdict, receipt.word) == (Verdict.DELIVERED, "DELIVRD")
        assert (receipt.source, receipt.destination) == ("15551230000", "15005550006")
        assert bytes.fromhex(receipt.raw).endswith(RECEIPT_TEXT)
        assert not acknowledged.done()
        sink.gate.set()
        response = await asyncio.wait_for(acknowledged, TIMEOUT)
        assert (response.command, response.status) == (Command.DELIVER_SM_RESP, 0)
        assert response.raw[16:] == b"\0"


async def test_receipt_that_could_not_be_kept_is_asked_for_again() -> None:
    async with running() as (carrier, smsc, sink):
        sink.refuse = True
        body = ShortMessage(esm_class=4, short_message=RECEIPT_TEXT)
        response = await asyncio.wait_for(smsc.links[0].request(Command.DELIVER_SM, body), TIMEOUT)
        assert response.status == 0x64
        assert carrier.counts["not_kept"] == 1
        assert carrier.up


async def test_message_that_imitates_a_receipt_is_a_message() -> None:
    async with running() as (_, smsc, sink):
        body = ShortMessage(source_addr="15551230000", source_addr_ton=1, short_message=RECEIPT_TEXT)
        await asyncio.wait_for(smsc.links[0].request(Command.DELIVER_SM, body), TIMEOUT)
        segment = await asyncio.wait_for(sink.segments.get(), TIMEOUT)
        assert (segment.source, segment.text) == ("+15551230000", RECEIPT_TEXT.decode())
        assert sink.receipts.empty()


async def test_receipt_in_data_sm_is_read() -> None:
    async with running() as (_, smsc, sink):
        tlvs: dict[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: b"7f\0", Tag.MESSAGE_STATE: b"\5"}
        answer = smsc.links[0].request(Command.DATA_SM, DataSm(esm_class=4), tlvs)
        receipt = await asyncio.wait_for(sink.receipts.get(), TIMEOUT)
        assert (receipt.ids, receipt.verdict) == (("7f",), Verdict.UNDELIVERED)
        response = await asyncio.wait_for(answer, TIMEOUT)
        assert (response.command, response.status) == (Command.DATA_SM_RESP, 0)


async def test_carrier_is_not_read_while_too_much_is_not_kept() -> None:
    async with running(inbound_window=2) as (_, smsc, sink):
        sink.gate.clear()
        deliver = partial(smsc.links[0].request, Command.DELIVER_SM)
        first = [deliver(ShortMessage(short_message=b"%d" % n)) for n in range(2)]
        for _n in range(2):
            await asyncio.wait_for(sink.segments.get(), TIMEOUT)
        third = deliver(ShortMessage(short_message=b"2"))
        sink.gate.set()
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*first)
            assert (await third).status == 0
        assert (await sink.segments.get()).text == "2"


# --- query_sm


@pytest.fixture
def asking(tmp_path: Path) -> str:
    path = tmp_path / "asking.toml"
    path.write_text('version = 1\nabout = "answers query_sm"\nquery = true\nuser_message_reference = true\n')
    return str(path)


async def test_query_reads_as_a_receipt(asking: str) -> None:
    async with running(profile=asking) as (carrier, smsc, _):
        smsc.on_submit = lambda link, pdu: void(link.respond(pdu, 0, QuerySmResp("ab1", "230223194211", 2, 0)))
        receipt = await asyncio.wait_for(carrier.query("ab1", "+15005550006"), TIMEOUT)
        assert receipt
        assert (receipt.ids, receipt.verdict, receipt.done_date) == (("ab1",), Verdict.DELIVERED, "230223194211")
        assert receipt.destination == "+15005550006"


async def test_query_names_the_sender_and_may_go_unanswered(asking: str) -> None:
    async with running(profile=asking) as (carrier, smsc, _):
        asked = asyncio.create_task(carrier.query("ab1", "+15005550006"))
        link, pdu = await smsc.submitted()
        assert pdu.body == QuerySm("ab1", 1, 1, "15005550006")
        link.respond(pdu, 0x67)
        assert await asyncio.wait_for(asked, TIMEOUT) is None
        assert carrier.describe().binds[0].in_flight == 0


async def test_carrier_without_query_sm_is_not_asked() -> None:
    async with running() as (carrier, smsc, _):
        assert await carrier.query("ab1", "+15005550006") is None
        assert smsc.submits.empty()


async def test_user_message_reference_is_sent_where_the_profile_says_so(asking: str) -> None:
    async with running(profile=asking) as (carrier, smsc, _):
        answer = started(send(carrier, submission(part=2, parts=3)))
        link, pdu = await smsc.submitted()
        assert pdu.tlvs == {Tag.USER_MESSAGE_REFERENCE: bytes.fromhex("cdf1")}
        link.respond(pdu, 0, MessageIdResp("x"))
        await answer


def test_same_behaviour_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_window_of_a_hundred_is_filled_and_not_exceeded())
        runner.run(test_connection_closed_after_the_write_is_uncertain())
        runner.run(test_receipt_is_acknowledged_only_when_it_is_kept())
        runner.run(test_stop_waits_for_answers_and_unbinds())
