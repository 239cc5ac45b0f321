"""The transport over TLS: who is trusted, and what a bad certificate is called."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidings.callbacks.guard import Guard
from tidings.callbacks.transport import Kind, Request, Timeouts, Transport, TransportError
from tidings.callbacks.url import parse_url


class Authority:
    """A certificate authority of one test run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._certificate = self._sign(name, name, self._key.public_key(), [], days=(-1, 1), authority=True)
        self.client = ssl.create_default_context(
            cadata=self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        )

    def server(self, *names: str, days: tuple[int, int] = (-1, 1)) -> ssl.SSLContext:
        """A server context whose certificate is for these names, valid from and until these days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = self._sign(subject, self._certificate.subject, key.public_key(), names, days=days)
        path = self._folder / f"{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePublicKey,
        names: tuple[str, ...] | list[str],
        *,
        days: tuple[int, int],
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if authority:
            # From Python 3.13 on, authorities are held to RFC 5280: they must say that they sign certificates.
            builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Local(Guard):
    """Every name is this machine."""

    def known(self, host: str, port: int) -> tuple[str, ...] | None:
        return ("127.0.0.1",)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Serve(Protocol):
    async def __call__(self, tls: ssl.SSLContext | None, handler: Handler = ...) -> int: ...


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """204 to each packet."""
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server; returns its port."""
    servers: list[asyncio.Server] = []
    serving: set[asyncio.Task[None]] = set()

    async def start(tls: ssl.SSLContext | None, handler: Handler = answer) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.add(task)
            with contextlib.suppress(OSError):
                await handler(reader, writer)
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()
            serving.discard(task)

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    if serving:
        await asyncio.wait(serving, timeout=5)


async def attempt(
    port: int, tls: ssl.SSLContext, host: str = "app.example", times: int = 1
) -> list[int | TransportError]:
    transport = Transport(Local(), tls=tls, tick=0.01)
    outcomes: list[int | TransportError] = []
    request = Request("POST", parse_url(f"https://{host}:{port}/cb"), body=b"a=1", timeouts=Timeouts(connect=0.5))
    for _ in range(times):
        try:
            outcomes.append((await transport.send(request)).status)
        except TransportError as error:
            outcomes.append(error)
    await transport.close()
    return outcomes


@pytest.mark.parametrize("host", ["app.example", "app.example.", "127.0.0.1"])
async def test_trusted_certificate_is_accepted_and_the_connection_kept(
    serve: Serve, authority: Authority, host: str
) -> None:
    context = authority.server("app.example", "127.0.0.1")
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    assert await attempt(await serve(context), authority.client, host, times=3) == [204] * 3
    assert asked == [None if host == "127.0.0.1" else "app.example"]  # RFC 6066: no addresses in SNI


@pytest.mark.parametrize(
    ("names", "days", "host", "kind", "code"),
    [
        (("other.example",), (-1, 1), "app.example", Kind.TLS_NAME, 11235),
        (("app.example",), (-1, 1), "127.0.0.1", Kind.TLS_NAME, 11235),
        (("app.example",), (-2, -1), "app.example", Kind.TLS_EXPIRED, 11236),
    ],
)
async def test_bad_certificate_is_called_by_its_fault(
    serve: Serve,
    authority: Authority,
    names: Sequence[str],
    days: tuple[int, int],
    host: str,
    kind: Kind,
    code: int,
) -> None:
    [error] = await attempt(await serve(authority.server(*names, days=days)), authority.client, host)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (kind, code)
    assert host in error.detail


async def test_unknown_issuer_is_not_trusted_by_default(serve: Serve, authority: Authority) -> None:
    port = await serve(authority.server("app.example"))
    [error] = await attempt(port, ssl.create_default_context())
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.TLS_UNTRUSTED, 11237)


async def test_plain_http_behind_https_is_a_failed_handshake(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None), authority.client)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.TLS, 11220)


async def test_handshake_that_never_ends_is_a_connect_timeout(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None, mute), authority.client)
    assert isinstance(error, TransportError)
    assert (error.kind, error.code) == (Kind.CONNECT_TIMEOUT, 11201)
    assert 0.49 < error.elapsed < 5  # uvloop counts milliseconds


async def test_handshake_cut_by_the_server_is_a_failed_handshake(serve: Serve, authority: Authority) -> None:
    [error] = await attempt(await serve(None, cut), authority.client)
    assert isinstance(error, TransportError)
    assert error.kind is Kind.TLS
