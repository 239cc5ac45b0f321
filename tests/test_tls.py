"""The local authority and the certificate it signs: what they say, when they are made anew, who takes them."""

import os
import ssl
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tidings import tls
from tidings.clock import DAY, HOUR, SystemClock, instant
from tidings.tls import Brought, LocalAuthority, Pair, ShownCertificate, TlsError, server_names

NAMES: Final = server_names("sms.example.com", "192.0.2.7")


class Clock:
    """Begins now and is wound by hand."""

    def __init__(self) -> None:
        self.at = SystemClock().now()

    def now(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tls"


def certificate(path: Path) -> x509.Certificate:
    return tls.certificate_in(path)


def client(authority: Path) -> ssl.SSLContext:
    """A client that trusts one authority, as strictly as Python 3.13 does by default."""
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes:
    """The certificate (DER) that the client was shown and took. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):  # flights of TLS 1.3, and one more
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = ends[0].getpeercert(binary_form=True)
    assert shown is not None
    return shown


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- what the certificates say


def test_the_authority_may_sign_servers_and_nothing_else(clock: Clock) -> None:
    authority = tls.make_authority(clock.now()).certificate
    extensions = authority.extensions

    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    assert authority.not_valid_after_utc - authority.not_valid_before_utc >= timedelta(days=3650)


def test_a_servers_certificate_is_for_its_names_alone_and_397_days_at_most(clock: Clock) -> None:
    made = tls.certify(tls.make_authority(clock.now()), NAMES, clock.now()).certificate
    extensions = made.extensions

    assert set(tls.names_of(made)) == {"localhost", "127.0.0.1", "::1", "sms.example.com", "192.0.2.7"}
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=397)


def test_a_servers_certificate_does_not_outlive_its_authority(clock: Clock) -> None:
    authority = tls.make_authority(clock.now())

    made = tls.certify(authority, NAMES, clock.now() + 3600 * DAY)

    assert made.certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "SMS.example.com", "192.0.2.7"])
def test_a_client_that_trusts_the_authority_takes_it_for_each_name(
    name: str, directory: Path, clock: Clock
) -> None:
    shown = ShownCertificate(LocalAuthority(directory, NAMES), clock)

    assert shake_hands(shown.context, client(directory / "authority.pem"), name)


def test_a_client_refuses_another_name_and_another_authority(
    directory: Path, clock: Clock, tmp_path: Path
) -> None:
    shown = ShownCertificate(LocalAuthority(directory, NAMES), clock)
    LocalAuthority(tmp_path / "other", NAMES).provide(clock.now())

    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(shown.context, client(directory / "authority.pem"), "other.example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(shown.context, client(tmp_path / "other" / "authority.pem"), "localhost")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Example.SignalWire.com", "example.signalwire.com"),
        ("example.com.", "example.com"),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
        ("[::1]", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_names_are_written_as_certificates_have_them(given: str, name: str) -> None:
    assert tls.valid_name(given) == name


@pytest.mark.parametrize(
    "given",
    ["", "a b", "bücher.example", "https://example.com", "example.com:8443", "a..b", "*", "a.*.b", "a" * 64],
)
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="neither a DNS name"):
        tls.valid_name(given)


def test_addresses_that_stand_for_all_are_nobodys_name() -> None:
    assert server_names("0.0.0.0", "::", "", None, "LOCALHOST") == ("localhost", "127.0.0.1", "::1")


# --- files


def test_what_is_there_is_used_again(directory: Path, clock: Clock) -> None:
    pair = LocalAuthority(directory, NAMES).provide(clock.now())
    before = contents(directory)

    assert LocalAuthority(directory, reversed(NAMES)).provide(clock.now() + 300 * DAY) == pair
    assert contents(directory) == before
    assert sorted(before) == ["authority-key.pem", "authority.pem", "server-key.pem", "server.pem"]


def test_keys_are_for_their_owner_alone(directory: Path, clock: Clock) -> None:
    former = os.umask(0)
    try:
        LocalAuthority(directory, NAMES).provide(clock.now())
    finally:
        os.umask(former)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {
        "authority.pem": 0o644,
        "authority-key.pem": 0o600,
        "server.pem": 0o644,
        "server-key.pem": 0o600,
    }


def renewed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in after if after[name] != before.get(name)}


@pytest.mark.parametrize(("later", "files"), [(366 * DAY, set()), (367 * DAY, {"server.pem", "server-key.pem"})])
def test_a_certificate_close_to_its_end_is_renewed_and_the_authority_kept(
    later: int, files: set[str], directory: Path, clock: Clock
) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())
    before = contents(directory)

    LocalAuthority(directory, NAMES).provide(clock.now() + later)

    assert renewed(before, contents(directory)) == files


def test_a_certificate_from_the_future_is_made_anew(directory: Path, clock: Clock) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())

    pair = LocalAuthority(directory, NAMES).provide(clock.now() - 2 * HOUR)

    assert certificate(pair.certificate).not_valid_before_utc < instant(clock.now() - 2 * HOUR)


def test_other_names_make_another_certificate_of_the_same_authority(directory: Path, clock: Clock) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())
    before = contents(directory)

    LocalAuthority(directory, (*NAMES, "example.signalwire.com")).provide(clock.now())

    assert renewed(before, contents(directory)) == {"server.pem", "server-key.pem"}
    shown = ShownCertificate(LocalAuthority(directory, (*NAMES, "example.signalwire.com")), clock)
    assert shake_hands(shown.context, client(directory / "authority.pem"), "example.signalwire.com")


def test_an_authority_close_to_its_end_is_followed_by_another(directory: Path, clock: Clock) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())
    before = contents(directory)

    LocalAuthority(directory, NAMES).provide(clock.now() + (3652 - 29) * DAY)

    assert renewed(before, contents(directory)) == set(before)


Damage = Callable[[Path], object]
CRASHED: dict[str, Damage] = {
    "no certificate": lambda at: (at / "server.pem").unlink(),
    "no key": lambda at: (at / "server-key.pem").unlink(),
    "half a certificate": lambda at: (at / "server.pem").write_bytes((at / "server.pem").read_bytes()[:99]),
    "key of another": lambda at: (at / "server-key.pem").write_bytes((at / "authority-key.pem").read_bytes()),
    "signed by another": lambda at: (at / "server.pem").write_bytes((at / "authority.pem").read_bytes()),
    "no authority, but its key": lambda at: (at / "authority.pem").unlink(),
}


@pytest.mark.parametrize("damage", CRASHED.values(), ids=CRASHED)
def test_what_a_crash_leaves_is_made_good(damage: Damage, directory: Path, clock: Clock) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())
    damage(directory)

    shown = ShownCertificate(LocalAuthority(directory, NAMES), clock)

    assert shake_hands(shown.context, client(directory / "authority.pem"), "localhost")


LOST: dict[str, tuple[Damage, str]] = {
    "key missing": (lambda at: (at / "authority-key.pem").unlink(), "authority-key.pem is missing"),
    "key damaged": (lambda at: (at / "authority-key.pem").write_text("?"), "authority-key.pem is no key"),
    "key of another": (
        lambda at: (at / "authority-key.pem").write_bytes((at / "server-key.pem").read_bytes()),
        "authority-key.pem is not the key of",
    ),
    "certificate damaged": (
        lambda at: (at / "authority.pem").write_text("?"),
        "authority.pem is no certificate",
    ),
}


@pytest.mark.parametrize(("damage", "what"), LOST.values(), ids=LOST)
def test_an_authority_that_clients_trust_is_not_replaced_behind_their_backs(
    damage: Damage, what: str, directory: Path, clock: Clock
) -> None:
    LocalAuthority(directory, NAMES).provide(clock.now())
    damage(directory)
    before = contents(directory)

    with pytest.raises(TlsError, match=rf"{what}.*: put it back, or remove .*tls "):
        LocalAuthority(directory, (*NAMES, "new.example.com")).provide(clock.now())
    assert contents(directory) == before


def test_the_authoritys_key_may_be_kept_elsewhere_until_it_is_needed(directory: Path, clock: Clock) -> None:
    pair = LocalAuthority(directory, NAMES).provide(clock.now())
    (directory / "authority-key.pem").unlink()

    assert LocalAuthority(directory, NAMES).provide(clock.now() + 300 * DAY) == pair


# --- what is shown


def test_a_renewed_certificate_is_shown_without_a_restart(directory: Path, clock: Clock) -> None:
    clock.at -= 367 * DAY
    shown = ShownCertificate(LocalAuthority(directory, NAMES), clock)
    listening = shown.context  # what a listener keeps
    trusting = client(directory / "authority.pem")
    first = shake_hands(listening, trusting, "localhost")

    assert not shown.refresh()
    assert shake_hands(listening, trusting, "localhost") == first
    clock.at += 367 * DAY
    assert shown.refresh()
    second = shake_hands(listening, trusting, "localhost")

    assert second != first
    assert second == certificate(directory / "server.pem").public_bytes(serialization.Encoding.DER)
    assert second == shake_hands(listening, trusting, "127.0.0.1")  # a client that names no server


@pytest.fixture
def brought(tmp_path: Path, clock: Clock) -> Pair:
    """A certificate and its key, from an authority that is not this gateway's."""
    return LocalAuthority(tmp_path / "theirs", ("sms.example.com",)).provide(clock.now())


def test_a_brought_certificate_that_was_renewed_is_taken_up(brought: Pair, clock: Clock) -> None:
    shown = ShownCertificate(Brought(brought), clock)
    trusting = client(brought.certificate.with_name("authority.pem"))
    first = shake_hands(shown.context, trusting, "sms.example.com")

    LocalAuthority(brought.key.parent, ("sms.example.com", "other.example.com")).provide(clock.now())

    assert shown.refresh()
    assert shake_hands(shown.context, trusting, "sms.example.com") != first
    assert shown.authority is None


def test_files_that_do_not_fit_leave_the_former_ones_shown(
    brought: Pair, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    shown = ShownCertificate(Brought(brought), clock)
    trusting = client(brought.certificate.with_name("authority.pem"))
    first, key = shake_hands(shown.context, trusting, "sms.example.com"), brought.key.read_bytes()

    brought.key.write_bytes(brought.key.with_name("authority-key.pem").read_bytes())

    assert not shown.refresh()
    assert "the key is of another certificate" in caplog.text
    assert shake_hands(shown.context, trusting, "sms.example.com") == first
    brought.key.write_bytes(key)
    assert shown.refresh()


UNUSABLE: dict[str, tuple[Damage, str]] = {
    "no certificate": (lambda at: (at / "server.pem").unlink(), r"server\.pem: No such file"),
    "no key": (lambda at: (at / "server-key.pem").unlink(), r"server-key\.pem: No such file"),
    "not a certificate": (
        lambda at: (at / "server.pem").write_text("?"),
        r"server\.pem is no certificate in PEM",
    ),
    "not a key": (lambda at: (at / "server-key.pem").write_text("?"), "the key cannot be read as PEM"),
    "another key": (
        lambda at: (at / "server-key.pem").write_bytes((at / "authority-key.pem").read_bytes()),
        "the key is of another certificate",
    ),
    "locked key": (lambda at: lock(at / "server-key.pem"), "without a passphrase"),
}


def lock(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a passphrase"),
        )
    )


@pytest.mark.parametrize(("damage", "what"), UNUSABLE.values(), ids=UNUSABLE)
def test_brought_files_that_cannot_be_used_are_said_to_be_so(
    damage: Damage, what: str, brought: Pair, clock: Clock
) -> None:
    damage(brought.key.parent)

    with pytest.raises(TlsError, match=what):
        ShownCertificate(Brought(brought), clock)
