"""`tidings serve --tls`: a real process, clients that trust its authority or another, and what a restart keeps."""

import re
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.cli.executable import PATIENCE, Ended, Inside, Running, Serving, complaint
from tidings.clock import SystemClock
from tidings.tls import LOCAL_NAMES, LocalAuthority, certificate_in, names_of


class Secured:
    """What a gateway says of its https port."""

    def __init__(self, running: Running) -> None:
        self.url = running.line(r"https and wss +(https://\S+), wss://")[1]
        self.certificate = Path(running.line(r"^  certificate +(.+)$")[1])
        self.names = running.line(r"for (.+); until 20\d\d-\d\d-\d\d$")[1].split(", ")

    @property
    def at(self) -> str:
        return self.url.removeprefix("https://")


def authority_of(running: Running) -> Path:
    return Path(running.line(r"^  authority +(.+), which clients must trust:$")[1])


def trusting(authority: Path) -> ssl.SSLContext:
    """A client's TLS with that authority as its only trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    return context


def get(url: str, authority: Path) -> httpx.Response:
    with httpx.Client(verify=trusting(authority), trust_env=False, timeout=PATIENCE) as http:
        return http.get(f"{url}/health/ready")


TLS = ("--tls", "--tls-port", "0")
Gateway = tuple[Serving, Secured, Path]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Serving(tmp_path_factory.mktemp("gateway") / "data", *TLS)
    yield running, Secured(running), authority_of(running)
    running.kill()


def test_https_is_answered_beside_http(gateway: Gateway) -> None:
    running, secured, authority = gateway

    assert get(secured.url, authority).status_code == 200
    assert httpx.get(f"{running.url}/health/ready", trust_env=False).status_code == 200


def test_another_authority_is_no_ground_to_trust_it(gateway: Gateway, tmp_path: Path) -> None:
    _, secured, _ = gateway
    other = LocalAuthority(tmp_path / "tls", LOCAL_NAMES)
    other.provide(SystemClock().now())

    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(secured.url, other.authority)


@pytest.mark.parametrize("path", ["/", "/api/relay/ws"])
def test_wss_is_answered(gateway: Gateway, path: str) -> None:
    _, secured, authority = gateway

    with connect(
        f"wss://{secured.at}{path}", ssl=trusting(authority), proxy=None, open_timeout=PATIENCE
    ) as socket:
        assert socket.protocol.state.name == "OPEN"


def test_the_files_lie_in_the_data_directory_and_keys_are_private(gateway: Gateway) -> None:
    running, secured, authority = gateway
    directory = running.data / "tls"

    assert (secured.certificate, authority) == (directory / "server.pem", directory / "authority.pem")
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in directory.glob("*-key.pem")} == {
        "authority-key.pem": 0,
        "server-key.pem": 0,
    }


def test_every_line_for_a_client_names_the_authority_or_the_host(gateway: Gateway) -> None:
    running, secured, authority = gateway
    running.line("other programs that use OpenSSL")
    running.line("SSL_CERT_FILE")

    lines = [line.strip() for line in running.printed if re.match(r"  (export|curl --cacert) ", line)]
    assert any("SIGNALWIRE_RELAY_CA_FILE=" in line for line in lines)
    host = secured.at.rpartition(":")[0]
    assert [line for line in lines if str(authority) not in line and host not in line.lower()] == []
    assert not [line for line in lines if line.endswith(("-key.pem", "server.pem"))]


def test_a_second_start_uses_the_files_again(serving: Callable[..., Serving]) -> None:
    first = serving(*TLS)
    authority = authority_of(first)
    assert first.stop() == 0
    before = {path: path.read_bytes() for path in authority.parent.iterdir()}

    second = serving(*TLS)

    assert get(Secured(second).url, authority).status_code == 200
    assert {path: path.read_bytes() for path in authority.parent.iterdir()} == before


def test_names_are_those_given_and_of_the_public_url_and_change_the_certificate_alone(
    serving: Callable[..., Serving],
) -> None:
    first = serving(*TLS)
    authority = authority_of(first)
    before = authority.read_bytes()
    assert first.stop() == 0

    public = {"TIDINGS_SERVER_PUBLIC_URL": "https://SMS.example.net:444/base"}
    second = serving(*TLS, "--tls-name", "example.signalwire.com", "--tls-name", "192.0.2.7", env=public)
    secured = Secured(second)

    assert {*LOCAL_NAMES, "sms.example.net", "example.signalwire.com", "192.0.2.7"} == set(secured.names)
    assert set(names_of(certificate_in(secured.certificate))) == set(secured.names)
    assert authority.read_bytes() == before
    assert get(secured.url, authority).status_code == 200


def test_a_brought_certificate_is_served_and_no_authority_made(
    serving: Callable[..., Serving], tmp_path: Path
) -> None:
    theirs = LocalAuthority(tmp_path / "theirs", LOCAL_NAMES)
    pair = theirs.provide(SystemClock().now())
    settings = {"CERTIFICATE": str(pair.certificate), "KEY": str(pair.key), "PORT": "0"}

    running = serving(env={f"TIDINGS_SERVER_TLS_{name}": value for name, value in settings.items()})
    secured = Secured(running)

    assert secured.certificate == pair.certificate
    assert get(secured.url, theirs.authority).status_code == 200
    assert running.stop() == 0
    assert not [line for line in running.printed if "authority" in line or "export" in line]
    assert not (running.data / "tls").exists()


def test_without_tls_there_is_no_second_port(gateway: Gateway, serving: Callable[..., Serving]) -> None:
    running = serving()

    assert running.stop() == 0
    assert not [line for line in running.printed if "https" in line]
    assert not (running.data / "tls").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "what"),
    [
        (["--tls-name", "a.example"], {}, "--tls-name and --tls-port are for --tls"),
        (["--tls-port", "0"], {}, "--tls-name and --tls-port are for --tls"),
        (["--tls", "--tls-name", "a b"], {}, "'a b' is neither a DNS name"),
        (["--tls"], {"TIDINGS_SERVER_TLS_KEY": "key.pem"}, "tls_certificate and tls_key go together"),
        (
            ["--tls-name", "a.example"],
            {"TIDINGS_SERVER_TLS_CERTIFICATE": "c.pem", "TIDINGS_SERVER_TLS_KEY": "k.pem"},
            "--tls-name is for certificates made here",
        ),
        (
            ["--port", "0"],
            {"TIDINGS_SERVER_TLS_CERTIFICATE": "c.pem", "TIDINGS_SERVER_TLS_KEY": "k.pem"},
            "c.pem: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: list[str], env: dict[str, str], what: str, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    ended = inside("serve", *arguments)

    assert what in complaint(ended)
    assert ended.returncode in (1, 2)


def test_a_tls_port_in_use_is_one_line(gateway: Gateway, tidings: Ended) -> None:
    _, secured, _ = gateway
    port = httpx.URL(secured.url).port

    ended = tidings("serve", "--port", "0", "--tls", "--tls-port", str(port))

    assert ended.stderr.splitlines()[-1].endswith(
        f"127.0.0.1:{port}: Address already in use; choose another --tls-port"
    )
    assert ended.returncode == 1
