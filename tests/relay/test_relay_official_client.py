"""SignalWire's own client (`signalwire-sdk`), unmodified, over wss with an authority of our own."""

import asyncio
import contextlib
import datetime
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from signalwire.relay.client import RelayClient, RelayError
from signalwire.relay.message import Message

from tests.relay.station import ACCOUNT, PATIENCE, PROJECT, Station, a_message, inbound, serving, until
from tidings.ids import dashed
from tidings.lifecycle import Status

SENDER, RECIPIENT = "+15005550006", "+15551230000"


@pytest.fixture
async def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Station]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    _certify(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SIGNALWIRE_RELAY_CA_FILE", str(certificate))
    async with serving(Station(), context) as station:
        yield station


def _certify(certificate: Path, key: Path) -> None:
    """A key, and a certificate for 127.0.0.1 that vouches for itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def a_client(station: Station, *contexts: str, token: str = ACCOUNT.auth_token) -> RelayClient:
    return RelayClient(PROJECT, token, host=f"127.0.0.1:{station.port}", contexts=list(contexts))


def collector(received: asyncio.Queue[Message]) -> Callable[[Message], Coroutine[Any, Any, None]]:
    async def take(message: Message) -> None:
        received.put_nowait(message)

    return take


async def test_a_message_is_sent_and_followed_to_its_end(secured: Station) -> None:
    async with a_client(secured) as client:
        message = await client.send_message(
            to_number=RECIPIENT, from_number=SENDER, body="hello", tags=["mine"], region="us"
        )
        assert message.message_id == dashed(f"{1:032x}")
        protocol = client.relay_protocol
        assert secured.orders[0].extras == {"context": protocol, "tags": ["mine"], "region": "us"}
        kept = a_message(protocol, id=f"{1:032x}")
        seen = []
        message.on(lambda event: seen.append(event.params["message_state"]))
        states = [Status.QUEUED, Status.SENDING, Status.SENT, Status.DELIVERED]
        for number, status in enumerate(states, 1):
            assert (await secured.tell(kept, status, number)).error is None
        assert (await message.wait(PATIENCE)).params["segments"] == 1
        assert seen == ["queued", "initiated", "sent", "delivered"]


async def test_a_failed_message_has_its_reason(secured: Station) -> None:
    async with a_client(secured) as client:
        message = await client.send_message(to_number=RECIPIENT, from_number=SENDER, body="hello")
        kept = a_message(client.relay_protocol, id=f"{1:032x}")
        assert (await secured.tell(kept, Status.FAILED)).error is None
        await message.wait(PATIENCE)
        assert (message.state, message.reason) == ("failed", "unknown_error")


async def test_inbound_messages_arrive(secured: Station) -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()
    async with a_client(secured, "office") as client:
        client.on_message(collector(received))
        await client.receive(["home"])
        for context in ("office", "home"):
            assert (await secured.tell(inbound(context))).error is None
            message = await asyncio.wait_for(received.get(), PATIENCE)
            assert (message.context, message.direction, message.state) == (context, "inbound", "received")
            assert (message.from_number, message.to_number, message.body) == (SENDER, RECIPIENT, "hello")
        await client.unreceive(["home"])
        assert (await secured.tell(inbound("home"))).error == 11205


async def test_wrong_credentials_are_an_error_it_knows(secured: Station) -> None:
    client = a_client(secured, token="wrong")
    with pytest.raises(RelayError) as refused:
        await client.connect()
    assert refused.value.code == -32002
    assert "401 Unauthorized" in refused.value.message
    await client.disconnect()


async def test_a_refused_message_is_an_error_it_knows(secured: Station) -> None:
    async with a_client(secured) as client:
        with pytest.raises(RelayError) as refused:
            await client.send_message(to_number=RECIPIENT, from_number=SENDER, media=["ftp://example.com"])
    assert refused.value.code == 422
    assert "'media' is not an http or https URL" in refused.value.message


async def test_calls_are_not_served(secured: Station) -> None:
    async with a_client(secured) as client:
        with pytest.raises(RelayError) as refused:
            await client.execute("calling.answer", {"node_id": "n", "call_id": "c"})
    assert refused.value.code == -32601


@contextlib.asynccontextmanager
async def running(client: RelayClient) -> AsyncIterator[None]:
    """As `client.run()`, on this loop: it connects again by itself."""
    task = asyncio.create_task(client._run_forever())
    try:
        yield
    finally:
        await client._shutdown()  # what SIGINT does
        await asyncio.wait_for(task, PATIENCE)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


async def test_it_comes_back_after_a_drain_and_is_told_what_it_is_owed(secured: Station) -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()
    client = a_client(secured, "office")
    client.on_message(collector(received))
    async with running(client):
        await until(lambda: secured.hub.sessions == 1 and client.relay_protocol != "")
        protocol = client.relay_protocol
        message = await client.send_message(to_number=RECIPIENT, from_number=SENDER, body="hello")
        await secured.hub.drain()
        await until(lambda: secured.hub.sessions == 0)
        await until(lambda: secured.hub.sessions == 1)
        kept = a_message(protocol, id=f"{1:032x}")
        assert (await secured.tell(kept, Status.DELIVERED)).error is None
        await message.wait(PATIENCE)
        assert (await secured.tell(inbound("office"))).error is None
        await asyncio.wait_for(received.get(), PATIENCE)
        assert client.relay_protocol == protocol
