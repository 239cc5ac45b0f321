"""`tidings account callbacks` and `rotate-token --overlap`: what they keep, and what a gateway makes of it."""

import json
import re
import signal
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from twilio.request_validator import RequestValidator

from tests.cli.callee import Callee
from tests.cli.executable import Inside, Running, Serving, complaint

SETTINGS = """
[[account]]
sid = "AC77777777777777777777777777777777"
auth_token = "a token"
"""
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
"""Of 32 octets."""

Result = subprocess.CompletedProcess[str]


def row(ended: Result, name: str) -> str:
    match = re.search(rf"^{name} +(.+)$", ended.stdout, re.MULTILINE)
    assert match, ended
    return match[1]


@pytest.fixture
def callbacks(inside: Inside) -> Callable[..., Result]:
    """Run `tidings account callbacks SID …` for an account in a store of its own."""
    made = inside("account", "create", "--data", "data")
    return lambda *arguments: inside(
        "account", "callbacks", row(made, "account SID"), *arguments, "--data", "data"
    )


Set = Callable[..., Result]


def test_an_account_begins_with_twilios_ways(callbacks: Set) -> None:
    shown = callbacks()

    assert row(shown, "method") == "POST"
    assert row(shown, "format") == "form"
    assert row(shown, "numbered") == "no"
    assert row(shown, "signed with") == "the auth token, SHA-1"
    assert row(shown, "account-wide") == "no URL"


def test_what_is_set_is_kept_and_the_rest_stays(callbacks: Set) -> None:
    callbacks("--format", "json", "--numbered")
    callbacks("--method", "POST")

    shown = callbacks()

    assert (row(shown, "format"), row(shown, "numbered")) == ("json", "yes")
    assert row(callbacks("--method", "GET"), "format") == "parameters in the query"
    assert row(callbacks("--not-numbered"), "numbered") == "no"


def test_the_newest_shared_key_signs_until_it_is_dropped(callbacks: Set) -> None:
    made = [callbacks("--add-shared-key") for _ in range(2)]
    first, second = (row(ended, "new key") for ended in made)

    for ended in made:
        assert re.fullmatch(r"webhooks_sharedkey_[0-9a-f]{32}", row(ended, "new key"))
        assert re.fullmatch(r"[0-9a-f]{64}", row(ended, "its secret"))
    shown = callbacks()
    assert (row(shown, "signed with"), row(shown, "former key")) == (f"shared key {second}, SHA-256", first)
    assert not any(row(ended, "its secret") in shown.stdout for ended in made)
    assert row(callbacks("--drop-shared-key", second), "signed with") == f"shared key {first}, SHA-256"
    assert row(callbacks("--auth-token"), "signed with") == "the auth token, SHA-1"


def test_a_new_url_has_a_secret_and_a_changed_one_keeps_it(callbacks: Set) -> None:
    made = callbacks("--url", "https://us:hush@app.example.com/events")
    moved = callbacks("--url", "https://app.example.com/elsewhere")

    assert SECRET.fullmatch(row(made, "new secret"))
    assert row(made, "account-wide") == "https://***@app.example.com/events"
    assert "whsec_" not in moved.stdout
    assert row(moved, "its secrets") == "one"
    assert row(callbacks("--no-url"), "account-wide") == "no URL"
    assert row(callbacks("--url", "https://h/"), "new secret") != row(made, "new secret")


def test_a_rotated_secret_signs_beside_the_former_one_until_that_is_dropped(callbacks: Set) -> None:
    first = row(callbacks("--url", "https://app.example.com/"), "new secret")

    rotated = callbacks("--rotate-secret")

    assert SECRET.fullmatch(row(rotated, "new secret"))
    assert row(rotated, "new secret") != first
    assert row(rotated, "its secrets") == "two, and both sign"
    assert row(callbacks("--rotate-secret"), "its secrets") == "two, and both sign"
    assert row(callbacks("--drop-secret"), "its secrets") == "one"


@pytest.mark.parametrize(
    ("arguments", "complained", "status"),
    [
        (["--url", "ftp://h/"], "URL scheme is ftp: only http and https are called", 1),
        (["--url", "https://under_score/"], "URL host under_score has an underscore", 1),
        (["--rotate-secret"], "there is no account-wide URL whose secret could be rotated", 1),
        (["--drop-secret"], "there is no former secret to drop", 1),
        (["--drop-shared-key", "another"], "the account has no shared key another", 1),
        (["--url", "https://h/", "--no-url"], "--url and --no-url contradict each other", 2),
        (["--add-shared-key", "--auth-token"], "--add-shared-key and --auth-token contradict each other", 2),
        (["--rotate-secret", "--drop-secret"], "--rotate-secret and --drop-secret contradict each other", 2),
        (["--method", "PUT"], "'PUT' is not one of 'POST', 'GET'", 2),
    ],
)
def test_what_cannot_be_set_is_one_line(
    arguments: list[str], complained: str, status: int, callbacks: Set
) -> None:
    ended = callbacks(*arguments)

    assert complained in complaint(ended)
    assert ended.returncode == status


@pytest.mark.parametrize("verb", [["callbacks", "--numbered"], ["rotate-token"]])
def test_an_account_of_the_settings_file_is_changed_there(verb: list[str], inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "tidings.toml").write_text(SETTINGS)

    ended = inside("account", verb[0], "AC" + "7" * 32, *verb[1:], "--config", "tidings.toml")

    assert complaint(ended).startswith(f"AC{'7' * 32} is set in tidings.toml: change ")


# --- with a gateway that runs on the store
class Owner(NamedTuple):
    """An account that a running gateway has not seen yet, with a sender of its own."""

    sid: str
    token: str
    sender: str
    data: tuple[str, str]


@pytest.fixture
def owner(gateway: Serving, inside: Inside) -> Owner:
    sender, data = f"+1555777{next(SENDERS)}", ("--data", str(gateway.data))
    made = inside("account", "create", "--number", sender, *data)
    return Owner(row(made, "account SID"), row(made, "auth token"), sender, data)


SENDERS = count(1000)


def _send(served: Serving, sid: str, token: str, sender: str, url: str | None = None) -> None:
    form = {"From": sender, "To": "+15551230202", "Body": "Hello"} | ({"StatusCallback": url} if url else {})
    path = f"{served.url}/2010-04-01/Accounts/{sid}/Messages.json"
    assert httpx.post(path, auth=(sid, token), data=form).status_code == 201


def test_during_the_overlap_both_tokens_are_good_and_afterwards_one(
    owner: Owner, gateway: Serving, inside: Inside
) -> None:
    path = f"{gateway.url}/v1/callbacks"

    rotated = inside("account", "rotate-token", owner.sid, "--overlap", "24", *owner.data)
    new = row(rotated, "auth token")

    assert [httpx.get(path, auth=(owner.sid, token)).status_code for token in (new, owner.token)] == [200, 200]
    assert re.search(r"^the old one +stays good until \d{4}-\d\d-\d\dT\S+Z$", rotated.stdout, re.MULTILINE)
    cut = row(inside("account", "rotate-token", owner.sid, *owner.data), "auth token")
    while httpx.get(path, auth=(owner.sid, new)).status_code == 200:
        pass
    assert [httpx.get(path, auth=(owner.sid, token)).status_code for token in (cut, owner.token)] == [200, 401]


def test_an_application_that_has_the_old_token_is_asked_again_with_it(
    owner: Owner, gateway: Serving, inside: Inside
) -> None:
    application = Callee(403)
    new = row(inside("account", "rotate-token", owner.sid, "--overlap", "1", *owner.data), "auth token")

    _send(gateway, owner.sid, new, owner.sender, application.host)
    first, second = application.called(), application.called()

    params = dict(httpx.QueryParams(first.body.decode()))
    assert [came.headers["x-twilio-signature"] for came in (first, second)] == [
        RequestValidator(token).compute_signature(application.host, params) for token in (new, owner.token)
    ]
    application.close()


@pytest.mark.parametrize(
    "ways",
    [["--method", "GET"], ["--format", "json"], ["--add-shared-key"], ["--format", "json", "--add-shared-key"]],
    ids=" ".join,
)
def test_every_way_an_account_can_be_set_to_is_verified_by_listen(
    ways: list[str], owner: Owner, gateway: Serving, start: Callable[..., Running], inside: Inside
) -> None:
    made = inside("account", "callbacks", owner.sid, "--numbered", *ways, *owner.data)
    shared = "--add-shared-key" in ways
    key = (
        ("--shared-key", f"{row(made, 'new key')}:{row(made, 'its secret')}")
        if shared
        else ("--token", owner.token)
    )
    listening = start("listen", "--port", "0", *key, "--data", "elsewhere")
    url = listening.line(r"Listening on (http://\S+), checking signatures")[1]

    _send(gateway, owner.sid, owner.token, owner.sender, f"{url}/status?x=1")

    listening.line(r"sent +SM\w+  to \+15551230202  event 3  of \d{4}-\d\d-\d\dT\S+Z  signature verified$")
    assert listening.stop(signal.SIGINT) == 0


def test_account_wide_callbacks_are_verified_by_listen_and_explained(
    serving: Callable[..., Serving], start: Callable[..., Running], inside: Inside
) -> None:
    served = serving()
    data = ("--data", str(served.data))
    old = row(inside("account", "callbacks", served.account, "--url", "http://127.0.0.1:1/", *data), "new secret")
    listening = start("listen", "--port", "0", "--secret", old, "--data", "elsewhere")
    url = listening.line(r"Listening on (http://\S+), checking signatures")[1]
    inside("account", "callbacks", served.account, "--url", url, "--rotate-secret", *data)
    assert served.stop() == 0
    served = serving()

    _send(served, served.account, served.token, "+15005550006")

    at = r"of \d{4}-\d\d-\d\dT\S+Z"
    for number, kind in ((1, "created"), (2, "intent"), (3, "accepted")):
        listening.line(rf"message.{kind} +SM\w+  to \+15551230202  event {number}  {at}  signature verified$")
    listed = inside("callbacks", "list", "--target", "account", *data)
    callback = listed.stdout.splitlines()[-1].split()[0]
    said = inside("explain-signature", callback, "--seen-url", "https://proxy/", *data).stdout
    assert "secrets of the account-wide callbacks: a secret kept here makes this signature" in said
    assert "The URL is no part of this signature" in said
    signed = said.split("signed, as one string\n")[1].splitlines()[0]
    assert json.loads(signed.split(".", 2)[2])["type"] == "message.created"
    assert listening.stop(signal.SIGINT) == 0
