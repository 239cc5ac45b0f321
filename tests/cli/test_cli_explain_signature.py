"""`tidings explain-signature`: what is said of real attempts; the official validator says the same."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from tests.cli.callee import Called, Callee
from tests.cli.executable import Ended, Inside, Serving, complaint


@pytest.fixture
def callee() -> Iterator[Callee]:
    application = Callee(204)
    yield application
    application.close()


@pytest.fixture
def told(gateway: Serving, callee: Callee) -> Callable[[str], tuple[str, Called]]:
    """Have a callback told to a URL: its id, and what came."""

    def tell(url: str) -> tuple[str, Called]:
        form = {"From": "+15005550006", "To": "+15551230202", "Body": "Hello", "StatusCallback": url}
        with gateway.http() as http:
            message = http.post(f"/2010-04-01/Accounts/{gateway.account}/Messages.json", data=form).json()["sid"]
            came = callee.called()
            while not (found := http.get(f"/v1/callbacks?message={message}&state=done").json()["callbacks"]):
                pass
        return found[0]["id"], came

    return tell


Told = Callable[[str], tuple[str, Called]]


def _needed(gateway: Serving, url: str, came: Called) -> str:
    signature: str = RequestValidator(gateway.token).compute_signature(url, dict(parse_qsl(came.body.decode())))
    return signature


def test_header_algorithm_key_parts_and_string_are_printed(
    told: Told, callee: Callee, gateway: Serving, inside: Inside
) -> None:
    url = f"{callee.host}/status?order=a%2Fb"
    callback, came = told(url + "#rc=2")

    said = inside("explain-signature", callback, "--data", str(gateway.data)).stdout.splitlines()

    params = sorted(parse_qsl(came.body.decode()))
    assert re.fullmatch(rf"callback {callback}, attempt 1 of 1, \S+Z", said[0])
    assert [line.split(maxsplit=1) for line in said[1:5]] == [
        ["header", "X-Twilio-Signature"],
        ["signature", came.headers["x-twilio-signature"]],
        ["algorithm", "HMAC-SHA1, base64"],
        ["key", "auth token: the current auth token makes this signature"],
    ]
    assert [tuple(line.split(maxsplit=1)) for line in said[6:-2]] == [("URL", url), *params]
    assert said[-1] == "  " + url + "".join(map("".join, params))


def test_what_another_url_would_have_needed_is_what_the_validator_computes(
    told: Told, callee: Callee, gateway: Serving, inside: Inside
) -> None:
    callback, came = told(f"{callee.host}/status")
    seen = "https://10.0.0.7/status/?x=1"

    said = inside("explain-signature", callback, "--seen-url", seen, "--data", str(gateway.data)).stdout

    assert re.search("^  scheme +signed http, seen https$", said, re.MULTILINE)
    assert re.search("^  path +signed /status, seen /status/: only a trailing slash$", said, re.MULTILINE)
    assert said.endswith(f"would need\n  X-Twilio-Signature: {_needed(gateway, seen, came)}\n")


def test_the_url_that_was_signed_is_told_to_be_right(
    told: Told, callee: Callee, gateway: Serving, inside: Inside
) -> None:
    url = f"{callee.host}/status"
    callback, _ = told(url)

    said = inside("explain-signature", callback, "--seen-url", url, "--data", str(gateway.data)).stdout

    assert "saw the URL that was signed: look at its key" in said


def test_a_password_in_the_url_is_not_shown_and_can_be_given(
    told: Told, callee: Callee, gateway: Serving, inside: Inside
) -> None:
    url = callee.host.replace("://", "://us:hush@")
    callback, _ = told(url)
    data = ("--data", str(gateway.data))

    without = inside("explain-signature", callback, "--seen-url", callee.host, *data).stdout
    with_it = inside("explain-signature", callback, "--seen-url", url, *data).stdout

    assert "hush" not in without + with_it
    assert "user and password: they are not shown here, and were signed" in without
    assert "they have to be put back in front of the host" in without
    assert "the URL it saw makes the signature that was sent" in with_it


def test_another_token_is_told_not_to_have_signed(
    told: Told, callee: Callee, gateway: Serving, tidings: Ended
) -> None:
    callback, _ = told(callee.host)

    said = tidings("explain-signature", callback, "--secret", "another", "--data", str(gateway.data)).stdout

    assert "auth token: what is at hand does not make this signature" in said


def test_without_the_data_directory_the_token_given_is_the_key(
    told: Told, callee: Callee, gateway: Serving, tidings: Ended
) -> None:
    callback, _ = told(callee.host)
    environment = {
        "TIDINGS_URL": gateway.url,
        "TIDINGS_ACCOUNT_SID": gateway.account,
        "TIDINGS_AUTH_TOKEN": gateway.token,
    }

    said = tidings("explain-signature", callback, env=environment).stdout

    assert "auth token: the auth token given makes this signature" in said
    assert gateway.token not in said


def test_a_shared_key_is_named_and_used_and_not_shown(gateway: Serving, callee: Callee, inside: Inside) -> None:
    data = ("--data", str(gateway.data))
    made = inside("account", "create", "--number", "+15557770099", *data).stdout
    account, token = re.findall(r"^a.* (\w+)$", made, re.MULTILINE)
    printed = inside("account", "callbacks", account, "--add-shared-key", *data).stdout
    key, secret = re.findall(r"^(?:new key|its secret) +(\w+)$", printed, re.MULTILINE)
    sending = ("--from", "+15557770099", "--to", "+15551230202", "--callback", callee.host)
    inside("send", *sending, "--account", account, *data)
    while not (done := inside("callbacks", "list", "--state", "done", "--account", account, *data).stdout):
        pass
    callback = done.split()[0]
    inside("account", "callbacks", account, "--add-shared-key", *data)

    kept = inside("explain-signature", callback, "--account", account, *data).stdout
    given = inside("explain-signature", callback, "--account", account, "--secret", secret, *data).stdout

    assert f"shared key {key}: the secret kept here makes this signature" in kept
    assert f"shared key {key}: the secret given makes this signature" in given
    assert "HMAC-SHA256, base64" in kept
    assert secret not in kept + given
    assert token not in kept + given


@pytest.mark.parametrize(
    ("arguments", "complained"),
    [
        (["--attempt", "7"], "attempt 7 at {} is not kept; these are: 1"),
        (["--seen-url", "/status"], "/status is no whole URL: https://host/path?query, as the application saw it"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    arguments: list[str], complained: str, told: Told, callee: Callee, gateway: Serving, inside: Inside
) -> None:
    callback, _ = told(callee.host)

    ended = inside("explain-signature", callback, *arguments, "--data", str(gateway.data))

    assert complaint(ended) == complained.format(callback)
    assert (ended.stdout, ended.returncode) == ("", 1)
