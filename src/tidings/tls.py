"""What the https port shows: a certificate that the operator brings, or one signed by an authority made here once.

`serve --tls` calls it. The authority is for clients that are told of it one by one, not for a system's store: its
names are not constrained, because names may be added while clients go on trusting the authority they know.
"""

import ipaddress
import logging
import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidings.clock import Clock, instant

log = logging.getLogger(__name__)

AUTHORITY_LIFE: Final = timedelta(days=3652)
LIFE: Final = timedelta(days=397)
"""Of a server's certificate; some clients refuse more than 398 days (CA/Browser Forum, TLS BR §6.3.2)."""
RENEWAL: Final = timedelta(days=30)
"""A certificate that ends within this is made anew."""
BACKDATED: Final = timedelta(hours=1)
"""Clients whose clocks are behind ours by less than this take a new certificate at once."""
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE: Final = ("0.0.0.0", "::")
"""Addresses to listen on that are nobody's name."""

_PURPOSES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
"""RFC 5280 §4.2.1.3."""
_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$)(\*\.)?{_LABEL}(\.{_LABEL})*")


class TlsError(Exception):
    """One line for the operator: which file, what is wrong with it, what to do."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and the key that it is for."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM files of a server's certificate, with the chain that clients need, and of its key."""

    certificate: Path
    key: Path


# --- certificates


def make_authority(now: int) -> Signed:
    """An authority that may sign servers' certificates and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Of two authorities with one name a client may try the wrong one.
    name = _named(f"Tidings local authority {identifier.digest.hex()[:8]}")
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signed(certificate, key)


def certify(authority: Signed, names: Iterable[str], now: int) -> Signed:
    """A certificate for a server of these names, as `valid_name` gives them; it does not outlive its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    certificate = (
        _builder(_named("Tidings"), issuer.subject, key, now, LIFE, issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return Signed(certificate, key)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def valid_name(text: str) -> str:
    """A DNS name or an address, as certificates have them. Raises ValueError."""
    try:
        return str(ipaddress.ip_address(text.strip("[]").partition("%")[0]))
    except ValueError:
        name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is neither a DNS name (in ASCII, as in xn--…) nor an address")
    return name


def server_names(*more: str | None) -> tuple[str, ...]:
    """The names that this machine always has, and those of `more` that name something. Raises ValueError."""
    names = (valid_name(name) for name in more if name)
    return tuple(dict.fromkeys((*LOCAL_NAMES, *(name for name in names if name not in _EVERYWHERE))))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: int,
    life: timedelta,
    authority: x509.Certificate | None = None,
) -> x509.CertificateBuilder:
    begin = instant(now) - BACKDATED
    end = begin + life if authority is None else min(begin + life, authority.not_valid_after_utc)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*purposes: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{purpose: purpose in purposes for purpose in _PURPOSES})


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


# --- where a certificate comes from


class Source(Protocol):
    """Says which files to show, and makes them where that is its job."""

    @property
    def authority(self) -> Path | None:
        """What clients must be told to trust; None where they are expected to."""
        ...

    def provide(self, now: int) -> Pair:
        """The files for `now`, in microseconds since 1970. Raises TlsError and OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Brought:
    """The operator's own files, which somebody else renews."""

    pair: Pair
    authority: None = None

    def provide(self, now: int) -> Pair:
        return self.pair


class LocalAuthority:
    """An authority of this machine and the server's certificate that it signs, in a directory of their own.

    Only one process at a time may use a directory.
    """

    def __init__(self, directory: Path, names: Iterable[str]) -> None:
        """`names` as `server_names` gives them."""
        directory = directory.absolute()
        self.authority = directory / "authority.pem"
        self._key = directory / "authority-key.pem"
        self._server = Pair(directory / "server.pem", directory / "server-key.pem")
        self._names = tuple(names)

    def provide(self, now: int) -> Pair:
        """The authority is made once; the server's certificate anew where there is none that will do."""
        authority = self._known_or_new(now)
        reason = self._fault(authority, now)
        if reason:
            server = certify(Signed(authority, self._authority_key(authority)), self._names, now)
            _keep(self._server.key, self._server.certificate, server)
            log.info("certificate %s made: %s", self._server.certificate, reason)
        return self._server

    def _known_or_new(self, now: int) -> x509.Certificate:
        if self.authority.exists():
            try:
                authority = certificate_in(self.authority)
            except TlsError as error:
                raise self._damaged(str(error)) from None
            if instant(now) + RENEWAL < authority.not_valid_after_utc:
                return authority
            log.warning("authority %s ends: clients must trust the new one", self.authority)
        made = make_authority(now)
        self.authority.parent.mkdir(parents=True, exist_ok=True)
        _keep(self._key, self.authority, made)
        log.info("authority %s made", self.authority)
        return made.certificate

    def _authority_key(self, authority: x509.Certificate) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._key.read_bytes(), None)
        except (ValueError, TypeError):  # a TypeError says that it is encrypted
            raise self._damaged(f"{self._key} is no key that can be read") from None
        except FileNotFoundError:
            raise self._damaged(f"{self._key} is missing") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
            raise self._damaged(f"{self._key} is not the key of {self.authority}")
        return key

    def _damaged(self, what: str) -> TlsError:
        return TlsError(
            f"{what}: put it back, or remove {self.authority.parent} for a new authority, "
            "which every client must be told to trust"
        )

    def _fault(self, authority: x509.Certificate, now: int) -> str | None:
        """What speaks against the certificate that is there."""
        try:
            certificate = x509.load_pem_x509_certificate(self._server.certificate.read_bytes())
            key = serialization.load_pem_private_key(self._server.key.read_bytes(), None)
            certificate.verify_directly_issued_by(authority)
        except FileNotFoundError:
            return "there was none"
        except (ValueError, TypeError):
            return "the files could not be read"
        except InvalidSignature:
            return "it was not of this authority"
        if certificate.public_key() != key.public_key():
            return "its key was of another one"
        if set(names_of(certificate)) != set(self._names):
            return f"it is for {', '.join(self._names)} now"
        if not certificate.not_valid_before_utc <= instant(now) < certificate.not_valid_after_utc - RENEWAL:
            return f"the former one was good until {certificate.not_valid_after_utc:%Y-%m-%d}"
        return None


def certificate_in(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file, the server's own. Raises TlsError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise TlsError(f"{path} is no certificate in PEM") from None


def _keep(key_file: Path, certificate_file: Path, signed: Signed) -> None:
    """Key first: without its certificate it counts for nothing, and after a crash both are made anew."""
    pem = serialization.Encoding.PEM
    key = signed.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _replace(key_file, key, 0o600)
    _replace(certificate_file, signed.certificate.public_bytes(pem), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """The whole file or the one before, and never readable by more people than `mode` says."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(file)
    made.replace(path)


# --- what is shown


class ShownCertificate:
    """The TLS of a listening port. Files that have changed count for connections that begin after a `refresh`."""

    def __init__(self, source: Source, clock: Clock) -> None:
        """Raises TlsError and OSError."""
        self._source = source
        self._clock = clock
        self.authority = source.authority
        self.pair = source.provide(clock.now())
        self._stamp = _stamp(self.pair)
        self._current = self.context = _context(self.pair)
        # A listener keeps its context for good, but each connection may be given another. Python calls this for
        # clients that name no server, too.
        self.context.sni_callback = self._give

    def refresh(self) -> bool:
        """Whether files have changed; those that cannot be used are logged, and the former ones shown."""
        try:
            pair = self._source.provide(self._clock.now())
            stamp = _stamp(pair)
            if stamp == self._stamp:
                return False
            self._current = _context(pair)
        except (TlsError, OSError) as error:
            log.warning("the certificate shown stays as it is: %s", error)
            return False
        self.pair, self._stamp = pair, stamp
        log.info("certificate %s is shown from now on", pair.certificate)
        return True

    def _give(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = self._current


_WORDS: Final = {
    None: "the key cannot be read as PEM without a passphrase",
    "KEY_VALUES_MISMATCH": "the key is of another certificate",
}
"""What OpenSSL calls it, for people."""


def _context(pair: Pair) -> ssl.SSLContext:
    certificate_in(pair.certificate)  # which says what is wrong with it, as OpenSSL does not
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(pair.certificate, pair.key, password="")  # or it asks the terminal
    except ssl.SSLError as error:
        reason: str | None = error.reason  # of an error without one typeshed does not know
        raise TlsError(f"{pair.certificate} with {pair.key}: {_WORDS.get(reason, reason)}") from None
    except OSError as error:
        raise TlsError(f"{pair.key}: {error.strerror}") from None
    return context


def _stamp(pair: Pair) -> tuple[tuple[int, int], ...]:
    """Differs where a file has been written again."""
    try:
        return tuple((status.st_ino, status.st_mtime_ns) for status in (pair.certificate.stat(), pair.key.stat()))
    except OSError as error:
        raise TlsError(f"{error.filename}: {error.strerror}") from None
