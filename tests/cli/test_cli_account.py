"""`tidings account`: changes to a store, whether or not a gateway runs on it."""

import re
import time
from collections.abc import Callable

import httpx

from tests.cli.executable import Ended, Inside, Serving, complaint

NOTICED_WITHIN = 2.0
"""Seconds, as docs/configuration.md says."""


def _printed(ended: object, name: str) -> str:
    match = re.search(rf"^{name} +(\S+)$", getattr(ended, "stdout", ""), re.MULTILINE)
    assert match, ended
    return match[1]


def _status(served: Serving, account: str, token: str, user: str = "") -> int:
    path = f"{served.url}/2010-04-01/Accounts/{account}/Messages.json"
    return httpx.get(path, auth=(user or account, token)).status_code


def test_an_account_made_while_the_gateway_runs_can_send_at_once(gateway: Serving, tidings: Ended) -> None:
    made = tidings(
        "account", "create", "--name", "shop", "--number", "+1 555 777 0001", "--data", str(gateway.data)
    )
    account, token = _printed(made, "account SID"), _printed(made, "auth token")

    answer = httpx.post(
        f"{gateway.url}/2010-04-01/Accounts/{account}/Messages.json",
        auth=(account, token),
        data={"To": "+15551230200", "From": "+15557770001", "Body": "Hello"},
    )

    assert answer.status_code == 201
    listed = tidings("account", "list", "--data", str(gateway.data)).stdout
    assert re.search(rf"^{account}  .*shop  \+15557770001$", listed, re.MULTILINE)
    assert gateway.account in listed
    assert token not in listed


def test_a_rotated_token_is_noticed_within_two_seconds(serving: Callable[..., Serving], tidings: Ended) -> None:
    served = serving()
    assert _status(served, served.account, served.token) == 200

    rotated = tidings("account", "rotate-token", served.account, "--data", str(served.data))
    since, token = time.monotonic(), _printed(rotated, "auth token")
    while _status(served, served.account, served.token) == 200:
        assert time.monotonic() - since < NOTICED_WITHIN

    assert _status(served, served.account, token) == 200


def test_an_account_has_a_signing_key_that_can_be_replaced(gateway: Serving, tidings: Ended) -> None:
    made = tidings("account", "create", "--data", str(gateway.data))
    assert _printed(made, "project ID").replace("-", "") == _printed(made, "account SID")[2:]
    key = _printed(made, "signing key")
    assert re.fullmatch("PSK_[0-9a-f]{24}", key)

    rotated = tidings("account", "rotate-signing-key", _printed(made, "account SID"), "--data", str(gateway.data))

    assert re.fullmatch("PSK_[0-9a-f]{24}", _printed(rotated, "signing key"))
    assert _printed(rotated, "signing key") != key
    assert _printed(rotated, "auth token") == _printed(made, "auth token")


def test_an_api_key_asks_for_its_account(gateway: Serving, tidings: Ended) -> None:
    made = tidings("account", "key", "create", gateway.account, "--data", str(gateway.data))

    assert _status(gateway, gateway.account, _printed(made, "secret"), user=_printed(made, "key SID")) == 200


def test_a_number_that_another_account_has_is_refused(gateway: Serving, inside: Inside) -> None:
    ended = inside("account", "create", "--number", "+15005550006", "--data", str(gateway.data))

    assert complaint(ended) == f"+15005550006 is a sender of account {gateway.account} already"
    assert ended.returncode == 1


def test_what_is_no_sender_is_refused(inside: Inside) -> None:
    ended = inside("account", "create", "--number", "a name that is too long")

    assert "is no sender" in complaint(ended)
    assert ended.returncode == 2


def test_an_account_that_is_not_there_is_one_line(gateway: Serving, inside: Inside) -> None:
    ended = inside("account", "rotate-token", "AC" + "9" * 32, "--data", str(gateway.data))

    assert "there is no account AC999" in complaint(ended)


def test_no_store_is_made_by_looking_for_one(inside: Inside) -> None:
    ended = inside("account", "list", "--data", "nowhere")

    assert complaint(ended).startswith("there is no store at nowhere/tidings.db")
    assert ended.returncode == 1
