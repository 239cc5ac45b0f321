"""The carrier against a scripted MMSC, over real sockets: each way an exchange can end."""

import asyncio
import ipaddress
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.carriers.mm7.mmsc_peer import (
    PICTURE,
    Kept,
    Peer,
    Seen,
    Step,
    fault,
    http,
    settings,
    submission,
    submit_rsp,
    taken,
)
from tidings.carriers.base import Accepted, Answer, Carrier, NotSent, Rejected, Throttled, Uncertain
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.carrier import Mm7Carrier
from tidings.carriers.mm7.client import MAX_ANSWER
from tidings.carriers.smpp.settings import Tls
from tidings.gateway.inquiry import Answers
from tidings.model import Channel
from tidings.text import Encoding

TIMEOUT = 5.0

Connect = Callable[..., Awaitable[Mm7Carrier]]


async def send(carrier: Carrier, **more: object) -> Answer:
    async with asyncio.timeout(TIMEOUT):
        slot = await carrier.slot()
        return await slot.submit(submission(**more))


def always(data: bytes) -> Callable[[Seen], Step]:
    return lambda _: Step(data)


def saying(code: int) -> Callable[[Seen], Step]:
    return lambda seen: Step(http(200, submit_rsp(seen.transaction, code)))


# --- what a submission is


async def test_a_message_is_taken_and_named(peer: Peer, connect: Connect) -> None:
    carrier = await connect(user="tidings", password="päss")
    assert await send(carrier) == Accepted("m-1")
    (seen,) = peer.seen
    assert seen.head.startswith("POST /mm7 HTTP/1.1\r\n")
    assert seen.header("Authorization") == "Basic " + b64encode("tidings:päss".encode()).decode()
    assert seen.header("SOAPAction") == '""'
    envelope = wire.read(seen.header("Content-Type"), seen.body)
    assert envelope.operation == "SubmitReq"
    assert wire.content(envelope.leaves) == ("Grüße ☃", (PICTURE,))


async def test_without_a_user_no_credentials_are_sent(peer: Peer, connect: Connect) -> None:
    await send(await connect())
    assert peer.seen[0].header("Authorization") == ""


async def test_every_try_is_a_transaction_of_its_own(peer: Peer, connect: Connect) -> None:
    carrier = await connect()
    await send(carrier)
    await send(carrier)
    first, second = (seen.transaction for seen in peer.seen)
    assert first != second
    assert first.startswith(submission().message_id)
    assert second.startswith(submission().message_id)


async def test_a_connection_is_used_again(peer: Peer, connect: Connect) -> None:
    carrier = await connect()
    await send(carrier)
    probes = peer.connections
    await send(carrier)
    assert peer.connections == probes


async def test_a_kept_connection_that_was_closed_is_not_used(peer: Peer, connect: Connect) -> None:
    peer.step = lambda seen: Step(http(200, submit_rsp(seen.transaction, 1000)), "close")
    carrier = await connect()
    for _ in range(3):
        assert await send(carrier) == Accepted("m-1")


def test_what_the_gateway_is_told_of_it() -> None:
    carrier = Mm7Carrier(settings(window=7))
    assert carrier.channels == {Channel.MMS}
    assert carrier.capacity == 7
    assert carrier.split("a" * 1000, Encoding.GSM7) == ["a" * 1000]
    assert carrier.key("M-1") == "M-1"
    assert not isinstance(carrier, Answers)  # it cannot be asked what became of a message


# --- what may be answered

EMPTY = "not XML: no element found: line 1, column 0"


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        (saying(2003), Rejected(30005, True, "2003 in so many words")),
        (saying(2002), Rejected(30005, False, "2002 in so many words")),
        (saying(3000), Rejected(30008, False, "3000 in so many words", retries=2, after=30.0)),
        (saying(4006), Throttled(10.0, "4006 in so many words")),
        (
            lambda seen: Step(http(500, fault(seen.transaction, "Client"))),
            Rejected(30008, False, "Client it went wrong"),
        ),
        (always(http(413)), Rejected(30019, False, f"HTTP 413, too large: {EMPTY}")),
        (always(http(503, headers="Retry-After: 7\r\n")), Throttled(7.0, f"HTTP 503, unavailable: {EMPTY}")),
    ],
)
async def test_a_refusal_is_told_as_it_was_meant(
    peer: Peer, connect: Connect, step: Callable[[Seen], Step], answer: Answer
) -> None:
    peer.step = step
    carrier = await connect()
    assert await send(carrier) == answer
    assert carrier.up


@pytest.mark.parametrize(
    "step",
    [
        always(b"garbage\r\n\r\n"),
        always(http(500)),
        always(http(500, "<html>oops</html>", "text/html")),
        always(http(502)),
        always(http(504)),
        always(http(200, b"\x00\xff" * 100, "multipart/related; boundary=x")),
        lambda seen: Step(http(200, submit_rsp(seen.transaction, 1000) + " " * MAX_ANSWER)),  # too long
        always(http(200, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')),
        saying(1100 + 5000),
        lambda seen: Step(http(200, submit_rsp("somebody-else-s", 1000))),
        lambda _: Step(then="close"),
        lambda _: Step(then="reset"),
        lambda seen: Step(http(200, submit_rsp(seen.transaction, 1000))[:40], "reset"),
        lambda seen: Step(http(200, submit_rsp(seen.transaction, 1000))[:-40], "reset"),
        lambda seen: Step(http(200, submit_rsp(seen.transaction, 1000))[:-40], "close"),
    ],
)
async def test_what_left_without_an_answer_that_can_be_read_is_uncertain(
    peer: Peer, connect: Connect, step: Callable[[Seen], Step]
) -> None:
    peer.step = step
    carrier = await connect()
    answer = await send(carrier)
    assert isinstance(answer, Uncertain)
    assert answer.evidence
    assert len(peer.seen) == 1  # it was not sent again
    peer.step = taken
    assert await send(carrier) == Accepted("m-1")


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<"])
async def test_silence_is_uncertain_once_time_is_up(peer: Peer, connect: Connect, begun: bytes) -> None:
    peer.step = lambda _: Step(begun, "hang")
    carrier = await connect(timeout=0.2)
    assert await send(carrier) == Uncertain("no answer in time")
    assert carrier.up


async def test_a_trickle_does_not_hold_the_window_for_ever(peer: Peer, connect: Connect) -> None:
    """Each byte comes in time, all of them would take for ever."""
    gone = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        gone.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        carrier = await connect(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout=0.3)
        assert await send(carrier) == Uncertain("no answer in time")
        await asyncio.wait_for(gone.wait(), TIMEOUT)


# --- whether the MMSC is there


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def test_nothing_is_given_out_before_the_mmsc_is_there(connect: Connect) -> None:
    port = free_port()
    carrier = await connect(url=f"http://127.0.0.1:{port}/mm7")
    waiting = asyncio.create_task(send(carrier))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    assert not carrier.up
    assert carrier.slot_now() is None
    peer = Peer()
    await peer.start(port)
    assert await waiting == Accepted("m-1")
    assert carrier.up
    await peer.stop()


async def test_an_mmsc_that_goes_away_is_not_sent_to_until_it_is_back(peer: Peer, connect: Connect) -> None:
    carrier = await connect(reconnect_min=0.05)
    first, second = await carrier.slot(), await carrier.slot()
    await peer.stop()
    answers = [await first.submit(submission()), await second.submit(submission())]
    assert all(isinstance(answer, NotSent) for answer in answers)
    assert not carrier.up
    waiting = asyncio.create_task(send(carrier))
    await peer.start(peer.port)
    assert await waiting == Accepted("m-1")
    await peer.stop()
    await peer.start()


async def test_a_name_that_has_no_address_is_tried_again_and_again(connect: Connect) -> None:
    carrier = await connect(url="http://mmsc.invalid/mm7")
    waiting = asyncio.create_task(carrier.slot())
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    assert not carrier.up
    waiting.cancel()


@pytest.mark.parametrize(
    "step",
    [
        always(http(401)),
        always(http(403)),
        always(http(404, "<html>", "text/html")),
        always(http(301, headers="Location: http://127.0.0.1:1/\r\n")),
        saying(4001),
        saying(4002),
    ],
)
async def test_an_mmsc_that_does_not_know_us_keeps_the_message_untouched(
    peer: Peer, connect: Connect, step: Callable[[Seen], Step]
) -> None:
    peer.step = step
    carrier = await connect(refused_min=0.05)
    answer = await send(carrier)
    assert isinstance(answer, NotSent)
    assert not carrier.up
    peer.step = taken
    assert await send(carrier) == Accepted("m-1")
    assert carrier.up


async def test_pauses_after_refusals_grow_until_a_submission_is_judged(
    peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr("tidings.carriers.mm7.reach.asyncio.sleep", note)
    carrier = await connect(refused_min=60.0, refused_max=200.0)
    for step, count in ((always(http(401)), 3), (saying(2003), 1), (always(http(401)), 1)):
        peer.step = step
        for _ in range(count):
            await send(carrier)
    (await asyncio.wait_for(carrier.slot(), TIMEOUT)).release()
    assert pauses == [60.0, 120.0, 200.0, 60.0]


# --- the window


async def test_the_window_bounds_what_is_unanswered(peer: Peer, connect: Connect) -> None:
    peer.step = lambda _: Step(then="hang")
    carrier = await connect(window=2, timeout=30.0)
    await asyncio.wait_for(carrier.slot(), TIMEOUT)
    second = carrier.slot_now()
    assert second is not None
    assert carrier.slot_now() is None
    second.release()
    assert carrier.slot_now() is not None


async def test_a_slot_is_good_once(peer: Peer, connect: Connect) -> None:
    slot = await (await connect()).slot()
    slot.release()
    with pytest.raises(RuntimeError):
        slot.release()
    with pytest.raises(RuntimeError):
        await slot.submit(submission())


async def test_a_submission_that_is_given_up_makes_room(peer: Peer, connect: Connect) -> None:
    peer.step = lambda _: Step(then="hang")
    carrier = await connect(window=1, timeout=30.0)
    submitting = asyncio.create_task(send(carrier))
    await asyncio.wait_for(peer.asked.wait(), TIMEOUT)
    assert carrier.slot_now() is None
    submitting.cancel()
    await asyncio.gather(submitting, return_exceptions=True)
    assert carrier.slot_now() is not None


async def test_a_carrier_that_is_too_busy_is_slowed_down(peer: Peer, connect: Connect) -> None:
    peer.step = saying(3100)
    carrier = await connect()
    await send(carrier)
    assert carrier.slot_now() is None
    assert carrier.up


async def test_what_cannot_be_written_is_rejected(peer: Peer, connect: Connect) -> None:
    answer = await send(await connect(), text="half a pair: \ud83d")
    assert isinstance(answer, Rejected)
    assert peer.seen == []


# --- stopping


async def test_a_stop_waits_for_answers(peer: Peer, kept: Kept) -> None:
    carrier = Mm7Carrier(settings(url=peer.url))
    await carrier.start(kept)
    slot = await asyncio.wait_for(carrier.slot(), TIMEOUT)
    stopping = asyncio.create_task(carrier.stop(TIMEOUT))
    await asyncio.sleep(0)
    assert not carrier.up
    assert await slot.submit(submission()) == Accepted("m-1")
    await asyncio.wait_for(stopping, TIMEOUT)


async def test_a_stop_does_not_wait_for_ever(peer: Peer, kept: Kept) -> None:
    peer.step = lambda _: Step(then="hang")
    carrier = Mm7Carrier(settings(url=peer.url, timeout=30.0))
    await carrier.start(kept)
    submitting = asyncio.create_task(send(carrier))
    await asyncio.wait_for(peer.asked.wait(), TIMEOUT)
    await asyncio.wait_for(carrier.stop(0.05), TIMEOUT)
    assert isinstance(await submitting, Uncertain)


async def test_what_is_handed_in_after_a_stop_is_not_sent(peer: Peer, kept: Kept) -> None:
    carrier = Mm7Carrier(settings(url=peer.url))
    await carrier.start(kept)
    slot = await asyncio.wait_for(carrier.slot(), TIMEOUT)
    await carrier.stop(0.0)
    assert await slot.submit(submission()) == NotSent("the gateway is stopping")
    assert peer.seen == []


async def test_a_carrier_that_was_never_started_stops() -> None:
    await asyncio.wait_for(Mm7Carrier(settings()).stop(1.0), TIMEOUT)


# --- TLS


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own making, for `name` and 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]
    made = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
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
async def over_tls(certified: Path, tls: Tls) -> AsyncIterator[Mm7Carrier]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified)
    peer = Peer()
    await peer.start(tls=context)
    carrier = Mm7Carrier(settings(url=f"https://127.0.0.1:{peer.port}/mm7", tls=tls))
    await carrier.start(Kept())
    try:
        yield carrier
    finally:
        await carrier.stop(0)
        await peer.stop()


async def test_tls_to_a_certificate_we_trust(tmp_path: Path) -> None:
    theirs = certificate(tmp_path, "mmsc.test")
    for tls in (Tls(ca_file=str(theirs)), Tls(ca_file=str(theirs), server_name="mmsc.test"), Tls(verify=False)):
        async with over_tls(theirs, tls) as carrier:
            assert await send(carrier) == Accepted("m-1")


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_to_the_wrong_certificate_never_comes_up(
    tmp_path: Path, trusted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, another = certificate(tmp_path, "mmsc.test"), certificate(tmp_path, "another.test")
    tls = Tls(ca_file=str(theirs), server_name="another.test") if trusted else Tls(ca_file=str(another))
    async with over_tls(theirs, tls) as carrier:
        waiting = asyncio.create_task(carrier.slot())
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        assert "certificate verify failed" in caplog.text
        waiting.cancel()
