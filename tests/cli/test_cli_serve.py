"""`tidings serve`: how it starts, refuses to, and ends; and what ends every verb."""

import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.cli.executable import Ended, Inside, Running, Serving, complaint

SLOW = "default = { delay = 1.0, receipts = [{ after = 1.1 }] }\n"


def test_readiness_is_200_once_it_can_accept_and_send(gateway: Serving) -> None:
    with gateway.http() as http:
        ready = http.get("/health/ready")

    assert (ready.status_code, ready.json()["carriers"]) == (200, {"simulator": True, "simulator-mms": True})


def test_the_curl_line_it_prints_sends_a_message(gateway: Serving) -> None:
    _, _, credentials, url, *rest = shlex.split(next(line for line in gateway.printed if "curl" in line))
    form = dict(given.split("=", 1) for given in rest if "=" in given)

    answer = httpx.post(url, auth=tuple(credentials.split(":")), data=form)  # type: ignore[arg-type] # it is a pair

    assert (answer.status_code, answer.json()["status"]) == (201, "queued")


def test_a_second_gateway_on_the_same_data_is_refused(gateway: Serving, tidings: Ended) -> None:
    ended = tidings("serve", "--port", "0", "--data", str(gateway.data))

    assert f"runs on {gateway.data}: stop it, or give this one another --data" in complaint(ended)
    assert ended.returncode == 1


def test_a_port_in_use_is_one_line(gateway: Serving, inside: Inside) -> None:
    port = httpx.URL(gateway.url).port

    ended = inside("serve", "--port", str(port))

    assert complaint(ended) == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"
    assert ended.returncode == 1


def test_the_account_is_the_same_after_a_restart(serving: Callable[..., Serving]) -> None:
    first = serving()
    assert first.stop() == 0

    second = serving()

    assert (second.account, second.token) == (first.account, first.token)


def test_the_environment_fixes_the_credentials_and_none_of_them_is_logged(
    serving: Callable[..., Serving],
) -> None:
    fixed = {"TIDINGS_ACCOUNT_SID": "AC" + "5" * 32, "TIDINGS_AUTH_TOKEN": "very0secret"}

    served = serving("--log-level", "debug", "--log-format", "json", env=fixed)
    with served.http() as http:
        assert http.get("/v1/events").status_code == 200

    assert (served.account, served.token) == tuple(fixed.values())
    assert served.stop() == 0
    entries = [json.loads(line) for line in served.logged]
    assert {"at", "level", "logger", "message"} <= entries[0].keys()
    assert not any("very0secret" in line for line in served.logged)


def test_sigterm_waits_for_the_carriers_answer_to_what_is_in_flight(
    serving: Callable[..., Serving], tmp_path: Path
) -> None:
    scenario = tmp_path / "slow.toml"
    scenario.write_text(SLOW)
    served = serving(env={"TIDINGS_CARRIER_0_SCENARIO": str(scenario)})
    form = {"To": "+15551239999", "From": "+15005550006", "Body": "in flight"}
    with served.http() as http:
        message = http.post(f"/2010-04-01/Accounts/{served.account}/Messages.json", data=form).json()["sid"]
        while http.get(f"/v1/messages/{message}").json()["status"] != "sending":
            pass

    assert served.stop(signal.SIGTERM) == 0

    with sqlite3.connect(served.data / "tidings.db") as store:
        (status,) = store.execute("SELECT status FROM messages").fetchone()
    assert status == "sent"


@pytest.mark.parametrize(
    ("text", "complained"),
    [
        ('[server]\nport = "high"\n', "Expected `int`, got `str` - at `$.server.port`"),
        ("[server\n", "line 1"),
        ("[servers]\nport = 1\n", "unknown field `servers`"),
        ('[[carrier]]\nname = "a"\nkind = "simulator"\nscenario = "unheard"\n', "unheard"),
        ('[[carrier]]\nname = "a"\nkind = "smpp"\nhost = "h"\nsystem_id = "s"\nprofile = "p"\n', "profile 'p'"),
        ('[store]\nurl = "oracle://x"\n', "sqlite:///FILE"),
    ],
)
def test_settings_that_are_wrong_are_one_line(text: str, complained: str, tmp_path: Path, inside: Inside) -> None:
    (tmp_path / "tidings.toml").write_text(text)

    ended = inside("serve", "--config", "tidings.toml", "--port", "0")

    assert complained in complaint(ended)
    assert ended.returncode == 1


def test_a_store_of_a_newer_version_is_one_line(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "tidings.db") as store:
        store.execute("PRAGMA user_version = 999")

    ended = inside("serve", "--port", "0", "--data", "data")

    assert "schema 999" in complaint(ended)
    assert ended.returncode == 1


def test_a_missing_settings_file_is_one_line(inside: Inside) -> None:
    ended = inside("serve", "--config", "nowhere.toml")

    assert complaint(ended) == "nowhere.toml: No such file or directory"


@pytest.mark.parametrize("arguments", [["serv"], ["serve", "--prot", "1"], ["send"], ["serve", "--port", "70000"]])
def test_a_wrong_command_line_is_one_line_and_2(arguments: list[str], inside: Inside) -> None:
    ended = inside(*arguments)

    assert "--help)" in complaint(ended)
    assert ended.returncode == 2


def test_help_lists_every_verb_without_loading_the_gateway() -> None:
    program = (
        "import sys; from tidings.cli import VERBS, run; run(['--help']);"
        "sys.exit('tidings.settings' in sys.modules or 'uvicorn' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)

    assert ended.returncode == 0
    for verb in (
        "serve",
        "demo",
        "send",
        "listen",
        "callbacks",
        "explain-signature",
        "smsc",
        "account",
        "explain",
    ):
        assert f"\n  {verb} " in ended.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--port", "0"]])
def test_a_reader_who_goes_away_causes_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "tidings", *arguments],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
    )
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (1, "")


def test_what_is_no_gateway_is_said_to_be_none(start: Callable[..., Running], tidings: Ended) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    credentials = ("--account", "AC" + "1" * 32, "--token", "x")

    ended = tidings("send", "--to", "+15551230200", "--url", f"http://127.0.0.1:{port}", *credentials)

    assert complaint(ended).startswith(f"no gateway answers at http://127.0.0.1:{port}: ")
    assert ended.returncode == 1
