"""`tidings smsc`, bound by the SMPP carrier of a gateway that `tidings serve --config` runs."""

import signal
from collections.abc import Callable
from pathlib import Path

from tests.cli.executable import Ended, Inside, Running, complaint
from tidings.carriers.simulator.ledger import read_log

ACCOUNT, TOKEN = "AC" + "7" * 32, "a token"
SETTINGS = f"""
[server]
port = 0

[[account]]
sid = "{ACCOUNT}"
auth_token = "{TOKEN}"
numbers = ["+15557770000"]

[[carrier]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = PORT
system_id = "us"
password = "secret"
bind = "transmitter+receiver"

[[route]]
to = "+"
carriers = ["main"]
"""


def test_a_gateway_with_settings_sends_through_it(
    start: Callable[..., Running], tidings: Ended, tmp_path: Path
) -> None:
    smsc = start("smsc", "--port", "0", "--system-id", "us", "--password", "secret", "--log", "log.jsonl", "-v")
    port = smsc.line(r"SMSC listens on 127.0.0.1:(\d+), scenario healthy, system_id us")[1]
    (tmp_path / "tidings.toml").write_text(SETTINGS.replace("PORT", port))
    served = start("serve", "--config", "tidings.toml", "--data", "data")
    url = served.line(r"listens on (http://\S+) \(settings tidings.toml, data data\)")[1]
    credentials = ("--url", url, "--account", ACCOUNT, "--token", TOKEN, "--from", "+15557770000")

    sent = tidings("send", "--to", "+15551230408", "--body", "äß€", "--wait", *credentials)

    assert "error 30008" in sent.stdout.splitlines()[-1]  # the default profile reads nothing into err
    smsc.line(r"us: 15557770000 -> 15551230408 'äß€': id \d+")
    refused = tidings("account", "rotate-token", ACCOUNT, "--config", "tidings.toml", "--data", "data")
    assert complaint(refused) == f"{ACCOUNT} is set in tidings.toml: change its auth_token there"
    assert served.stop() == 0
    assert smsc.stop(signal.SIGINT) == 0
    assert smsc.printed[-1].startswith("2 binds; 1 submitted: 1 accepted, 0 refused; 1 receipts sent, 1 acknowl")
    assert [entry.text for entry in read_log(tmp_path / "log.jsonl")] == ["äß€"]


def test_counts_are_printed_while_something_happens(start: Callable[..., Running]) -> None:
    smsc = start("smsc", "--port", "0", "--scenario", "slow")
    assert smsc.line(r"scenario (\w+), any system_id")[1] == "slow"

    assert smsc.stop(signal.SIGTERM) == 0
    assert smsc.printed[-1].startswith("0 binds; 0 submitted")


def test_a_scenario_that_is_not_there_is_one_line(inside: Inside) -> None:
    ended = inside("smsc", "--scenario", "nowhere.toml")

    assert complaint(ended) == "nowhere.toml: No such file or directory"
    assert ended.returncode == 1


def test_a_port_in_use_is_one_line(start: Callable[..., Running], inside: Inside) -> None:
    port = start("smsc", "--port", "0").line(r"127.0.0.1:(\d+)")[1]

    ended = inside("smsc", "--port", port)

    assert complaint(ended) == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"
