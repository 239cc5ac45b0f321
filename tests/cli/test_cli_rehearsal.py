"""Test accounts: made, listed, served beside the development account, and never taken for it."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.cli.executable import Inside, Running, Serving, complaint

FORM = {"To": "+15551230200", "From": "+15005550006", "Body": "hello"}


def printed(text: str, name: str) -> str:
    found = re.search(rf"{name} +(\w+)", text)
    assert found, text
    return found[1]


def rehearsed(url: str, sid: str, token: str) -> httpx.Response:
    return httpx.post(f"{url}/2010-04-01/Accounts/{sid}/Messages.json", data=FORM, auth=(sid, token))


def test_a_test_account_that_was_made_rehearses(gateway: Serving, inside: Inside) -> None:
    data = ("--data", str(gateway.data))
    made = inside("account", "create", "--test", "--name", "CI", *data).stdout
    sid = printed(made, "account SID")
    assert "signing key" not in made
    answer = rehearsed(gateway.url, sid, printed(made, "auth token"))
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    assert re.search(rf"{sid}  .*  CI  no senders  for tests$", inside("account", "list", *data).stdout, re.M)


def test_a_test_account_has_no_senders(inside: Inside) -> None:
    refused = inside("account", "create", "--test", "--number", "+15551110000")
    assert refused.returncode == 2
    assert "a test account has no senders" in complaint(refused)


def test_serve_prints_a_test_account_that_is_the_same_at_every_start(serving: Callable[..., Serving]) -> None:
    accounts = []
    for _ in range(2):
        gateway = serving()
        sid, token = (printed("\n".join(gateway.printed), name) for name in ("test SID", "test token"))
        assert rehearsed(gateway.url, sid, token).status_code == 201
        assert sid != gateway.account
        assert gateway.stop() == 0
        accounts.append((gateway.account, sid, token))
    assert accounts[0] == accounts[1]


def test_no_test_account_is_taken_for_the_one_that_serves(
    inside: Inside, start: Callable[..., Running], tmp_path: Path
) -> None:
    data = ("--data", str(tmp_path / "data"))
    test = printed(inside("account", "create", "--test", *data).stdout, "account SID")
    running = start("serve", "--port", "0", *data)
    assert running.line(r"account SID +(\w+)")[1] != test
    assert running.line(r"test SID +(\w+)")[1] == test
    running.line("curl")
    assert inside("send", "--to", FORM["To"], *data).returncode == 0


def test_a_configured_test_account_rehearses_and_can_have_no_numbers(
    inside: Inside, start: Callable[..., Running], tmp_path: Path
) -> None:
    sid = "AC" + "0e" * 16
    settings = tmp_path / "tidings.toml"
    settings.write_text(f'[[account]]\nsid = "{sid}"\nauth_token = "t"\ntest = true\nnumbers = ["+15551110000"]\n')
    assert "a test account has no numbers" in complaint(inside("serve", "--config", str(settings)))
    settings.write_text(f'[[account]]\nsid = "{sid}"\nauth_token = "t"\ntest = true\n')
    running = start("serve", "--port", "0", "--config", str(settings))
    url = running.line(r"listens on (http://\S+)")[1]
    assert rehearsed(url, sid, "t").status_code == 201
    clock = httpx.post(f"{url}/v1/clock", json={"advance": "1h"}, auth=(sid, "t"))
    assert (clock.status_code, clock.json()["code"]) == (403, 20008)


def test_a_gateway_with_settings_of_its_own_cannot_be_wound_unless_they_say_so(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    sid = "AC" + "0e" * 16
    settings = tmp_path / "tidings.toml"
    account = f'[[account]]\nsid = "{sid}"\nauth_token = "t"\n'
    for server, status in (("", 403), ("[server]\nwindable = true\n", 200)):
        settings.write_text(server + account)
        running = start("serve", "--port", "0", "--config", str(settings))
        url = running.line(r"listens on (http://\S+)")[1]
        wound = httpx.post(f"{url}/v1/clock", json={"advance": "1h"}, auth=(sid, "t"))
        assert wound.status_code == status
        assert running.stop() == 0
