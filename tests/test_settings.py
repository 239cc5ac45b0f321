from pathlib import Path

import pytest

from tidings.callbacks.delivery import DeliverySettings
from tidings.carriers.simulator.carrier import SimulatorSettings
from tidings.carriers.smpp.settings import SmppSettings, Tls
from tidings.gateway.answers import UncertainPolicy
from tidings.gateway.dispatch import DispatchSettings
from tidings.model import CallbackOptions, SharedKey
from tidings.settings import AccountSettings, SettingsError, development, load

WHOLE = """
[server]
host = "0.0.0.0"
port = 9090

[store]
url = "sqlite:///elsewhere.db"

[[account]]
sid = "AC0123456789abcdef0123456789abcdef"
auth_token = "secret"
numbers = ["+15005550006", "ACME"]
countries = ["US"]
queue_limit = 100
previous_token = "former secret"

[account.callbacks]
numbered = true
url = "https://app.example.com/events"
secrets = ["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"]
shared_keys = [{ id = "key_1", secret = "shared secret" }]

[[carrier]]
name = "main"
kind = "smpp"
host = "smsc.example.com"
system_id = "us"
password = "pw"
bind = "transmitter+receiver"
window = 10
throughput = 2.5
tls = { ca_file = "/etc/ca.pem" }

[[carrier]]
name = "test"
kind = "simulator"
scenario = "flaky"

[[route]]
to = "+"
carriers = ["main", "test"]

[[route]]
to = "+44"
carriers = ["test"]

[dispatch]
uncertain = "resend"
failover_after = 2

[callbacks]
allow_private = true
allow_networks = ["10.1.0.0/16"]
ports = [443, 8443]
durable = false
"""
ACCOUNT = f"[[account]]\nsid = 'AC{'0' * 32}'\nauth_token = 'x'\n"
SMALLEST = """
[[carrier]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
system_id = "us"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tidings.toml"
    path.write_text(WHOLE)
    return path


def test_a_whole_file(file: Path) -> None:
    read = load(file, {})
    assert (read.server.host, read.server.port) == ("0.0.0.0", 9090)
    assert read.store.url == "sqlite:///elsewhere.db"
    (account,) = read.account
    assert account.numbers == ("+15005550006", "ACME")
    assert (account.countries, account.queue_limit) == (("US",), 100)
    main, test = read.carrier
    assert isinstance(main, SmppSettings)
    assert (main.bind, main.window, main.throughput) == ("transmitter+receiver", 10, 2.5)
    assert main.tls == Tls(ca_file="/etc/ca.pem")
    assert test == SimulatorSettings(name="test", scenario="flaky")
    assert [(route.to, route.carriers) for route in read.route] == [("+", ("main", "test")), ("+44", ("test",))]
    assert read.dispatch == DispatchSettings(uncertain=UncertainPolicy.RESEND, failover_after=2.0)
    assert read.callbacks == DeliverySettings(True, (), ("10.1.0.0/16",), (443, 8443), durable=False)
    assert account.previous_token == "former secret"
    assert account.callbacks == CallbackOptions(
        shared_keys=(SharedKey("key_1", "shared secret"),),
        numbered=True,
        url="https://app.example.com/events",
        secrets=("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",),
    )


def test_without_a_file_the_development_setting() -> None:
    assert load(None, {}) == development()
    assert development().callbacks.allow_private
    assert development().server.host == "127.0.0.1"


def test_safe_values_where_a_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tidings.toml"
    path.write_text(SMALLEST)
    read = load(path, {})
    assert not read.callbacks.allow_private
    assert read.dispatch.uncertain is UncertainPolicy.HOLD
    assert read.server.host == "127.0.0.1"


def test_the_environment_lies_on_top(file: Path) -> None:
    read = load(
        file,
        {
            "TIDINGS_SERVER_PORT": "7070",
            "TIDINGS_ACCOUNT_0_AUTH_TOKEN": "12345678",
            "TIDINGS_ACCOUNT_0_NUMBERS": '["+15005550007"]',
            "TIDINGS_CARRIER_0_PASSWORD": "0123",
            "TIDINGS_CARRIER_0_WINDOW": "20",
            "TIDINGS_CARRIER_1_SCENARIO": "healthy",
            "TIDINGS_DISPATCH_UNCERTAIN": "fail",
            "TIDINGS_CALLBACKS_ALLOW_PRIVATE": "false",
            "TIDINGS_OPT_OUT_ANSWERS": "false",
            "TIDINGS_ACCOUNT_SID": "AC" + "0" * 32,
            "TIDINGS_AUTH_TOKEN": "of the development account",
            "PATH": "/bin",
        },
    )
    assert read.server.port == 7070
    assert read.server.host == "0.0.0.0"
    assert (read.account[0].auth_token, read.account[0].numbers) == ("12345678", ("+15005550007",))
    main, test = read.carrier
    assert isinstance(main, SmppSettings)
    assert (main.password, main.window, main.host) == ("0123", 20, "smsc.example.com")
    assert isinstance(test, SimulatorSettings)
    assert test.scenario == "healthy"
    assert read.dispatch.uncertain is UncertainPolicy.FAIL
    assert not read.callbacks.allow_private
    assert not read.opt_out.answers


def test_the_environment_alone_can_name_a_carrier(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").touch()
    read = load(
        tmp_path / "empty.toml",
        {
            "TIDINGS_CARRIER_0_NAME": "main",
            "TIDINGS_CARRIER_0_KIND": "simulator",
            "TIDINGS_ROUTE_0_TO": "+",
            "TIDINGS_ROUTE_0_CARRIERS": '["main"]',
        },
    )
    assert read.carrier == (SimulatorSettings(name="main"),)
    assert read.route[0].carriers == ("main",)


def test_secrets_are_not_shown(file: Path) -> None:
    read = load(file, {})
    shown = f"{read!r}"
    assert "secret" not in shown
    assert "whsec" not in shown
    assert "'pw'" not in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nport = 'x'", "server.port"),
        ("[server]\nprot = 1", "prot"),
        ("[sever]\nport = 1", "sever"),
        ("[server\nport = 1", "line 1"),
        ("[server]\nport = 1\nport = 2", "overwrite"),
        ("[[carrier]]\nname = 'a'\nhost = 'b'\nsystem_id = 'c'", "kind"),
        ("[[carrier]]\nkind = 'pigeon'\nname = 'a'", "pigeon"),
        ("[[carrier]]\nkind = 'smpp'\nname = 'a'", "host"),
        ("[[carrier]]\nkind = 'smpp'\nname = 'a'\nhost = 'b'\nsystem_id = 'c'\nwindow = 0", "window"),
        ("[[carrier]]\nkind = 'smpp'\nname = 'a'\nhost = 'b'\nsystem_id = 'ü'", "system_id"),
        (SMALLEST * 2, "two carriers are named 'main'"),
        (SMALLEST + "[[route]]\nto = '+'\ncarriers = ['mian']", "'mian'"),
        (SMALLEST + "[[route]]\nto = '+'\ncarriers = []", "names no carrier"),
        ("[[account]]\nsid = 'nope'\nauth_token = 'x'", "32 hex digits"),
        (f"[[account]]\nsid = 'AC{'0' * 32}'\nauth_token = ''", "auth_token"),
        (f"{ACCOUNT}short_code_country = 'us'", "short_code_country"),
        (f"{ACCOUNT}callbacks = {{ url = 'ftp://x' }}", "only http and https"),
        (f"{ACCOUNT}callbacks = {{ url = 'https://x' }}", "needs a secret"),
        (f"{ACCOUNT}callbacks = {{ secrets = ['whsec_abc'] }}", "base64"),
        (f"{ACCOUNT}callbacks = {{ shared_keys = [{{ id = 'a,b', secret = 'x' }}] }}", "id of a shared key"),
        (f"{ACCOUNT}callbacks = {{ shared_keys = [{{ id = 'a', secret = '' }}] }}", "has no secret"),
        (f"{ACCOUNT}callbacks = {{ method = 'PUT' }}", "PUT"),
        ("[callbacks]\nallow_networks = ['10.0.0.1/8']", "10.0.0.1/8"),
        ("[callbacks]\nports = [0]", "ports"),
        ("[callbacks]\nconcurrency = 0", "concurrency"),
        ("[dispatch]\nuncertain = 'guess'", "uncertain"),
        ("carrier = 5", "carrier"),
        ("server = 5", "server"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tidings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        load(path, {})
    assert str(path) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TIDINGS_SERVR_PORT", "1", "TIDINGS_SERVR_PORT"),
        ("TIDINGS_SERVER", "1", "TIDINGS_SERVER"),
        ("TIDINGS_SERVER_PORT", "many", "server.port"),
        ("TIDINGS_SERVER_PROT", "1", "prot"),
        ("TIDINGS_CARRIER_HOST", "x", "TIDINGS_CARRIER_0_"),
        ("TIDINGS_CARRIER_0", "x", "TIDINGS_CARRIER_0_"),
        ("TIDINGS_CARRIER_7_HOST", "x", "carrier"),
        ("TIDINGS_ACCOUNT_0_NUMBERS", "[oops", "numbers"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_in_one_line(
    file: Path, variable: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load(file, {variable: value})
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("[carrier]\nname = 'a'", "TIDINGS_CARRIER_0_HOST"),
        ("carrier = 5", "TIDINGS_CARRIER_0_HOST"),
        ("carrier = ['main']", "TIDINGS_CARRIER_0_HOST"),
        ("server = 5", "TIDINGS_SERVER_PORT"),
    ],
)
def test_a_table_of_the_wrong_kind_is_said_in_one_line_with_the_environment_on_top(
    tmp_path: Path, text: str, variable: str
) -> None:
    path = tmp_path / "tidings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        load(path, {variable: "1"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(SettingsError, match=r"missing\.toml: No such file"):
        load(missing, {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.toml"):
        load(binary, {})


@pytest.mark.parametrize("sid", ["AC" + "0a" * 16, "0a" * 16, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"])
def test_an_account_is_named_in_any_spelling(sid: str) -> None:
    AccountSettings(sid=sid, auth_token="x")
