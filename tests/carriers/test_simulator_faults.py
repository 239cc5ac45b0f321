import datetime
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tidings.carriers.base import Verdict
from tidings.carriers.simulator.server import Settings
from tidings.carriers.smpp.link import NoResponse
from tidings.carriers.smpp.pdu import Bind, Command, DataSm, MessageIdResp
from tidings.carriers.smpp.session import State

if TYPE_CHECKING:
    from tests.carriers.conftest import Bench
pytestmark = pytest.mark.timeout(20)

# --- answers that are none


def answering(behaviour: str) -> str:
    return f"numbers = false\ndefault = {{ {behaviour} }}"


async def test_an_answer_may_come_late(bench: "Bench") -> None:
    client = await (await bench.start(answering("delay = 60.0"))).bind()
    answer = client.submit()
    await client.query("none")
    assert not answer.done()
    bench.wind(60)
    assert (await answer).status == 0


async def test_an_answer_may_never_come(bench: "Bench") -> None:
    client = await (await bench.start(answering("answer = 'none', receipts = [{}]"))).bind()
    answer = client.submit()
    await bench.smsc.until(lambda counts: counts.submitted == 1)
    bench.wind(1)
    assert (await client.receipt()).verdict is Verdict.DELIVERED
    bench.wind(86400)
    await client.query("none")
    assert not answer.done()


async def test_an_answer_may_come_on_the_next_connection(bench: "Bench") -> None:
    first = await (await bench.start(answering("answer = 'reconnect'"))).bind()
    with pytest.raises(NoResponse):
        await first.submit()
    assert bench.seen[0].message_id
    second = await bench.bind()
    await second.query("none")
    assert second.link.counts["unmatched_responses"] == 1
    third = await bench.bind()
    await third.query("none")
    assert third.link.counts["unmatched_responses"] == 0


@pytest.mark.parametrize(
    ("behaviour", "numbered"),
    [("answer = 'nack', status = 0x58", True), ("answer = 'nack_unnumbered', status = 0x58", False)],
)
async def test_an_answer_may_be_generic_nack(bench: "Bench", behaviour: str, numbered: bool) -> None:
    client = await (await bench.start(answering(behaviour))).bind()
    answer = client.submit()
    await client.query("none")
    assert answer.done() is numbered
    if numbered:
        assert ((await answer).command, (await answer).status) == (Command.GENERIC_NACK, 0x58)
    else:
        assert client.link.counts["unmatched_responses"] == 1


@pytest.mark.parametrize("length", [15, 17, 2**31])
async def test_an_answer_may_lie_about_its_length(bench: "Bench", length: int) -> None:
    client = await (await bench.start(answering(f"command_length = {length}"))).bind()
    client.submit()
    client.submit().add_done_callback(lambda answer: answer.exception())
    assert "framing" in await client.lost


async def test_an_answer_may_end_in_a_tlv_longer_than_the_pdu(bench: "Bench") -> None:
    client = await (await bench.start(answering("tlv_overrun = true"))).bind()
    answer = await client.submit()
    assert answer.problems
    assert isinstance(answer.body, MessageIdResp)
    assert answer.body.message_id == bench.seen[0].message_id


async def test_an_answer_may_be_unbind(bench: "Bench") -> None:
    client = await (await bench.start(answering("answer = 'unbind'"))).bind()
    answer = client.submit()
    await bench.smsc.until(lambda counts: counts.receivers == 0)
    await client.link.request(Command.ENQUIRE_LINK)
    assert client.link.state == "unbinding"
    assert not answer.done()
    client.link.close("seen enough")
    with pytest.raises(NoResponse):
        await answer


# --- faults of the whole carrier


async def test_a_bind_may_be_refused_a_few_times(bench: "Bench") -> None:
    await bench.start("[faults]\nbind = 'refuse'\nbind_status = 0x0D\nbind_times = 2")
    client = await bench.connect()
    answers = [await client.link.request(Command.BIND_TRANSCEIVER, Bind("a")) for _ in range(3)]
    assert [each.status for each in answers] == [0x0D, 0x0D, 0]


async def test_a_bind_may_never_be_answered(bench: "Bench") -> None:
    client = await (await bench.start("[faults]\nbind = 'never'")).connect()
    answer = client.link.request(Command.BIND_TRANSCEIVER, Bind("a"))
    await client.link.request(Command.ENQUIRE_LINK)
    assert not answer.done()


@pytest.mark.parametrize(
    ("bind", "status"), [(Bind("b", "secret"), 0x0F), (Bind("a", "guess"), 0x0E), (Bind("a", "secret"), 0)]
)
async def test_credentials_count_where_they_are_set(bench: "Bench", bind: Bind, status: int) -> None:
    client = await (await bench.start(settings=Settings(system_id="a", password="secret"))).connect()
    assert (await client.link.request(Command.BIND_TRANSCEIVER, bind)).status == status


async def test_enquire_link_may_be_ignored(bench: "Bench") -> None:
    client = await (await bench.start("[faults]\nignore_enquire_link = true")).bind()
    answer = client.link.request(Command.ENQUIRE_LINK)
    await client.query("none")
    assert not answer.done()


async def test_receipts_that_waited_may_come_ahead_of_the_bind_response(bench: "Bench") -> None:
    sender = await (await bench.start("[faults]\nreceipts_before_bind_resp = true")).bind(Command.BIND_TRANSMITTER)
    await sender.accepted()
    bench.wind(1)
    receiver = await bench.connect()
    bound = receiver.link.request(Command.BIND_RECEIVER, Bind("a"))
    await receiver.receipt()
    assert receiver.states == [State.BINDING]
    assert bench.smsc.counts.receivers == 1
    assert (await bound).status == 0


async def test_sequence_numbers_may_start_near_their_end(bench: "Bench") -> None:
    client = await (await bench.start("[faults]\nfirst_sequence = 0x7FFFFFFF")).bind()
    for text in "ab":
        await client.accepted(text=text)
    bench.wind(1)
    assert [(await client.delivered.get()).sequence for _ in range(2)] == [0x7FFFFFFF, 1]
    await bench.smsc.until(lambda counts: counts.acknowledged == 2)


async def test_above_the_throughput_submissions_are_throttled(bench: "Bench") -> None:
    client = await (await bench.start("[faults]\nthroughput = 2")).bind()
    assert [(await client.submit()).status for _ in range(3)] == [0, 0, 0x58]
    bench.wind(1)
    assert (await client.submit()).status == 0


async def test_a_bind_has_room_again_once_its_late_answers_were_given(bench: "Bench") -> None:
    scenario = "default = { delay = 5.0 }\n[faults]\npending = 1"
    client = await (await bench.start(scenario)).bind()
    slow = client.submit()
    assert (await client.submit()).status == 0x14
    bench.wind(5)
    assert (await slow).status == 0
    again = client.submit()
    await client.query("none")
    assert not again.done()


async def test_a_request_the_carrier_does_not_know_is_answered_so(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    assert (await client.link.request(Command.DATA_SM, DataSm())).status == 0x03


async def test_stop_closes_connections_and_stopping_twice_is_harmless(bench: "Bench") -> None:
    client = await (await bench.start()).bind()
    await bench.smsc.stop()
    await client.lost
    with pytest.raises(OSError):
        await bench.connect()


# --- TLS


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server's context, client's), with a certificate for localhost made for this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "carrier.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


async def test_a_bind_over_tls_submits_and_gets_its_receipt(
    bench: "Bench", tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    client = await (await bench.start(tls=tls[0])).bind(tls=tls[1])
    message_id = await client.accepted()
    bench.wind(1)
    assert (await client.receipt()).ids == (message_id,)


async def test_tls_handshakes_may_fail_a_few_times(
    bench: "Bench", tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    await bench.start("[faults]\ntls_drops = 2", tls=tls[0])
    for _ in range(2):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await bench.connect(tls[1])
    await bench.bind(tls=tls[1])
